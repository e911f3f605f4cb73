"""What the triggers write is what the structs say, and the document describes it."""

import json
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import yaml
from jsonschema_rs import validator_for

from chassis.contracts import checks
from chassis.messaging import envelope
from services.events import asyncapi
from services.events.catalogue import TYPES
from tests.services.events.scene import Scene

_ORDER = """
INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor, amount_minor,
  currency, status, next_attempt_at, deadline_at, traceparent)
VALUES ($1, $2, 'PROD-001', 2, 50, 100, 'EUR', 'PENDING', now(), now(), $3)
"""
_PAYMENT = """
INSERT INTO payments.payments (payment_id, order_id, amount_minor, currency, state)
VALUES ($1, $2, 100, 'EUR', 'PROCESSING')
"""
_GREMLIN = """
INSERT INTO orders.gremlin_audit (action, name, kind, actor, detail)
VALUES ($1, 'g', 'late', 'me', '{}')
"""
_MOVE = (
    "INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity) VALUES ($1, $2, 'P', 1)"
)
# Dora gets a hundred cents and gives Erik forty.
_LOGIN = """
INSERT INTO identity.users (user_id, roles) VALUES ('grace', '{shopper}');
INSERT INTO identity.families (family_id, user_id, ends_at)
VALUES (gen_random_uuid(), 'grace', now() + interval '1 day');
UPDATE identity.families SET revoked_at = now(), revoked_because = 'logged out'
WHERE user_id = 'grace';
"""
_KEY = """
INSERT INTO identity.signing_keys (kid, state, public_key, private_key, published_at, signs_at)
VALUES (repeat('k', 43), 'NEXT', '{}', 'x', now(), now() + interval '1 minute');
UPDATE identity.signing_keys
SET state = 'WITHDRAWN', private_key = NULL, gone_at = now(), withdrawn_at = now(),
    withdrawn_by = 'grace', withdrawn_because = 'stolen'
WHERE kid = repeat('k', 43);
"""
_WALLETS = """
DO $$
DECLARE
  dora uuid := wallets.account_of('wallet', 'dora', 'EUR');
  erik uuid := wallets.account_of('wallet', 'erik', 'EUR');
  bank uuid := wallets.account_of('funding', 'deposits', 'EUR');
  t uuid[] := ARRAY[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()];
BEGIN
  INSERT INTO wallets.wallet_balances (user_id, currency, account_id)
  VALUES ('dora', 'EUR', dora), ('erik', 'EUR', erik);
  INSERT INTO wallets.transactions (transaction_id, user_id, currency, account_id, kind,
                                    amount_minor, status, counterparty)
  VALUES (t[1], 'dora', 'EUR', dora, 'DEPOSIT', 100, 'PENDING', NULL),
         (t[2], 'dora', 'EUR', dora, 'TRANSFER_OUT', 40, 'COMPLETED', 'erik'),
         (t[3], 'erik', 'EUR', erik, 'TRANSFER_IN', 40, 'PENDING', 'dora');
  INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, debit_account, credit_account,
                                 amount_minor, currency)
  VALUES (t[1], 'deposit', t[1], bank, dora, 100, 'EUR');
  PERFORM wallets.seal(dora, 1);
  INSERT INTO wallets.transfers (transfer_id, kind, transaction_id, payee_transaction_id,
                                 debit_account, credit_account, amount_minor, currency)
  VALUES (t[2], 'transfer', t[2], t[3], dora, erik, 40, 'EUR');
END $$
"""
_TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


async def _every_change(wire: asyncpg.Connection) -> None:
    """One change for each type of event there is."""
    confirmed, failed = (uuid4(), uuid4()), (uuid4(), uuid4())
    for order, payment in (confirmed, failed):
        await wire.execute(_ORDER, order, payment, _TRACE)
        await wire.execute(_PAYMENT, payment, order)
    move = (
        "UPDATE orders.orders SET status = $2, reason = $3, version = version + 1,"
        " settled_at = CASE WHEN $2 IN ('CONFIRMED', 'FAILED') THEN now() END WHERE id = $1"
    )
    await wire.execute(move, confirmed[0], "PENDING_PAYMENT", None)
    await wire.execute(move, confirmed[0], "CONFIRMED", None)
    await wire.execute(move, failed[0], "FAILED", "OUT_OF_STOCK")
    pay = "UPDATE payments.payments SET state = $2 WHERE payment_id = $1"
    await wire.execute(pay, confirmed[1], "SUCCEEDED")
    await wire.execute(pay, failed[1], "FAILED")
    for cause, kinds in ((uuid4(), ("reserved", "sold")), (uuid4(), ("reserved", "released"))):
        for kind in kinds:
            await wire.execute(_MOVE, cause, kind)
    await wire.execute(
        "ALTER TABLE payments.refunds DROP CONSTRAINT refunds_payment_id_leg_n_n_fkey"
    )
    await wire.execute(
        "INSERT INTO payments.refunds (payment_id, leg_n, n, refund_key, amount_minor, currency)"
        " VALUES ($1, 1, 1, 'k', 100, 'EUR')",
        confirmed[1],
    )
    for action in ("started", "expired"):
        await wire.execute(_GREMLIN, action)
    await wire.execute(_WALLETS)
    await wire.execute(_LOGIN)
    await wire.execute(_KEY)


