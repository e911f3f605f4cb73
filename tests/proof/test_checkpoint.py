"""A checkpoint advances only past what is accounted for, and no later change escapes it."""

import asyncio
import json
from datetime import UTC, datetime

import asyncpg
import pytest

from proof import Limits, checkpoint, evaluate
from proof.checkpoint import Checkpoint
from proof.evaluate import prove
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.reports import finding
from tests.proof.rows import (
    CANCELLED,
    CONFIRMED,
    PENDING,
    cancelled_order,
    payment_of,
    waiting_order,
)

LIMITS = Limits()
NO_TIME = Limits(order_deadline_s=0, order_backoff_s=0, lease_s=0, payment_backoff_s=0)
CAPTURE = (
    "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
    " captured_at) VALUES ($1, 'mock', $2, 19998, 'EUR', 'CAPTURED', now())"
)
# A capture that the payment service has not recorded yet.
UNRECORDED = (f"pay_{payment_of(PENDING)}:1:1", str(payment_of(PENDING)))
SECOND_CAPTURE = ("again", str(payment_of(CONFIRMED)))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def kept(connection: asyncpg.Connection) -> asyncpg.Record:
    """The stored checkpoint."""
    return await connection.fetchrow("SELECT * FROM proof.checkpoint")


def sums(row: asyncpg.Record) -> dict[tuple[str, str], int]:
    """The units that had moved by a checkpoint."""
    return {(product, kind): units for product, kind, units in json.loads(row["moved"])}


# ---- it advances ---------------------------------------------------------------------------------


async def test_it_advances_while_orders_are_placed(auditor, database_url):
    over = asyncio.Event()
    placing = [asyncio.create_task(place_orders(database_url, over)) for _ in range(2)]
    rows = [await kept(auditor)]
    for _ in range(4):
        await asyncio.sleep(0.1)
        report = await prove(auditor, LIMITS)
        assert (report.state, report.reach.proven) == ("settling", rows[-1]["orders"])
        assert report.reach.orders > 0
        rows.append(await kept(auditor))
    over.set()
    await asyncio.gather(*placing)
    for column in ("before", "at", "orders"):
        values = [row[column] for row in rows]
        assert values == sorted(set(values)), column
    await prove(auditor, LIMITS)
    incremental = await kept(auditor)
    whole = await prove(auditor, LIMITS, whole=True)
    assert incremental["orders"] == whole.reach.orders
    assert sums(incremental) == sums(await kept(auditor))


async def place_orders(database_url: str, over: asyncio.Event) -> None:
    connection = await asyncpg.connect(database_url)
    while not over.is_set():
        await insert_confirmed_orders(connection, 3)
        await asyncio.sleep(0.02)  # what is proven at the end is read whole
    await connection.close()


async def test_if_nothing_changed_nothing_is_written(auditor):
    before = await auditor.fetchval("SELECT ctid FROM proof.checkpoint")
    await prove(auditor, LIMITS)
    assert await auditor.fetchval("SELECT ctid FROM proof.checkpoint") == before


async def test_concurrent_writers_never_move_it_back(database_url):
    async def save(place: int) -> None:
        connection = await asyncpg.connect(database_url)
        await checkpoint.save(
            connection, "these", Checkpoint(place, NOON, place, {("P", "sold"): place})
        )
        await connection.close()

    # Numbers of past transactions: a number ahead of all transactions would be overwritten.
    for _ in range(3):
        await asyncio.gather(*(save(place) for place in (90, 30, 99, 10, 98, 50)))
        await asyncio.gather(*(save(place) for place in (20, 97, 1)))
    connection = await asyncpg.connect(database_url)
    row = await kept(connection)
    await connection.close()
    assert (row["before"], row["orders"], sums(row)) == (99, 99, {("P", "sold"): 99})


# ---- no later change escapes it ------------------------------------------------------------------


@pytest.mark.parametrize("wrote", [False, True], ids=["begun", "has written"])
async def test_a_transaction_that_is_open_during_a_proof_is_examined_later(
    shop, auditor, database_url, wrote: bool
):
    await shop.execute("BEGIN")
    await shop.execute("SELECT 1 FROM orders.orders")
    if wrote:
        await shop.execute(CAPTURE, *SECOND_CAPTURE)
    other = await asyncpg.connect(database_url)
    await insert_confirmed_orders(other, 2)
    await other.close()
    place = (await kept(auditor))["before"]
    for _ in range(3):
        assert finding(await prove(auditor, LIMITS), "I3").state == "holds"
    assert (await kept(auditor))["before"] > place
    if not wrote:
        await shop.execute(CAPTURE, *SECOND_CAPTURE)
    await shop.execute("COMMIT")
    assert finding(await prove(auditor, LIMITS), "I3").state == "violated"


async def test_an_update_of_a_row_settled_long_ago_is_noticed(shop, auditor):
    await shop.execute(
        "UPDATE gateway.charges SET amount_minor = 1 WHERE payment_ref = $1",
        str(payment_of(CONFIRMED)),
    )
    report = await prove(auditor, LIMITS)
    assert (report.reach.orders, finding(report, "I15").state) == (1, "violated")


