"""Events of accounts: the real acquirer's, read with the official library, each with one effect."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio
import stripe

from chassis.settings import Settings
from services.payment.app import stripe_accounts
from services.payment.webhooks.effects import event_worker, work_off
from services.payment.webhooks.endpoints import WebhookEndpoints
from tests.harness.running import RunningFleet
from tests.harness.serving import serve
from tests.services.payment.payment_service import Replica, open_replica, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": "the-token-of-the-shops-operator"}
SECRET = "whsec_0123456789abcdef"
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1_790_000_000,
    "data": {"object": {"id": "pi_none", "object": "payment_intent", "metadata": {}}},
}


class Shop:
    """A replica, its worker of events by hand, and the account's own list of events."""

    def __init__(self, replica: Replica, settings: Settings, url: str) -> None:
        self.replica, self.eyes, self.settings = replica, replica.eyes, settings
        self.worker = event_worker(replica.context, settings)  # type: ignore[arg-type]
        self.endpoints = WebhookEndpoints(replica.context, settings)  # type: ignore[arg-type]
        self.api = stripe.StripeClient("sk_test_alfa", base_addresses={"api": url}).v1

    async def pay(self, **fields: Any) -> str:
        """A payment at the account; its id."""
        body = {"request_id": "r1", "merchant_id": "m1", "amount": 10_000, "currency": "EUR"}
        answer = await self.replica.http.post("/process-payment", json={**body, **fields})
        return str(answer.json()["payment_id"])

    async def forget_the_answer(self) -> None:
        """As if the process had died before it heard what the account answered."""
        await self.eyes.execute(
            "SET session_replication_role = replica;"
            "UPDATE payments.attempts SET state = 'UNKNOWN', detail = NULL;"
            "UPDATE payments.payments SET state = 'PROCESSING', decline_code = NULL;"
            "DELETE FROM payments.ledger; SET session_replication_role = DEFAULT"
        )

    def events(self, intent: str, kind: str) -> list[bytes]:
        """What the account has to say about an intent, as it would send it."""
        found = self.api.events.list({"limit": 100, "type": kind}).data
        bodies = [msgspec.json.encode(each.to_dict()) for each in found]
        return [body for body in bodies if intent.encode() in body]

    async def post(
        self, body: bytes, *, secret: str = SECRET, at: float | None = None, to: str = "alfa"
    ) -> httpx.Response:
        """One delivery, signed as the library signs."""
        header = stripe.WebhookSignature.generate_signature_header(
            body.decode(), secret, int(at or time.time())
        )
        return await self.replica.http.post(
            f"/webhooks/{to}", content=body, headers={"Stripe-Signature": header}
        )

    async def work_off(self) -> None:
        await self.eyes.execute("UPDATE payments.provider_events SET next_attempt_at = now()"
                                " WHERE processed_at IS NULL")  # fmt: skip
        await self.worker.run_once()

    async def state(self) -> tuple[str, str]:
        row = await self.eyes.fetchrow(
            "SELECT p.state, a.state AS attempt FROM payments.payments p"
            " JOIN payments.attempts a USING (payment_id)"
        )
        return (row["state"], row["attempt"])

    async def inbox(self) -> list[tuple[str, str | None]]:
        rows = await self.eyes.fetch(
            "SELECT type, result FROM payments.provider_events ORDER BY id"
        )
        return [tuple(row) for row in rows]

    def counted(self, result: str, provider: str = "alfa") -> float:
        counter = self.replica.context.metrics._webhooks  # noqa: SLF001 - as it is scraped
        return counter.labels(provider, result)._value.get()  # noqa: SLF001


ARRANGED = (
    "UPDATE payments.merchants SET chain = '{alfa}';"
    f"INSERT INTO payments.secrets VALUES ('webhook alfa', convert_to('{SECRET}', 'UTF8'))"
)


