"""A delivery before the run, so that a load test does not become a test of empty shelves."""

import json
from typing import Any

import msgspec

from chassis.http.ask import ask
from fleet.errors import CannotRun
from loadtests.plan import LoadPlan
from loadtests.target import Target
from services.inventory.contract import RestockProduct, StockList

MOST_UNITS = 1_000_000
_TIMEOUT_S = 10.0
# Nobody orders faster than a shop answers: an order takes at least this long.
_FASTEST_ORDER_S = 0.02
_UNITS = 3


class Delivery(msgspec.Struct, frozen=True):
    """What was delivered: units by product, 0 where there was enough."""

    units: dict[str, int]

    def __str__(self) -> str:
        if not any(self.units.values()):
            return "nothing had to be delivered: there was enough in stock"
        delivered = ", ".join(
            f"{units} {product}" for product, units in self.units.items() if units
        )
        return f"delivered before the run: {delivered}"


def wanted_units(plan: LoadPlan) -> int:
    """Units of one product that the run could sell at the very most, within the bound."""
    think_s = plan.what.habits.think_s[0] + _FASTEST_ORDER_S
    per_s = plan.rate or plan.what.peak / think_s
    return min(MOST_UNITS, int(per_s * plan.duration_s * _UNITS) + 1000)


def restock(target: Target, plan: LoadPlan) -> Delivery:
    """Deliver what is missing of each product. Raises `CannotRun` where the operator's token is
    wrong or inventory does not answer."""
    wanted, delivered = wanted_units(plan), {}
    for product in stock(target).products:
        missing = max(0, wanted - product.stock)
        delivered[product.product_id] = missing
        if missing:
            body = RestockProduct(product.product_id, missing)
            _ask(target, "POST", "/inventory/restock", msgspec.json.encode(body))
    return Delivery(delivered)


def stock(target: Target) -> StockList:
    """What is on the shelves."""
    try:
        return msgspec.json.decode(_ask(target, "GET", "/inventory"), type=StockList)
    except msgspec.MsgspecError:
        raise CannotRun(
            f"what answers at {target.urls['inventory']} is not an inventory service"
        ) from None


def _ask(target: Target, method: str, path: str, body: bytes | None = None) -> bytes:
    url = target.urls["inventory"]
    try:
        status, raw = ask(method, url + path, target.headers, body=body, timeout_s=_TIMEOUT_S)
    except OSError as error:
        raise CannotRun(
            f"the inventory service does not answer at {url} ({error}): "
            "say where it is with --inventory-url, or leave the delivery out with --no-restock"
        ) from None
    if status == 401:
        raise CannotRun(
            "the delivery before the run needs the shop's operator token: set "
            "VALERIX_OPERATOR_TOKEN as the shop has it, or leave it out with --no-restock"
        )
    if status != 200:
        raise CannotRun(f"{method} {path} was answered {status}: {_detail(raw)}")
    return raw


def _detail(raw: bytes) -> Any:
    try:
        return json.loads(raw)["detail"]
    except (ValueError, KeyError, TypeError):
        return "no reason given"
