"""From the gremlins that are loose, and their audit log, to what is shown of them; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from chassis.faults.kinds import KIND_LABELS, KINDS, FaultKind, strength
from frontend.gremlins.view_models import (
    AuditRow,
    AuditView,
    BarView,
    BoardView,
    GremlinRow,
    ProcessFaults,
    Switch,
)
from frontend.operations import Operation
from frontend.query_results import ActiveGremlin
from frontend.web.labels import ACTION_LABELS, OPERATION_LABELS, WHAT_LABELS
from observatory.sources.down import Down
from observatory.timeline.fault_windows import AuditEntry
from topology import LABELS, NAMES, SERVICES, Process, find

_DASHBOARD = find("dashboard").name
_MOST_ROWS = 100


def gremlin(active: ActiveGremlin, now: datetime) -> GremlinRow:
    """A fault that is on."""
    return GremlinRow(
        gremlin=active,
        label=KIND_LABELS.get(active.kind, active.kind),
        service_name=NAMES[active.service],
        service_label=LABELS[active.service],
        detail=strength(active.kind, active.delay_ms, active.jitter_ms, active.status),
        remaining_s=max(0, round((active.expires_at - now).total_seconds())),
    )


def bar(active: tuple[ActiveGremlin, ...], now: datetime) -> BarView:
    """What is loose, soonest end first."""
    by_end = sorted(active, key=lambda each: each.expires_at)
    return BarView(tuple(gremlin(each, now) for each in by_end if each.expires_at > now))


def board(
    active: tuple[ActiveGremlin, ...] | Down,
    now: datetime,
    processes: Sequence[Process] = SERVICES,
) -> BoardView:
    """Every kind at every process that it can bite. Several of one kind share a switch; it shows
    the last to end."""
    known = () if isinstance(active, Down) else active
    latest: dict[tuple[str, str], ActiveGremlin] = {}
    for each in sorted(known, key=lambda each: each.expires_at):
        if each.expires_at > now:
            latest[each.kind, each.service] = each
    shown = tuple(_faults(each, latest, now) for each in processes)
    total = sum(each.active for each in shown)
    return BoardView(shown, total, active if isinstance(active, Down) else None)


def _faults(
    process: Process, latest: Mapping[tuple[str, str], ActiveGremlin], now: datetime
) -> ProcessFaults:
    found = {kind: each for (kind, service), each in latest.items() if service == process.key}
    switches = tuple(
        Switch(kind, gremlin(found[kind.kind], now) if kind.kind in found else None)
        for kind in KINDS
        if _can_bite(kind, process)
    )
    return ProcessFaults(process.key, process.label, switches, len(found))


def _can_bite(kind: FaultKind, process: Process) -> bool:
    if process.gremlin_kinds:
        return kind.kind in process.gremlin_kinds
    return process.takes_events or not kind.on_delivery


def audit(entries: tuple[AuditEntry, ...], operations: tuple[Operation, ...] = ()) -> AuditView:
    """The audit log: of gremlins, and of what else operators asked."""
    rows = (*map(_audit_row, entries), *map(_operation_row, operations))
    return AuditView(tuple(sorted(rows, key=lambda row: row.at, reverse=True)[:_MOST_ROWS]))


def _operation_row(done: Operation) -> AuditRow:
    return AuditRow(
        done.at,
        OPERATION_LABELS[done.action],
        done.what,
        WHAT_LABELS[done.what],
        _DASHBOARD if done.process is None else NAMES.get(done.process, "PostgreSQL"),
        done.actor,
        done.detail,
        is_gremlin=False,
    )


def _audit_row(entry: AuditEntry) -> AuditRow:
    def number(key: str) -> int:
        value = entry.detail.get(key, 0)
        return int(value) if isinstance(value, int | float) else 0

    detail = strength(entry.kind, number("delay_ms"), number("jitter_ms"), number("status"))
    if entry.action in ("started", "changed") and (ttl_s := number("ttl_s")):
        detail = ", ".join(filter(None, (detail, f"for {ttl_s} s")))
    return AuditRow(
        entry.at,
        ACTION_LABELS.get(entry.action, entry.action),
        entry.name,
        KIND_LABELS.get(entry.kind, entry.kind),
        NAMES[entry.service],
        entry.actor,
        detail,
    )
