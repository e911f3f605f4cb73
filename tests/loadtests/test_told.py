"""The clients' log: bounded on disk, read in pieces, every lie in it found in a real database."""

from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from loadtests.client_log import ClientLogWriter, line_of, read
from loadtests.clients import SHOWN, ClientLog, compare
from loadtests.intent import Intent, LoggedReply, logged_reply
from loadtests.outcomes import CANCEL, PLACE, order_outcome, outcome_of

_PLACE = """
INSERT INTO orders.orders (id, product_id, quantity, unit_price_minor, amount_minor, currency,
  status, reason, next_attempt_at, deadline_at, settled_at, traceparent)
VALUES ($1, 'PROD-001', 1, 9999, 9999, 'EUR', $2, $3, now(), now(),
  CASE WHEN $2 IN ('CONFIRMED', 'FAILED') THEN now() END, '00-' || repeat('a', 32) || '-b-01')"""
_CLAIM = """
INSERT INTO orders.idempotency (scope, key, request_hash, order_id, locked_until, expires_at)
VALUES ('s', $1, '', $2, now(), now() + interval '1 hour')"""
CONFIRMED, DECLINED = ("CONFIRMED", None), ("FAILED", "PAYMENT_DECLINED")
KEY = "load-of-one-test-1"

# How the order ended, and what its shopper was told.
LIES = {
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
TRUE = {
    "confirmed": (CONFIRMED, [LoggedReply(201)]),
    "confirmed after a lost answer": (CONFIRMED, [LoggedReply(0, "timeout"), LoggedReply(201)]),
    "accepted, then confirmed": (CONFIRMED, [LoggedReply(202)]),
    "declined": (DECLINED, [LoggedReply(402, "payment-declined")]),
    "cut off, and it was placed": (CONFIRMED, [LoggedReply(0, "cut-off")]),
    "cut off, and it was not": (None, [LoggedReply(0, "cut-off")]),
}


async def heard(
    connection: asyncpg.Connection, folder: Path, case: tuple, *, alone: bool = True, **more
) -> ClientLog:
    """What the comparison finds for one such shopper."""
    end, words = case
    if end is not None:
        order_id: UUID = uuid4()
        await connection.execute(_PLACE, order_id, *end)
        await connection.execute(_CLAIM, KEY, order_id)
    log = folder / "told.jsonl"
    with ClientLogWriter(log) as told:
        told.write([line_of(Intent(KEY, "PROD-001", 1, words, **more))])
    return await compare(connection, log, 0.0, alone=alone, wanted_traces=frozenset({KEY}))


@pytest.mark.parametrize("name", LIES)
async def test_every_lie_in_the_log_is_found(connection, tmp_path: Path, name: str):
    found = await heard(connection, tmp_path, LIES[name])
    assert found.lies == 1
    assert KEY in found.first[0]


@pytest.mark.parametrize("name", TRUE)
async def test_what_is_true_is_not_called_a_lie(connection, tmp_path: Path, name: str):
    found = await heard(connection, tmp_path, TRUE[name])
    assert (found.lies, found.first, found.keyless, found.unjudged) == (0, [], 0, "")


async def test_a_state_that_was_shown_and_is_not_the_end(connection, tmp_path: Path):
    found = await heard(connection, tmp_path, (DECLINED, [LoggedReply(202)]), shown="CONFIRMED")
    assert "was shown the order as CONFIRMED" in found.first[0]


@pytest.mark.parametrize("status", [200, 202])
async def test_money_that_was_said_to_come_back_and_did_not(connection, tmp_path, status: int):
    found = await heard(
        connection, tmp_path, (CONFIRMED, [LoggedReply(201)]), refund_words=[LoggedReply(status)]
    )
    assert "was told its money comes back" in found.first[0]


async def test_an_order_made_twice_has_no_key(connection, tmp_path: Path):
    await connection.execute(_PLACE, uuid4(), *CONFIRMED)
    found = await heard(connection, tmp_path, TRUE["confirmed"])
    assert (found.keyless, found.twice) == (1, True)
    assert not (await heard(connection, tmp_path, (None, []), alone=False)).twice


async def test_an_open_order_is_open_and_no_lie(connection, tmp_path: Path):
    found = await heard(connection, tmp_path, (("PENDING_PAYMENT", None), [LoggedReply(202)]))
    assert (found.open, found.lies) == (1, 0)


async def test_the_database_of_another_shop_judges_nobody(connection, tmp_path: Path):
    found = await heard(connection, tmp_path, (None, [LoggedReply(201)]))
    assert "not this shop's" in found.unjudged


async def test_an_unanswered_order_leads_to_its_trace(connection, tmp_path: Path):
    found = await heard(connection, tmp_path, (CONFIRMED, [LoggedReply(0, "timeout")]))
    assert found.traces == {KEY: "a" * 32}


async def test_a_log_of_nothing_but_lies_is_shown_in_part(connection, tmp_path: Path):
    await heard(connection, tmp_path, TRUE["confirmed"])
    with ClientLogWriter(tmp_path / "told.jsonl") as told:
        lies = [Intent(f"{KEY}-{n}", "PROD-001", 1, [LoggedReply(201)]) for n in range(1200)]
        told.write([line_of(lie) for lie in lies])
    found = await compare(connection, tmp_path / "told.jsonl", 0.0, alone=True)
    assert (found.wishes, found.lies, len(found.first)) == (1201, 1200, SHOWN)


def test_the_log_is_bounded_and_what_is_beyond_is_counted(tmp_path: Path):
    with ClientLogWriter(tmp_path / "log", most=3) as told:
        told.write([line_of(Intent(f"key-{n}", "P", 1)) for n in range(2)])
        told.write([line_of(Intent(f"key-{n}", "P", 1)) for n in range(2, 7)])
    assert told.beyond == 4
    assert [wish.key for batch in read(tmp_path / "log") for wish in batch] == [
        "key-0", "key-1", "key-2",
    ]  # fmt: skip


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path):
    line = line_of(Intent("key-1", "P", 1))
    (tmp_path / "log").write_bytes(line + b"\n" + line[: len(line) // 2])
    assert [len(batch) for batch in read(tmp_path / "log")] == [1]


def test_the_log_is_read_in_pieces(tmp_path: Path):
    with ClientLogWriter(tmp_path / "log") as told:
        told.write([line_of(Intent(f"key-{n}", "P", 1)) for n in range(7)])
    assert [len(batch) for batch in read(tmp_path / "log", size=3)] == [3, 3, 1]


def test_a_brief_word_is_equal_when_the_bytes_are():
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


@pytest.mark.parametrize("outcome", ORDERS)
def test_what_became_of_an_order_by_what_was_said(outcome: str):
    assert order_outcome(ORDERS[outcome]) == outcome


@pytest.mark.parametrize(
    ("name", "word", "outcome"),
    [
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
    ],
)
def test_an_answer_is_good_degraded_or_failed(name: str, word: LoggedReply, outcome: str):
    assert outcome_of(name, word) == outcome
