"""What a twin is: functions that take the place of the shop's own, and the faults that show it."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import msgspec

import topology

# What a small shop is called in which nothing is replaced, and what every twin is marked with.
OURS, UNSAFE = "ours", "UNSAFE TWIN"
NAMES = ("naive", "retry-next-provider", "fail-when-old")
# Of a shop that has no orders: a chain of two accounts, and nothing that waits for an order.
PAYMENTS_ALONE = {
    "VALERIX_PAYMENT_STRIPE_ACCOUNTS": "alfa=sk_test_alfa,bravo=sk_test_bravo",
    "VALERIX_ORDER_DEADLINE_S": "1",
    "VALERIX_ORDER_LEASE_S": "1",
}


class NotThere(Exception):
    """What a twin replaces no longer exists, or is called otherwise now."""


class Replacement(msgspec.Struct, frozen=True):
    """`by` takes the place of `name` ("Class.method", or a function's name) in a module."""

    module: str
    name: str
    by: Callable[..., Any]

    def find(self) -> Any:
        """What is replaced. Raises `NotThere`."""
        found: Any = import_module(self.module)
        for part in self.name.split("."):
            if not hasattr(found, part):
                raise NotThere(f"{self.module} has no {self.name}, which a twin replaces")
            found = getattr(found, part)
        return found

    def check(self) -> None:
        """Raise `NotThere` unless it can take the place: it is called with the same things."""
        before = list(inspect.signature(self.find()).parameters)
        after = list(inspect.signature(self.by).parameters)
        if before != after:
            raise NotThere(f"{self.module}.{self.name} is called with {before}, not with {after}")

    def apply(self) -> None:
        """Put it in its place, for the life of this process."""
        self.check()
        owner: Any = import_module(self.module)
        *path, name = self.name.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, self.by)


class Fault(msgspec.Struct, frozen=True):
    """A gremlin: which process it bites, at which requests, how, and which share of them."""

    process: str
    kind: str
    routes: tuple[str, ...]
    probability: float = 1.0


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """A twin. `wrong` is what it does, in one line, and `shows` what comes of it.

    `door` is the process that its customers ask: for orders, or for payments by
    POST /process-payment. `settings` is what ours runs with as well as the twin; `faults` show the
    difference."""

    name: str
    wrong: str
    shows: str
    replaced: tuple[Replacement, ...]
    door: str
    faults: tuple[Fault, ...]
    settings: Mapping[str, str] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The processes that it needs."""
        return (self.door, *topology.find(self.door).calls)


def find(name: str) -> Twin:
    """The twin of this name; `KeyError` with the names there are."""
    if name not in NAMES:
        raise KeyError(f"no twin is called {name!r}; there are: {', '.join(NAMES)}")
    twin: Twin = import_module(f"twins.{name.replace('-', '_')}").TWIN
    return twin
