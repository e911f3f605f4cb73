"""`expand[]=latest_charge`: an id in an answer is replaced by the object that it names."""

from collections.abc import Sequence
from typing import Any

from chassis.database.pool import Connection
from providers.acquirer import store
from providers.acquirer.domain import Account
from providers.acquirer.errors import Refused
from providers.acquirer.views import View, view

# What may be expanded in an object, and what is found there.
_EXPANDABLE: dict[str, dict[str, str]] = {
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {"balance_transaction": "balance_transaction", "payment_intent": "payment_intent"},
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "payment_intent": "payment_intent",
    },
    "balance_transaction": {"source": "source"},
}
# As deep as Stripe goes.
_DEEPEST = 4


def check(what: str, paths: Sequence[str]) -> None:
    """Refuse, before anything is done, what cannot be expanded in a `what` or a list of them."""
    for path in paths:
        parts = path.split(".")
        if parts[0] == "data":
            parts = parts[1:]
        found: str | None = what
        for part in parts:
            found = _EXPANDABLE.get(found or "", {}).get(part)
        if found is None or not parts or len(parts) > _DEEPEST:
            raise Refused(400, f"This property cannot be expanded ({path[:100]}).", param="expand")


async def expand(c: Connection, account: Account, shown: View, paths: Sequence[str]) -> None:
    """Put into the object, or into each of a list, what the paths name; they have been checked."""
    for path in paths:
        parts = path.split(".")
        if parts[0] == "data":
            for each in shown["data"]:
                await _expand(c, account, each, parts[1:])
        else:
            await _expand(c, account, shown, parts)


async def _expand(c: Connection, account: Account, shown: View, parts: Sequence[str]) -> None:
    value: Any = shown.get(parts[0])
    if isinstance(value, str):
        shape = store.SHAPE_OF[value.partition("_")[0]]
        found = await store.find(c, shape, account, value)
        if found is not None:
            value = shown[parts[0]] = view(found)
    if isinstance(value, dict) and len(parts) > 1:
        await _expand(c, account, value, parts[1:])
