"""Asks a running provider what a pact says, by way of a hop.

The hop makes the states that a need is about, calls over gRPC what is a message in the pact, and
hands everything else on as the consumer would: named as a process of the shop, or signed as an
account. It can also change responses on their way, as if the provider spelled something in another
way."""

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from providers.acquirer.webhooks import signature
from tests.contracts import over_grpc
from tests.contracts.expects import Edge, path_of
from tests.contracts.states import States
from tests.harness.serving import ask
from topology import GRPC_ABOVE, find

from pact import Verifier  # isort: skip - after `expects`, which tells it to report to nobody

_STATE, _MESSAGE = "/_pact/state", "/_pact/message"
_NOT_HANDED_ON = frozenset({"host", "content-length", "accept-encoding", "connection"})
_TIMEOUT_S = 30.0


class Change(NamedTuple):
    """What is spelled in another way, in the bytes of responses."""

    before: bytes
    after: bytes

    def __call__(self, content: bytes) -> bytes:
        return content.replace(self.before, self.after)


AS_IT_IS = Change(b"\0nothing\0", b"")


class Hop:
    """Between pact's verifier and one provider, asked by one consumer."""

    def __init__(self, edge: Edge, states: States, change: Change) -> None:
        self._consumer, self._provider = map(find, edge)
        self._states, self._change = states, change
        self._url = states.fleet.url(self._provider.key)
        self.trouble: list[str] = []

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> httpx.Response:
        """To the verifier."""
        try:
            if path == _STATE:
                return httpx.Response(200, json=self._states.make(**json.loads(body)))
            if path == _MESSAGE:
                return self._call(json.loads(body)["request"])
            return self._handed_on(method, path, headers, body)
        except Exception as error:  # noqa: BLE001 - or nobody would see it
            self.trouble.append(f"{path}: {body!r}: {error!r}")
            return httpx.Response(500)

    def _call(self, request: Any) -> httpx.Response:
        url = f"127.0.0.1:{(urlsplit(self._url).port or 0) + GRPC_ABOVE}"
        found = over_grpc.ask(url, self._provider.key, request, self._change)
        metadata = base64.b64encode(json.dumps(found.metadata).encode()).decode()
        return httpx.Response(200, json=found.body, headers={"Pact-Message-Metadata": metadata})

    def _handed_on(self, method: str, path: str, headers: Any, body: bytes) -> httpx.Response:
        sent = httpx.Headers(
            [each for each in headers.items() if each[0].lower() not in _NOT_HANDED_ON]
        )
        if self._consumer.is_outside:
            at_s, secret = int(time.time()), self._states.webhook_secret()
            sent["Stripe-Signature"] = signature(body, secret, at_s)
        elif not self._provider.is_outside:
            sent.update(self._states.shop_header)
        found = ask(method, self._url + path, content=body, headers=sent, timeout=_TIMEOUT_S)
        kind = {"Content-Type": found.headers.get("Content-Type", "")} if found.content else {}
        return httpx.Response(found.status_code, content=self._change(found.content), headers=kind)


@contextmanager
def _served(hop: Hop) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = hop.answer(self.command, self.path, self.headers, body)
            self.send_response(found.status_code)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.content)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - its names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def broken(edge: Edge, states: States, *, change: Change = AS_IT_IS, only: str = "") -> list[str]:
    """Which of the consumer's needs, or of those called `only`, the provider does not meet."""
    consumer, provider = map(find, edge)
    hop = Hop(edge, states, change)
    with _served(hop) as url:
        verifier = Verifier(provider.name, host="127.0.0.1")
        verifier.add_transport(url=url)
        port = urlsplit(url).port
        verifier.add_transport(protocol="message", port=port, path=_MESSAGE, scheme="http")
        verifier.state_handler(url + _STATE, teardown=True, body=True)
        verifier.set_request_timeout(int(_TIMEOUT_S * 1000))
        verifier.add_source(path_of(edge)).filter(f"^{re.escape(only)}$" if only else ".")
        with suppress(RuntimeError):
            verifier.verify()
    assert not hop.trouble, hop.trouble
    results: Any = verifier.results
    assert results["interactionResults"], "there is no such need"
    return [
        f"{consumer.name} breaks: {provider.name}: {each['description']}: {_why(each)}"
        for each in results["interactionResults"]
        if each["result"] != "OK"
    ]


def _why(result: Any) -> str:
    found = result.get("mismatch", {})
    each = found.get("mismatches", [found])
    return "; ".join(f"{one.get('path', '')} {one.get('mismatch', one)}".strip() for one in each)
