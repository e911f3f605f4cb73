"""Whatever a process answers can be held against its contract."""

import pytest

from chassis.contracts.routes import contracts_of
from chassis.contracts.schema import contract_of
from tests.harness.routes import exposed
from topology import KEYS


@pytest.mark.parametrize("key", KEYS)
def test_every_struct_of_a_route_has_a_schema(key: str):
    for contracts in contracts_of(exposed(key).app.routes).values():
        for shape in filter(None, (contracts.request, *contracts.answers.values())):
            contract_of(shape)
