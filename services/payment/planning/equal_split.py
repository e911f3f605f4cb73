"""Equal parts over the accounts that take the currency, whatever they charge."""

from collections.abc import Sequence

from services.payment.planning.search import accepting
from services.payment.planning.terms import Infeasible, Plan, ProviderTerms, as_legs


def equal_split(
    amount_minor: int, currency: str, accounts: Sequence[ProviderTerms]
) -> Plan | Infeasible:
    """One part for each account that takes the currency; what does not divide goes to the first
    ones, a minor unit each. Refused as a whole where an account does not take its part: a division
    over fewer would no longer be what was asked for."""
    eligible = accepting(amount_minor, currency, accounts)
    if isinstance(eligible, Infeasible):
        return eligible
    part, rest = divmod(amount_minor, len(eligible))
    amounts = [part + (at < rest) for at in range(len(eligible))]
    for terms, amount in zip(eligible, amounts, strict=True):
        if not terms.minimum_minor <= amount <= terms.most_minor:
            return Infeasible(
                reason="equal-part-refused",
                message=f"an equal part is {amount} minor units, and {terms.account} takes"
                f" {terms.minimum_minor} to {terms.most_minor}",
            )
    return Plan(
        amount_minor=amount_minor,
        currency=currency,
        split="equal",
        legs=as_legs(eligible, amounts),
    )
