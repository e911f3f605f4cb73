"""A wallet as a payment method: the payment service over a wallet service on a real socket."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from chassis.http.outbound import Peer
from chassis.http.shop_identity import SHOP_HEADER
from chassis.outcome import CallResult, Failure, failed
from chassis.settings import Settings
from proof.invariants.wallets import INVARIANTS
from tests.harness.serving import knock
from tests.services.payment.account_shop import Shop, codes, decline, open_shop
from tests.services.payment.payment_service import payment_of
from tests.services.wallet.wallet_shop import WalletShop, run_wallet

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Wire(Peer):
    """The wire to the wallet service; it loses what the script says: a request, or an answer."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.script: deque[str] = deque()

    async def call(self, *args: Any, **more: Any) -> CallResult:
        fault = self.script.popleft() if self.script else ""
        if fault == "request":
            return failed(Failure.TIMEOUT)
        result = await super().call(*args, **more)
        return failed(Failure.TIMEOUT) if fault == "answer" else result


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wallets(module_database: str, eyes: asyncpg.Connection) -> AsyncIterator[WalletShop]:
    """No gateway is asked here, so there is no acquirer."""
    async with (
        run_wallet(module_database, "http://127.0.0.1:9") as http,
        knock("http://127.0.0.1:9") as nobody,
    ):
        yield WalletShop(http, nobody, eyes)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(
    wallets: WalletShop, payment_settings: Callable[..., Settings]
) -> AsyncIterator[Wire]:
    """The one to the module's wallet service."""
    wire = Wire("wallet-service", str(wallets.http.base_url), payment_settings())
    yield wire
    await wire.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_walleted(
    wire: Wire, payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """The module's merchant, whose customers have wallets."""
    async with open_shop(payment_settings(), eyes, wire) as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="module")
