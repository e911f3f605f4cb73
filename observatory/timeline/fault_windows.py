"""When each gremlin was on: the audit log's entries, paired."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chassis.faults.kinds import strength


class AuditEntry(Struct, frozen=True):
    """Something that happened to a gremlin."""

    service: str
    at: datetime
    action: str
    name: str
    kind: str
    actor: str
    detail: dict[str, object]


class FaultWindow(Struct, frozen=True):
    """One gremlin's time; `off` is None while it is loose."""

    service: str
    name: str
    kind: str
    detail: str
    actor: str
    on: datetime
    expires_at: datetime | None
    off: datetime | None = None
    ended: Literal["", "calmed", "expired"] = ""
    ended_by: str = ""

    @property
    def key(self) -> tuple[str, str, datetime]:
        """Identifies it."""
        return self.service, self.name, self.on


def fault_windows(audit: Iterable[AuditEntry], now: datetime) -> tuple[FaultWindow, ...]:
    """Every gremlin's time, oldest first. The entries may be in any order and begin anywhere."""
    loose: dict[tuple[str, str], FaultWindow] = {}
    done: list[FaultWindow] = []
    for entry in sorted(audit, key=lambda entry: entry.at):
        place = entry.service, entry.name
        before = loose.pop(place, None)
        if entry.action in ("started", "changed"):
            changed = before is not None and entry.action == "changed"
            if before is not None and (not changed or _over(before, entry.at)):
                done.append(_expired(before, entry.at))
                before = None
            loose[place] = _started(entry, before)
        else:
            done.append(_ended(entry, before))
    done += [_expired(each, now) if _over(each, now) else each for each in loose.values()]
    return tuple(sorted(done, key=lambda window: window.on))


def loose_among(found: Sequence[FaultWindow], at: datetime) -> tuple[FaultWindow, ...]:
    """Those on at `at`."""
    return tuple(w for w in found if w.on <= at and (w.off is None or w.off > at))


def _started(entry: AuditEntry, before: FaultWindow | None) -> FaultWindow:
    ttl_s = _number(entry, "ttl_s")
    expires_at = entry.at + timedelta(seconds=ttl_s) if ttl_s else None
    if before is not None:
        # Stronger or longer, but the same gremlin: it has been on since it started.
        return replace(before, kind=entry.kind, detail=_detail(entry), expires_at=expires_at)
    return FaultWindow(
        entry.service, entry.name, entry.kind, _detail(entry), entry.actor, entry.at, expires_at
    )


def _ended(entry: AuditEntry, before: FaultWindow | None) -> FaultWindow:
    on = _moment(entry, "started_at") or entry.at
    expires_at = _moment(entry, "expires_at")
    if before is None:
        # Its start is no longer in the audit log; its last entry still contains the time of it.
        actor = str(entry.detail.get("started_by", ""))
        before = FaultWindow(
            entry.service, entry.name, entry.kind, _detail(entry), actor, on, expires_at
        )
    if entry.action == "expired" or _over(before, entry.at):
        # The entry is written a moment later; what counts is when it stopped biting.
        return _expired(replace(before, expires_at=expires_at or before.expires_at), entry.at)
    return replace(before, off=entry.at, ended="calmed", ended_by=entry.actor)


def _over(window: FaultWindow, at: datetime) -> bool:
    return window.expires_at is not None and window.expires_at <= at


def _expired(window: FaultWindow, at: datetime) -> FaultWindow:
    off = min(at, window.expires_at) if window.expires_at else at
    return replace(window, off=max(off, window.on), ended="expired", ended_by="")


def _detail(entry: AuditEntry) -> str:
    detail = strength(
        entry.kind,
        int(_number(entry, "delay_ms")),
        int(_number(entry, "jitter_ms")),
        int(_number(entry, "status")),
    )
    share = _number(entry, "probability")
    return f"{detail} ({share * 100:.0f}\u202f%)".strip() if 0 < share < 1 else detail


def _number(entry: AuditEntry, key: str) -> float:
    value = entry.detail.get(key, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _moment(entry: AuditEntry, key: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(entry.detail.get(key, "")))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
