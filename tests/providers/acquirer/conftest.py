"""The acquirer as a real process, and the official client of the API that it speaks."""

import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import asyncpg
import httpx
import pytest
import stripe

from tests.harness.running import RunningFleet

TOKEN = "the-token-of-the-shops-operator"
Client = Callable[..., stripe.StripeClient]


@pytest.fixture(scope="module")
def url(fleet: RunningFleet) -> str:
    return fleet.url("acquirer")


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    """`client("bravo", max_network_retries=2)`: the client of an account, as its makers ship it."""

    def build(account: str = "alfa", **options: object) -> stripe.StripeClient:
        options = {"base_addresses": {"api": url}, "max_network_retries": 0, **options}
        return stripe.StripeClient(f"sk_test_{account}", **options)

    return build


@pytest.fixture(scope="module")
def api(client: Client):
    """What the account alfa, which declines nothing by itself, may ask."""
    return client().v1


@pytest.fixture
async def tables(fleet: RunningFleet) -> AsyncIterator[asyncpg.Connection]:
    """The acquirer's database, to arrange and to look."""
    connection = await asyncpg.connect(fleet.database_url)
    yield connection
    await connection.close()


@pytest.fixture
def operator(url: str) -> Iterator[Callable[..., httpx.Response]]:
    """`operator("PUT", "/accounts/alfa/mode", {"mode": "500"})`; afterwards all behaves again."""
    with httpx.Client(
        base_url=url, timeout=10, headers={"Authorization": f"Bearer {TOKEN}"}
    ) as http:
        undo: dict[str, tuple[str, object]] = {}

        def ask(method: str, path: str, body: object = None) -> httpx.Response:
            if path.startswith("/gremlins"):
                undo[path] = ("DELETE", None)
            elif method == "PUT":
                undo[path] = ("PUT", {"mode": "happy"} if path.endswith("/mode") else {})
            return http.request(method, path, json=body)

        yield ask
        # Gremlins first: they would bite the others.
        for path in sorted(undo, key=lambda path: undo[path][0]):
            http.request(undo[path][0], path, json=undo[path][1])


class Receiver:
    """A merchant's own server: what came in, and the statuses it answers next (then 200)."""

    def __init__(self) -> None:
        self.came: queue.Queue[tuple[bytes, str]] = queue.Queue()
        self.answers: queue.Queue[int] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # Before the answer, upon which the next may be sent.
                receiver.came.put((body, self.headers["Stripe-Signature"]))
                status = 200 if receiver.answers.empty() else receiver.answers.get()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def next(self) -> tuple[bytes, str]:
        """Body and signature of what comes next."""
        return self.came.get(timeout=20)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()
