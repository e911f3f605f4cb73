"""Every provider, running, gives what its consumers need; whoever breaks one reads its name."""

import pytest

from tests.contracts.expects import NEEDS, Edge, pact_of, path_of
from tests.contracts.states import States
from tests.contracts.verifying import broken
from tests.harness.running import RunningFleet
from topology import SERVICES

FLEET_KEYS = tuple(process.key for process in SERVICES)
FLEET_ENVIRON = {"VALERIX_PAYMENT_DECLINE_RATE": "0"}


@pytest.fixture(scope="module")
def states(fleet: RunningFleet) -> States:
    """One shop for every provider in it."""
    return States(fleet)


@pytest.mark.parametrize("edge", NEEDS)
async def test_what_a_consumer_needs_is_what_its_client_asks_for(edge: Edge):
    assert await pact_of(edge) == path_of(edge).read_text(), "run `make render`"


@pytest.mark.parametrize("edge", NEEDS)
def test_a_provider_gives_what_its_consumers_need(states: States, edge: Edge):
    assert broken(edge, states) == []
