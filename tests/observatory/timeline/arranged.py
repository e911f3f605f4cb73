"""Short ways to write the audit log and the lights, in seconds after a start."""

from datetime import datetime, timedelta

from observatory.timeline.fault_windows import AuditEntry, fault_windows
from observatory.timeline.incident import incidents
from observatory.timeline.light_log import LightLog
from tests.frontend.samples import NOW


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def event(when, action="started", name="latency", service="inventory", actor="", **detail):
    """An entry of the audit log; its kind is its name. A start runs out after 300 s unless `detail`
    differs."""
    if action in ("started", "changed"):
        detail = {"delay_ms": 3000, "ttl_s": 300.0, "probability": 1.0, **detail}
    actor = actor or ("clock" if action == "expired" else "dashboard")
    return AuditEntry(service, at(when), action, name, name, actor, detail)


def lights(*changes):
    """`lights((0, "good"), (12, "failed"), ...)` of the inventory service; others by a third."""
    log = LightLog()
    now = {}
    for when, state, *service in changes:
        now[service[0] if service else "inventory"] = state
        log.add(at(when), now)
    return log


def incidents_at(audit, log, now):
    """The incidents as they are known at `now`."""
    return incidents(fault_windows(audit, at(now)), log.periods(), log.began)
