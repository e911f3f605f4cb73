"""The kinds of faults: what each is called, what it does, and how strong it is by default."""

from msgspec import Struct


class FaultKind(Struct, frozen=True):
    """A kind of fault in words; a kind without a delay has `delay_ms` 0."""

    kind: str
    label: str
    does: str
    hint: str
    delay_ms: int = 0
    delay_max_ms: int = 0


KINDS: tuple[FaultKind, ...] = (
    FaultKind(
        "latency",
        "Slow start",
        "Waits, then does the work",
        "The request sleeps before any work is done. Callers with a 2 s deadline give up at 3 s.",
        3000,
        10_000,
    ),
    FaultKind(
        "late",
        "Late answer",
        "Works, then answers late",
        "The work is done and stored, but the answer comes after the caller has given up.",
        3000,
        10_000,
    ),
    FaultKind(
        "slow_database",
        "Slow database",
        "Every statement drags",
        "Each SQL statement of the service takes this much longer.",
        300,
        3000,
    ),
    FaultKind(
        "error",
        "Errors",
        "Answers 503, no work done",
        "The service answers 503 before it does anything.",
    ),
    FaultKind(
        "lost_response",
        "Lost answer",
        "Works, then drops the line",
        "The work is done and stored, then the connection breaks: the caller cannot know.",
    ),
    FaultKind(
        "refuse",
        "Refusal",
        "Hangs up before the work",
        "The connection breaks before anything is done.",
    ),
    FaultKind("hang", "Silence", "Never answers", "The caller waits until it gives up."),
    FaultKind(
        "duplicate",
        "Double delivery",
        "Delivers everything twice",
        "The same request arrives twice, as a nervous network would do it.",
    ),
)
KIND_LABELS = {kind.kind: kind.label for kind in KINDS}


def strength(kind: str, delay_ms: int, jitter_ms: int, status: int) -> str:
    """How strong a fault is, short: "3 s", "0.3 s a statement", "503"."""
    seconds = f"{delay_ms / 1000:g} s" + (f" ± {jitter_ms / 1000:g} s" if jitter_ms else "")
    if kind == "slow_database":
        return f"{seconds} a statement"
    if kind in ("latency", "late"):
        return seconds
    return str(status) if kind == "error" else ""
