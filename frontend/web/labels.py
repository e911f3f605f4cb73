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
    "CANCELLING": ("degraded", "Undoing", "Money first, then the stock, then it is closed."),
    "CONFIRMED": ("good", "Confirmed", "Paid for, and the stock is spoken for."),
    "FAILED": ("failed", "Failed", "Closed; nothing was kept."),
}
REASON_LABELS: dict[str, OrderLabel] = {
    "OUT_OF_STOCK": ("refused", "Sold out", "There was not enough stock. Nothing was charged."),
    "PAYMENT_DECLINED": ("refused", "Declined", "The payment was declined. The stock went back."),
    "USER_CANCELLED": ("refused", "Cancelled", "Cancelled on request. Money and stock went back."),
    "PAYMENT_CANCELLED": ("refused", "Cancelled", "The payment was called back. The stock too."),
    "INVENTORY_TIMEOUT": ("failed", "Failed", "Inventory never answered. Nothing was charged."),
    "PAYMENT_TIMEOUT": ("failed", "Failed", "The payment stayed unclear and was called back."),
    "INTERNAL_CONTRACT": ("failed", "Failed", "A service broke its contract; all was undone."),
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
    "CANCELLING": ("degraded", "being called back"),
    "CANCELLED": ("refused", "called back"),
    "REFUND_PENDING": ("degraded", "being refunded"),
    "REFUNDED": ("refused", "refunded"),
}
ATTEMPT_LABELS: dict[str, tuple[State, str]] = {
    "IN_FLIGHT": ("degraded", "on its way"),
    "UNKNOWN": ("degraded", "in doubt"),
    "SUCCEEDED": ("good", "captured"),
    "FAILED": ("refused", "declined"),
    "VOIDED": ("refused", "called back"),
    "REFUNDED": ("refused", "refunded"),
}
ACTION_LABELS = {
    "started": "let loose",
    "changed": "changed",
    "calmed": "called off",
    "expired": "ran out",
}
TERMINAL = frozenset({"CONFIRMED", "FAILED"})


def order_label(status: str, reason: str | None) -> OrderLabel:
    """(state, word, explanation) of an order; an unknown status is shown as it is."""
    if status == "FAILED" and reason in REASON_LABELS:
        return REASON_LABELS[reason]
    return ORDER_LABELS.get(status, ("none", status.replace("_", " ").capitalize(), ""))


def hue_of(service: str) -> Hue:
    """A service's colour and label."""
    return HUES.get(service) or Hue("other", cut(service, 40), cut(service, 80))