@asynccontextmanager
async def open_shop(
    fleet: RunningFleet, settings: Settings, connection: asyncpg.Connection
) -> AsyncIterator[Shop]:
    accounts = stripe_accounts(settings)  # type: ignore[arg-type]
    async with open_replica(settings, connection, accounts=accounts) as replica:
        yield Shop(replica, settings, fleet.url("acquirer"))
    for each in accounts.values():
        await each.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_alfa(
    fleet: RunningFleet, payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """The module's shop."""
    settings = payment_settings(
        payment_stripe_accounts="alfa=sk_test_alfa", payment_stripe_url=fleet.url("acquirer")
    )
    async with open_shop(fleet, settings, eyes) as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="module")
async def shop(open_alfa: Shop, connection: asyncpg.Connection) -> Shop:
    await connection.execute(ARRANGED)
    open_alfa.replica.context.metrics._webhooks.clear()  # noqa: SLF001 - nothing was counted yet
    return open_alfa


async def _intent(shop: Shop) -> str:
    return str(await shop.eyes.fetchval("SELECT provider_ref FROM payments.attempts"))


async def test_an_event_settles_what_our_own_answer_did_not(shop: Shop):
    await shop.pay()
    await shop.forget_the_answer()
    [event] = shop.events(await _intent(shop), "payment_intent.succeeded")
    answer = await shop.post(event)
    assert (answer.status_code, answer.json()) == (200, {"result": "accepted"})
    assert await shop.state() == ("PROCESSING", "UNKNOWN")  # kept first, worked off then
    await shop.work_off()
    assert await shop.state() == ("SUCCEEDED", "SUCCEEDED")
    assert await shop.inbox() == [("payment_intent.succeeded", "settled")]
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.ledger") == 2


async def test_an_event_that_comes_before_its_intent_is_known_here_finds_it_by_our_key(shop: Shop):
    await shop.pay()
    intent = await _intent(shop)
    await shop.forget_the_answer()
    await shop.eyes.execute(
        "SET session_replication_role = replica; UPDATE payments.attempts SET provider_ref = NULL;"
        "SET session_replication_role = DEFAULT"
    )
    [event] = shop.events(intent, "payment_intent.succeeded")
    await shop.post(event)
    await shop.work_off()
    assert await shop.state() == ("SUCCEEDED", "SUCCEEDED")
    assert await _intent(shop) == intent


async def test_an_event_without_our_key_is_traced_through_its_intent(shop: Shop):
    payment_id = await shop.pay()
    intent = await _intent(shop)
    await shop.replica.http.post(f"/payments/{payment_id}/cancel")
    await shop.eyes.execute(
        "SET session_replication_role = replica; UPDATE payments.attempts SET provider_ref = NULL,"
        " state = 'SUCCEEDED'; UPDATE payments.payments SET state = 'REFUND_PENDING';"
        "DELETE FROM payments.ledger WHERE kind = 'refund'; SET session_replication_role = DEFAULT"
    )
    [event] = shop.events(intent, "charge.refunded")
    await shop.post(event)
    await shop.work_off()
    assert await shop.state() == ("REFUNDED", "REFUNDED")


async def test_a_repeated_event_is_kept_once(shop: Shop):
    await shop.pay()
    [event] = shop.events(await _intent(shop), "payment_intent.succeeded")
    results = [(await shop.post(event)).json()["result"] for _ in range(3)]
    assert results == ["accepted", "repeated", "repeated"]
    await shop.work_off()
    assert await shop.inbox() == [("payment_intent.succeeded", "settled")]


async def test_what_an_event_claims_is_not_believed(shop: Shop):
    """Signed with the right secret, and wrong: the account is asked."""
    await shop.replica.eyes.execute(
        "UPDATE payments.merchants SET method = 'pm_card_chargeDeclined'"
    )
    await shop.pay()
    intent = await _intent(shop)
    assert await shop.state() == ("FAILED", "FAILED")
    key = await shop.eyes.fetchval("SELECT gw_key FROM payments.attempts")
    claim = {"id": intent, "object": "payment_intent", "metadata": {"attempt": key},
             "status": "succeeded", "amount_received": 10_000}  # fmt: skip
    await shop.post(msgspec.json.encode({**EVENT, "data": {"object": claim}}))
    await shop.work_off()
    assert await shop.state() == ("FAILED", "FAILED")
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.ledger") == 0


