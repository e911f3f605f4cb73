"""The proof: every promise of the shop as a small named check against the database.

It owns no data but a note of how far was proven (checkpoint.py). `themes` is the table of promises,
`prove` judges them all in one snapshot, `report` renders the verdict for people and scripts,
`ProofLoop` keeps it fresh for the dashboard. Start reading in invariant.py, then the three themes:
stock.py, money.py, orders.py; books.py says how they are asked of a few orders only.
"""

from proof.invariant import Invariant, Limits
from proof.invariants import money, orders, stock

__all__ = ["Invariant", "Limits", "invariants", "themes"]


def themes(limits: Limits | None = None) -> dict[str, tuple[Invariant, ...]]:
    """Every promise, by theme, in the order they are shown."""
    return {
        "Stock": stock.INVARIANTS,
        "Money": money.INVARIANTS,
        "Orders": orders.invariants(limits or Limits()),
    }


def invariants(limits: Limits | None = None) -> tuple[Invariant, ...]:
    """Every promise in one row."""
    return tuple(each for theme in themes(limits).values() for each in theme)
