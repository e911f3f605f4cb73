"""When each gremlin was on: the diary's events, paired."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chassis.faults.kinds import strength
from observatory.timeline.queries import AuditEntry


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
        """What tells it from every other one."""
        return self.service, self.name, self.on


def fault_windows(diary: Iterable[AuditEntry], now: datetime) -> tuple[FaultWindow, ...]:
    """Every gremlin's time, oldest first. The diary may come in any order and begin anywhere."""
    loose: dict[tuple[str, str], FaultWindow] = {}
    done: list[FaultWindow] = []
    for event in sorted(diary, key=lambda event: event.at):
        place = event.service, event.name
        before = loose.pop(place, None)
        if event.action in ("started", "changed"):
            changed = before is not None and event.action == "changed"
            if before is not None and (not changed or _over(before, event.at)):
                done.append(_expired(before, event.at))
                before = None
            loose[place] = _let_loose(event, before)
        else:
            done.append(_ended(event, before))
    done += [_expired(each, now) if _over(each, now) else each for each in loose.values()]
    return tuple(sorted(done, key=lambda window: window.on))


def loose_among(found: Sequence[FaultWindow], at: datetime) -> tuple[FaultWindow, ...]:
    """Those on at `at`."""
    return tuple(w for w in found if w.on <= at and (w.off is None or w.off > at))


def _let_loose(event: AuditEntry, before: FaultWindow | None) -> FaultWindow:
    ttl_s = _number(event, "ttl_s")
    expires_at = event.at + timedelta(seconds=ttl_s) if ttl_s else None
    if before is not None:
        # Harder or longer, but the same gremlin: it bites since it was let loose.
        return replace(before, kind=event.kind, detail=_detail(event), expires_at=expires_at)
    return FaultWindow(
        event.service, event.name, event.kind, _detail(event), event.actor, event.at, expires_at
    )


def _ended(event: AuditEntry, before: FaultWindow | None) -> FaultWindow:
    on = _moment(event, "started_at") or event.at
    expires_at = _moment(event, "expires_at")
    if before is None:
        # Its beginning is no longer in the diary; its last line still says when that was.
        actor = str(event.detail.get("started_by", ""))
        before = FaultWindow(
            event.service, event.name, event.kind, _detail(event), actor, on, expires_at
        )
    if event.action == "expired" or _over(before, event.at):
        # The clerk writes it down a moment later; what counts is when it stopped biting.
        return _expired(replace(before, expires_at=expires_at or before.expires_at), event.at)
    return replace(before, off=event.at, ended="calmed", ended_by=event.actor)


def _over(window: FaultWindow, at: datetime) -> bool:
    return window.expires_at is not None and window.expires_at <= at


def _expired(window: FaultWindow, at: datetime) -> FaultWindow:
    off = min(at, window.expires_at) if window.expires_at else at
    return replace(window, off=max(off, window.on), ended="expired", ended_by="")


def _detail(event: AuditEntry) -> str:
    detail = strength(
        event.kind,
        int(_number(event, "delay_ms")),
        int(_number(event, "jitter_ms")),
        int(_number(event, "status")),
    )
    share = _number(event, "probability")
    return f"{detail} ({share * 100:.0f}\u202f%)".strip() if 0 < share < 1 else detail


def _number(event: AuditEntry, key: str) -> float:
    value = event.detail.get(key, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _moment(event: AuditEntry, key: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(event.detail.get(key, "")))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
