"""The shop as a shopper's client sees it: every request measured, classed and logged."""

import os
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import gevent
import msgspec
from locust.contrib.fasthttp import FastHttpSession

from chassis.http.operator_auth import OPERATOR_VARIABLE, bearer
from loadtests.generator.recorder import Recorder
from loadtests.outcomes import CANCEL, FOLLOW, PLACE, REFUND, outcome_of
from loadtests.plan import LoadPlan
from proof.clients.intent import Intent, LoggedReply, logged_reply
from services.order.contract import OrderView, PlaceOrder

_ORDER = msgspec.json.Decoder(OrderView)
_JSON = {"Content-Type": "application/json"}
# Where the shop has an operator token every shopper shows it: a published one lets nobody else in,
# and money back is the operator's anywhere.
_OPERATOR = bearer(os.environ.get(OPERATOR_VARIABLE, ""))


class ShopClient:
    """The endpoints a shopper uses, on one connection pool."""

    def __init__(self, http: FastHttpSession, plan: LoadPlan, recorder: Recorder) -> None:
        self._http, self._plan, self._recorder = http, plan, recorder

    def look_around(self) -> None:
        """GET /inventory: what is on the shelves."""
        self._request("GET", self._plan.urls["inventory"], "/inventory", "GET /inventory")

    def look_at(self, product_id: str) -> None:
        """GET /inventory/{product_id}."""
        self._request(
            "GET", self._plan.urls["inventory"], f"/inventory/{product_id}",
            "GET /inventory/{product_id}",
        )  # fmt: skip

    def read_prices(self) -> None:
        """GET /products: what it costs."""
        self._request("GET", self._plan.urls["order"], "/products", "GET /products")

    def list_orders(self) -> None:
        """GET /orders: the newest."""
        self._request("GET", self._plan.urls["order"], "/orders?limit=20", "GET /orders")

    def place(self, intent: Intent, due: float | None = None) -> LoggedReply:
        """POST /orders under the intent's key; timed from `due` where it should have begun then."""
        body = msgspec.json.encode(PlaceOrder(intent.product_id, intent.quantity))
        headers = {**_JSON, "Idempotency-Key": intent.key}
        return self._post(intent, intent.replies, "/orders", PLACE, body, headers, due)

    def cancel(self, intent: Intent) -> LoggedReply:
        """POST /orders/{order_id}/cancel."""
        path = f"/orders/{intent.order_id}/cancel"
        return self._post(intent, intent.cancel_replies, path, CANCEL)

    def refund(self, intent: Intent) -> LoggedReply:
        """POST /payments/{payment_id}/cancel: who cancels by hand wants the money back."""
        path = f"/payments/{intent.payment_id}/cancel"
        url = self._plan.urls["payment"]
        return self._post(intent, intent.refund_replies, path, REFUND, url=url)

    def show(self, order_id: UUID) -> OrderView | None:
        """GET /orders/{order_id}; None where there was no answer to read."""
        _, raw = self._request("GET", self._plan.urls["order"], f"/orders/{order_id}", FOLLOW)
        try:
            return _ORDER.decode(raw)
        except msgspec.MsgspecError:
            return None

    def _post(
        self,
        intent: Intent,
        replies: list[LoggedReply],
        path: str,
        name: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        due: float | None = None,
        url: str = "",
    ) -> LoggedReply:
        # It stays if we are cut off before a response: the order may have been placed.
        replies.append(LoggedReply(0, "cut-off"))
        reply, _ = self._request(
            "POST", url or self._plan.urls["order"], path, name,
            body=body, headers=headers, due=due, key=intent.key,
        )  # fmt: skip
        replies[-1] = reply
        return reply

    def _request(
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
            # The client's own limits are per operation; this one is for the whole request.
            gevent.Timeout(self._plan.patience_s),
            self._http.request(
                method, url + path, name=name, data=body, headers={**_OPERATOR, **(headers or {})},
                catch_response=True, allow_redirects=False,
            ) as response,
        ):  # fmt: skip
            raw = response.content or b""
            reply = _reply_of(response, raw)
            ms = (time.perf_counter() - begun) * 1000
            outcome = outcome_of(name, reply)
            result = f"{reply.status or 'none'} {reply.code}".strip()
            if outcome == "failed":
                response.failure(result)
            else:
                response.success()
            trace_id = (response.headers or {}).get("X-Trace-Id", "")
            self._recorder.measures.add_request(
                name, outcome, ms, result, trace_id=trace_id, key=key
            )
        return reply, raw


def _reply_of(response: Any, raw: bytes) -> LoggedReply:
    if response.status_code:
        return logged_reply(response.status_code, response.headers, raw, brief=True)
    error = getattr(response, "error", None)
    error = getattr(error, "original", None) or error
    if isinstance(error, ConnectionRefusedError):
        # The kernel refused before anything was sent: no effect is possible.
        return LoggedReply(0, "refused", executed=False)
    if isinstance(error, TimeoutError | gevent.Timeout):
        return LoggedReply(0, "timeout")
    return LoggedReply(0, "dropped")
