"""How the timeline names gremlins, people and lengths of time."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from chassis.faults.kinds import KIND_LABELS
from frontend.web.formatting import THIN
from observatory.timeline.fault_windows import FaultWindow
from topology import LABELS


def seconds(length: timedelta) -> str:
    """A measured time: 4.2 s, 14 s, 2 min 5 s."""
    total = max(0.0, length.total_seconds())
    if total < 9.95:
        return f"{total:.1f}{THIN}s"
    whole = round(total)
    if whole < 120:
        return f"{whole}{THIN}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}{THIN}min" + (f" {rest}{THIN}s" if rest else "")


def reaction_time(blamed_at: tuple[datetime, datetime], red_at: datetime) -> str:
    """How long until red, as one time or, where it is not known since when, as two: 11-19 s."""
    longest, shortest = (seconds(red_at - at) for at in blamed_at)
    return longest if shortest == longest else f"{shortest}\u2013{longest}"


def gremlin(window: FaultWindow) -> str:
    """One gremlin: "Slow request 3 s on inventory"."""
    label = f"{KIND_LABELS.get(window.kind, window.kind)} {window.detail}".strip()
    return f"{label} on {LABELS[window.service].lower()}"


def title(windows: Sequence[FaultWindow]) -> str:
    """Several of them, the first by name."""
    names = list(dict.fromkeys(map(gremlin, windows)))
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return listed(names)


def actors(windows: Iterable[FaultWindow]) -> str:
    """Everybody who let one loose, in the order they did."""
    return listed(list(dict.fromkeys(window.actor or "somebody" for window in windows)))


def listed(names: Sequence[str], last: str = "and") -> str:
    """a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
