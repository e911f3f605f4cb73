"""How a payment's amount is divided over provider accounts, so that it costs least; no I/O.

Start at `search.py` (which accounts take part), then `fill.py` (how much each of them), then
`fees.py` (what a leg costs). `terms.py` has the values, `reach.py` says what is infeasible and why,
`equal_split.py` is the other way to divide.
"""

from services.payment.planning.equal_split import equal_split
from services.payment.planning.fees import leg_fee
from services.payment.planning.search import cheapest_split
from services.payment.planning.terms import (
    TIE_ORDER,
    Certificate,
    Infeasible,
    Leg,
    Plan,
    ProviderTerms,
)

__all__ = [
    "TIE_ORDER",
    "Certificate",
    "Infeasible",
    "Leg",
    "Plan",
    "ProviderTerms",
    "cheapest_split",
    "equal_split",
    "leg_fee",
]