async def test_every_type_is_written_as_its_struct_and_as_the_document_say(scene: Scene):
    wire = scene.connection._wire  # noqa: SLF001
    await _every_change(wire)
    await scene.deliver()
    bodies = await wire.fetch("SELECT type, envelope FROM events.messages")
    assert {row["type"] for row in bodies} == set(TYPES)
    found = asyncapi.document()
    messages = {each["name"]: each for each in found["components"]["messages"].values()}
    for row in bodies:
        event = envelope.read(row["envelope"].encode())
        msgspec.convert(event.data, TYPES[event.type], strict=False)
        payload = messages[event.type]["payload"]
        whole = {**payload, "components": found["components"]}
        validator_for(whole, validate_formats=True).validate(json.loads(row["envelope"]))
    assert (await scene.proof()).is_gapless
    traced = await wire.fetchval("SELECT traceparent FROM audit.log WHERE type = 'order.created'")
    assert traced == _TRACE


async def test_what_moves_nothing_is_no_event(scene: Scene):
    wire = scene.connection._wire  # noqa: SLF001
    await wire.execute(
        "INSERT INTO payments.payments (payment_id, state, cancel_reason, cancelled_by)"
        " VALUES ($1, 'CANCELLED', 'X', 'hand')",
        uuid4(),
    )
    assert (await scene.proof()).committed == 0


async def test_an_event_that_is_not_as_its_struct_says_is_a_violation(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    made = checks.ContractChecks(100)
    monkeypatch.setattr(checks, "_checks", made)
    await scene.emit("o", 1, "order.created")
    await scene.publish()
    broken: list[str] = []
    made.check_next(broken.append)
    assert set(broken) == {"OrderCreated"}


async def test_a_consumer_checks_every_event_and_takes_what_it_understands(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    """Also where no exchange has its turn any more, and what is no event of any kind."""
    made = checks.ContractChecks(0.001)
    monkeypatch.setattr(checks, "_checks", made)
    wire = scene.connection._wire  # noqa: SLF001
    await _every_change(wire)
    await scene.publish()
    body = json.loads(
        await wire.fetchval("SELECT envelope FROM events.messages WHERE type = 'order.failed'")
    )
    body["data"]["reason"] = 4242
    last = await wire.fetchval("SELECT max(position) FROM events.messages")
    changed = {**body, "id": str(uuid4()), "sequence": "0000000003", "position": str(last + 1)}
    for place, message in ((last + 1, json.dumps(changed)), (last + 2, '{"specversion": "1.0"}')):
        await wire.execute(
            "INSERT INTO events.messages VALUES ($1, $2, 'order.failed', $3)",
            place, uuid4(), message,
        )  # fmt: skip
    await scene.consumers["metrics-consumer"].step()

    broken: list[str] = []
    for _ in range(2 * last + 3):
        made.check_next(broken.append)
    assert set(broken) == {"OrderFailed", "CloudEvent"}
    assert broken.count("OrderFailed") == 1
    [found] = [each.violation for key, each in made._seen.items() if key[0] == "OrderFailed"]  # noqa: SLF001
    assert (found.field, found.found) == ("reason", "9999")
    taken = "SELECT events FROM metrics.counters WHERE reason = '4242'"
    assert await scene.fetch(taken) == 1


def test_each_type_has_a_channel_of_its_own():
    channels = asyncapi.document()["channels"].values()
    assert sorted(each["address"] for each in channels) == sorted(TYPES)


def test_the_document_is_current():
    assert asyncapi.FILE.read_text() == asyncapi.rendered(), "run `make render`"


def test_every_reference_of_the_document_leads_somewhere():
    found = yaml.safe_load(asyncapi.FILE.read_text())

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for each in node.values() for ref in references(each)]
        return [ref for each in node for ref in references(each)] if isinstance(node, list) else []

    for reference in references(found):
        at = found
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"type": "order.eaten"}, "no type"),
        ({"dataschema": "urn:valerix:event:order.created:2"}, "no schema"),
        ({"specversion": "2.0"}, "specversion"),
        ({"subject": "order/other"}, "subject"),
        ({"data": {"blob": "x" * envelope.MOST_BYTES}}, "bytes"),
    ],
    ids=["unknown type", "future schema", "no CloudEvent", "another subject", "too long"],
)
async def test_what_cannot_be_understood_is_parked_with_its_reason(scene: Scene, change, why):
    await scene.emit("o", 1, "order.created")
    await scene.publish()
    wire = scene.connection._wire  # noqa: SLF001
    body = json.loads(await wire.fetchval("SELECT envelope FROM events.messages"))
    await wire.execute("TRUNCATE events.messages")
    await wire.execute(
        "INSERT INTO events.messages VALUES (1, $1, 'order.created', $2)",
        uuid4(),
        json.dumps({**body, **change}),
    )
    await scene.consumers["audit-consumer"].step()
    assert why in await scene.fetch("SELECT reason FROM events.parked")
    assert await scene.fetch("SELECT count(*) FROM audit.log") == 0
