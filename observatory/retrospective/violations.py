"""What broke its contract, from the lines that processes write about it."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from chassis.contracts.checks import BREAKS
from observatory.retrospective.model import SchemaViolation
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.logs import LogQuery
from observatory.store.model import StoredLine, moment

# A line a violation and ten seconds; a day of one that never stops is 8 640. Loki gives no more.
_MOST_LINES = 5_000
_WHAT = ("schema", "field", "rule", "direction")
_CUT = "More violations were written down than are read: these are the newest."


async def violations_between(
    telemetry: TelemetrySource, since: datetime, until: datetime
) -> tuple[tuple[SchemaViolation, ...], str]:
    """What broke its contract in that time, the most frequent first; and what could not be read,
    or an empty text."""
    query = LogQuery(level="WARNING", text=f'"{BREAKS}"', limit=_MOST_LINES, since=since)
    found = await telemetry.tail(query)
    if isinstance(found, Down):
        return (), f"Contract violations could not be read: {found.reason}."
    lines = [line for line in found.lines if since < moment(line.at_ns) <= until]
    return violations_of(lines), _CUT if found.more else ""


def violations_of(lines: Iterable[StoredLine]) -> tuple[SchemaViolation, ...]:
    """One of each field, rule and service, with the newest example."""
    found: dict[tuple[str, ...], SchemaViolation] = {}
    for line in sorted(lines, key=lambda line: line.at_ns):
        fields = dict(line.attributes)
        key = (line.service, *(fields.get(name, "") for name in _WHAT))
        if not fields.get("schema") or not fields.get("count", "").isdigit():
            # Somebody else's line with the same words.
            continue
        at, before = moment(line.at_ns), found.get(key)
        found[key] = SchemaViolation(
            service=line.service,
            schema=fields["schema"],
            field=fields.get("field", ""),
            rule=fields.get("rule", ""),
            expected=fields.get("expected", ""),
            found=fields.get("found", ""),
            direction=fields.get("direction", ""),
            count=int(fields["count"]) + (before.count if before else 0),
            first_at=before.first_at if before else _begun(fields.get("since", ""), at),
            last_at=at,
            trace_id=line.trace_id,
        )
    return tuple(sorted(found.values(), key=lambda each: (-each.count, each.schema, each.field)))


def _begun(written: str, at: datetime) -> datetime:
    try:
        return msgspec.convert(written, datetime).astimezone(UTC)
    except (msgspec.ValidationError, ValueError):
        return at