async def test_what_is_settling_is_judged_again_until_it_has_settled(shop, auditor):
    await shop.execute(CAPTURE, *UNRECORDED)
    place = (await kept(auditor))["before"]
    for _ in range(3):
        report = await prove(auditor, LIMITS)
        assert (report.reach.orders, finding(report, "I7").state) == (1, "settling")
        assert report.reach.in_all == 4, "the one that settles was counted already"
        assert (await kept(auditor))["unsettled"] == [str(payment_of(PENDING))]
    # It is named in the checkpoint and does not hold it back.
    assert (await kept(auditor))["before"] > place
    await asyncio.sleep(0.01)
    late = await prove(auditor, NO_TIME)
    assert (late.reach.orders, finding(late, "I7").state) == (1, "violated")
    await shop.execute(
        "UPDATE payments.attempts SET state = 'SUCCEEDED' WHERE state = 'IN_FLIGHT';"
        "UPDATE payments.payments SET state = 'SUCCEEDED' WHERE state = 'PROCESSING';"
        "INSERT INTO payments.ledger"
        " (payment_id, leg_n, kind, line, account, amount_minor, currency) VALUES"
        f" ('{payment_of(PENDING)}', 1, 'capture', 1, 'gateway_clearing', 19998, 'EUR'),"
        f" ('{payment_of(PENDING)}', 1, 'capture', 2, 'merchant', -19998, 'EUR')"
    )
    for seen in (1, 0):
        report = await prove(auditor, LIMITS)
        assert (report.reach.orders, finding(report, "I7").state) == (seen, "holds")
        assert (await kept(auditor))["unsettled"] == []


async def test_a_gateway_that_cannot_fence_may_settle_later_as_well(shop, auditor):
    not_fencing = Limits(gateway_fences=False)
    await cancelled_order(shop)
    await shop.execute(
        "UPDATE gateway.charges SET state = 'CAPTURED', amount_minor = 19998, currency = 'EUR',"
        " captured_at = now() WHERE payment_ref = $1",
        str(payment_of(CANCELLED)),
    )
    for _ in range(3):
        assert finding(await prove(auditor, not_fencing), "I5").state == "settling"
        assert (await kept(auditor))["unsettled"] == [str(CANCELLED), str(payment_of(CANCELLED))]
    # With a gateway that fences the same rows are violated: nothing was hidden.
    assert finding(await prove(auditor, LIMITS), "I5").state == "violated"


async def test_with_too_many_orders_settling_it_does_not_advance(shop, auditor, monkeypatch):
    monkeypatch.setattr(evaluate, "UNSETTLED_LIMIT", 0)
    await shop.execute(CAPTURE, *UNRECORDED)
    place = (await kept(auditor))["before"]
    for _ in range(2):
        assert finding(await prove(auditor, LIMITS), "I7").state == "settling"
    assert (await kept(auditor))["before"] == place


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1",
        f"UPDATE gateway.charges SET amount_minor = 1 WHERE payment_ref = '{SECOND_CAPTURE[1]}'",
        "ALTER TABLE payments.ledger RENAME account TO konto",
    ],
    ids=["a sum", "an order", "unknown"],
)
async def test_it_does_not_advance_past_what_is_broken_or_cannot_be_judged(shop, auditor, sql: str):
    place = (await kept(auditor))["before"]
    await insert_confirmed_orders(shop, 2)
    await shop.execute(sql)
    for whole in (False, True):
        assert (await prove(auditor, LIMITS, whole=whole)).state in ("violated", "unknown")
        assert (await kept(auditor))["before"] == place


async def test_an_order_that_waits_too_long_does_not_hold_it_back(shop, auditor):
    await waiting_order(shop)
    place = (await kept(auditor))["before"]
    for _ in range(2):
        assert finding(await prove(auditor, LIMITS), "I10").state == "violated"
    assert (await kept(auditor))["before"] > place


# ---- what moved ----------------------------------------------------------------------------------


async def test_units_moved_before_and_since_add_up_exactly(shop, auditor):
    for number in range(3):
        await insert_confirmed_orders(shop, number)
        assert finding(await prove(auditor, LIMITS), "I21").state == "holds"
    moved = "SELECT product_id, kind, sum(quantity)::int FROM inventory.stock_moves GROUP BY 1, 2"
    assert sums(await kept(auditor)) == {(p, k): n for p, k, n in await shop.fetch(moved)}
    for units in (1, -1):
        shift = "UPDATE inventory.stock SET stock = stock - $1, sold = sold + $1 WHERE sold > 0"
        await shop.execute(shift, units)
        report = await prove(auditor, LIMITS)
        assert (report.reach.why, finding(report, "I21").total) == ("", 2)
        await shop.execute(shift, -units)


async def test_after_a_changed_move_they_are_counted_from_the_first_one(shop, auditor):
    await shop.execute(
        "SET session_replication_role = replica;"
        f"UPDATE inventory.stock_moves SET quantity = 1 WHERE cause = '{CONFIRMED}'"
    )
    found = finding(await prove(auditor, LIMITS), "I21")
    assert [(row["sold"], row["sold_moves"]) for row in found.rows] == [(4, 3)]
