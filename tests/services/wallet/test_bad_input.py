"""What does not fit is refused with a clear reason, and nothing moves (B120 on)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.database.pool import Database
from chassis.http.cursors import write_cursor
from services.wallet.api_keys import ApiKeys, create_key, end_key
from tests.services.wallet.wallet_shop import WalletShop, run_wallet, wallet_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = {
    "provider_id": "demo-provider", "external_reference": "invoice-1", "amount": 100,
    "currency": "EUR",
}  # fmt: skip
# What else no field may be is tested against the reader, in tests/services/test_bad_fields.py.
BAD = [{**GOOD, "amount": 0}, {**GOOD, "currency": "eur"}, {**GOOD, "more": 1}, []]


async def _moved(wallets: WalletShop) -> int:
    found: int = await wallets.eyes.fetchval("SELECT count(*) FROM wallets.transfers")
    return found


async def test_a_payment_that_does_not_fit_is_refused(wallets: WalletShop):
    before = await _moved(wallets)
    answers = [await wallets.post("/wallets/alice/payments", body) for body in BAD]
    wrong = [(b, a.status_code) for b, a in zip(BAD, answers, strict=True) if a.status_code != 400]
    assert wrong == []
    assert {each.json()["error"]["code"] for each in answers} == {"VALIDATION"}
    assert await _moved(wallets) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/wallets/alice/deposits", {"amount": 0, "currency": "EUR"}),
        ("/wallets/alice/deposits", {"amount": 1, "currency": "eur"}),
        ("/transfers", {"from_user_id": "alice", "to_user_id": "", "amount": 1, "currency": "EUR"}),
        (
            "/transfers",
            {"from_user_id": "alice", "to_user_id": "alice", "amount": 1, "currency": "EUR"},
        ),
    ],
)
async def test_a_movement_that_does_not_fit_is_refused(wallets: WalletShop, path: str, body: Any):
    answer = await wallets.post(path, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation")


@pytest.mark.parametrize(
    ("change", "user", "code"),
    [
        ({}, "nobody", "WALLET_NOT_FOUND"),
        ({"currency": "CHF"}, "alice", "WALLET_NOT_FOUND"),
        ({}, "a%00b", "WALLET_NOT_FOUND"),
        ({"provider_id": "no-such"}, "alice", "PROVIDER_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_is_404(
    wallets: WalletShop, change: dict[str, Any], user: str, code: str
):
    answer = await wallets.post(f"/wallets/{user}/payments", {**GOOD, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


async def test_a_transfer_needs_both_wallets_and_the_money(wallets: WalletShop):
    poor, payee = await wallets.fill(10), await wallets.fill(1)
    assert (await wallets.transfer(poor, "nobody", 1)).status_code == 404
    assert (await wallets.transfer("nobody", poor, 1)).status_code == 404
    refused = await wallets.transfer(poor, payee, 11)
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient-funds")


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "idempotency-key-missing"), ({"Idempotency-Key": "short"}, "idempotency-key-invalid")],
)
async def test_every_post_needs_a_key_of_its_own(
    wallets: WalletShop, headers: dict[str, str], code: str
):
    for path in ("/wallets/alice/payments", "/wallets/alice/deposits", "/transfers"):
        body = {"/wallets/alice/payments": GOOD}.get(path, {"amount": 1, "currency": "EUR"})
        if path == "/transfers":
            body = {**body, "from_user_id": "alice", "to_user_id": "bob"}
        answer = await wallets.http.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_key_stands_for_one_wallet_and_one_route(wallets: WalletShop):
    user, other, key = await wallets.fill(1000), await wallets.fill(1000), uuid4().hex
    assert (await wallets.pay(user, key=key)).status_code == 201
    assert (await wallets.pay(other, key=key)).status_code == 422
    body = {"amount": 100, "currency": "EUR"}
    assert (await wallets.post(f"/wallets/{user}/deposits", body, key=key)).status_code == 201


@pytest.mark.parametrize(
    "at", ["yesterday", "2026-11-28T12:00:00", "", "0001-01-01T00:00:00+14:00", "2026-13-01"]
)
async def test_an_instant_that_is_none_is_refused(wallets: WalletShop, at: str):
    answer = await wallets.http.get("/wallets/alice/balance", params={"at": at})
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/at")


async def test_an_instant_that_is_to_come_is_refused(wallets: WalletShop):
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = await wallets.http.get("/wallets/alice/balance", params={"at": at})
    assert answer.status_code == 400
    assert "still to come" in answer.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "", "YWxpY2U6MQ", "é", "0" * 500])
async def test_a_cursor_that_is_not_ours_is_refused(wallets: WalletShop, cursor: str):
    answer = await wallets.http.get("/wallets/bob/transactions", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/cursor")


@pytest.mark.parametrize("cursor", ["x", "", "YSBi", "é", "0" * 500])
async def test_a_place_in_the_list_that_is_not_ours_is_refused(wallets: WalletShop, cursor: str):
    answer = await wallets.http.get("/wallets", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/cursor")


async def test_a_cursor_is_the_users_own(wallets: WalletShop):
    cursor = write_cursor("transactions of alice", 1)
    for user, status in (("alice", 200), ("bob", 400)):
        path = f"/wallets/{user}/transactions"
        found = await wallets.http.get(path, params={"cursor": cursor})
        assert found.status_code == status


@pytest.mark.parametrize(("asked", "used"), [(0, 1), (-5, 1), (10**9, 100)])
@pytest.mark.parametrize("path", ["/wallets", "/wallets/alice/transactions"])
async def test_a_limit_is_clamped_and_the_answer_says_so(
    wallets: WalletShop, path: str, asked: int, used: int
):
    page = (await wallets.http.get(path, params={"limit": asked})).json()
    assert (page["limit"], page["limit_clamped"]) == (used, True)


@pytest.mark.parametrize("path", ["/wallets", "/wallets/alice/transactions"])
async def test_a_limit_that_is_no_number_is_pointed_at(wallets: WalletShop, path: str):
    answer = await wallets.http.get(path, params={"limit": "many"})
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/limit")


async def test_another_wallets_transaction_is_not_shown(wallets: WalletShop):
    user, other = await wallets.fill(1000), await wallets.fill(1000)
    its_id = (await wallets.pay(user)).json()["transaction_id"]
    for path in (
        f"/wallets/{other}/transactions/{its_id}",
        f"/wallets/{user}/transactions/{uuid4()}",
    ):
        answer = await wallets.http.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "TRANSACTION_NOT_FOUND",
        )
    assert (await wallets.http.get(f"/wallets/{user}/transactions/x")).status_code == 400


# ---- API keys ------------------------------------------------------------------------------------

EVERY_ROUTE = [
    ("GET", "/wallets/alice/balance"),
    ("GET", "/wallets/alice/transactions"),
    ("GET", "/wallets/alice/transactions/00000000-0000-4000-8000-000000000001"),
    ("POST", "/wallets/alice/payments"),
    ("POST", "/wallets/alice/deposits"),
    ("POST", "/transfers"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_without_a_key_nothing_is_answered(wallets: WalletShop, method: str, path: str):
    answer = await wallets.http.request(method, path, headers={"X-API-Key": ""})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "API_KEY_NEEDED")
    assert answer.headers["WWW-Authenticate"].startswith("ApiKey")


async def test_a_key_opens_what_it_is_for_until_it_is_revoked(
    wallets: WalletShop, module_database: str
):
    database = Database(wallet_settings(module_database, str(wallets.acquirer.base_url)))
    async with database.connect() as connection:
        every = await create_key(connection, "till", None)
        alices = await create_key(connection, "phone", "alice")
        gone = await create_key(connection, "old", None)
        await end_key(connection, gone.split("_")[1], in_s=0)
    await database.close()

    async def asked(key: str, user: str) -> int:
        answer = await wallets.http.get(f"/wallets/{user}/balance", headers={"X-API-Key": key})
        return answer.status_code

    assert [await asked(every, "alice"), await asked(every, "bob")] == [200, 200]
    assert [await asked(alices, "alice"), await asked(alices, "bob")] == [200, 404]
    assert [await asked(gone, "alice"), await asked(every[:-1] + "x", "alice")] == [401, 401]
    two = [("X-API-Key", every), ("X-API-Key", every)]
    assert (await wallets.http.get("/wallets/alice/balance", headers=two)).status_code == 401
    kept = await wallets.eyes.fetch("SELECT k::text FROM wallets.api_keys k")
    assert not any(every.split("_", 2)[2] in row[0] for row in kept)


async def test_a_key_that_was_right_does_not_wait_for_those_who_guess(
    wallets: WalletShop, module_database: str
):
    async with run_wallet(module_database, str(wallets.acquirer.base_url)) as http:

        async def asked(key: str) -> int:
            return (await http.get("/wallets", headers={"X-API-Key": key})).status_code

        ours = http.headers["X-API-Key"]
        assert await asked(ours) == 200
        assert [await asked(f"wrong-{n}") for n in range(12)] == [401] * 10 + [429] * 2
        assert await asked(ours) == 200


async def test_beyond_loopback_there_is_no_default_key():
    settings = wallet_settings(
        "postgresql://x@h/d", "http://a", host="10.0.0.1", operator_token="a-token-of-an-operator"
    )
    assert ApiKeys(Database(settings), settings).default == ""
