"""What providers charge and accept, and what a plan is made of: values alone."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from services.payment.planning.fees import BASIS_POINTS, leg_fee

# The sets of so many are a million; with more, a search of bounded work would mostly guess.
MAX_ACCOUNTS = 20
# Stored with each plan: which of several plans of one fee is taken is a promise as well.
TIE_ORDER = (
    "fewest legs; accounts that come first; as much as possible to the lowest percentage,"
    " of equal ones to the first"
)

Split = Literal["cheapest", "equal"]


class ProviderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What one account at a provider charges and accepts. Amounts are minor units of the currency
    that is paid in: an account whose terms differ by currency has one of these for each."""

    account: str
    connector: str
    currencies: frozenset[str]
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    maximum_minor: int
    # What the account still takes today.
    capacity_minor: int

    def __post_init__(self) -> None:
        if not 0 <= self.fee_basis_points <= BASIS_POINTS:
            raise ValueError(f"{self.account}: fee_basis_points must be 0 to {BASIS_POINTS}")
        if self.fee_fixed_minor < 0 or self.capacity_minor < 0:
            raise ValueError(f"{self.account}: fee_fixed_minor and capacity_minor must be >= 0")
        if not 1 <= self.minimum_minor <= self.maximum_minor:
            raise ValueError(f"{self.account}: 1 <= minimum_minor <= maximum_minor must hold")

    @property
    def most_minor(self) -> int:
        """The most that one payment may put here now."""
        return min(self.maximum_minor, self.capacity_minor)

    def takes(self, currency: str) -> bool:
        """Whether any amount in this currency is accepted now."""
        return currency in self.currencies and self.minimum_minor <= self.most_minor

    def fee(self, amount_minor: int) -> int:
        """The fee of one leg here."""
        return leg_fee(
            amount_minor, basis_points=self.fee_basis_points, fixed_minor=self.fee_fixed_minor
        )


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One account's part of a payment."""

    account: str
    connector: str
    amount_minor: int
    fee_minor: int


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner claims of a plan, for somebody else to check.

    No plan of these terms costs less than `lower_bound_minor`; where it equals `cost_minor`, which
    is the rule, none is cheaper than this one. It is less only where the search was ended by its
    bound of work; then the tie order is not promised either. `accounts` is the set that gives the
    cost."""

    cost_minor: int
    lower_bound_minor: int
    accounts: tuple[str, ...]
    terms_fingerprint: str
    tie_order: str = TIE_ORDER

    @property
    def is_proven(self) -> bool:
        return self.cost_minor == self.lower_bound_minor


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How an amount is divided, in the order of the accounts; the legs sum to the amount.
    An equal split claims nothing of its cost, so it has no certificate."""

    amount_minor: int
    currency: str
    split: Split
    legs: tuple[Leg, ...]
    certificate: Certificate | None = None

    @property
    def fee_minor(self) -> int:
        return sum(leg.fee_minor for leg in self.legs)


Reason = Literal[
    "no-account",
    "too-many-accounts",
    "above-all-maxima",
    "below-every-minimum",
    "between-possible-amounts",
    "not-found",
    "equal-part-refused",
]


class Infeasible(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no plan: `reason` for a program, `message` for a person. The nearest amounts
    that could be placed are given where there are any."""

    reason: Reason
    message: str
    nearest_below_minor: int | None = None
    nearest_above_minor: int | None = None


def fingerprint(amount_minor: int, currency: str, accounts: Sequence[ProviderTerms]) -> str:
    """A SHA-256 of everything a plan depends on: same fingerprint, same plan."""
    terms = [msgspec.structs.replace(each, currencies=frozenset({currency})) for each in accounts]
    text = msgspec.json.encode([amount_minor, currency, terms])
    return hashlib.sha256(text).hexdigest()


def as_legs(accounts: Sequence[ProviderTerms], amounts: Sequence[int]) -> tuple[Leg, ...]:
    """The legs of a division, one amount for each account; nothing is no leg."""
    return tuple(
        Leg(
            account=terms.account,
            connector=terms.connector,
            amount_minor=amount,
            fee_minor=terms.fee(amount),
        )
        for terms, amount in zip(accounts, amounts, strict=True)
        if amount
    )
