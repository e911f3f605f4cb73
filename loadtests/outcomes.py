"""What an answer means to a shopper: good, degraded or failed, in the shop's own words."""

from typing import Literal

from loadtests.intent import LoggedReply

Outcome = Literal["good", "degraded", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("good", "degraded", "failed")

PLACE = "POST /orders"
CANCEL = "POST /orders/{order_id}/cancel"
REFUND = "POST /payments/{order_id}/cancel"
FOLLOW = "GET /orders/{order_id}"
# The requests that change something: thresholds of latency are about these. Looking is cheap, and
# counted in it would make every threshold easier to keep.
WORK = frozenset({PLACE, CANCEL, REFUND})

# What became of an order, as `valerix_orders_total` names it; the last two are the client's own.
ORDER_OUTCOMES = (
    "confirmed", "degraded", "declined", "out_of_stock", "failed", "shed", "unanswered", "cut_off",
)  # fmt: skip
# Not failed for a reason of ours: the shop said yes, no for a reason of the business, or "later".
SUCCESSES = frozenset({"confirmed", "degraded", "declined", "out_of_stock"})

_BUSINESS = frozenset(
    {
        (PLACE, 402, "payment-declined"),
        (PLACE, 409, "out-of-stock"),
        (CANCEL, 409, "state-conflict"),
    }
)


def outcome_of(name: str, word: LoggedReply) -> Outcome:
    """The class of one answer to the request called `name`.

    A refusal for a reason of the business is good: the shop did what it is for. 202, and "the first
    request with this key is still running", are degraded: an honest "not yet"."""
    if (name, word.status, word.code) in _BUSINESS or word.status in (200, 201):
        return "good"
    if word.status == 202 or word.code == "idempotency-in-progress":
        return "degraded"
    return "failed"


def order_outcome(words: list[LoggedReply]) -> str:
    """What became of one order, by everything that was said about placing it."""
    last = next((word for word in reversed(words) if word.decides), None)
    if last is None:
        return _undecided(words)
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


def _undecided(words: list[LoggedReply]) -> str:
    if not words or words[-1].code == "cut-off":
        return "cut_off"
    if not words[-1].status:
        return "unanswered"
    return "failed" if words[-1].executed else "shed"
