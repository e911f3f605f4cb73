"""`verify` prints text for a person and JSON for a script, and ends with the right exit code."""

import asyncio
import json
import re
import threading
import time
from pathlib import Path

import asyncpg
import click.testing
import pytest

from proof import invariants
from proof.clients.intent import Intent, LoggedReply
from proof.clients.log import ClientLogWriter, line_of
from proof.settings import ProofSettings
from proof.verify import verify, wait_until_settled
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.rows import PENDING

NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


def settings(database_url: str) -> ProofSettings:
    return ProofSettings(service="dashboard", database_url=database_url)


def run(
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    *,
    wait_s: float = 0,
    as_json=False,
    full=False,
    logs=(),
):
    """In a thread, since `verify` brings an event loop of its own."""
    code: list[int] = []
    worker = threading.Thread(
        target=lambda: code.append(
            verify(settings(database_url), wait_s, as_json, full=full, logs=logs)
        )
    )
    worker.start()
    worker.join(30)
    output = capsys.readouterr()
    return code[0], click.unstyle(output.out), output.err


async def test_if_all_promises_hold_it_exits_0_with_a_line_for_each(database_url: str, capsys):
    code, out, err = run(database_url, capsys)
    assert code == 0
    assert err == ""
    assert f"All {len(invariants())} promises hold, of orders, payments and wallets: nothing" in out
    for each in invariants():
        assert f"✓ {each.id:<4} {each.promise}" in out


async def test_a_broken_promise_exits_1_with_the_offending_row_and_the_sql(
    shop, database_url, capsys
):
    await shop.execute(
        "UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1"
        " WHERE product_id = 'PROD-003'"
    )
    code, out, _ = run(database_url, capsys)
    assert code == 1
    assert "BROKEN by 1 row" in out
    assert "PROD-003" in out
    assert "FROM inventory.stock s" in out
    assert f"1 of {len(invariants())} promises is BROKEN" in out


async def test_work_that_is_unfinished_after_the_wait_exits_1_and_says_so(
    shop, database_url, capsys
):
    # A line of progress every two seconds; on a busy machine a proof may take one of them.
    code, out, err = run(database_url, capsys, wait_s=6)
    assert code == 1
    assert "STILL SETTLING" in out
    assert "within 992 s, or so long after the last fault: --wait 992 waits for it." in out
    assert "settling: I10 1, I11 3" in err


async def test_no_database_exits_2_with_the_reason(capsys):
    code, out, _ = run(NOWHERE, capsys)
    assert code == 2
    assert "could not be judged, so nothing is proven" in out
    assert out.count("no database") == 1


async def test_a_database_without_the_schema_exits_2(shop, database_url, capsys):
    await shop.execute("DROP SCHEMA payments CASCADE")
    code, out, _ = run(database_url, capsys)
    assert code == 2
    assert "payments" in out


async def test_json_holds_the_same_for_a_script(shop, database_url, capsys):
    await shop.execute(
        "UPDATE gateway.charges SET state = 'CAPTURED', captured_at = now()"
        " WHERE state = 'DECLINED'"
    )
    code, out, _ = run(database_url, capsys, as_json=True)
    printed = json.loads(out)
    assert (code, printed["exit_code"], printed["state"]) == (1, 1, "violated")
    by_id = {each["id"]: each for each in printed["invariants"]}
    assert list(by_id) == [each.id for each in invariants()]
    assert by_id["I1"]["state"] == "holds"
    assert by_id["I5"]["state"] == "violated"
    assert by_id["I5"]["rows"][0]["amount_minor"] == 19998
    assert by_id["I5"]["sql"].startswith("SELECT o.id AS order_id")
    assert by_id["I10"]["state"] == "settling"


