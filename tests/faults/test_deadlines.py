"""Orders whose time runs out during the fault, at a provider that cannot refuse a late charge."""

import time

import pytest

from tests.faults.shop_under_fault import BRISK, FLAKY, ShopUnderFault

FLEET_KEYS = ("inventory", "payment", "order")
FLEET_ENVIRON = (
    BRISK
    | FLAKY
    | {
        "VALERIX_ORDER_DEADLINE_S": "2.0",
        "VALERIX_PAYMENT_GATEWAY_FENCES": "false",
        "VALERIX_PAYMENT_FLAKY_SHARES": "lost_request=0.1,lost_response=0.1,late=0.2,garbage=0.1",
    }
)
# Longer than an order's deadline, so that orders give up while nobody can tell what happened.
_FAULT_S = 4.0
_CUSTOMERS = 8
# The sweep for late captures comes by every five seconds.
_QUIET_WITHIN_S = 45.0


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        pytest.param(
            "inventory",
            {"kind": "late", "delay_ms": 900, "probability": 0.8},
            marks=[pytest.mark.long],
        ),
        pytest.param(
            "inventory", {"kind": "lost_response", "probability": 0.8}, marks=[pytest.mark.long]
        ),
        ("payment", {"kind": "late", "delay_ms": 900, "probability": 0.8}),
        pytest.param(
            "payment", {"kind": "lost_response", "probability": 0.8}, marks=[pytest.mark.long]
        ),
        pytest.param("payment", {"kind": "hang"}, marks=[pytest.mark.long]),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_an_order_gives_up_without_keeping_money_or_goods(
    shop: ShopUnderFault, key: str, fault: dict[str, object]
):
    customers = shop.customers()
    with shop.shopping(customers, _CUSTOMERS):
        shop.request("PUT", key, "/gremlins/fault", {**fault, "ttl_s": 60})
        time.sleep(_FAULT_S)
        shop.calm()
    shop.aftermath([customers], _QUIET_WITHIN_S)


@pytest.mark.long  # test_kill.py has one that sleeps for less long
@pytest.mark.parametrize("key", ["inventory", "payment"])
def test_a_frozen_service_wakes_up_after_its_callers_gave_up(shop: ShopUnderFault, key: str):
    """What it had read before it froze it does now, long after the orders were cancelled."""
    customers = shop.customers()
    with shop.shopping(customers, _CUSTOMERS):
        time.sleep(0.5)
        shop.fleet.pause(key)
        time.sleep(_FAULT_S)
        shop.fleet.resume(key)
    shop.aftermath([customers], _QUIET_WITHIN_S)
