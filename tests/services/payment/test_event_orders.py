"""Our own answer, an event twice, a poll and a crash between inbox and effect: in every order they
end in one state."""

import itertools
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio
import stripe

from chassis.settings import Settings
from gateways.stripe_webhooks import StripeWebhooks
from proof.invariants.providers import EVERY_EVENT_HAS_ONE_EFFECT
from services.payment import asking, intents, legs, settlement, store
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.domain import AttemptId
from services.payment.intents import Decision, PlannedLeg
from services.payment.webhooks import effects, inbox
from services.payment.webhooks.effects import event_worker
from tests.proof.provider_breaks import AS_DELIVERED
from tests.services.payment.money_checks import unsettled
from tests.services.payment.payment_service import Replica, Scripted, open_replica

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "whsec_0123456789abcdef"
STEPS = ("answer", "event", "event again", "poll", "crash")
EVERY_ORDER = tuple(itertools.permutations(STEPS))
# The first ones here, so that a change that breaks the idea is seen at once.
SAMPLE = (*random.Random(7).sample(EVERY_ORDER, 4), STEPS, STEPS[::-1])
# What the account did with the intent, and what each of us must come to.
ENDS = {
    "payment_intent.succeeded": ("SUCCEEDED", "SUCCEEDED", 2),
    "payment_intent.canceled": ("FAILED", "FAILED", 0),
    "charge.refunded": ("REFUNDED", "REFUNDED", 4),
}
_WHY = Decision("route", "It is the one account of this test.", {})


class Died(Exception):
    """The process is gone, in the middle of a transaction."""


