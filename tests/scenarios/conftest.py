"""One shop for all acts: each of them leaves it calm."""

from collections.abc import Iterator

import pytest

from fleet.postgres import PostgresServer
from tests.harness.running import Databases, RunningFleet, run_fleet
from tests.scenarios.real_shop import FLEET


@pytest.fixture(scope="package")
def fleet(
    postgres: PostgresServer | None,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningFleet]:
    """It ends with the last file that plays on it."""
    with run_fleet(databases, tmp_path_factory.mktemp("fleet"), postgres=postgres, **FLEET) as shop:
        yield shop
