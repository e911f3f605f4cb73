"""What an act knows of the shop at one moment, and whether a condition holds in it; pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from scenarios.condition_model import (
    NAMING,
    Alerts,
    AuditCondition,
    Condition,
    Events,
    Legs,
    Lights,
    Orders,
    PayerResponses,
    Payments,
    Responses,
    Services,
    SpenderResponses,
    StockCondition,
    TokenResponses,
    TwinCounts,
    WalletCondition,
)
from scenarios.model import given_fields
from scenarios.twin_process import TwinFigures
from scenarios.validation import split
from topology import LABELS, NAMES

Health = Literal["healthy", "degraded", "down", "unknown"]
LightColour = Literal["green", "amber", "red", "grey"]


class ExpectedStock(Struct, frozen=True):
    """A product: units on the shelf, units held for orders, units sold since the act began."""

    left: int
    reserved: int
    sold: int


class WalletCounts(Struct, frozen=True):
    """One wallet: minor units to spend and held now; payments from it since the act began that were
    taken, and that are not decided."""

    available: int
    held: int
    paid: int
    open: int


class OrderCounts(Struct, frozen=True):
    """What the database holds, at its own time; `orders` are those placed since the act began, by
    state, and so are `payments` and their `legs`; `wallets` are those of the act, by user."""

    at: datetime
    orders: dict[str, int]
    money_in_doubt: int
    overdue_s: float
    stock: dict[str, ExpectedStock]
    payments: dict[str, int] = field(default_factory=dict)
    legs: dict[str, int] = field(default_factory=dict)
    wallets: dict[str, WalletCounts] = field(default_factory=dict)
    audit: dict[str, int] = field(default_factory=dict)


class Observation(Struct, frozen=True):
    """The shop at one moment. What is not known is absent: no condition holds on it. `which` are
    the promises that `promises` is about, where they do not all hold."""

    at: datetime
    lights: dict[str, LightColour] = field(default_factory=dict)
    services: dict[str, Health] = field(default_factory=dict)
    counts: OrderCounts | None = None
    promises: Literal["holds", "settling", "violated", "unknown"] = "unknown"
    which: tuple[str, ...] = ()
    judged_at: datetime | None = None  # by the database's clock, as `OrderCounts.at`
    firing: frozenset[str] = frozenset()
    responses: dict[str, int] = field(default_factory=dict)
    payer_responses: dict[str, int] = field(default_factory=dict)
    spender_responses: dict[str, int] = field(default_factory=dict)
    token_responses: dict[str, int] = field(default_factory=dict)
    bites: int | None = None
    figures: TwinFigures | None = None
    events: dict[str, int] = field(default_factory=dict)


class ConditionCheck(Struct, frozen=True):
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
_RESPONSES = {
    "confirmed": "told “confirmed” (201)",
    "accepted": "told “is being processed” (202)",
    "declined": "told “declined” (402)",
    "sold_out": "told “sold out” (409)",
    "turned_away": "turned away unharmed (503)",
    "unclear": "left without a clear answer",
}
_PAYMENTS = {
    "made": "made",
    "open": "not decided yet",
    "unknown": "that an account has not answered",
    "succeeded": "taken",
    "split": "taken in several parts",
    "failed": "not taken",
    "cancelled": "cancelled",
    "refunded": "given back",
    "in_part": "of which only a part was kept",
    "needs_review": "that a person must look at",
}
_LEGS = {
    "held": "held and not taken",
    "captured": "taken",
    "voided": "let go",
    "declined": "declined",
    "unknown": "that an account has not answered",
    "refunded": "given back",
    "moved": "that went on to another account",
}
_PAYER_RESPONSES = {
    "paid": "told “paid” (200)",
    "accepted": "told “is being processed” (202)",
    "declined": "told “declined” (402)",
    "refused": "refused (422)",
    "turned_away": "turned away unharmed (503)",
    "unclear": "left without a clear answer",
}
_SPENDER_RESPONSES = {
    "paid": "told “paid” (201)",
    "no_money": "told “not enough money” (409)",
    "declined": "told “declined” (402)",
    "not_taken": "told “the gateway failed, nothing was taken” (502)",
    "refused": "refused for another reason",
    "turned_away": "turned away unharmed (503)",
    "unclear": "left without a clear answer",
}
_TOKEN_RESPONSES = {
    "let_in": "let in",
    "bad_token": "refused as opening nothing (401)",
    "role_missing": "refused for their bearer's role (403)",
    "invalid_grant": "that got no others any more (400)",
    "unclear": "left without a clear answer",
}
_AUDIT = {
    "logins_revoked": "logins ended before their time, in the audit log",
    "keys_withdrawn": "keys withdrawn, in the audit log",
}
_WALLET = {
    "available": "minor units to spend in the wallet of {}",
    "held": "minor units held in the wallet of {}",
    "paid": "payments taken from the wallet of {}",
    "open": "payments not decided from the wallet of {}",
}
_EVENTS = {
    "unpublished": "that wait to be published",
    "behind": "that a consumer has still to take",
    "parked": "that were put aside",
}
# The figures of a shop and its unsafe twin, by what they are called.
FIGURES = {
    "stuck": "stuck",
    "charged_twice": "charged twice",
    "charged_without_goods": "charged without goods",
    "units_leaked": "units leaked",
}
_TWIN = {
    "orders": "orders placed at the unsafe twin",
    "payments": "payments made at the unsafe twin",
    "stuck": "purchases stuck at the unsafe twin",
    "charged_twice": "purchases charged twice by the unsafe twin",
    "charged_without_goods": "purchases charged without goods by the unsafe twin",
    "units_leaked": "units leaked by the unsafe twin",
}
_PROMISES = {"hold": "every promise holds", "unbroken": "no promise is broken"}


def checks(condition: Condition, observation: Observation) -> tuple[ConditionCheck, ...]:
    """Every part of a condition, in the order it is written down."""
    return tuple(
        check
        for name, part in given_fields(condition)
        for check in _READERS[name](part, observation)
    )


def holds(found: tuple[ConditionCheck, ...]) -> bool:
    """Whether all of it is true."""
    return all(check.holds for check in found)


def wanted(found: tuple[ConditionCheck, ...]) -> str:
    """What is wanted, all of it."""
    return ", ".join(check.wanted for check in found)


def unmet(found: tuple[ConditionCheck, ...]) -> str:
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


def _lights(wanted: Lights, observation: Observation) -> Iterator[ConditionCheck]:
    for service, colour in given_fields(wanted):
        now = observation.lights.get(service, "unknown")
        yield ConditionCheck(
            f"the light of {LABELS[service].lower()} is {colour}", now, now == colour
        )


def _services(wanted: Services, observation: Observation) -> Iterator[ConditionCheck]:
    for service, state in given_fields(wanted):
        now = observation.services.get(service, "unknown")
        yield ConditionCheck(f"{NAMES[service]} is {state}", now, now == state)


def _alerts(wanted: Alerts, observation: Observation) -> Iterator[ConditionCheck]:
    for name, state in given_fields(wanted):
        now = "firing" if name in observation.firing else "quiet"
        yield ConditionCheck(f"the alert {name} is {state}", now, now == state)


def _orders(wanted: Orders, observation: Observation) -> Iterator[ConditionCheck]:
    known = observation.counts.orders if observation.counts else {}
    for name, amount in given_fields(wanted):
        yield _counted(amount, known.get(name), f"orders {_STATES[name]}")


def _responses(wanted: Responses, observation: Observation) -> Iterator[ConditionCheck]:
    for name, amount in given_fields(wanted):
        yield _counted(amount, observation.responses.get(name, 0), f"customers {_RESPONSES[name]}")


def _payments(wanted: Payments, observation: Observation) -> Iterator[ConditionCheck]:
    known = observation.counts.payments if observation.counts else {}
    for name, amount in given_fields(wanted):
        yield _counted(amount, known.get(name), f"payments {_PAYMENTS[name]}")


def _legs(wanted: Legs, observation: Observation) -> Iterator[ConditionCheck]:
    known = observation.counts.legs if observation.counts else {}
    for name, amount in given_fields(wanted):
        yield _counted(amount, known.get(name), f"parts of payments {_LEGS[name]}")


def _payers(wanted: PayerResponses, observation: Observation) -> Iterator[ConditionCheck]:
    for name, amount in given_fields(wanted):
        number = observation.payer_responses.get(name, 0)
        yield _counted(amount, number, f"payers {_PAYER_RESPONSES[name]}")


def _spenders(wanted: SpenderResponses, observation: Observation) -> Iterator[ConditionCheck]:
    for name, amount in given_fields(wanted):
        number = observation.spender_responses.get(name, 0)
        yield _counted(amount, number, f"spenders {_SPENDER_RESPONSES[name]}")


def _tokens(wanted: TokenResponses, observation: Observation) -> Iterator[ConditionCheck]:
    for name, amount in given_fields(wanted):
        number = observation.token_responses.get(name, 0)
        yield _counted(amount, number, f"tokens {_TOKEN_RESPONSES[name]}")


def _audit(wanted: AuditCondition, observation: Observation) -> Iterator[ConditionCheck]:
    known = observation.counts.audit if observation.counts else {}
    for name, amount in given_fields(wanted):
        yield _counted(amount, known.get(name), _AUDIT[name])


def _wallet(wanted: WalletCondition, observation: Observation) -> Iterator[ConditionCheck]:
    known = observation.counts.wallets.get(wanted.user) if observation.counts else None
    for name, amount in given_fields(wanted):
        if name not in NAMING:
            number = None if known is None else getattr(known, name)
            yield _counted(amount, number, _WALLET[name].format(wanted.user))


def _stock(wanted: StockCondition, observation: Observation) -> Iterator[ConditionCheck]:
    known = observation.counts.stock.get(wanted.product) if observation.counts else None
    labels = {"left": "left on the shelf", "reserved": "held for orders", "sold": "sold"}
    for name, amount in given_fields(wanted):
        if name not in NAMING:
            number = None if known is None else getattr(known, name)
            yield _counted(amount, number, f"units of {wanted.product} {labels[name]}")


def _events(wanted: Events, observation: Observation) -> Iterator[ConditionCheck]:
    for name, amount in given_fields(wanted):
        yield _counted(amount, observation.events.get(name), f"events {_EVENTS[name]}")


def _money(wanted: object, observation: Observation) -> Iterator[ConditionCheck]:
    now = observation.counts.money_in_doubt if observation.counts else None
    yield _counted(wanted, now, "cents in doubt")


def _bites(wanted: object, observation: Observation) -> Iterator[ConditionCheck]:
    yield _counted(wanted, observation.bites, "bites of gremlins")


def _twin(wanted: TwinCounts, observation: Observation) -> Iterator[ConditionCheck]:
    theirs = observation.figures.theirs if observation.figures else None
    for name, amount in given_fields(wanted):
        yield _counted(amount, getattr(theirs, name, None), _TWIN[name])


def _promised(wanted: str, observation: Observation) -> Iterator[ConditionCheck]:
    well = ("holds",) if wanted == "hold" else ("holds", "settling")
    now = ": ".join(filter(None, (observation.promises, "; ".join(observation.which))))
    yield ConditionCheck(_PROMISES[wanted], now, observation.promises in well)


def _counted(wanted: object, number: int | None, noun: str) -> ConditionCheck:
    now = "unknown" if number is None else str(number)
    return ConditionCheck(_amount(wanted, noun), now, fits(wanted, number))


def _amount(wanted: object, noun: str) -> str:
    """ "> 2" orders are "at least 3 orders"."""
    sign, number = ("", wanted) if isinstance(wanted, int) else split(str(wanted))
    number = number + {">": 1, "<": -1}.get(sign, 0)
    if number == 1:
        first, _, rest = noun.partition(" ")
        noun = f"{first.removesuffix('s')} {rest}".rstrip()
    bounds = {"": "", ">": "at least ", ">=": "at least ", "<": "at most ", "<=": "at most "}
    return f"{bounds[sign]}{number or ('no' if not sign else 0)} {noun}"


_READERS: Mapping[str, Callable[[Any, Observation], Iterator[ConditionCheck]]] = {
    "lights": _lights,
    "services": _services,
    "orders": _orders,
    "told": _responses,
    "payments": _payments,
    "legs": _legs,
    "payers": _payers,
    "spenders": _spenders,
    "tokens": _tokens,
    "audit": _audit,
    "wallet": _wallet,
    "alerts": _alerts,
    "stock": _stock,
    "money_in_doubt": _money,
    "bites": _bites,
    "events": _events,
    "twin": _twin,
    "promises": _promised,
}
