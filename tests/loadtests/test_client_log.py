"""The clients' log: bounded, read in batches, compared with a real database."""

from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from loadtests.comparison import SHOWN, Comparison, compare
from loadtests.outcomes import CANCEL, PLACE, order_outcome, outcome_of
from proof.clients.intent import Intent, LoggedReply, logged_reply
from proof.clients.log import ClientLogWriter, line_of, read

_PLACE = """
INSERT INTO orders.orders (id, payment_id, product_id, quantity, unit_price_minor, amount_minor,
  currency, status, reason, next_attempt_at, deadline_at, settled_at, traceparent)
VALUES ($1, gen_random_uuid(), 'PROD-001', 1, 9999, 9999, 'EUR', $2, $3, now(), now(),
  CASE WHEN $2 IN ('CONFIRMED', 'FAILED') THEN now() END, '00-' || repeat('a', 32) || '-b-01')"""
_CLAIM = """
INSERT INTO orders.idempotency (scope, key, request_hash, order_id, locked_until)
VALUES ('s', $1, '', $2, now())"""
CONFIRMED, DECLINED = ("CONFIRMED", None), ("FAILED", "PAYMENT_DECLINED")
KEY = "load-of-one-test-1"

# How the order ended, and the replies to its shopper.
CONTRADICTIONS = {
    "201 for an order that failed": (DECLINED, [LoggedReply(201)]),
    "402 for one that was confirmed": (CONFIRMED, [LoggedReply(402, "payment-declined")]),
    "409 for one that was confirmed": (CONFIRMED, [LoggedReply(409, "out-of-stock")]),
    "201 for no order": (None, [LoggedReply(201)]),
    "201 for one that is still open": (("PENDING_PAYMENT", None), [LoggedReply(201)]),
    "another order's id": (CONFIRMED, [LoggedReply(201, order_id=uuid4())]),
    "a lost answer, and another order on the second try": (
        CONFIRMED,
        [LoggedReply(0, "dropped"), LoggedReply(201, order_id=uuid4())],
    ),
    "nothing was done, but it was": (CONFIRMED, [LoggedReply(503, "overloaded", executed=False)]),
    "two answers under one key": (
        CONFIRMED,
        [LoggedReply(201, body=b"a"), LoggedReply(201, body=b"b")],
    ),
    "an error nobody foresaw": (CONFIRMED, [LoggedReply(500, "internal"), LoggedReply(201)]),
}
AGREEMENTS = {
    "confirmed": (CONFIRMED, [LoggedReply(201)]),
    "confirmed after a lost answer": (CONFIRMED, [LoggedReply(0, "timeout"), LoggedReply(201)]),
    "accepted, then confirmed": (CONFIRMED, [LoggedReply(202)]),
    "declined": (DECLINED, [LoggedReply(402, "payment-declined")]),
    "cut off, and it was placed": (CONFIRMED, [LoggedReply(0, "cut-off")]),
    "cut off, and it was not": (None, [LoggedReply(0, "cut-off")]),
}


async def compared(
    connection: asyncpg.Connection, folder: Path, case: tuple, *, alone: bool = True, **more
) -> Comparison:
    """What the comparison finds for one such shopper."""
    end, replies = case
    if end is not None:
        order_id: UUID = uuid4()
        await connection.execute(_PLACE, order_id, *end)
        await connection.execute(_CLAIM, KEY, order_id)
    log = folder / "client_log.jsonl"
    log.unlink(missing_ok=True)
    with ClientLogWriter(log) as writer:
        writer.write([line_of(Intent(KEY, "PROD-001", 1, replies, **more))])
    return await compare(connection, log, 0.0, alone=alone, wanted_traces=frozenset({KEY}))


