"""The operator's token: needed for what only an operator may do, and told to nobody."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from services.inventory.app import create_app
from tests.chassis.bare import Bare
from tests.harness.problems import assert_problem
from tests.harness.serving import knock, serve, settings_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "correct-horse-battery"
BARE = {"operator_token": TOKEN}
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
WRONG: list[dict[str, str | bytes]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": TOKEN},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": f"Bearer Bearer {TOKEN}"},
    {"Authorization": b"Bearer \xff\xfe\xfd"},
    {"Authorization": "Bearer " + "x" * 8000},
    {"X-Operator-Token": TOKEN},
]
CHANGES = [
    ("PUT", "/gremlins/g", {"kind": "error", "routes": ["/now"]}),
    ("DELETE", "/gremlins/g", None),
    ("DELETE", "/gremlins", None),
    ("POST", "/gremlin/latency", {"enabled": False}),
]


@pytest.fixture(scope="module", autouse=True)
def no_brake() -> Iterator[None]:
    """These tests guess often; test_brake.py is about who does that."""
    with pytest.MonkeyPatch.context() as patch:
        for bound in ("_TRIES", "_TRIES_IN_TOTAL"):
            patch.setattr(f"chassis.http.brake.{bound}", 10_000)
        yield


@pytest_asyncio.fixture(loop_scope="module")
async def bare(running_bare: Bare) -> AsyncIterator[Bare]:
    """The module's bare service, which has a token."""
    yield running_bare
    (await running_bare.door.delete("/gremlins", headers=RIGHT)).raise_for_status()


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_without_the_token_nothing_changes(
    bare: Bare, method: str, path: str, body: dict[str, object] | None
):
    await bare.door.put("/gremlins/g", json=CHANGES[0][2], headers=RIGHT)
    before = (await bare.door.get("/gremlins/audit")).json()
    for headers in WRONG:
        answer = await bare.door.request(method, path, json=body, headers=headers)  # type: ignore[arg-type]
        shown = headers.get("Authorization", "")
        is_bearer = shown[:6] in ("Bearer", b"Bearer")
        assert_problem(answer, 401, "bad-token" if is_bearer else "token-needed")
        assert answer.headers["www-authenticate"].startswith('Bearer realm="valerix"')
        assert TOKEN not in answer.text
    assert (await bare.door.get("/gremlins/audit")).json() == before


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_with_the_token_it_is_done(
    bare: Bare, method: str, path: str, body: dict[str, object] | None
):
    await bare.door.put("/gremlins/g", json=CHANGES[0][2], headers=RIGHT)
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        answer = await bare.door.request(method, path, json=body, headers=headers)
        assert answer.status_code in (200, 204, 404)


async def test_looking_needs_no_token(bare: Bare):
    for path in ("/gremlins", "/gremlins/audit", "/metrics", "/health", "/schema", "/now"):
        assert (await bare.door.get(path)).status_code == 200


async def test_a_bad_body_is_not_even_read_without_the_token(bare: Bare):
    answer = await bare.door.put("/gremlins/g", content=b"{" * 100)
    assert_problem(answer, 401, "token-needed")


async def test_only_an_operator_restocks(module_database: str):
    settings = settings_of("inventory", module_database, operator_token=TOKEN)
    delivery = {"product_id": "PROD-001", "quantity": 5}
    async with (
        serve(create_app(settings), settings) as url,
        knock(url) as door,
    ):
        before = (await door.get("/inventory/PROD-001")).json()
        answer = await door.post("/inventory/restock", json=delivery)
        assert_problem(answer, 401, "token-needed")
        assert (await door.get("/inventory/PROD-001")).json() == before
        answer = await door.post("/inventory/restock", json=delivery, headers=RIGHT)
        assert answer.json()["stock"] == before["stock"] + 5
