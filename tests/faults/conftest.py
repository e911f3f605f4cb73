"""The module's fleet, restocked, and what breaks it."""

from collections.abc import Iterator

import pytest

from tests.faults.shop_under_fault import ShopUnderFault
from tests.harness.running import RunningFleet


@pytest.fixture(scope="module")
def shop(request: pytest.FixtureRequest, fleet: RunningFleet) -> Iterator[ShopUnderFault]:
    """The running shop under fault. At the end no process may have met an error it did not expect:
    a customer sees those of the order service, but nobody sees those further inside."""
    yield ShopUnderFault(fleet, request.module.FLEET_ENVIRON)
    unexpected = [
        f"{key}: {line[:2000]}"
        for key in request.module.FLEET_KEYS
        for line in fleet.log(key).splitlines()
        if '"a handler failed"' in line or "Exception in ASGI application" in line
    ]
    assert not unexpected, "\n".join(unexpected[:5])
