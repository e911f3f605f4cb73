"""What an act sees of the shop at one moment, and whether a condition holds in it; pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from scenarios.model import Alerts, Condition, Lights, Orders, Services, Stock, Told, said
from scenarios.validation import split
from topology import LABELS, NAMES

Health = Literal["healthy", "degraded", "down", "unknown"]
Shade = Literal["green", "red", "grey"]


class Shelved(Struct, frozen=True):
    """A product: units on the shelf, units held for orders, units sold since the act began."""

    left: int
    reserved: int
    sold: int


class Books(Struct, frozen=True):
    """What the database says, at its own time; `orders` are those placed since the act began, by
    state."""

    at: datetime
    orders: dict[str, int]
    money_in_doubt: int
    overdue_s: float
    stock: dict[str, Shelved]


class Seen(Struct, frozen=True):
    """One look. What cannot be known is absent: no condition holds on it."""

    at: datetime
    lights: dict[str, Shade] = field(default_factory=dict)
    services: dict[str, Health] = field(default_factory=dict)
    books: Books | None = None
    promises: Literal["holds", "settling", "violated", "unknown"] = "unknown"
    judged_at: datetime | None = None  # by the database's clock, as `Books.at`
    firing: frozenset[str] = frozenset()
    told: dict[str, int] = field(default_factory=dict)
    bites: int | None = None


class Check(Struct, frozen=True):
    """One part of a condition: what is wanted, how it is now, and whether that will do."""

    wanted: str
    now: str
    holds: bool


_STATES = {
    "placed": "placed",
    "open": "not decided yet",
    "pending_inventory": "waiting for inventory",
    "pending_payment": "waiting for payment",
    "confirmed": "confirmed",
    "declined": "declined",
    "sold_out": "refused as sold out",
    "failed": "failed",
}
_ANSWERS = {
    "confirmed": "told “confirmed” (201)",
    "accepted": "told “is being processed” (202)",
    "declined": "told “declined” (402)",
    "sold_out": "told “sold out” (409)",
    "turned_away": "turned away unharmed (503)",
    "unclear": "left without a clear answer",
}
_PROMISES = {"hold": "every promise holds", "unbroken": "no promise is broken"}


def checks(condition: Condition, seen: Seen) -> tuple[Check, ...]:
    """Every part of a condition, in the order it is written down."""
    return tuple(check for name, part in said(condition) for check in _READERS[name](part, seen))


def holds(found: tuple[Check, ...]) -> bool:
    """Whether all of it is true."""
    return all(check.holds for check in found)


def wanted(found: tuple[Check, ...]) -> str:
    """What is wanted, all of it."""
    return ", ".join(check.wanted for check in found)


def unmet(found: tuple[Check, ...]) -> str:
    """What does not hold, and how it is instead."""
    return ", ".join(f"{c.wanted} (now: {c.now})" for c in found if not c.holds)


def fits(wanted: object, number: int | None) -> bool:
    """Whether a count is as wanted; one that is not known never is."""
    if number is None:
        return False
    if isinstance(wanted, int):
        return number == wanted
    sign, limit = split(str(wanted))
    return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[
        sign
    ]


def _lights(wanted: Lights, seen: Seen) -> Iterator[Check]:
    for service, colour in said(wanted):
        now = seen.lights.get(service, "unknown")
        yield Check(f"the light of {LABELS[service].lower()} is {colour}", now, now == colour)


def _services(wanted: Services, seen: Seen) -> Iterator[Check]:
    for service, state in said(wanted):
        now = seen.services.get(service, "unknown")
        yield Check(f"{NAMES[service]} is {state}", now, now == state)


def _alerts(wanted: Alerts, seen: Seen) -> Iterator[Check]:
    for name, state in said(wanted):
        now = "firing" if name in seen.firing else "quiet"
        yield Check(f"the alert {name} is {state}", now, now == state)


def _orders(wanted: Orders, seen: Seen) -> Iterator[Check]:
    known = seen.books.orders if seen.books else {}
    for name, amount in said(wanted):
        yield _counted(amount, known.get(name), f"orders {_STATES[name]}")


def _told(wanted: Told, seen: Seen) -> Iterator[Check]:
    for name, amount in said(wanted):
        yield _counted(amount, seen.told.get(name, 0), f"customers {_ANSWERS[name]}")


def _stock(wanted: Stock, seen: Seen) -> Iterator[Check]:
    known = seen.books.stock.get(wanted.product) if seen.books else None
    words = {"left": "left on the shelf", "reserved": "held for orders", "sold": "sold"}
    for name, amount in said(wanted):
        if name != "product":
            number = None if known is None else getattr(known, name)
            yield _counted(amount, number, f"units of {wanted.product} {words[name]}")


def _money(wanted: object, seen: Seen) -> Iterator[Check]:
    now = seen.books.money_in_doubt if seen.books else None
    yield _counted(wanted, now, "cents in doubt")


def _bites(wanted: object, seen: Seen) -> Iterator[Check]:
    yield _counted(wanted, seen.bites, "bites of gremlins")


def _promised(wanted: str, seen: Seen) -> Iterator[Check]:
    well = ("holds",) if wanted == "hold" else ("holds", "settling")
    yield Check(_PROMISES[wanted], seen.promises, seen.promises in well)


def _counted(wanted: object, number: int | None, noun: str) -> Check:
    now = "unknown" if number is None else str(number)
    return Check(_amount(wanted, noun), now, fits(wanted, number))


def _amount(wanted: object, noun: str) -> str:
    """ "> 2" orders are "at least 3 orders"."""
    sign, number = ("", wanted) if isinstance(wanted, int) else split(str(wanted))
    number = number + {">": 1, "<": -1}.get(sign, 0)
    if number == 1:
        first, _, rest = noun.partition(" ")
        noun = f"{first.removesuffix('s')} {rest}".rstrip()
    words = {"": "", ">": "at least ", ">=": "at least ", "<": "at most ", "<=": "at most "}
    return f"{words[sign]}{number or 'no'} {noun}" if not sign else f"{words[sign]}{number} {noun}"


_READERS: Mapping[str, Callable[[Any, Seen], Iterator[Check]]] = {
    "lights": _lights,
    "services": _services,
    "orders": _orders,
    "told": _told,
    "alerts": _alerts,
    "stock": _stock,
    "money_in_doubt": _money,
    "bites": _bites,
    "promises": _promised,
}
