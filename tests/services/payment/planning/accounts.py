"""Accounts to plan with: one by name, random lists of several kinds, and the best of all plans."""

import random
from collections.abc import Iterator

from proof.plan_certificate import AccountTerms, ClaimedLeg, PlanClaim
from services.payment.planning import Plan, ProviderTerms


def terms(
    account: str,
    rate: int,
    fixed: int = 0,
    *,
    least: int = 1,
    most: int = 10**6,
    capacity: int = 10**9,
    currencies: str = "EUR",
) -> ProviderTerms:
    return ProviderTerms(
        account=account,
        connector="stripe",
        currencies=frozenset(currencies.split()),
        fee_basis_points=rate,
        fee_fixed_minor=fixed,
        minimum_minor=least,
        maximum_minor=most,
        capacity_minor=capacity,
    )


def _usual(rng: random.Random) -> tuple[int, int, int, int]:
    return (
        rng.randrange(80, 350, 5),
        rng.choice([0, 10, 25, 30, 35]),
        rng.choice([1, 50, 100, 1_000]),
        rng.choice([5_000, 20_000, 50_000, 100_000, 1_000_000]),
    )


def _odd(rng: random.Random) -> tuple[int, int, int, int]:
    return (
        rng.randint(50, 400),
        rng.randint(0, 50),
        rng.randint(1, 2_000),
        rng.randint(2_000, 60_000),
    )


def _without_fixed_fee(rng: random.Random) -> tuple[int, int, int, int]:
    return rng.randint(250, 300), 0, 1, rng.randint(2_000, 60_000)


def _prime(rng: random.Random) -> tuple[int, int, int, int]:
    rate = rng.choice([137, 139, 149, 151, 281, 283, 293, 307])
    return rate, rng.choice([0, 1]), 1, rng.randint(1_000, 9_999)


def _alike(rng: random.Random) -> tuple[int, int, int, int]:
    return 290, rng.choice([0, 0, 30]), rng.randint(1, 50), rng.randint(1_000, 9_999)


def _narrow(rng: random.Random) -> tuple[int, int, int, int]:
    least = rng.randint(1_000, 9_000)
    return rng.randint(100, 300), 30, least, least + rng.randint(0, 3)


KINDS = (_usual, _odd, _without_fixed_fee, _prime, _alike, _narrow)


def random_cases(seed: int, count: int, most: int) -> Iterator[tuple[int, list[ProviderTerms]]]:
    """Amounts with one to `most` accounts, of each kind in turn; some cannot be placed."""
    rng = random.Random(seed)
    for at in range(count):
        kind = KINDS[at % len(KINDS)]
        accounts = [
            terms(f"a{n}", rate, fixed, least=least, most=top)
            for n, (rate, fixed, least, top) in enumerate(
                kind(rng) for _ in range(rng.randint(1, most))
            )
        ]
        whole = sum(each.most_minor for each in accounts)
        yield rng.randint(1, max(1, int(whole * rng.choice([0.1, 0.3, 0.5, 0.9, 1])))), accounts


def small_cases(seed: int, count: int) -> Iterator[tuple[int, list[ProviderTerms]]]:
    """So small that every division can be tried; the fees are large, so rounding matters."""
    rng = random.Random(seed)
    for at in range(count):
        yield _any_small(rng) if at % 2 else _alike_and_nearly_full(rng)


def _any_small(rng: random.Random) -> tuple[int, list[ProviderTerms]]:
    count = rng.randint(1, 4)
    rates = rng.choice([[0, 1, 150, 290, 2_500, 3_333, 5_000, 5_001, 7_000, 10_000], range(10_001)])
    accounts = []
    for n in range(count):
        least = rng.randint(1, 12)
        top, fixed = rng.randint(least, 50), rng.choice([0, 0, 1, 2, 3, 30])
        accounts.append(terms(f"a{n}", rng.choice(rates), fixed, least=least, most=top))
    return rng.randint(1, 40 if count == 4 else 80), accounts


def _alike_and_nearly_full(rng: random.Random) -> tuple[int, list[ProviderTerms]]:
    """Several accounts of one percentage, most of which are needed: the rounding decides."""
    count = rng.randint(2, 4)
    rates = rng.sample([150, 290, 1_500, 2_500, 3_333, 3_400, 4_000, 5_000, 7_000, 9_000], 2)
    accounts = []
    for n in range(count):
        least = rng.randint(1, 5)
        top = rng.randint(least, 30 if count < 4 else 16)
        accounts.append(
            terms(f"a{n}", rng.choice(rates), rng.choice([0, 0, 0, 1]), least=least, most=top)
        )
    whole = sum(each.most_minor for each in accounts)
    return rng.randint(max(1, whole // 2), whole), accounts


def best_of_all(amount: int, accounts: list[ProviderTerms]) -> list[int] | None:
    """The amounts of the first plan in the stated order, found by trying every division."""
    by_rate = sorted(range(len(accounts)), key=lambda at: (accounts[at].fee_basis_points, at))
    return min(
        _divisions(amount, accounts),
        default=None,
        key=lambda parts: (
            sum(each.fee(part) for each, part in zip(accounts, parts, strict=True)),
            sum(part > 0 for part in parts),
            [at for at, part in enumerate(parts) if part],
            [-parts[at] for at in by_rate],
        ),
    )


def _divisions(amount: int, accounts: list[ProviderTerms]) -> Iterator[list[int]]:
    first, others = accounts[0], accounts[1:]
    top = min(amount, first.most_minor)
    parts = [0, *range(first.minimum_minor, top + 1)] if others else [amount]
    for part in parts:
        if part and not first.minimum_minor <= part <= top:
            continue
        if not others:
            yield [part]
            continue
        for rest in _divisions(amount - part, others):
            yield [part, *rest]


def claim(plan: Plan, accounts: list[ProviderTerms]) -> PlanClaim:
    """The plan's certificate as the proof reads it."""
    assert plan.certificate is not None
    return PlanClaim(
        amount_minor=plan.amount_minor,
        terms=tuple(
            AccountTerms(
                account=each.account,
                fee_basis_points=each.fee_basis_points,
                fee_fixed_minor=each.fee_fixed_minor,
                minimum_minor=each.minimum_minor,
                most_minor=each.most_minor,
            )
            for each in accounts
        ),
        legs=tuple(
            ClaimedLeg(account=leg.account, amount_minor=leg.amount_minor, fee_minor=leg.fee_minor)
            for leg in plan.legs
        ),
        cost_minor=plan.certificate.cost_minor,
        lower_bound_minor=plan.certificate.lower_bound_minor,
    )
