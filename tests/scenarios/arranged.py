"""An act to play, a shop to observe, and stand-ins for what the player is handed."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from scenarios.conditions import ExpectedStock, Observation, OrderCounts, WalletCounts
from scenarios.loader import Scenario, parse
from scenarios.lock import LockTaken
from scenarios.summary import Measurements
from scenarios.traffic import CustomerTraffic
from scenarios.twin_process import ShopFigures, TwinFigures

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TEXT = """\
title: A short act
teaches: how an act goes
steps:
  - title: One
    say: the first thing
    look: lights
    do:
      - gremlin: {service: inventory, kind: latency, delay: 3s, ttl: 1min}
  - title: Two
    say: the second thing
    do:
      - wait: {until: {lights: {order: red}}, limit: 10s}
      - expect: {promises: unbroken}
  - title: Three
    say: the third thing
    do:
      - calm
"""
SCENARIO: Scenario = parse(TEXT, "short", "short.yaml")
COUNTS = OrderCounts(
    NOW,
    {"placed": 9, "open": 2, "confirmed": 7, "pending_inventory": 2},
    500,
    0.0,
    {"PROD-001": ExpectedStock(3, 2, 25)},
    payments={"made": 5, "open": 1, "succeeded": 4, "in_part": 0},
    legs={"held": 1, "captured": 8},
    wallets={"hot": WalletCounts(0, 0, 50, 0)},
)
FIGURES = TwinFigures(
    ours=ShopFigures(9, 9, 0, 0, 0, 0),
    theirs=ShopFigures(9, 9, 1, 4, 3, 2),
)
WELL = Observation(
    NOW,
    lights={"order": "green", "inventory": "green", "payment": "grey"},
    services={"order": "healthy", "inventory": "healthy", "payment": "healthy"},
    counts=COUNTS,
    promises="holds",
    judged_at=NOW,
    figures=FIGURES,
)


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeShop:
    """Executor and observer in one: what is done to it is noted, what it shows is as arranged."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: list[str] = []
        self.shows: Observation = WELL
        self.refuses: dict[str, Exception] = {}
        self.closed = False
        self.not_calm: tuple[str, ...] = ()
        self.responses = dict.fromkeys(CustomerTraffic.labels, 0)
        self.intents: list[object] = []
        self.traffic = self.payers = self.spenders = self.bearer = self

    def _note(self, what: str) -> None:
        if what in self.refuses:
            raise self.refuses[what]
        self.done.append(what)

    # as the executor
    figures = None

    async def ready(self) -> None:
        if "ready" in self.refuses:
            raise self.refuses["ready"]

    async def close(self) -> None:
        self.closed = True

    async def prepare(self, _: Scenario) -> None:
        self._note("prepare")

    async def calm(self, _: float) -> tuple[str, ...]:
        self._note("calm")
        return self.not_calm

    async def do(self, _: object) -> None:
        self._note("do")

    async def arrange(self, _: object) -> None:
        self._note("shelf")

    async def take_down(self, _: object) -> None:
        self._note("take_down")

    async def stop_load(self) -> None:
        self._note("stop")

    # as the observer; `prepare` is the executor's as well
    async def begin(self) -> None:
        self._note("begin")

    async def observe(self, _: object) -> Observation:
        now = self.clock()
        if isinstance(self.refuses.get("observe"), Exception):
            raise self.refuses["observe"]
        counts = self.shows.counts
        if counts is not None:
            counts = replace(counts, at=now, overdue_s=0.0)
        return replace(self.shows, at=now, judged_at=now, counts=counts)

    async def judge(self) -> None:
        self._note("judge")

    def incidents(self) -> tuple[()]:
        return ()

    async def measure(
        self, _: object, counts: OrderCounts | None, not_calm: tuple[str, ...]
    ) -> Measurements:
        return Measurements((), counts, 0, 0, not_calm)


class FreeLock:
    """A lock that nobody else wants, unless the test says so."""

    def __init__(self) -> None:
        self.held = 0
        self.taken: LockTaken | None = None

    async def __aenter__(self) -> "FreeLock":
        if self.taken:
            raise self.taken
        self.held += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.held -= 1

    async def keep(self) -> None:
        if self.taken:
            raise self.taken
