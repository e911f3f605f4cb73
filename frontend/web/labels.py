"""What a visitor reads for the codes of the services: statuses, reasons, outcomes, services."""

from typing import Literal

from msgspec import Struct

from frontend.web.formatting import cut
from topology import SERVICES

# One meaning each, everywhere: see static/palette.css. "refused" is an expected no (sold out,
# declined, cancelled): the shop did its work, so it is neither good nor a failure of ours.
State = Literal["good", "degraded", "failed", "none", "refused"]
# A state, its word and an explanation.
OrderLabel = tuple[State, str, str]


class Hue(Struct, frozen=True):
    """A service and the key of its colour; "other" for one that is not of the shop."""

    key: str
    label: str
    name: str


HUES = {each.name: Hue(each.key, each.label, each.name) for each in SERVICES}

ORDER_LABELS: dict[str, OrderLabel] = {
    "PENDING": ("degraded", "Placed", "Written down; the stock comes next."),
    "PENDING_INVENTORY": ("degraded", "Stock unclear", "Inventory has not said yes or no yet."),
    "PENDING_PAYMENT": (
        "degraded",
        "Payment open",
        "Stock is held; the payment is next, or not clear yet.",
    ),
    "CANCELLING": ("degraded", "Cancelling", "Money first, then the stock, then it is closed."),
    "CONFIRMED": ("good", "Confirmed", "Paid for, and the stock is spoken for."),
    "FAILED": ("failed", "Failed", "Closed."),
}
REASON_LABELS: dict[str, OrderLabel] = {
    "OUT_OF_STOCK": ("refused", "Sold out", "There was not enough stock."),
    "PAYMENT_DECLINED": ("refused", "Declined", "The payment was declined."),
    "USER_CANCELLED": ("refused", "Cancelled", "Cancelled on request."),
    "PAYMENT_CANCELLED": ("refused", "Cancelled", "The payment was cancelled."),
    "INVENTORY_TIMEOUT": ("failed", "Failed", "Inventory never answered."),
    "PAYMENT_TIMEOUT": ("failed", "Failed", "The payment stayed unclear for too long."),
    "INTERNAL_CONTRACT": ("failed", "Failed", "A service broke its contract."),
}
_CALLED_BACK: OrderLabel = (
    "degraded",
    "Payment cancelled",
    "Its payment was cancelled; the order is cancelled next.",
)
# What an order is called whose payment is decided before the order is.
_PAYMENT_DECIDED: dict[str, OrderLabel] = {
    "SUCCEEDED": ("degraded", "Paid", "The order is confirmed next."),
    "FAILED": ("degraded", "Payment declined", "The stock goes back next."),
    "CANCELLING": _CALLED_BACK,
    "CANCELLED": _CALLED_BACK,
    "REFUND_PENDING": _CALLED_BACK,
    "REFUNDED": _CALLED_BACK,
}
# What became of a confirmed order when its money goes back afterwards.
_GIVEN_BACK: dict[str, OrderLabel] = {
    "REFUND_PENDING": (
        "degraded",
        "Being refunded",
        "It was confirmed; since then its payment is being refunded.",
    ),
    "REFUNDED": ("refused", "Refunded", "It was confirmed; since then its payment was refunded."),
}
_OPEN = "Whether money was taken is not clear yet."
# What a closed order's payment adds to why it was closed; with a colour where that alone would lie.
_MONEY_OF_CLOSED: dict[str | None, tuple[State | None, str]] = {
    None: (None, "Nothing was charged."),
    "FAILED": (None, "Nothing was charged."),
    "CANCELLED": (None, "Nothing was charged."),
    "REFUNDED": (None, "The money was refunded."),
    "PROCESSING": ("degraded", _OPEN),
    "CANCELLING": ("degraded", _OPEN),
    "REFUND_PENDING": ("degraded", "The money is being refunded."),
    "SUCCEEDED": ("failed", "Its payment was taken and not given back: look at the proof."),
}
RESERVATION_LABELS: dict[str, tuple[State, str]] = {
    "HELD": ("degraded", "held"),
    "COMMITTED": ("good", "sold"),
    "RELEASED": ("refused", "given back"),
    "REJECTED": ("refused", "not enough"),
}
PAYMENT_LABELS: dict[str, tuple[State, str]] = {
    "PROCESSING": ("degraded", "in doubt"),
    "SUCCEEDED": ("good", "paid"),
    "FAILED": ("refused", "declined"),
    "CANCELLING": ("degraded", "cancelling"),
    "CANCELLED": ("refused", "cancelled"),
    "REFUND_PENDING": ("degraded", "being refunded"),
    "REFUNDED": ("refused", "refunded"),
}
ATTEMPT_LABELS: dict[str, tuple[State, str]] = {
    "IN_FLIGHT": ("degraded", "on its way"),
    "UNKNOWN": ("degraded", "in doubt"),
    "AUTHORISED": ("degraded", "held"),
    "SUCCEEDED": ("good", "captured"),
    "FAILED": ("refused", "declined"),
    "VOIDED": ("refused", "voided"),
    "REFUNDED": ("refused", "refunded"),
}
ACTION_LABELS = {
    "started": "let loose",
    "changed": "changed",
    "calmed": "called off",
    "expired": "ran out",
}
OPERATION_LABELS = {
    "started": "started", "stopped": "stopped", "expired": "ran out", "refused": "refused",
    "restarted": "restarted", "killed": "killed", "back": "is back", "lost": "did not come back",
    "withdrawn": "withdrawn", "ended": "ended",
}  # fmt: skip
WHAT_LABELS = {
    "traffic": "Steady traffic", "load": "Load profile", "process": "Process",
    "key": "Signing key", "login": "Login",
}  # fmt: skip
TERMINAL = frozenset({"CONFIRMED", "FAILED"})
MOVING_PAYMENTS = frozenset({"PROCESSING", "CANCELLING", "REFUND_PENDING"})


def step_label(status: str, reason: str | None) -> OrderLabel:
    """(state, word, explanation) of a state that an order was in; an unknown one as it is."""
    if status == "FAILED" and reason in REASON_LABELS:
        return REASON_LABELS[reason]
    return ORDER_LABELS.get(status, ("none", status.replace("_", " ").capitalize(), ""))


def order_label(status: str, reason: str | None, payment: str | None) -> OrderLabel:
    """(state, word, explanation) of an order as it stands with its payment, which is None where
    none is recorded."""
    state, word, why = step_label(status, reason)
    if status == "PENDING_PAYMENT":
        return _PAYMENT_DECIDED.get(payment or "", (state, word, why))
    if status == "CONFIRMED" and payment != "SUCCEEDED":
        unpaid = "Confirmed, and no payment of it is complete: look at the proof."
        return _GIVEN_BACK.get(payment or "", ("failed", "Confirmed, not paid", unpaid))
    if status == "FAILED":
        instead, money = _MONEY_OF_CLOSED.get(payment, ("none", ""))
        word = f"{word}, but paid" if payment == "SUCCEEDED" else word
        return instead or state, word, f"{why} {money}".strip()
    return state, word, why


def is_settled(status: str, payment: str | None) -> bool:
    """Whether neither the order nor its payment changes any more by itself."""
    return status in TERMINAL and payment not in MOVING_PAYMENTS


def hue_of(service: str) -> Hue:
    """A service's colour and label."""
    return HUES.get(service) or Hue("other", cut(service, 40), cut(service, 80))