async def paying(
    open_walleted: Shop, wire: Wire, wallets: WalletShop, connection: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """The same, whose payments and holds agree one to one afterwards."""
    del connection
    await wallets.eyes.execute(
        "ALTER TABLE wallets.holds DISABLE TRIGGER USER; DELETE FROM wallets.holds;"
        " ALTER TABLE wallets.holds ENABLE TRIGGER USER"
    )
    yield open_walleted
    wire.script.clear()
    await wallets.sealed()
    for each in INVARIANTS:
        assert not await wallets.eyes.fetch(each.sql), each.id
    await open_walleted.forget()


def from_wallet(user: str, part: int | None = None, **more: Any) -> dict[str, Any]:
    wallet = {"wallet": {"wallet_id": user, "wallet_type": "valerix"}}
    return {
        "request_id": uuid4().hex,
        "payment_method": {**wallet, **more},
        **({"metadata": {"wallet_amount": part}} if part is not None else {}),
    }


async def charge(paying: Shop, order_id: UUID, user: str, minor: int = 400) -> Any:
    return await paying.replica.http.post(
        "/payments",
        json={
            "payment_id": str(payment_of(order_id)), "order_id": str(order_id),
            "amount_minor": minor, "currency": "EUR", "wallet_id": user,
        },
        headers={"Idempotency-Key": f"charge-{order_id}"},
    )  # fmt: skip


async def left(wallets: WalletShop, user: str) -> int:
    await wallets.sealed()
    found: int = (await wallets.balance(user))["available_minor"]
    return found


async def test_a_payment_is_taken_from_a_wallet(paying: Shop, wallets: WalletShop):
    user = await wallets.fill(1000)
    asked = from_wallet(user)
    answer = await paying.pay(amount=400, **asked)
    assert (answer.status_code, answer.json()["success"]) == (200, True), answer.text
    assert [each["provider_name"] for each in answer.json()["steps"]] == ["wallet"]
    assert (await paying.pay(amount=400, **asked)).content == answer.content
    assert await left(wallets, user) == 600


async def test_a_wallet_without_the_money_is_a_402_and_no_other_account_pays(
    paying: Shop, wallets: WalletShop
):
    user = await wallets.fill(399)
    answer = await paying.pay(amount=400, **from_wallet(user))
    assert (answer.status_code, codes(answer)) == (402, ["Declined"]), answer.text
    assert answer.json()["steps"][0]["details"]["decline_code"] == "insufficient_funds"
    assert await paying.attempts() == [(1, "wallet", "FAILED")]
    assert await left(wallets, user) == 399


async def test_a_card_and_a_wallet_pay_together_and_the_wallet_is_asked_last(
    paying: Shop, wallets: WalletShop
):
    user = await wallets.fill(1000)
    answer = await paying.pay(amount=10_000, **from_wallet(user, 1000))
    assert answer.status_code == 200, answer.text
    assert [each["details"]["amount"] for each in answer.json()["steps"]] == [9000, 1000]
    assert await paying.attempts() == [(1, "alfa", "SUCCEEDED"), (2, "wallet", "SUCCEEDED")]
    held = await paying.eyes.fetch(
        "SELECT a.provider FROM payments.attempt_history h"
        " JOIN payments.attempts a USING (payment_id, leg_n, n)"
        " WHERE h.dst = 'AUTHORISED' ORDER BY h.id"
    )
    assert [row[0] for row in held] == ["alfa", "wallet"]
    assert await left(wallets, user) == 0


async def test_a_wallet_that_has_too_little_gives_the_card_its_money_back(
    paying: Shop, wallets: WalletShop
):
    user = await wallets.fill(999)
    answer = await paying.pay(amount=10_000, **from_wallet(user, 1000))
    assert (answer.status_code, codes(answer)) == (402, ["OtherLegFailed", "Declined"])
    assert await paying.attempts() == [(1, "alfa", "VOIDED"), (2, "wallet", "FAILED")]
    assert await left(wallets, user) == 999


async def test_a_card_that_is_declined_leaves_the_wallet_alone(
    paying: Shop, wallets: WalletShop, monkeypatch: pytest.MonkeyPatch
):
    await paying.use("alfa")
    await decline(paying, monkeypatch, "alfa", "expired_card")
    user = await wallets.fill(1000)
    answer = await paying.pay(amount=10_000, **from_wallet(user, 1000))
    assert (answer.status_code, codes(answer)) == (402, ["Declined", "OtherLegFailed"])
    [row] = await paying.eyes.fetch("SELECT state, amount_minor FROM wallets.holds")
    assert tuple(row) == ("VOIDED", None)
    assert await left(wallets, user) == 1000


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_what_is_lost_is_found_out_and_taken_once(
    paying: Shop, wallets: WalletShop, wire: Wire, lost: str
):
    user = await wallets.fill(1000)
    wire.script.append(lost)
    asked = from_wallet(user)
    answer = await paying.pay(amount=400, **asked)
    assert (answer.status_code, codes(answer)) == (202, ["OutcomeUnknown"]), answer.text
    await paying.replica.reconcile()
    assert (await paying.pay(amount=400, **asked)).status_code == 200
    assert await left(wallets, user) == 600


async def test_an_orders_payment_is_taken_once_and_a_cancel_gives_it_back(
    paying: Shop, wallets: WalletShop
):
    user, order_id = await wallets.fill(1000), uuid4()
    for _ in range(2):
        answer = await charge(paying, order_id, user)
        assert (answer.status_code, answer.json()["state"]) == (201, "SUCCEEDED"), answer.text
    assert await left(wallets, user) == 600
    assert (await paying.replica.cancel(order_id)).json()["state"] == "REFUNDED"
    assert await left(wallets, user) == 1000


async def late_hold(wallets: WalletShop, user: str, order_id: UUID) -> Any:
    """The request that was on its way, as it arrives."""
    body = {
        "user_id": user, "amount": 400, "currency": "EUR",
        "reference": str(payment_of(order_id)), "capture": True,
    }  # fmt: skip
    shop = {SHOP_HEADER: str(await wallets.eyes.fetchval("SELECT id FROM public.shop"))}
    path = f"/holds/pay_{payment_of(order_id)}:1:1"
    return await wallets.http.put(path, json=body, headers=shop)


async def test_a_charge_that_arrives_after_its_cancel_takes_nothing(
    paying: Shop, wallets: WalletShop, wire: Wire
):
    user, order_id = await wallets.fill(1000), uuid4()
    wire.script.append("request")
    assert (await charge(paying, order_id, user)).status_code == 202
    assert (await paying.replica.cancel(order_id)).json()["state"] == "CANCELLED"
    late = await late_hold(wallets, user, order_id)
    assert (late.status_code, late.json()["code"]) == (409, "hold-resolved")
    assert await left(wallets, user) == 1000


async def test_another_wallet_of_an_order_is_another_request(paying: Shop, wallets: WalletShop):
    order_id = uuid4()
    assert (await charge(paying, order_id, await wallets.fill(1000))).status_code == 201
    answer = await charge(paying, order_id, await wallets.fill(1000))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2099, "cvc": "123"}


@pytest.mark.parametrize(
    ("method", "part", "pointer"),
    [
        ({"card": CARD}, None, "/payment_method"),
        ({"card": CARD}, 400, "/metadata/wallet_amount"),
        ({}, 0, "/metadata/wallet_amount"),
        ({}, 401, "/metadata/wallet_amount"),
        ({}, True, "/metadata/wallet_amount"),
        ({}, "1", "/metadata/wallet_amount"),
        ({"card": CARD, "wallet": None}, 1, "/metadata/wallet_amount"),
        (
            {"wallet": {"wallet_id": "alice", "wallet_type": "other"}},
            None,
            "/payment_method/wallet/wallet_type",
        ),
    ],
)
async def test_a_wallet_that_does_not_fit_is_named(
    paying: Shop, method: dict[str, Any], part: Any, pointer: str
):
    asked = from_wallet("alice", part, **method)
    given = asked["payment_method"]
    asked["payment_method"] = {name: value for name, value in given.items() if value is not None}
    answer = await paying.pay(amount=400, **asked)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"][0]["pointer"] == pointer
