"""A name that somebody else's DNS made to lead here may read, and may not change anything."""

import pytest

from tests.chassis.bare import Bare

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("host", ["shop.example", "SHOP.example:5001", "127.0.0.1.example"])
async def test_a_name_that_was_made_to_lead_here_changes_nothing(bare: Bare, host: str):
    refused = await bare.door.request("PUT", "/gremlins/x", headers={"Host": host}, json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign-host")
    assert (await bare.door.get("/now", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["localhost:5001", "order-service:5001", "10.0.0.7", "[::1]:80"])
async def test_a_name_of_this_machine_or_of_a_container_is_ours(bare: Bare, host: str):
    answer = await bare.door.request("PUT", "/gremlins/x", headers={"Host": host}, json={})
    assert answer.status_code == 400