async def compared_alone(connection: asyncpg.Connection, folder: Path, case: tuple) -> Comparison:
    """The same, and the order is gone afterwards."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await compared(connection, folder, case)
    finally:
        await transaction.rollback()


async def test_every_contradiction_is_found(connection, tmp_path: Path):
    for name, case in CONTRADICTIONS.items():
        found = await compared_alone(connection, tmp_path, case)
        assert (found.contradictions, KEY in found.examples[0]) == (1, True), name


async def test_what_agrees_is_not_a_contradiction(connection, tmp_path: Path):
    for name, case in AGREEMENTS.items():
        found = await compared_alone(connection, tmp_path, case)
        summary = (found.contradictions, found.examples, found.keyless, found.unjudged)
        assert summary == (0, [], 0, ""), name


async def test_an_end_that_was_shown_and_did_not_stay_is_found(connection, tmp_path: Path):
    found = await compared(connection, tmp_path, (DECLINED, [LoggedReply(202)]), shown="CONFIRMED")
    assert "saw the order as CONFIRMED" in found.examples[0]


@pytest.mark.parametrize("status", [200, 202])
async def test_a_refund_that_was_accepted_and_not_made_is_found(connection, tmp_path, status: int):
    found = await compared(
        connection, tmp_path, (CONFIRMED, [LoggedReply(201)]), refund_replies=[LoggedReply(status)]
    )
    assert "its refund was accepted" in found.examples[0]


async def test_an_order_made_twice_has_no_key(connection, tmp_path: Path):
    await connection.execute(_PLACE, uuid4(), *CONFIRMED)
    found = await compared(connection, tmp_path, AGREEMENTS["confirmed"])
    assert (found.keyless, found.duplicated) == (1, True)
    assert not (await compared(connection, tmp_path, (None, []), alone=False)).duplicated


async def test_an_open_order_is_counted_and_is_not_a_contradiction(connection, tmp_path: Path):
    found = await compared(connection, tmp_path, (("PENDING_PAYMENT", None), [LoggedReply(202)]))
    assert (found.open, found.contradictions) == (1, 0)


async def test_the_database_of_another_shop_gives_no_judgement(connection, tmp_path: Path):
    found = await compared(connection, tmp_path, (None, [LoggedReply(201)]))
    assert "not this shop's" in found.unjudged


async def test_an_unanswered_order_leads_to_its_trace(connection, tmp_path: Path):
    found = await compared(connection, tmp_path, (CONFIRMED, [LoggedReply(0, "timeout")]))
    assert found.traces == {KEY: "a" * 32}


async def test_of_many_contradictions_only_some_are_shown(connection, tmp_path: Path):
    await compared(connection, tmp_path, AGREEMENTS["confirmed"])
    with ClientLogWriter(tmp_path / "client_log.jsonl") as writer:
        many = [Intent(f"{KEY}-{n}", "PROD-001", 1, [LoggedReply(201)]) for n in range(1200)]
        writer.write([line_of(intent) for intent in many])
    found = await compare(connection, tmp_path / "client_log.jsonl", 0.0, alone=True)
    assert (found.orders, found.contradictions, len(found.examples)) == (1201, 1200, SHOWN)


def test_the_log_is_bounded_and_what_is_beyond_is_counted(tmp_path: Path):
    with ClientLogWriter(tmp_path / "log", most=3) as writer:
        writer.write([line_of(Intent(f"key-{n}", "P", 1)) for n in range(2)])
        writer.write([line_of(Intent(f"key-{n}", "P", 1)) for n in range(2, 7)])
    assert writer.beyond == 4
    assert [intent.key for batch in read(tmp_path / "log") for intent in batch] == [
        "key-0", "key-1", "key-2",
    ]  # fmt: skip


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path):
    line = line_of(Intent("key-1", "P", 1))
    (tmp_path / "log").write_bytes(line + b"\n" + line[: len(line) // 2])
    assert [len(batch) for batch in read(tmp_path / "log")] == [1]


def test_the_log_is_read_in_batches(tmp_path: Path):
    with ClientLogWriter(tmp_path / "log") as writer:
        writer.write([line_of(Intent(f"key-{n}", "P", 1)) for n in range(7)])
    assert [len(batch) for batch in read(tmp_path / "log", size=3)] == [3, 3, 1]


def test_a_brief_reply_is_equal_when_the_bytes_are():
    one, same, other = (logged_reply(201, {}, body, brief=True) for body in (b"{}", b"{}", b"{ }"))
    assert one == same != other
    assert len(one.body) == 8
    assert logged_reply(500, {}, b"x" * 5000, brief=True).body == b"x" * 200


ORDERS = {
    "confirmed": [LoggedReply(0, "timeout"), LoggedReply(201)],
    "degraded": [LoggedReply(202)],
    "declined": [LoggedReply(402, "payment-declined")],
    "out_of_stock": [LoggedReply(409, "out-of-stock")],
    "failed": [LoggedReply(500, "internal")],
    "shed": [LoggedReply(503, "overloaded", executed=False)],
    "unanswered": [LoggedReply(0, "timeout")],
    "cut_off": [
        LoggedReply(503, "overloaded", executed=False),
        LoggedReply(0, "cut-off", executed=False),
    ],
}


REPLIES = [
    (PLACE, LoggedReply(201), "good"),
    (PLACE, LoggedReply(402, "payment-declined"), "good"),
    (PLACE, LoggedReply(409, "out-of-stock"), "good"),
    (CANCEL, LoggedReply(409, "state-conflict"), "good"),
    (PLACE, LoggedReply(202), "degraded"),
    (PLACE, LoggedReply(409, "idempotency-in-progress"), "degraded"),
    (PLACE, LoggedReply(409, "order-failed"), "failed"),
    ("GET /products", LoggedReply(402, "payment-declined"), "failed"),
    (PLACE, LoggedReply(503, "overloaded", executed=False), "failed"),
    (PLACE, LoggedReply(0, "timeout"), "failed"),
    (PLACE, LoggedReply(404, "product-not-found"), "failed"),
]


def test_the_outcome_of_an_order_and_of_a_reply():
    wrong = [outcome for outcome, replies in ORDERS.items() if order_outcome(replies) != outcome]
    wrong += [row for row in REPLIES if outcome_of(row[0], row[1]) != row[2]]
    assert wrong == []
