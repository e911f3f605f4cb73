"""Checks the claim that a payment's plan is the cheapest, with a solver and no code of the planner.

A claim is checked in two parts. That the plan is one: each leg within its account's bounds, the
legs sum to the amount, the fees are what the accounts charge; in whole numbers, here. And that
none is cheaper than claimed: HiGHS, a solver for mixed-integer programs, searches for one. What it
finds is counted again in whole numbers, so a broken claim is broken for certain. That there is none
rests on the solver, which calculates in floating point; where that is too coarse, or the solver is
not installed (the extra `solver`), the claim is undecided, which is not proven.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

# Percentages are in basis points: amount * rate must stay exact, with room, in a 64-bit float.
_LARGEST_AMOUNT = 10**9
_BASIS_POINTS = 10_000
# The smallest that HiGHS takes. At its usual 1e-6 a leg of a hundred units could be free of its
# fixed fee, since "takes part" may then be 0.000001 of an account of 10**8.
_TOLERANCE = 1e-10
# Solved in milliseconds as a rule; a claim that takes longer is undecided.
_SOLVER_S = 10.0


class AccountTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an account charged and accepted when the plan was made; amounts in minor units."""

    account: str
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    most_minor: int


class ClaimedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg as it was stored."""

    account: str
    amount_minor: int
    fee_minor: int


class PlanClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A stored plan: its cost is `cost_minor`, and no plan costs less than `lower_bound_minor`."""

    amount_minor: int
    terms: tuple[AccountTerms, ...]
    legs: tuple[ClaimedLeg, ...]
    cost_minor: int
    lower_bound_minor: int


class ClaimVerdict(msgspec.Struct, frozen=True):
    """What became of a claim, and why it is not proven."""

    outcome: Literal["proven", "broken", "undecided"]
    reason: str = ""


def check_plan(claim: PlanClaim) -> ClaimVerdict:
    """Check a claim; takes the processor for some milliseconds."""
    fault = _fault(claim)
    if fault:
        return ClaimVerdict("broken", fault)
    if claim.amount_minor > _LARGEST_AMOUNT:
        return ClaimVerdict("undecided", f"the solver is not exact past {_LARGEST_AMOUNT}")
    try:
        # Here, because it is large, and only who checks plans needs it.
        import highspy
    except ImportError:
        return ClaimVerdict("undecided", "no solver is installed: the extra `solver` has it")
    bound, found = _solve(highspy, claim.amount_minor, claim.terms)
    by_name = {each.account: each for each in claim.terms}
    if found and not _misplaced(claim.amount_minor, found, by_name):
        cost = sum(_fee(by_name[account], amount) for account, amount in found.items())
        if cost < claim.lower_bound_minor:
            return ClaimVerdict("broken", f"{found} costs {cost}")
    if bound < claim.lower_bound_minor:
        return ClaimVerdict("undecided", f"the solver shows only that no plan costs under {bound}")
    return ClaimVerdict("proven")


def _fee(terms: AccountTerms, amount: int) -> int:
    whole, part = divmod(amount * terms.fee_basis_points, _BASIS_POINTS)
    return terms.fee_fixed_minor + whole + (1 if part else 0)


def _fault(claim: PlanClaim) -> str:
    """What is wrong with the plan itself; empty if nothing is."""
    terms = {each.account: each for each in claim.terms}
    amounts = {leg.account: leg.amount_minor for leg in claim.legs}
    if len(amounts) < len(claim.legs):
        return "two legs at one account"
    misplaced = _misplaced(claim.amount_minor, amounts, terms)
    if misplaced:
        return misplaced
    for leg in claim.legs:
        fee = _fee(terms[leg.account], leg.amount_minor)
        if leg.fee_minor != fee:
            return f"the leg at {leg.account} costs {fee}, not {leg.fee_minor}"
    cost = sum(leg.fee_minor for leg in claim.legs)
    if cost != claim.cost_minor:
        return f"the legs cost {cost}, not {claim.cost_minor}"
    if claim.lower_bound_minor > claim.cost_minor:
        return f"the plan costs {cost}, less than its bound {claim.lower_bound_minor}"
    return ""


def _misplaced(amount: int, amounts: Mapping[str, int], terms: Mapping[str, AccountTerms]) -> str:
    """Why these amounts are no plan; empty if they are one."""
    for account, part in amounts.items():
        if account not in terms:
            return f"{account} is not among the accounts"
        least, most = terms[account].minimum_minor, terms[account].most_minor
        if not least <= part <= most:
            return f"{account} takes {least} to {most}, not {part}"
    placed = sum(amounts.values())
    return "" if placed == amount else f"the legs sum to {placed}, not to {amount}"


def _solve(highspy: Any, amount: int, terms: Sequence[AccountTerms]) -> tuple[int, dict[str, int]]:
    """A lower bound of the cost of every plan in minor units, and the solver's plan if it has one.

    Per account: its amount, whether it takes part (0 or 1) and its percentage in whole minor
    units, which is at least amount * basis points / 10 000."""
    solver = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("time_limit", _SOLVER_S),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 1e-6),
        ("mip_feasibility_tolerance", _TOLERANCE),
        ("primal_feasibility_tolerance", _TOLERANCE),
    ):
        solver.setOptionValue(option, value)
    parts, costs = [], []
    for each in terms:
        most = min(each.most_minor, amount)
        part = solver.addIntegral(lb=0, ub=most)
        takes_part = solver.addBinary()
        percentage = solver.addIntegral(lb=0)
        solver.addConstr(part <= most * takes_part)
        solver.addConstr(part >= each.minimum_minor * takes_part)
        solver.addConstr(_BASIS_POINTS * percentage >= each.fee_basis_points * part)
        parts.append(part)
        costs.append(percentage + each.fee_fixed_minor * takes_part)
    solver.addConstr(solver.qsum(parts) == amount)
    solver.minimize(solver.qsum(costs))
    dual_bound = solver.getInfo().mip_dual_bound
    bound = math.ceil(dual_bound - 1e-4) if math.isfinite(dual_bound) else 0
    if not solver.getSolution().value_valid:
        return bound, {}
    amounts = [round(solver.val(part)) for part in parts]
    return bound, {
        each.account: placed for each, placed in zip(terms, amounts, strict=True) if placed
    }
