"""Every word a visitor reads for a code the services speak: kinds, statuses, reasons, outcomes."""

from msgspec import Struct

from frontend.overview.view_models import State

# Key, name on the wire, and the label a visitor reads.
SERVICES: tuple[tuple[str, str, str], ...] = (
    ("order", "order-service", "Orders"),
    ("inventory", "inventory-service", "Inventory"),
    ("payment", "payment-service", "Payments"),
)
NAMES = {key: name for key, name, _ in SERVICES}
LABELS = {key: label for key, _, label in SERVICES}


class Kind(Struct, frozen=True):
    """A kind of gremlin in words; a kind without a delay has `delay_ms` 0."""

    kind: str
    label: str
    does: str
    hint: str
    delay_ms: int = 0
    delay_max_ms: int = 0


KINDS: tuple[Kind, ...] = (
    Kind(
        "latency",
        "Slow start",
        "Waits, then does the work",
        "The request sleeps before any work is done. Callers with a 2 s deadline give up at 3 s.",
        3000,
        10_000,
    ),
    Kind(
        "late",
        "Late answer",
        "Works, then answers late",
        "The work is done and stored, but the answer comes after the caller has given up.",
        3000,
        10_000,
    ),
    Kind(
        "slow_database",
        "Slow database",
        "Every statement drags",
        "Each SQL statement of the service takes this much longer.",
        300,
        3000,
    ),
    Kind(
        "error",
        "Errors",
        "Answers 503, no work done",
        "The service answers 503 before it does anything.",
    ),
    Kind(
        "lost_response",
        "Lost answer",
        "Works, then drops the line",
        "The work is done and stored, then the connection breaks: the caller cannot know.",
    ),
    Kind(
        "refuse",
        "Refusal",
        "Hangs up before the work",
        "The connection breaks before anything is done.",
    ),
    Kind("hang", "Silence", "Never answers", "The caller waits until it gives up."),
    Kind(
        "duplicate",
        "Double delivery",
        "Delivers everything twice",
        "The same request arrives twice, as a nervous network would do it.",
    ),
)
KIND_LABELS = {kind.kind: kind.label for kind in KINDS}

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


def gremlin_detail(kind: str, delay_ms: int, jitter_ms: int, status: int) -> str:
    """How hard it bites, short: "3 s", "0.3 s a statement", "503"."""
    seconds = f"{delay_ms / 1000:g} s" + (f" ± {jitter_ms / 1000:g} s" if jitter_ms else "")
    if kind == "slow_database":
        return f"{seconds} a statement"
    if kind in ("latency", "late"):
        return seconds
    return str(status) if kind == "error" else ""
