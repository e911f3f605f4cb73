"""The shop as a shopper's client sees it: every request measured, classed, made a word."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import gevent
import msgspec
from locust.contrib.fasthttp import FastHttpSession

from loadtests.generator.recorder import Recorder
from loadtests.intent import Intent, LoggedReply, logged_reply
from loadtests.outcomes import CANCEL, FOLLOW, PLACE, REFUND, outcome_of
from loadtests.plan import LoadPlan
from services.order.contract import OrderView, PlaceOrder

_ORDER = msgspec.json.Decoder(OrderView)
_JSON = {"Content-Type": "application/json"}


class ShopClient:
    """The endpoints a shopper uses, on one connection pool."""

    def __init__(self, http: FastHttpSession, plan: LoadPlan, recorder: Recorder) -> None:
        self._http, self._plan, self._recorder = http, plan, recorder

    def look_around(self) -> None:
        """GET /inventory: what is on the shelves."""
        self._ask("GET", self._plan.inventory_url, "/inventory", "GET /inventory")

    def look_at(self, product_id: str) -> None:
        """GET /inventory/{product_id}."""
        self._ask(
            "GET", self._plan.inventory_url, f"/inventory/{product_id}",
            "GET /inventory/{product_id}",
        )  # fmt: skip

    def read_prices(self) -> None:
        """GET /products: what it costs."""
        self._ask("GET", self._plan.order_url, "/products", "GET /products")

    def list_orders(self) -> None:
        """GET /orders: the newest."""
        self._ask("GET", self._plan.order_url, "/orders?limit=20", "GET /orders")

    def place(self, wish: Intent, due: float | None = None) -> LoggedReply:
        """POST /orders under the wish's key; timed from `due` where it should have begun then."""
        body = msgspec.json.encode(PlaceOrder(wish.product_id, wish.quantity))
        headers = {**_JSON, "Idempotency-Key": wish.key}
        return self._say(wish, wish.words, "/orders", PLACE, body, headers, due)

    def cancel(self, wish: Intent) -> LoggedReply:
        """POST /orders/{order_id}/cancel."""
        path = f"/orders/{wish.order_id}/cancel"
        return self._say(wish, wish.cancel_words, path, CANCEL)

    def refund(self, wish: Intent) -> LoggedReply:
        """POST /payments/{order_id}/cancel: who cancels by hand wants the money back."""
        path = f"/payments/{wish.order_id}/cancel"
        url = self._plan.payment_url
        return self._say(wish, wish.refund_words, path, REFUND, url=url)

    def show(self, order_id: UUID) -> OrderView | None:
        """GET /orders/{order_id}; None where there was no answer to read."""
        _, raw = self._ask("GET", self._plan.order_url, f"/orders/{order_id}", FOLLOW)
        try:
            return _ORDER.decode(raw)
        except msgspec.MsgspecError:
            return None

    def _say(
        self,
        wish: Intent,
        words: list[LoggedReply],
        path: str,
        name: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        due: float | None = None,
        url: str = "",
    ) -> LoggedReply:
        # It stays if we are cut off before an answer: the order may have been placed.
        words.append(LoggedReply(0, "cut-off"))
        word, _ = self._ask(
            "POST", url or self._plan.order_url, path, name,
            body=body, headers=headers, due=due, key=wish.key,
        )  # fmt: skip
        words[-1] = word
        return word

    def _ask(
        self,
        method: str,
        url: str,
        path: str,
        name: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        due: float | None = None,
        key: str = "",
    ) -> tuple[LoggedReply, bytes]:
        begun = time.perf_counter() if due is None else due
        with (
            # The client's own limits are per operation; this one is a person's patience.
            gevent.Timeout(self._plan.patience_s),
            self._http.request(
                method, url + path, name=name, data=body, headers=dict(headers or {}),
                catch_response=True, allow_redirects=False,
            ) as response,
        ):  # fmt: skip
            raw = response.content or b""
            word = _word(response, raw)
            ms = (time.perf_counter() - begun) * 1000
            outcome = outcome_of(name, word)
            said = f"{word.status or 'none'} {word.code}".strip()
            if outcome == "failed":
                response.failure(said)
            else:
                response.success()
            trace_id = (response.headers or {}).get("X-Trace-Id", "")
            self._recorder.measures.asked(name, outcome, ms, said, trace_id=trace_id, key=key)
        return word, raw


def _word(response: Any, raw: bytes) -> LoggedReply:
    if response.status_code:
        return logged_reply(response.status_code, response.headers, raw, brief=True)
    error = getattr(response, "error", None)
    error = getattr(error, "original", None) or error
    if isinstance(error, ConnectionRefusedError):
        # Said by the kernel before anything was sent: no effect is possible.
        return LoggedReply(0, "refused", executed=False)
    if isinstance(error, TimeoutError | gevent.Timeout):
        return LoggedReply(0, "timeout")
    return LoggedReply(0, "dropped")