class Payment:
    """One payment at one account, whose answer nobody has settled yet."""

    def __init__(self, replica: Replica, gateway: Scripted, settings: Settings) -> None:
        self.replica, self.gateway = replica, gateway
        self.worker = event_worker(replica.context, settings)  # type: ignore[arg-type]
        self.payment_id = uuid4()
        self.event_id, self.intent = f"evt_{self.payment_id}", f"pi_{self.payment_id}"
        self.answer: Any = None

    async def open(self, kind: str) -> None:
        leg = PlannedLeg(amount_minor=9999, provider="alfa", decision=_WHY, method="pm_card_visa")
        async with self.replica.context.database.connect() as c:
            await intents.open_legs(
                c, [leg], payment_id=self.payment_id, currency="EUR", made_by="hand",
                owner="anonymous", traceparent=None, grace_s=60.0,
            )  # fmt: skip
        target = asking.target_of(self.payment_id, await self.attempt())
        self.answer = await self.gateway.authorise(target, capture=True)
        if kind == "charge.refunded":
            await self.gateway.refund(target)
        self.body = msgspec.json.encode(
            {
                "id": self.event_id,
                "type": kind,
                "created": int(time.time()),
                "data": {
                    "object": {
                        "id": self.intent,
                        "object": "payment_intent",
                        "metadata": {"attempt": target.gw_key},
                    }
                },
            }
        )

    async def attempt(self) -> Any:
        async with self.replica.context.database.connect() as c:
            payment = await store.find(c, self.payment_id)
        assert payment is not None
        return payment.attempt

    async def take(self, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
        match step:
            case "answer":
                context = self.replica.context
                payment = await settlement.settle(
                    context.database,
                    context.metrics,
                    AttemptId(self.payment_id, 1, 1),
                    self.answer,
                    grace_s=60.0,
                )
                assert legs.direction(payment) in ("take", "cancel")
            case "poll":
                await self.replica.reconcile()
            case "crash":
                await self.post()
                with monkeypatch.context() as patched:
                    patched.setattr(inbox, "mark", _die)
                    await self.work_off()
            case _:
                await self.post()
                await self.work_off()

    async def post(self) -> None:
        header = stripe.WebhookSignature.generate_signature_header(self.body.decode(), SECRET)
        answer = await self.replica.http.post(
            "/webhooks/alfa", content=self.body, headers={"Stripe-Signature": header}
        )
        assert answer.status_code == 200

    async def work_off(self) -> None:
        await self.replica.eyes.execute(
            "UPDATE payments.provider_events SET next_attempt_at = now() WHERE processed_at IS NULL"
        )
        await self.worker.run_once()

    async def end(self) -> tuple[Any, ...]:
        """What it came to: payment, attempt, postings, and what became of the one event."""
        row = await self.replica.eyes.fetchrow(
            "SELECT p.state, a.state AS attempt, p.needs_review,"
            " (SELECT count(*) FROM payments.ledger l WHERE l.payment_id = p.payment_id) AS lines"
            " FROM payments.payments p JOIN payments.attempts a USING (payment_id)"
            " WHERE payment_id = $1",
            self.payment_id,
        )
        events = await self.replica.eyes.fetch(
            "SELECT result FROM payments.provider_events WHERE payment_id = $1", self.payment_id
        )
        assert not row["needs_review"]
        assert [each["result"] for each in events] == ["settled"]
        return (row["state"], row["attempt"], row["lines"])


async def _die(*_: object, **__: object) -> None:
    raise Died


@pytest_asyncio.fixture(loop_scope="module")
async def account(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[tuple[Replica, Scripted, Settings, Mock]]:
    """A replica with one account that sends events; what it decides is set by each test."""
    settings = payment_settings()
    inner = Mock(MockStore(settings), decline_rate=0.0, seed=1, fences=True)
    gateway = Scripted(inner, 0.01)
    gateway.webhooks = StripeWebhooks(stripe.StripeClient("sk_test_alfa"))  # type: ignore[attr-defined]
    await connection.execute(
        f"INSERT INTO payments.secrets VALUES ('webhook alfa', convert_to('{SECRET}', 'UTF8'))"
    )
    async with open_replica(settings, connection, accounts={"alfa": gateway}) as replica:  # type: ignore[dict-item]
        yield replica, gateway, settings, inner
    await gateway.close()


async def _end_alike(account: Any, orders: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replica, gateway, settings, inner = account
    inner._decline_rate = 1.0 if kind.endswith("canceled") else 0.0  # noqa: SLF001
    for order in orders:
        payment = Payment(replica, gateway, settings)
        await payment.open(kind)
        for step in order:
            await payment.take(step, monkeypatch)
        await payment.work_off()
        await replica.reconcile()
        assert await payment.end() == ENDS[kind], order
    assert not await unsettled(replica.eyes)


@pytest.mark.parametrize("kind", ENDS)
async def test_every_order_of_a_sample_ends_in_one_state(
    account: Any, kind: str, monkeypatch: pytest.MonkeyPatch
):
    await _end_alike(account, SAMPLE, kind, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("kind", ENDS)
async def test_every_order_ends_in_one_state(
    account: Any, kind: str, monkeypatch: pytest.MonkeyPatch
):
    await _end_alike(account, EVERY_ORDER, kind, monkeypatch)


async def test_a_crash_before_the_commit_leaves_the_event_due_and_nothing_settled(
    account: Any, monkeypatch: pytest.MonkeyPatch
):
    replica, gateway, settings, _ = account
    payment = Payment(replica, gateway, settings)
    await payment.open("payment_intent.succeeded")
    await payment.take("crash", monkeypatch)
    assert (await payment.attempt()).state == "IN_FLIGHT"
    assert await replica.eyes.fetchval("SELECT processed_at FROM payments.provider_events") is None
    await payment.work_off()
    assert (await payment.attempt()).state == "SUCCEEDED"


async def _broken(replica: Replica) -> set[str]:
    """What the proof finds, but for events that are due."""
    rows = await replica.eyes.fetch(EVERY_EVENT_HAS_ONE_EFFECT.sql)
    return {row["what"] for row in rows} - {"not processed"}


async def test_a_mark_that_is_committed_before_its_effect_loses_the_effect(
    account: Any, monkeypatch: pytest.MonkeyPatch
):
    replica, gateway, settings, _ = account

    async def crashed(*_: object, **__: object) -> None:
        raise Died

    async def mark_alone(database: Any, *_: object, also: Any, **__: object) -> None:
        async with database.begin() as tx:
            await also(tx)
        raise Died

    for settle, found in ((crashed, set()), (mark_alone, {"without its effect"})):
        payment = Payment(replica, gateway, settings)
        await payment.open("payment_intent.succeeded")
        await payment.post()
        with monkeypatch.context() as patched:
            patched.setattr(effects.settlement, "settle", settle)
            await payment.work_off()
        await payment.work_off()
        assert await _broken(replica) == found


async def test_an_event_that_is_answered_before_it_is_kept_is_lost_with_the_process(
    account: Any, monkeypatch: pytest.MonkeyPatch
):
    replica, gateway, settings, _ = account
    payment = Payment(replica, gateway, settings)
    payment.event_id, payment.intent = "evt_1", "pi_1"
    await payment.open("payment_intent.succeeded")
    async with replica.context.database.connect() as c:
        await store.keep_ref(c, AttemptId(payment.payment_id, 1, 1), "pi_1")

    async def in_memory_alone(*_: object, **__: object) -> bool:
        return True

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "keep", in_memory_alone)
        await payment.post()
    await replica.eyes.execute(AS_DELIVERED)
    assert await _broken(replica) == {"answered and not kept"}
    await payment.post()
    assert await _broken(replica) == set()
