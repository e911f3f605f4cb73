"""What a reply means to a shopper: good, degraded or failed, by the shop's own codes."""

from typing import Literal

from proof.clients.intent import LoggedReply

Outcome = Literal["good", "degraded", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("good", "degraded", "failed")

PLACE = "POST /orders"
CANCEL = "POST /orders/{order_id}/cancel"
REFUND = "POST /payments/{payment_id}/cancel"
FOLLOW = "GET /orders/{order_id}"
# The requests that change something: thresholds of latency are about these. Looking is cheap, and
# counted in it would make every threshold easier to keep.
WORK = frozenset({PLACE, CANCEL, REFUND})

# What the order service is asked: what its light is about.
OF_ORDERS = frozenset({PLACE, CANCEL, FOLLOW})

# What became of an order, as `valerix_orders_total` names it; the last two are the client's own.
ORDER_OUTCOMES = (
    "confirmed", "degraded", "declined", "out_of_stock", "failed", "shed", "unanswered", "cut_off",
)  # fmt: skip
# Not failed by the shop: it confirmed, refused for a reason of the business, or accepted to settle.
SUCCESSES = frozenset({"confirmed", "degraded", "declined", "out_of_stock"})

_BUSINESS = frozenset(
    {
        (PLACE, 402, "payment-declined"),
        (PLACE, 409, "out-of-stock"),
        (CANCEL, 409, "state-conflict"),
    }
)


def outcome_of(name: str, reply: LoggedReply) -> Outcome:
    """The class of one reply to the request called `name`.

    A refusal for a reason of the business is good: the shop did what it is for. 202, and "the first
    request with this key is still running", are degraded: an honest "not yet"."""
    if (name, reply.status, reply.code) in _BUSINESS or reply.status in (200, 201):
        return "good"
    if reply.status == 202 or reply.code == "idempotency-in-progress":
        return "degraded"
    return "failed"


def status_of(result: str) -> str:
    """The status of a logged result as the metrics write it: "000" without an answer."""
    status = result.partition(" ")[0]
    return status if status.isdecimal() else "000"


def order_outcome(replies: list[LoggedReply]) -> str:
    """What became of one order, by all replies to placing it."""
    last = next((reply for reply in reversed(replies) if reply.decides), None)
    if last is None:
        return _undecided(replies)
    match last.status, last.code:
        case 201, _:
            return "confirmed"
        case 202, _:
            return "degraded"
        case 402, _:
            return "declined"
        case 409, "out-of-stock":
            return "out_of_stock"
    return "failed"


def _undecided(replies: list[LoggedReply]) -> str:
    if not replies or replies[-1].code == "cut-off":
        return "cut_off"
    if not replies[-1].status:
        return "unanswered"
    return "failed" if replies[-1].executed else "shed"
