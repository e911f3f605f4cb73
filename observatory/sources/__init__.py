"""Where metrics, traces and logs come from: two protocols, so that a page never knows which."""

from collections.abc import Callable, Sequence
from typing import Protocol

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct, field

from observatory.limits import LossCounts
from observatory.metrics.counter_window import Traffic
from observatory.metrics.history import Exemplar, Point
from observatory.sources.down import Down
from observatory.store.logs import LogQuery
from observatory.store.results import LogRow, TraceRow, Waterfall
from observatory.store.store import FilterChoices, TraceQuery

# The traffic is that of the last 30 s and the services send every second: with requests, and
# without telemetry for longer than both, it is lost.
SILENT_S = 35.0


class Source(Protocol):
    """Metrics of the services, by service key. A source that cannot say answers `Down`."""

    async def start(self) -> None:
        """Begin to watch; returns at once."""

    async def stop(self) -> None:
        """End every loop and close every connection."""

    def traffic(self, service: str) -> Traffic | Down:
        """Business requests of the last thirty seconds."""

    def stock(self) -> dict[str, dict[str, int]] | Down:
        """Units by product and state ("stock", "reserved", "sold")."""

    def bites(self, service: str) -> dict[str, int]:
        """How often each gremlin, by name, bit since the process started; empty when not known."""

    def points(self, service: str, moments: Sequence[float]) -> list[Point]:
        """The service at each moment (seconds since the epoch), for the charts."""

    def exemplars(self, service: str, since: float, until: float) -> list[Exemplar]:
        """Requests with a trace that became known after `since`, up to `until` (epoch seconds)."""

    def failures(self, service: str, since: float, until: float) -> float:
        """Failed answers between two moments (epoch seconds), as far back as is remembered."""


class Found(Struct, frozen=True):
    """Traces of a list. `kept` is how many there are in all, where that is known; `note` says in
    words what the search could not do."""

    rows: tuple[TraceRow, ...]
    kept: int | None = None
    losses: LossCounts = field(default_factory=LossCounts)
    note: str = ""


class Tail(Struct, frozen=True):
    """Lines, oldest first; `more` means that older ones fit as well."""

    rows: tuple[LogRow, ...]
    more: bool
    kept: int | None = None
    losses: LossCounts = field(default_factory=LossCounts)


class Whole(Struct, frozen=True):
    """One trace; `waterfall` is None where there is none. `unread` says why its lines are missing
    when the logs cannot be read."""

    waterfall: Waterfall | None
    kept: int | None = None
    unread: Down | None = None


class Evidence(Protocol):
    """Traces and logs of the services. One that cannot say answers `Down`, within two seconds."""

    async def run(self) -> None:
        """Nudge those who look, until cancelled."""

    async def close(self) -> None:
        """Close what is open."""

    def routes(self) -> list[HTTPRouteHandler]:
        """Where services send telemetry, if it is kept here."""

    async def find(self, query: TraceQuery) -> Found | Down:
        """Traces for a list: the slowest first, otherwise the latest first."""

    async def trace(self, trace_id: str) -> Whole | Down:
        """One trace with its lines in place."""

    async def tail(self, query: LogQuery) -> Tail | Down:
        """The newest lines that fit."""

    async def choices(self) -> FilterChoices:
        """What traces can be filtered by; nothing while that is not known."""

    async def writers(self) -> tuple[tuple[str, int], ...]:
        """Who writes lines, each with how many, or 0 where nobody counts."""

    def dropped(self) -> dict[str, int]:
        """How much each service, by key, could not send to anybody."""

    def elsewhere(self) -> str:
        """The address that telemetry goes to when nobody here reads it; otherwise empty."""

    def silence(self, busy: Callable[[], bool]) -> Down | None:
        """Set when the services say nothing and are `busy`, which is asked only then."""
