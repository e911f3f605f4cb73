"""The proof: every promise of the shop as a small named check against the database.

It owns no data but the checkpoint of what was proven (checkpoint.py). `themes` is the table of
promises, `evaluate.py` judges them by the statements of `judging.py`, `render.py` prints the
verdict, `ProofScheduler` keeps it fresh for the dashboard. Start reading in invariant.py, then the
themes in invariants/; incremental.py limits their SQL to the orders that changed.

Adding a promise takes two files, its theme in invariants/ and a case that breaks it in
tests/proof/breaks.py, and then `make render`. The report, `valerix verify`, the gauge and the
dashboard's panel follow.
"""

from proof.invariant import Invariant, Limits
from proof.invariants import (
    decisions,
    events,
    identity,
    money,
    operators,
    orders,
    payments,
    providers,
    record,
    stock,
    wallets,
)

__all__ = ["Invariant", "Limits", "invariants", "themes"]


def themes(limits: Limits | None = None) -> dict[str, tuple[Invariant, ...]]:
    """Every promise, by theme, in the order they are shown."""
    return {
        "Stock": stock.INVARIANTS,
        "Money": money.INVARIANTS,
        "Payments": payments.INVARIANTS,
        "Providers": providers.INVARIANTS,
        "Decisions": decisions.INVARIANTS,
        "Wallets": wallets.INVARIANTS,
        "Identity": identity.INVARIANTS,
        "Orders": orders.invariants(limits or Limits()),
        "Events": events.INVARIANTS,
        "Operators": operators.INVARIANTS,
        "Record": record.INVARIANTS,
    }


def invariants(limits: Limits | None = None) -> tuple[Invariant, ...]:
    """Every promise in one row."""
    return tuple(each for theme in themes(limits).values() for each in theme)
