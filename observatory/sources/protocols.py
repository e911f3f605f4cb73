"""What a page may ask of a source of metrics, and of one of traces and logs."""

from collections.abc import Callable, Sequence
from typing import Protocol

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct, field

from observatory.limits import LossCounts
from observatory.metrics.call_graph import CallStats
from observatory.metrics.history import CountedInterval, Exemplar, Point
from observatory.metrics.received import ReceivedMetrics
from observatory.sla import Traffic
from observatory.sources.down import Down
from observatory.store.logs import LogQuery
from observatory.store.results import LogTail, TraceRow, Waterfall
from observatory.store.store import FilterChoices
from observatory.store.trace_search import TraceQuery

# Traffic is counted over the last 30 s and the services send every second: if there are requests
# and no telemetry has arrived for longer than both, telemetry is lost.
SILENT_S = 35.0


class MetricsSource(Protocol):
    """Metrics of the services, by service key. A source that cannot be read returns `Down`."""

    async def start(self) -> None:
        """Begin to read; returns at once."""

    async def stop(self) -> None:
        """End every loop and close every connection."""

    async def fresh(self) -> None:
        """Wait for what is newer, where nothing was read because nobody looked."""

    def wake(self) -> None:
        """There may be traffic again: read soon, though nobody looks."""

    def traffic(self, service: str) -> Traffic | Down:
        """Business requests of the last thirty seconds."""

    def stock(self) -> dict[str, dict[str, int]] | Down:
        """Units by product and state ("stock", "reserved", "sold")."""

    def bites(self, service: str) -> dict[str, int]:
        """How often each gremlin, by name, bit since the process started; empty if not known."""

    def breakers(self, service: str) -> dict[str, bool]:
        """Whether each of its breakers is open, by account; empty if it has none."""

    def points(self, service: str, moments: Sequence[float]) -> list[Point]:
        """The service at each moment (seconds since the epoch), for the charts."""

    def intervals(self, service: str, moments: Sequence[float]) -> list[CountedInterval]:
        """What the service counted between each two moments (seconds since the epoch)."""

    def exemplars(self, service: str, since: float, until: float) -> list[Exemplar]:
        """Requests with a trace that became known after `since`, up to `until` (epoch seconds)."""

    def failures(self, service: str, since: float, until: float) -> float:
        """Requests that failed between two moments (epoch seconds), as far back as is kept."""


class TraceList(Struct, frozen=True):
    """Traces of a list. `kept` is how many there are in all, where that is known; `note` says what
    the search could not do."""

    rows: tuple[TraceRow, ...]
    kept: int | None = None
    losses: LossCounts = field(default_factory=LossCounts)
    note: str = ""


class TraceResult(Struct, frozen=True):
    """One trace; `waterfall` is None where there is none. `unread` says why its lines are missing
    when the logs cannot be read."""

    waterfall: Waterfall | None
    kept: int | None = None
    unread: Down | None = None


class TelemetrySource(Protocol):
    """Traces and logs of the services. A source that cannot be read returns `Down` within two
    seconds."""

    async def run(self) -> None:
        """Nudge the listening browsers, until cancelled."""

    async def close(self) -> None:
        """Close what is open."""

    def routes(self) -> list[HTTPRouteHandler]:
        """The routes that receive telemetry, if it is kept here."""

    async def find(self, query: TraceQuery) -> TraceList | Down:
        """Traces for a list: the slowest first, otherwise the latest first."""

    async def trace(self, trace_id: str) -> TraceResult | Down:
        """One trace with its lines."""

    async def tail(self, query: LogQuery) -> LogTail | Down:
        """The newest lines that fit."""

    async def choices(self) -> FilterChoices:
        """What traces can be filtered by; empty while that is not known."""

    async def writers(self) -> tuple[tuple[str, int], ...]:
        """Which services write lines, and how many; 0 if the backend has no counts."""

    def received(self) -> ReceivedMetrics | None:
        """The metrics that programs sent; None where they are sent elsewhere."""

    def dropped(self) -> dict[str, int]:
        """How many spans and lines each service, by key, could not send."""

    def sent_to(self) -> str:
        """The address that telemetry is sent to if this dashboard does not read it from there;
        otherwise empty."""

    def calls(self) -> dict[tuple[str, str], CallStats] | None:
        """Calls between processes in the last half minute, by the names of caller and callee; None
        if spans are kept elsewhere."""

    def outage(self, is_busy: Callable[[], bool]) -> Down | None:
        """Set when no telemetry arrives although the services are busy; `is_busy` is called only if
        none arrives."""
