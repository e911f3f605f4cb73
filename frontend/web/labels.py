"""Every word a visitor reads for a code the services speak: kinds, statuses, reasons, outcomes."""

from frontend.overview.view_models import State

Words = tuple[State, str, str]

ORDER_WORDS: dict[str, Words] = {
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
REASON_WORDS: dict[str, Words] = {
    "OUT_OF_STOCK": ("refused", "Sold out", "There was not enough stock. Nothing was charged."),
    "PAYMENT_DECLINED": ("refused", "Declined", "The payment was declined. The stock went back."),
    "USER_CANCELLED": ("refused", "Cancelled", "Cancelled on request. Money and stock went back."),
    "PAYMENT_CANCELLED": ("refused", "Cancelled", "The payment was called back. The stock too."),
    "INVENTORY_TIMEOUT": ("failed", "Failed", "Inventory never answered. Nothing was charged."),
    "PAYMENT_TIMEOUT": ("failed", "Failed", "The payment stayed unclear and was called back."),
    "INTERNAL_CONTRACT": ("failed", "Failed", "A service broke its contract; all was undone."),
}
RESERVATION_WORDS: dict[str, tuple[State, str]] = {
    "HELD": ("degraded", "held"),
    "COMMITTED": ("good", "sold"),
    "RELEASED": ("refused", "given back"),
    "REJECTED": ("refused", "not enough"),
}
PAYMENT_WORDS: dict[str, tuple[State, str]] = {
    "PROCESSING": ("degraded", "in doubt"),
    "SUCCEEDED": ("good", "paid"),
    "FAILED": ("refused", "declined"),
    "CANCELLING": ("degraded", "being called back"),
    "CANCELLED": ("refused", "called back"),
    "REFUND_PENDING": ("degraded", "being refunded"),
    "REFUNDED": ("refused", "refunded"),
}
ATTEMPT_WORDS: dict[str, tuple[State, str]] = {
    "IN_FLIGHT": ("degraded", "on its way"),
    "UNKNOWN": ("degraded", "in doubt"),
    "SUCCEEDED": ("good", "captured"),
    "FAILED": ("refused", "declined"),
    "VOIDED": ("refused", "called back"),
    "REFUNDED": ("refused", "refunded"),
}
ACTION_WORDS = {
    "started": "let loose",
    "changed": "changed",
    "calmed": "called off",
    "expired": "ran out",
}
TERMINAL = frozenset({"CONFIRMED", "FAILED"})


def order_words(status: str, reason: str | None) -> Words:
    """(state, word, explanation) of an order; an unknown status is shown as it is."""
    if status == "FAILED" and reason in REASON_WORDS:
        return REASON_WORDS[reason]
    return ORDER_WORDS.get(status, ("none", status.replace("_", " ").capitalize(), ""))
