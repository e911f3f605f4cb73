"""What pages are asked with: an operator at a dashboard that knows nothing yet."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from chassis.database.pool import Database
from frontend.live_state import DashboardState
from frontend.web.sessions import Visitor
from frontend.web.sse import Hub
from observatory.sources.embedded_metrics import EmbeddedMetrics
from proof.scheduler import ProofScheduler
from tests.contracts.need import At

OPERATOR = Visitor(id="", csrf="", guarded=False, is_new=False)
NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)
ACTOR = {"X-Valerix-Actor": "dashboard"}


def state_of(at: At) -> DashboardState:
    """All that such a dashboard knows."""
    source = EmbeddedMetrics({}, lambda _: None)
    return DashboardState(
        at.settings, hub=Hub(), source=source, database=Database(at.settings),
        proof=ProofScheduler(at.settings, registry=CollectorRegistry()),
    )  # fmt: skip
