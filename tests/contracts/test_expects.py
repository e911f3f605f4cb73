"""Every provider, running, gives what its consumers need; whoever breaks one reads its name."""

import pytest

from fleet.run_dir import ROOT
from tests.contracts.expects import EDGES, NEEDS, OVER_GRPC, Edge, may_use_grpc, pact_of, path_of
from tests.contracts.states import States
from tests.contracts.verifying import Change, broken
from tests.harness.running import RunningFleet
from tests.tidy.files import complain
from topology import SERVICES, find

FLEET_KEYS = tuple(process.key for process in SERVICES)
FLEET_ENVIRON = {"VALERIX_PAYMENT_DECLINE_RATE": "0"}


@pytest.fixture(scope="module")
def states(fleet: RunningFleet) -> States:
    """One shop for every provider in it."""
    return States(fleet)


def test_every_edge_of_the_topology_has_a_pact():
    unwritten = [" -> ".join(edge) for edge in EDGES if edge not in NEEDS]
    complain(unwritten, "a consumer says what it needs of whom it calls: tests/contracts/needs")
    known = {path_of(edge) for edge in NEEDS}
    kept = {path for top in ("services", "frontend", "providers")
            for path in (ROOT / top).rglob("expects/*.json")}  # fmt: skip
    complain([str(path) for path in sorted(kept - known)], "pacts of edges that are gone")
    assert [edge for edge in EDGES if may_use_grpc(edge)] == list(OVER_GRPC)


@pytest.mark.parametrize("edge", NEEDS, ids="-".join)
async def test_what_a_consumer_needs_is_what_its_client_asks_for(edge: Edge):
    assert await pact_of(edge) == path_of(edge).read_text(), "run `make render`"


@pytest.mark.parametrize("edge", NEEDS, ids="-".join)
def test_a_provider_gives_what_its_consumers_need(states: States, edge: Edge):
    assert broken(edge, states) == []


_NUMBER = b"\x1a\tSUCCEEDED", b"\x7a\tSUCCEEDED"


@pytest.mark.parametrize(
    ("edge", "before", "after", "need"),
    [
        (("order", "inventory"), b'"state":', b'"status":', "hold goods"),
        (("order", "inventory"), b'"fenced"', b'"released"',
         "hold goods after giving them back"),
        (("order", "payment"), b'"decline_code":', b'"reason":',
         "take money that the provider declines"),
        # Another number for a field.
        (("order", "payment"), *_NUMBER, "take money, over gRPC"),
        (("dashboard", "order"), b'"out-of-stock"', b'"sold-out"', "order more than there is"),
    ],
)  # fmt: skip
def test_a_change_that_breaks_a_consumer_names_it(
    states: States, edge: Edge, before: bytes, after: bytes, need: str
):
    found = broken(edge, states, change=Change(before, after), only=need)
    consumer, provider = (find(key).name for key in edge)
    assert [each.split(": ")[:3] for each in found] == [[f"{consumer} breaks", provider, need]]
