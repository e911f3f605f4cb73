"""The plan of a run: one small file, the same for the master and every worker."""

from uuid import uuid4

import msgspec

from scenarios.load_profiles import BY_HAND, PROFILES, Profile

# Longer than the shop's own budget of 5 s: a client that gives up sooner misses responses.
PATIENCE_S = 8.0
# A line of a generator's output that begins so is passed on to the person, or to the judge.
FOR_PEOPLE, FOR_JUDGE = "| ", "judge "


def new_tag() -> str:
    """What begins every key of one run and of no other."""
    return f"load-{uuid4().hex[:12]}"


class LoadPlan(msgspec.Struct, frozen=True):
    """One run. `urls` are those of the shop's processes by key. `rate` 0 is a closed loop,
    otherwise visits a second at the profile's peak. `tag` begins every Idempotency-Key, so that two
    runs never share one."""

    profile: str
    urls: dict[str, str]
    tag: str
    seed: int
    scale: float = 1.0
    rate: float = 0.0
    workers: int = 0
    patience_s: float = PATIENCE_S
    products: tuple[str, ...] = ("PROD-001", "PROD-002", "PROD-003")

    @property
    def what(self) -> Profile:
        """The profile itself."""
        return PROFILES.get(self.profile, BY_HAND)

    @property
    def duration_s(self) -> float:
        """How long the run takes if nobody stops it."""
        return self.what.duration_s(self.scale)

    def arrivals_at(self, at_s: float) -> float:
        """Visits a second of an open loop: the profile's shape with its peak at `rate`."""
        users = self.what.users_at(at_s, self.scale)
        return self.rate * (users or 0) / self.what.peak


class Ran(msgspec.Struct):
    """How a run went, as its generator leaves it behind: when, and whether it came to its end."""

    began_s: float
    ended_s: float
    complete: bool
    loop: str
    locust: str
    missing_workers: int = 0
    beyond_log: int = 0
