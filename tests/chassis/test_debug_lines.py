"""At DEBUG a transaction says where it began and ended, and a statement that it had to wait."""

import contextlib
import logging
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis.database import debug_lines
from chassis.database.pool import Database, LockNotFree
from chassis.http.problems import Problem
from chassis.idempotency import Key, StoredKey
from tests.chassis.pool import PRODUCT, SLEEP, add

_LINES = "chassis.database.debug_lines"
_KEY = Key("POST /orders", "the-key-of-a-client", b"h")


def _lines(caplog: pytest.LogCaptureFixture, field: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if field in vars(record)]


async def test_the_bounds_of_a_transaction(database: Database, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, _LINES)
    await add(database, "A")
    with pytest.raises(asyncpg.UniqueViolationError):
        await add(database, "A")
    found = _lines(caplog, "transaction")
    assert [each["transaction"] for each in found] == ["begin", "commit", "begin", "rollback"]
    assert found[-1]["error"] == "UniqueViolationError"
    assert all(each["duration_ms"] >= 0 for each in found[1::2])


async def test_a_statement_that_waits_in_vain_for_a_lock(
    database: Database, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, _LINES)
    held = connection.transaction()
    await held.start()
    await connection.execute("LOCK TABLE orders.products")
    with pytest.raises(LockNotFree):
        await add(database, "A")
    await held.rollback()
    await add(database, "A")
    # Another statement may have waited for a busy machine.
    vain = [each for each in _lines(caplog, "waited_ms") if each["outcome"] != "done"]
    assert [(each["statement"], each["outcome"]) for each in vain] == [
        ("INSERT product", "lock-timeout")
    ]


async def test_a_statement_that_waits_and_gets_what_it_waits_for(
    database: Database, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, _LINES)
    async with database.connect() as c:
        await c.rows(SLEEP, seconds=debug_lines.WAITED_MS / 1000)
        await c.execute(PRODUCT, id="A")
    waited = next(each for each in _lines(caplog, "waited_ms") if each["statement"] == SLEEP.name)
    assert waited["outcome"] == "done"
    assert waited["waited_ms"] >= debug_lines.WAITED_MS


async def test_where_nobody_reads_them_there_are_none(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.INFO, _LINES)
    for name in ("TransactionLines", "watched"):
        monkeypatch.delattr(debug_lines, name)
    await add(database, "A")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ((b"other", None, None, None, False), "another-request"),
        ((b"h", None, 201, b"{}", False), "replayed"),
        ((b"h", None, None, None, True), "in-progress"),
        ((b"h", UUID(int=1), None, None, False), "unfinished"),
    ],
)
def test_a_key_that_comes_again(stored: Any, kind: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "chassis.idempotency")
    with contextlib.suppress(Problem):
        StoredKey(_KEY, *stored).replay()
    [hit] = _lines(caplog, "idempotency")
    assert (hit["idempotency"], hit["scope"]) == (kind, "POST /orders")
    assert _KEY.key not in str(hit)