async def test_an_intent_that_the_account_does_not_have_is_not_taken_for_the_attempt_s(shop: Shop):
    await shop.pay()
    await shop.forget_the_answer()
    await shop.eyes.execute(
        "SET session_replication_role = replica; UPDATE payments.attempts SET provider_ref = NULL;"
        "SET session_replication_role = DEFAULT"
    )
    key = await shop.eyes.fetchval("SELECT gw_key FROM payments.attempts")
    claim = {"id": "pi_none", "object": "payment_intent", "metadata": {"attempt": key}}
    await shop.post(msgspec.json.encode({**EVENT, "data": {"object": claim}}))
    await shop.work_off()
    assert await shop.inbox() == [("payment_intent.succeeded", None)]
    assert await _intent(shop) == "None"


async def test_an_event_about_another_shops_intent_is_kept_and_changes_nothing(shop: Shop):
    made = shop.api.payment_intents.create(
        {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    [event] = shop.events(made.id, "payment_intent.succeeded")
    assert (await shop.post(event)).status_code == 200
    await shop.work_off()
    assert await shop.inbox() == [("payment_intent.succeeded", "foreign")]


async def test_an_event_of_a_type_that_changes_nothing_is_answered_and_recorded(shop: Shop):
    body = msgspec.json.encode({**EVENT, "type": "invoice.paid"})
    answer = await shop.post(body)
    assert (answer.status_code, answer.json()["result"]) == (200, "ignored")
    assert await shop.inbox() == [("invoice.paid", "ignored")]


async def test_an_event_waits_for_an_account_that_does_not_answer(
    shop: Shop, fleet: RunningFleet, monkeypatch: pytest.MonkeyPatch
):
    await shop.pay()
    await shop.forget_the_answer()
    [event] = shop.events(await _intent(shop), "payment_intent.succeeded")
    await shop.post(event)
    account = shop.replica.context.accounts["alfa"]
    away = stripe_accounts(
        msgspec.structs.replace(shop.settings, payment_stripe_url="http://127.0.0.1:1")  # type: ignore[arg-type]
    )["alfa"]
    monkeypatch.setitem(shop.replica.context.accounts, "alfa", away)  # type: ignore[arg-type]
    await shop.work_off()
    assert await shop.state() == ("PROCESSING", "UNKNOWN")
    monkeypatch.setitem(shop.replica.context.accounts, "alfa", account)  # type: ignore[arg-type]
    await shop.work_off()
    assert await shop.state() == ("SUCCEEDED", "SUCCEEDED")
    await away.close()


BODY = msgspec.json.encode(EVENT)


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        ("bad_signature", {"secret": "whsec_of_somebody_else"}),
        ("stale", {"at": time.time() - 301}),
        ("malformed", {"body": b'{"id": "evt_1"}'}),
        ("malformed", {"body": b"<html>"}),
        ("malformed", {"body": BODY.replace(b'"pi_none"', b'"a\\u0000b"')}),
        ("too_large", {"body": BODY + b" " * 70_000}),
    ],
    ids=["forged", "stale", "half an event", "no JSON", "a NUL", "too large"],
)
async def test_what_is_not_a_signed_event_is_refused_and_counted(
    shop: Shop, what: str, sent: dict[str, Any]
):
    answer = await shop.post(sent.pop("body", BODY), **sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook-refused"), answer.text
    assert answer.json()["details"] == {"reason": what}
    assert shop.counted(what) == 1
    assert await shop.inbox() == []


@pytest.mark.parametrize("header", [None, "", "t=1", "v1=abc", "t=x,v1=y", "t=1,v1=\xff"])
async def test_a_signature_that_is_none_is_refused(shop: Shop, header: str | None):
    headers = {} if header is None else {"Stripe-Signature": header.encode("latin-1")}
    answer = await shop.replica.http.post("/webhooks/alfa", content=BODY, headers=headers)
    why = "bad_signature" if header else "no_signature"
    assert (answer.status_code, answer.json()["details"]["reason"]) == (400, why)
    assert shop.counted(why) == 1


async def test_an_unknown_account_and_one_whose_secret_is_not_known_say_so(shop: Shop):
    unknown = await shop.post(BODY, to="nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "account-not-found")
    assert shop.counted("unknown_account", "other") == 1
    await shop.eyes.execute("DELETE FROM payments.secrets WHERE name = 'webhook alfa'")
    early = await shop.post(BODY)
    assert (early.status_code, early.json()["code"]) == (503, "webhook-not-ready")


async def test_two_workers_on_one_event_have_one_effect(shop: Shop):
    await shop.pay()
    await shop.forget_the_answer()
    [event] = shop.events(await _intent(shop), "payment_intent.succeeded")
    await shop.post(event)
    number = await shop.eyes.fetchval("SELECT id FROM payments.provider_events")
    await asyncio.gather(*(work_off(shop.replica.context, number) for _ in range(3)))
    assert await shop.state() == ("SUCCEEDED", "SUCCEEDED")
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.ledger") == 2


async def test_an_account_s_endpoint_is_made_once_and_anew_when_its_secret_is_lost(
    fleet: RunningFleet,
    payment_settings: Callable[..., Settings],
    connection: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
):
    settings = payment_settings(
        payment_stripe_accounts="alfa=sk_test_alfa",
        payment_stripe_url=fleet.url("acquirer"),
        payment_webhook_url="http://127.0.0.1:1/",
    )
    caplog.set_level("INFO")
    async with open_shop(fleet, settings, connection) as shop:

        def there() -> list[str]:
            return [
                each.id
                for each in shop.api.webhook_endpoints.list({"limit": 100}).data
                if each.url == "http://127.0.0.1:1/webhooks/alfa"
            ]

        assert await shop.endpoints.run_once()
        [first] = there()
        assert await shop.endpoints.run_once()
        assert there() == [first]
        await connection.execute("DELETE FROM payments.secrets WHERE name = 'webhook alfa'")
        assert await shop.endpoints.run_once()
        [second] = there()
        assert second != first
        secret = await connection.fetchval(
            "SELECT convert_from(value, 'UTF8') FROM payments.secrets WHERE name = 'webhook alfa'"
        )
        assert secret.startswith("whsec")
        assert secret not in caplog.text
        shop.api.webhook_endpoints.delete(second)
        await asyncio.gather(shop.endpoints.run_once(), shop.endpoints.run_once())
        await shop.endpoints.run_once()
        assert len(there()) == 1
        shop.api.webhook_endpoints.delete(there()[0])


async def test_the_acquirer_s_own_deliveries_end_a_payment_that_nobody_heard_of(
    fleet: RunningFleet, payment_settings: Callable[..., Settings], connection: asyncpg.Connection,
    unused_tcp_port: int,
):  # fmt: skip
    settings = payment_settings(
        payment_stripe_accounts="alfa=sk_test_alfa",
        payment_stripe_url=fleet.url("acquirer"),
        payment_webhook_url=f"http://127.0.0.1:{unused_tcp_port}",
    )
    settings = msgspec.structs.replace(settings, port=unused_tcp_port)
    await connection.execute(ARRANGED)
    async with open_shop(fleet, settings, connection) as shop, serve(shop.replica.edge, settings):
        await until(
            lambda: connection.fetchval("SELECT count(*) > 0 FROM payments.webhook_endpoints")
        )
        await shop.pay()

        async def settled() -> bool:
            return ("payment_intent.succeeded", "settled") in await shop.inbox()

        await until(settled)
        assert shop.counted("accepted") >= 1
