"""The load profiles as data: how many shoppers when, how they behave, what is demanded."""

import importlib
import math
from importlib.util import find_spec

import msgspec

# How far time may be stretched, and the visits a second of an open loop.
SCALES, RATES = (0.01, 100.0), (0.1, 10_000.0)


class Thresholds(msgspec.Struct, frozen=True):
    """Limits in milliseconds and percent. Latency is that of requests that change something."""

    p95_ms: float = 500.0
    p99_ms: float = 1000.0
    errors_percent: float = 5.0
    success_percent: float = 95.0


class Ramp(msgspec.Struct, frozen=True):
    """A straight line: over `seconds` the shoppers go from `users` to `to`."""

    seconds: float
    users: int
    to: int


class Habits(msgspec.Struct, frozen=True):
    """What shoppers do, as weights, and how long they think in between. Of the orders still
    undecided `fickle` are cancelled; `refund` weighs giving a confirmed order's money back."""

    think_s: tuple[float, float] = (0.5, 1.5)
    browse: int = 3
    order: int = 6
    look_back: int = 1
    refund: int = 0
    fickle: float = 0.1


class Profile(msgspec.Struct, frozen=True):
    """One profile. `steps` says that its stages are levels to be compared, one knee to be found;
    `unit` is what is counted a second: requests that change something."""

    name: str
    about: str
    ramps: tuple[Ramp, ...]
    habits: Habits = Habits()
    thresholds: Thresholds = Thresholds()
    steps: bool = False
    unit: str = "orders"

    @property
    def peak(self) -> int:
        """The most shoppers at any moment."""
        return max(max(ramp.users, ramp.to) for ramp in self.ramps)

    def duration_s(self, scale: float) -> float:
        """How long it takes; a scale stretches or shrinks time, never the number of shoppers."""
        return sum(ramp.seconds for ramp in self.ramps) * scale

    def users_at(self, at_s: float, scale: float) -> int | None:
        """The shoppers `at_s` seconds after the start; None before and after the profile."""
        left_s = at_s / scale
        if left_s < 0:
            return None
        for ramp in self.ramps:
            if left_s < ramp.seconds:
                share = left_s / ramp.seconds
                # Rounded up, so that a ramp from or to nothing is never without a shopper.
                return max(1, math.ceil(ramp.users + (ramp.to - ramp.users) * share))
            left_s -= ramp.seconds
        return None

    def levels(self, scale: float) -> list[tuple[int, float, float]]:
        """Each step as (shoppers, from, to) in seconds since the start. Its first third, in which
        the new shoppers arrive and queues fill, is left out."""
        found, at_s = [], 0.0
        for ramp in self.ramps:
            end_s = at_s + ramp.seconds * scale
            found.append((ramp.to, at_s + ramp.seconds * scale / 3, end_s))
            at_s = end_s
        return found


_STEP_S, _STEP = 30.0, 10
SMOKE = Profile(
    "smoke", "one shopper for half a minute: does it work at all", (Ramp(30, 1, 1),),
    habits=Habits(think_s=(0.1, 0.3)),
)  # fmt: skip
LOAD = Profile(
    "load", "an ordinary day: up to 20 shoppers, held, and home again",
    (Ramp(60, 0, 20), Ramp(180, 20, 20), Ramp(60, 20, 0)),
)  # fmt: skip
STRESS = Profile(
    "stress", "ten more shoppers at each step up to 100: where is the knee",
    tuple(Ramp(_STEP_S, users, users) for users in range(_STEP, 101, _STEP)),
    habits=Habits(think_s=(0.1, 0.3)),
    # Past the knee the shop may be slow; within its own budget of 5 s it must still answer, and
    # it may neither fail nor lose anything.
    thresholds=Thresholds(p95_ms=2000, p99_ms=5000),
    steps=True,
)  # fmt: skip
SPIKE = Profile(
    "spike", "from 5 shoppers to 100 at once, and back: does it recover by itself",
    (Ramp(60, 5, 5), Ramp(60, 100, 100), Ramp(120, 5, 5)),
    # Twenty times the shoppers: the crowd may wait as long as a page may take, not longer.
    thresholds=Thresholds(p95_ms=1000, p99_ms=2000),
)  # fmt: skip
MIXED = Profile(
    "mixed", "payments and refunds, four to one",
    (Ramp(30, 0, 20), Ramp(180, 20, 20), Ramp(30, 20, 0)),
    # A payment without an order would be money that nobody can account for: payments are made by
    # ordering, and money is given back for orders that were confirmed.
    habits=Habits(browse=0, order=8, look_back=0, refund=2, fickle=0.0),
    unit="payments and refunds",
)  # fmt: skip

PROFILES: dict[str, Profile] = {
    profile.name: profile for profile in (SMOKE, LOAD, STRESS, SPIKE, MIXED)
}

# For the web page, where somebody turns the number of shoppers by hand.
BY_HAND = Profile(
    "by-hand", "as many shoppers as somebody set on the page", (Ramp(3600, 1, 1),)
)  # fmt: skip

# Its packages are not the shop's own, and may be installed while the shop runs.
NOT_INSTALLED = (
    "the load generator is not installed: run `make load-tools` in another terminal; the shop "
    "needs no restart"
)


def is_installed() -> bool:
    """Whether the generator's packages are there now."""
    importlib.invalidate_caches()
    return find_spec("locust") is not None
