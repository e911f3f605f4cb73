"""The set of accounts, and the division over it, that charges least: branch and bound.

With fixed fees, the cheapest percentage first is often wrong: a second leg costs its fixed fee
however little it takes. So sets of accounts are searched. A *node* has decided for the accounts up
to some place in the list which take part; the others are open. Its two successors take the next
account in, or leave it out.

**The bound of a node**: no plan below it costs less. Accounts that are in pay their fixed fee and
the percentage of their least amount; what that covers counts as paid, the rest costs their
percentage. An open account charges at least its whole fee for the most it takes, spread evenly over
that amount: any smaller leg pays more for each unit, since the fixed fee is the same. The amount is
laid on the cheapest units first, whoever sells them, which no plan can beat; and a fee is a whole
number of minor units, so the sum is rounded up.

A node is left when its bound is not better than the best plan so far. Plans are compared by fee,
then by the number of legs; of equal ones the first in the tie order is visited first, because
accounts are decided in the order of the list and "in" comes before "out". So it wins, and the
others need not be looked at, however many accounts are alike.

Where all is decided, `fill.py` divides exactly. What the accounts after a place can take together
(`reach.py`) ends a branch that cannot end in a plan.

All this is bounded by `STEPS`. When they are spent, the best plan so far is returned, and its
certificate says how cheap a better one could be at best: the least bound of what was left.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from operator import attrgetter

from services.payment.planning.candidate import Candidate, Effort, EffortSpent
from services.payment.planning.fees import BASIS_POINTS
from services.payment.planning.fill import cheapest_fill
from services.payment.planning.node import FINER, Node, unit_prices
from services.payment.planning.reach import Ranges, holds, reachable, refusal
from services.payment.planning.terms import (
    MAX_ACCOUNTS,
    Certificate,
    Infeasible,
    Plan,
    ProviderTerms,
    as_legs,
    fingerprint,
)

# An eighth of a second on a slow core. Of a hundred thousand random lists of up to ten accounts the
# hardest took less than two thirds of it.
STEPS = 5_000


def cheapest_split(
    amount_minor: int,
    currency: str,
    accounts: Sequence[ProviderTerms],
    *,
    steps: int = STEPS,
) -> Plan | Infeasible:
    """The plan with the least sum of fees over accounts that take the currency, exact in minor
    units; `TIE_ORDER` says which, where several cost the same. The order of `accounts` counts."""
    eligible = accepting(amount_minor, currency, accounts)
    if isinstance(eligible, Infeasible):
        return eligible
    ranges = reachable(eligible)
    if not holds(ranges[0], amount_minor, amount_minor):
        return refusal(amount_minor, ranges[0])
    search = _Search(amount_minor, eligible, ranges, Effort(steps))
    is_complete = search.run()
    if search.best is None:
        return _without_plan(amount_minor, steps, is_complete=is_complete)
    amounts = [search.best.get(position, 0) for position in range(len(eligible))]
    legs = as_legs(eligible, amounts)
    return Plan(
        amount_minor=amount_minor,
        currency=currency,
        split="cheapest",
        legs=legs,
        certificate=Certificate(
            cost_minor=sum(leg.fee_minor for leg in legs),
            lower_bound_minor=search.lower_bound,
            accounts=tuple(leg.account for leg in legs),
            terms_fingerprint=fingerprint(amount_minor, currency, eligible),
        ),
    )


def accepting(
    amount_minor: int, currency: str, accounts: Sequence[ProviderTerms]
) -> list[ProviderTerms] | Infeasible:
    """The accounts that take the currency now, in their order; at least one, not too many."""
    if amount_minor < 1:
        raise ValueError("amount_minor must be at least 1")
    eligible = [each for each in accounts if each.takes(currency)]
    if not eligible:
        return Infeasible(
            reason="no-account", message=f"no account accepts {currency} at the moment"
        )
    if len(eligible) > MAX_ACCOUNTS:
        return Infeasible(
            reason="too-many-accounts",
            message=f"{len(eligible)} accounts accept {currency}; a plan weighs {MAX_ACCOUNTS}"
            " at most",
        )
    return eligible


def _without_plan(amount: int, steps: int, *, is_complete: bool) -> Infeasible:
    """The ranges were too many to keep apart, and the search found nothing in them."""
    if is_complete:
        return Infeasible(
            reason="between-possible-amounts",
            message=f"the accounts' minima and maxima leave {amount} minor units out",
        )
    return Infeasible(
        reason="not-found",
        message=f"no way to place {amount} minor units was found in {steps} steps",
    )


class _Search:
    """One search. `best` has the amounts by position, and every plan costs at least `lower_bound`;
    one is better below `_limit`, which is (cost, legs)."""

    def __init__(
        self,
        amount: int,
        accounts: Sequence[ProviderTerms],
        reach: Sequence[Ranges],
        effort: Effort,
    ) -> None:
        self._amount = amount
        self._effort = effort
        self._all = [Candidate.of(at, terms, amount) for at, terms in enumerate(accounts)]
        self._reach = reach
        self._prices = unit_prices(self._all)
        # For each place, the most that 1, 2, ... of the accounts from there on take together.
        self._largest = [
            list(accumulate(sorted((each.most for each in self._all[at:]), reverse=True)))
            for at in range(len(self._all) + 1)
        ]
        self.best: dict[int, int] | None = None
        self.lower_bound = 0
        # At first, dearer than every account filled.
        self._limit = (1 + sum(each.fee(each.most_minor) for each in accounts), 0)

    def run(self) -> bool:
        """Search; returns whether it was completed."""
        open_nodes = [Node(bound=self._bound(Node()))]
        try:
            self._guess()
            if self._limit == (open_nodes[0].bound, 1):
                # One leg at the least possible cost; of such legs the first was kept.
                open_nodes.clear()
            # The search finds the guess again, or a plan before it in the tie order.
            self._limit = (self._limit[0], self._limit[1] + 1)
            while open_nodes:
                self._effort.step()
                open_nodes[-1:] = self._visit(open_nodes[-1])
        except EffortSpent:
            pass
        self.lower_bound = min((self._limit[0], *(node.bound for node in open_nodes)))
        return not open_nodes

    def _guess(self) -> None:
        """Begin with each account alone, and with those that the bound of the root is made of."""
        rest, guessed = self._amount, []
        for _, length, position, is_taken in self._prices:
            if rest > 0 and not is_taken:
                guessed.append(self._all[position])
                rest -= length
        for each in [*([one] for one in self._all), guessed]:
            self._try(each)

    def _visit(self, node: Node) -> list[Node]:
        """What may be better than the best plan so far, with the first in the tie order last."""
        if not self._may_improve(node):
            return []
        if node.at == len(self._all):
            self._try([each for each in self._all if node.taken >> each.position & 1])
            return []
        both = (node.left_out(), node.taken_in(self._all[node.at]))
        bounded = [each.bounded(self._bound(each)) for each in both if self._is_open(each)]
        return [each for each in bounded if self._may_improve(each)]

    def _may_improve(self, node: Node) -> bool:
        missing = self._amount - node.most
        further = 1 + bisect_left(self._largest[node.at], missing) if missing > 0 else 0
        return (node.bound, node.legs + further) < self._limit

    def _is_open(self, node: Node) -> bool:
        """Whether the amount can be placed at all by what is in and what is open."""
        return node.least <= self._amount and holds(
            self._reach[node.at], self._amount - node.most, self._amount - node.least
        )

    def _bound(self, node: Node) -> int:
        """What every plan below the node costs at least."""
        cost = (node.fixed * BASIS_POINTS + node.base_cost) * FINER
        rest = self._amount - node.prepaid
        for price, length, position, is_taken in self._prices:
            if rest <= 0:
                break
            if node.taken >> position & 1 if is_taken else position >= node.at:
                part = min(rest, length)
                cost += part * price
                rest -= part
        return max(node.fixed + node.base, -(-cost // (BASIS_POINTS * FINER)))

    def _try(self, accounts: Sequence[Candidate]) -> None:
        """Divide exactly over these accounts, and keep the plan if it is better."""
        least, most = sum(each.least for each in accounts), sum(each.most for each in accounts)
        if not least <= self._amount <= most:
            return
        legs = sorted(accounts, key=attrgetter("rate", "position"))
        fixed = sum(each.fixed for each in legs)
        cost, count = self._limit
        limit = (cost if len(legs) < count else cost - 1) - fixed
        found = cheapest_fill(legs, self._amount, limit, self._effort)
        if found is not None:
            percentages, amounts = found
            self._limit = (fixed + percentages, len(legs))
            self.best = {leg.position: part for leg, part in zip(legs, amounts, strict=True)}
