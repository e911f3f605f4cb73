"""One request to one address: by no proxy, after no redirect, and encrypted where it says so."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis.http.ask import ask
from tests.harness import wire

# For the name localhost and for 127.0.0.1.
CERTIFICATE = Path(__file__).parent / "telemetry" / "localhost.pem"
TOKEN = {"Authorization": "Bearer not for everybody"}


@asynccontextmanager
async def encrypted(answer: bytes) -> AsyncIterator[str]:
    """A server behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.read_request(reader)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def keep(into: list[bytes], answer: bytes = b"") -> wire.Handler:
    """A server that keeps all it hears."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        into.append(await reader.read(65_536))
        writer.write(answer)

    return handle


def asking(url: str) -> Callable[[], tuple[int, bytes]]:
    """With a token, as `valerix calm` does."""
    return lambda: ask("DELETE", url, TOKEN, timeout_s=5)


async def test_an_https_address_is_asked_over_tls(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with encrypted(wire.http(200, b"{}")) as url:
        assert await asyncio.to_thread(asking(f"{url}/gremlins")) == (200, b"{}")


async def test_a_certificate_that_nobody_vouches_for_is_refused():
    async with encrypted(wire.http(200, b"{}")) as url:
        with pytest.raises(OSError, match="certificate"):
            await asyncio.to_thread(asking(url))


async def test_a_token_for_an_https_address_never_leaves_in_plain_text():
    heard: list[bytes] = []
    async with wire.listen(keep(heard)) as plain:
        with pytest.raises(OSError):  # noqa: PT011 - what TLS calls it differs
            await asyncio.to_thread(asking(plain.replace("http:", "https:")))
    assert heard
    assert b"Bearer" not in b"".join(heard)


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with wire.listen(wire.responds(wire.http(200, b"here"))) as url:
        assert await asyncio.to_thread(asking(url)) == (200, b"here")


async def test_a_redirect_is_an_answer_and_not_followed():
    heard: list[bytes] = []
    async with wire.listen(keep(heard)) as elsewhere:
        moved = wire.http(307, b"", f"Location: {elsewhere}")
        async with wire.listen(wire.responds(moved)) as url:
            assert await asyncio.to_thread(asking(url)) == (307, b"")
    assert heard == []
