"""From the gremlins that are loose, and their diary, to what is shown of them; pure."""

from datetime import datetime

from chassis.faults.kinds import KIND_LABELS, KINDS, strength
from frontend.gremlins.view_models import (
    AuditRow,
    AuditView,
    BarView,
    BoardView,
    Cell,
    Gremlin,
    KindRow,
)
from frontend.query_results import GremlinFacts
from frontend.web.labels import ACTION_WORDS
from observatory.timeline.queries import AuditEntry
from topology import LABELS, NAMES


def gremlin(said: GremlinFacts, now: datetime) -> Gremlin:
    """A fault that is on."""
    return Gremlin(
        name=said.name,
        kind=said.kind,
        label=KIND_LABELS.get(said.kind, said.kind),
        service=said.service,
        service_name=NAMES[said.service],
        service_label=LABELS[said.service],
        detail=strength(said.kind, said.delay_ms, said.jitter_ms, said.status),
        probability=said.probability,
        started_by=said.started_by,
        started_at=said.started_at,
        expires_at=said.expires_at,
        remaining_s=max(0, round((said.expires_at - now).total_seconds())),
    )


def bar(said: tuple[GremlinFacts, ...], now: datetime) -> BarView:
    """What is loose, soonest end first."""
    loose = sorted(said, key=lambda each: each.expires_at)
    return BarView(tuple(gremlin(each, now) for each in loose if each.expires_at > now))


def board(said: tuple[GremlinFacts, ...], now: datetime) -> BoardView:
    """Every kind at every service. Several of one kind share a switch; it shows the last to end."""
    latest: dict[tuple[str, str], GremlinFacts] = {}
    for each in sorted(said, key=lambda each: each.expires_at):
        if each.expires_at > now:
            latest[each.kind, each.service] = each
    rows = tuple(
        KindRow(
            kind.kind,
            kind.label,
            kind.does,
            kind.hint,
            kind.delay_ms,
            kind.delay_max_ms,
            tuple(
                Cell(
                    key,
                    label,
                    gremlin(latest[kind.kind, key], now) if (kind.kind, key) in latest else None,
                )
                for key, label in LABELS.items()
            ),
        )
        for kind in KINDS
    )
    return BoardView(rows, tuple((key, label) for key, label in LABELS.items()), len(latest))


def audit(said: tuple[AuditEntry, ...]) -> AuditView:
    """The gremlins' diary."""
    return AuditView(tuple(_audit_row(event) for event in said))


def _audit_row(event: AuditEntry) -> AuditRow:
    def number(key: str) -> int:
        value = event.detail.get(key, 0)
        return int(value) if isinstance(value, int | float) else 0

    detail = strength(event.kind, number("delay_ms"), number("jitter_ms"), number("status"))
    if event.action in ("started", "changed") and (ttl_s := number("ttl_s")):
        detail = ", ".join(filter(None, (detail, f"for {ttl_s} s")))
    return AuditRow(
        event.at,
        ACTION_WORDS.get(event.action, event.action),
        event.name,
        KIND_LABELS.get(event.kind, event.kind),
        NAMES[event.service],
        event.actor,
        detail,
    )
