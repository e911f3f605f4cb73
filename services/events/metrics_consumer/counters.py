"""Counts events by type, currency and reason, in the database, and shows them to Prometheus."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text

from chassis.database.pace import PollPace
from chassis.database.pool import Connection, Database, Row, statement
from chassis.messaging.envelope import CloudEvent

_COUNT = statement(
    text(
        "INSERT INTO metrics.counters AS c (type, currency, reason, events, amount_minor)"
        " SELECT * FROM unnest(:types ::text[], :currencies ::text[], :reasons ::text[],"
        " :events ::bigint[], :amounts ::bigint[])"
        " ON CONFLICT (type, currency, reason) DO UPDATE SET events = c.events + excluded.events,"
        " amount_minor = c.amount_minor + excluded.amount_minor"
    ),
    "UPSERT metrics.counters",
)
_ALL = statement(
    text("SELECT * FROM metrics.counters ORDER BY type, currency, reason"),
    "SELECT metrics.counters",
)
# As the other gauges that are read from the database.
_EVERY_S = 2.0


async def count(tx: Connection, events: Sequence[CloudEvent]) -> None:
    """The effect: one row for each kind of event in the batch."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for event in events:
        data = event.data
        # Reasons of orders are a closed list; a decline code is the world's, and has no bound.
        reason = str(data.get("reason") or data.get("kind") or "")
        total = sums[event.type, str(data.get("currency") or ""), reason]
        total[0] += 1
        total[1] += int(data.get("amount_minor") or 0)
    # In one order, so that two consumers could not wait for each other.
    keys = sorted(sums)
    await tx.execute(
        _COUNT,
        types=[key[0] for key in keys],
        currencies=[key[1] for key in keys],
        reasons=[key[2] for key in keys],
        events=[sums[key][0] for key in keys],
        amounts=[sums[key][1] for key in keys],
    )


class BusinessCounters(Collector):
    """valerix_business_events_total{type,currency,reason} and valerix_business_amount_minor_total:
    as the database has them, so a restart neither loses nor repeats."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._rows: Sequence[Row] = ()
        registry.register(self)

    async def run(self) -> None:
        """Read for ever."""
        pace = PollPace(self._database, _EVERY_S)
        while True:
            async with self._database.connect() as connection:
                self._rows = await connection.rows(_ALL)
            await pace.wait()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """For Prometheus."""
        labels = ("type", "currency", "reason")
        events = CounterMetricFamily(
            "valerix_business_events", "Events of the shop, each counted once.", labels=labels
        )
        amounts = CounterMetricFamily(
            "valerix_business_amount_minor", "Their amounts, in minor units.", labels=labels
        )
        for row in self._rows:
            values = (row["type"], row["currency"], row["reason"])
            events.add_metric(values, row["events"])
            if row["currency"]:
                amounts.add_metric(values, row["amount_minor"])
        yield events
        yield amounts
