"""An act to play, a shop to look at, and stand-ins at the player's own doors."""

from datetime import UTC, datetime, timedelta

from scenarios.conditions import Observation, OrderCounts, StockLevel
from scenarios.executor import CannotPlay
from scenarios.loader import Scenario, parse
from scenarios.lock import LockTaken
from scenarios.summary import Measurements
from scenarios.traffic import RESPONSES

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
BOOKS = OrderCounts(
    NOW,
    {"placed": 9, "open": 2, "confirmed": 7, "pending_inventory": 2},
    500,
    0.0,
    {"PROD-001": StockLevel(3, 2, 25)},
)
WELL = Observation(
    NOW,
    lights={"order": "green", "inventory": "green", "payment": "grey"},
    services={"order": "healthy", "inventory": "healthy", "payment": "healthy"},
    books=BOOKS,
    promises="holds",
    judged_at=NOW,
)


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Shop:
    """Hands and eyes in one: what is done to it is noted, what is seen of it is as arranged."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: list[str] = []
        self.shows: Observation = WELL
        self.refuses: dict[str, Exception] = {}
        self.not_calm: tuple[str, ...] = ()
        self.told = dict.fromkeys(RESPONSES, 0)
        self.confirmed: list[object] = []
        self.accepted: list[object] = []
        self.customers = self

    def _note(self, what: str) -> None:
        if what in self.refuses:
            raise self.refuses[what]
        self.done.append(what)

    # hands
    async def prepare(self, _: Scenario) -> None:
        self._note("prepare")

    async def calm(self, _: float) -> tuple[str, ...]:
        self._note("calm")
        return self.not_calm

    async def let_loose(self, gremlin: object) -> None:
        self._note("gremlin")

    async def shelve(self, _: object) -> None:
        self._note("shelf")

    async def load(self, _: object) -> None:
        self._note("load")

    async def slip(self, _: object) -> None:
        self._note("slip")

    async def leave(self) -> None:
        self._note("leave")

    # eyes
    async def begin(self) -> None:
        self._note("begin")

    async def look(self, _: object) -> Observation:
        now = self.clock()
        if isinstance(self.refuses.get("look"), Exception):
            raise self.refuses["look"]
        books = self.shows.books
        seen = {name: getattr(self.shows, name) for name in Observation.__struct_fields__}
        seen |= {"at": now, "judged_at": now}
        if books is not None:
            seen["books"] = OrderCounts(now, books.orders, books.money_in_doubt, 0.0, books.stock)
        return Observation(**seen)

    async def judge(self) -> None:
        self._note("judge")

    def incidents(self) -> tuple[()]:
        return ()

    async def testify(
        self, _: object, books: OrderCounts | None, missing: tuple[str, ...]
    ) -> Measurements:
        return Measurements((), books, 0, 0, missing)


class FreeTurn:
    """A lock that nobody else wants, unless the test says so."""

    def __init__(self) -> None:
        self.held = 0
        self.taken: LockTaken | None = None

    async def __aenter__(self) -> "FreeTurn":
        if self.taken:
            raise self.taken
        self.held += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.held -= 1

    async def keep(self) -> None:
        if self.taken:
            raise self.taken


__all__ = ["CannotPlay", "CouldNot"]