async def test_waiting_ends_as_soon_as_the_work_is_done(
    shop: asyncpg.Connection, database_url: str
):
    await shop.execute(
        "UPDATE inventory.reservations SET state = 'RELEASED' WHERE state = 'HELD';"
        "UPDATE inventory.stock SET stock = stock + 2, reserved = 0"
        " WHERE product_id = 'PROD-001';"
        "INSERT INTO inventory.stock_moves (cause, kind, product_id, quantity)"
        f" VALUES ('{PENDING}', 'released', 'PROD-001', 2);"
        "UPDATE payments.attempts SET state = 'VOIDED' WHERE state = 'IN_FLIGHT';"
        "UPDATE payments.payments SET state = 'CANCELLING' WHERE state = 'PROCESSING';"
        "UPDATE payments.payments SET state = 'CANCELLED' WHERE state = 'CANCELLING'"
    )
    started = time.monotonic()
    waiting = asyncio.create_task(wait_until_settled(settings(database_url), wait_s=20))
    await asyncio.sleep(0.7)
    for status in ("CANCELLING", "FAILED"):
        await shop.execute(
            "UPDATE orders.orders SET status = $1, reason = 'PAYMENT_TIMEOUT',"
            " version = version + 1,"
            " settled_at = CASE WHEN $1 = 'FAILED' THEN now() END WHERE status LIKE 'PENDING%'"
            " OR status = 'CANCELLING'",
            status,
        )
    report = await waiting
    assert report.state == "holds"
    assert 0.6 < time.monotonic() - started < 5


async def test_it_does_not_wait_for_what_must_hold_at_every_instant(shop, database_url):
    await shop.execute(
        "UPDATE inventory.stock SET stock = stock - 1, reserved = reserved + 1"
        " WHERE product_id = 'PROD-003'"
    )
    started = time.monotonic()
    assert (await wait_until_settled(settings(database_url), wait_s=20)).state == "violated"
    assert time.monotonic() - started < 3


async def test_it_prints_what_was_proven_before_and_what_was_examined_now(
    shop, database_url, capsys
):
    _, first, _ = run(database_url, capsys)
    read = "4 orders, 0 payments without an order and 7 wallets"
    assert f"The whole history was read, {read}: there is no earlier proof to build on." in first
    await insert_confirmed_orders(shop, 1)
    _, out, _ = run(database_url, capsys)
    assert re.search(
        r"History up to \d{4}-\S+ \S+ was proven before \(4 orders\); 1 order examined now, with",
        out,
    )
    await shop.execute(
        "INSERT INTO payments.payments (payment_id, amount_minor, currency, state)"
        " VALUES (gen_random_uuid(), 5, 'EUR', 'PROCESSING');"
        " WITH a AS (INSERT INTO wallets.accounts (kind, owner, currency)"
        " VALUES ('wallet', 'u1', 'EUR') RETURNING *)"
        " INSERT INTO wallets.wallet_balances (user_id, currency, account_id)"
        " SELECT owner, currency, account_id FROM a"
    )
    _, out, _ = run(database_url, capsys, full=True)
    read = "5 orders, 1 payment without an order and 8 wallets: as asked."
    assert f"The whole history was read, {read}" in out


async def test_json_holds_how_much_was_read(shop, database_url, capsys):
    for full, whole in ((False, True), (False, False), (True, True)):
        _, out, _ = run(database_url, capsys, as_json=True, full=full)
        reach = json.loads(out)["reach"]
        assert (reach["whole"], reach["proven_before"] is None) == (whole, whole)
    assert (reach["orders_examined"], reach["why"], reach["not_kept"]) == (4, "as asked", None)
    assert (reach["payments_examined"], reach["wallets_examined"]) == (0, 7)


async def test_a_long_read_prints_its_progress(shop, database_url, capsys):
    await shop.execute(
        "ALTER TABLE orders.history RENAME TO slow;"
        "CREATE VIEW orders.history AS SELECT s.* FROM orders.slow s, pg_sleep(1.2)"
    )
    code, out, err = run(database_url, capsys, full=True)
    assert code == 1
    assert re.search(r" 2 s: reading 4 orders, now for [A-Z]\d+ \w", err)
    # The guards of the table are not the view's.
    assert out.count("BROKEN by") == 1


@pytest.mark.parametrize(
    ("status", "exit_code", "shown"),
    [(201, 0, "✓ I16"), (402, 1, "got 402 , but the order ended ('CONFIRMED', None)")],
    ids=["true", "not true"],
)
async def test_what_clients_were_answered_is_a_promise_as_well(
    connection, database_url, capsys, tmp_path: Path, status: int, exit_code: int, shown: str
):
    await insert_confirmed_orders(connection, 1)
    key, order_id = await connection.fetchrow(
        "SELECT key, order_id FROM orders.idempotency WHERE key LIKE 'key-of-%'"
    )
    log = tmp_path / "client_log.jsonl"
    with ClientLogWriter(log) as writer:
        writer.write([line_of(Intent(key, "PROD-003", 1, [LoggedReply(status, "", order_id)]))])
    code, out, _ = run(database_url, capsys, logs=[log])
    assert shown in out
    assert code == exit_code
