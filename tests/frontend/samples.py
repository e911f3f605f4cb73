"""Records to render panels from, and a source and a proof that never change."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from frontend.app import all_panels
from frontend.query_results import (
    ActiveGremlin,
    AttemptRecord,
    Figures,
    OrderDetails,
    OrderRecord,
    ProductRecord,
    StepRecord,
)
from frontend.web.panels import Panel, render_panel
from frontend.web.sessions import Visitor
from observatory.metrics.history import CountedInterval, Exemplar, Point
from observatory.sla import Traffic
from observatory.sources.down import Down
from observatory.timeline.fault_windows import AuditEntry
from proof.evaluate import Report, could_not_judge

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>'\"&"
VISITOR = Visitor("a" * 32, "b" * 64, guarded=False, is_new=False)
LOCKED = Visitor("a" * 32, "b" * 64, guarded=True, is_new=False)
DOWN = Down("No answer in time", NOW - timedelta(seconds=30), "Orders go on.")

ORDER = OrderRecord(
    order_id="0b0e6f5e-1111-4222-8333-944455556666",
    status="CONFIRMED",
    reason=None,
    product_id=HOSTILE,
    product=HOSTILE,
    quantity=2,
    amount_minor=19998,
    currency="EUR",
    attempts=1,
    payment_id="0b0e6f5e-1111-4222-8333-944455557777",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    created_at=NOW - timedelta(seconds=12),
    settled_at=NOW - timedelta(seconds=11),
    payment="SUCCEEDED",
    owner="anonymous",
)
FIGURES = Figures(9, 5, 2, 1, 49995, 3, NOW - timedelta(seconds=40), 1234567, "EUR")
PRODUCT = ProductRecord("PROD-001", HOSTILE, 9999, "EUR", 0, 100)
GREMLIN = ActiveGremlin(
    "inventory", HOSTILE, "latency", 0.5, 3000, 0, 503, HOSTILE, NOW, NOW + timedelta(seconds=90)
)
AUDIT_ENTRY = AuditEntry(
    "inventory", NOW, "started", HOSTILE, "latency", HOSTILE, {"delay_ms": 3000, "ttl_s": 300.0}
)
DETAILS = OrderDetails(
    ORDER,
    (
        StepRecord("PENDING", None, "t1", NOW - timedelta(seconds=12)),
        StepRecord("PENDING_INVENTORY", None, "t1", NOW - timedelta(seconds=10)),
        StepRecord("PENDING_INVENTORY", None, "t2", NOW - timedelta(seconds=9)),
        StepRecord("CONFIRMED", None, "t3", NOW - timedelta(seconds=8)),
    ),
    "COMMITTED",
    (AttemptRecord(1, "mock", "SUCCEEDED", HOSTILE, NOW),),
)


# Their views are what a test gives them.
PANELS: dict[str, Panel] = {panel.name: panel for panel in all_panels(None, None, None)}


def show(panel: Panel | str, view: object = None, visitor: Visitor = VISITOR, now: datetime = NOW):
    """A panel as HTML; one that is given by its name, with this view."""
    if isinstance(panel, str):
        panel = replace(PANELS[panel], view=lambda _: view)
    return render_panel(panel, visitor, now)


class FixedSource:
    """A source whose traffic is what the test gave it."""

    def __init__(self, traffic: Traffic | Down = DOWN) -> None:
        self.traffic_now = traffic
        self.started = self.stopped = 0

    async def start(self) -> None:
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    async def fresh(self) -> None:
        """It is what it is."""

    def wake(self) -> None:
        """It is what it is."""

    def traffic(self, service: str) -> Traffic | Down:
        return self.traffic_now

    def stock(self) -> Down:
        return DOWN

    def bites(self, service: str) -> dict[str, int]:
        return {}

    def breakers(self, service: str) -> dict[str, bool]:
        return {}

    def points(self, service: str, moments: Sequence[float]) -> list[Point]:
        return [Point() for _ in moments]

    def intervals(self, service: str, moments: Sequence[float]) -> list[CountedInterval]:
        return [CountedInterval() for _ in moments[1:]]

    def exemplars(self, service: str, since: float, until: float) -> list[Exemplar]:
        return []

    def failures(self, service: str, since: float, until: float) -> float:
        return 0.0


class FixedProof:
    """A report that never changes."""

    def __init__(self, report: Report | None = None) -> None:
        self.report = report or could_not_judge("not judged here")

    def trusted(self) -> Report:
        return self.report

    async def judge(self) -> Report:
        return self.report

    def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""
