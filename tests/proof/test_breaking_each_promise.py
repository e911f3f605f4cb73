"""Each promise is broken in a real database, its guards removed: exactly that one is violated."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from _pytest.mark.structures import ParameterSet

from proof import Limits, invariants
from proof.evaluate import Report, evaluate, prove
from proof.statements import ROWS_SHOWN
from tests.harness.running import Databases
from tests.proof.breaks import BREAKS, Break
from tests.proof.checkpoints import checkpoints, push_ahead, scrub_all, seal_all
from tests.proof.column_breaks import COLUMN_BREAKS
from tests.proof.event_breaks import EVENT_BREAKS
from tests.proof.guard_breaks import GUARD_BREAKS
from tests.proof.identity_breaks import IDENTITY_BREAKS
from tests.proof.operator_breaks import OPERATOR_BREAKS
from tests.proof.payment_breaks import PAYMENT_BREAKS
from tests.proof.provider_breaks import PROVIDER_BREAKS
from tests.proof.reports import assert_same, summary, violated
from tests.proof.rows import CANCELLED, cancelled_order, payment_of
from tests.proof.wallet_breaks import WALLET_BREAKS

EVERY_BREAK = (
    *BREAKS,
    *PAYMENT_BREAKS,
    *PROVIDER_BREAKS,
    *WALLET_BREAKS,
    *IDENTITY_BREAKS,
    *OPERATOR_BREAKS,
    *EVENT_BREAKS,
    *GUARD_BREAKS,
    *COLUMN_BREAKS,
)
# A promise is the same SQL however it was broken: one of its breaks is read in every way.
FIRST_OF_EACH = {each.breaks: each for each in reversed(EVERY_BREAK)}
# Slices of history are read as changes are: one promise of each kind shows that they are.
FIRST_OF_KIND = {
    (each.kind, each.reads): FIRST_OF_EACH[each.id]
    for each in reversed(invariants())
    if each.id in FIRST_OF_EACH
}


@pytest.fixture(scope="module")
def proven_database(databases: Databases, proven_shop: str) -> Iterator[str]:
    url = databases.create(template=proven_shop)
    yield url
    databases.drop(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bystander(proven_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(proven_database)
    await seal_all(connection)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_shop(
    proven_database: str, bystander: asyncpg.Connection
) -> AsyncIterator[asyncpg.Connection]:
    # Every statement of both ways to read is parsed once.
    every = {"statement_cache_size": 500, "max_cacheable_statement_size": 0}
    connection = await asyncpg.connect(proven_database, **every)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="module")
async def taken_back(
    one_shop: asyncpg.Connection, bystander: asyncpg.Connection
) -> AsyncIterator[asyncpg.Connection]:
    """One shop, which was proven and sealed, in a transaction that is never committed. A proof
    within it sees what it did as it would see a commit: the lock gives it a number before its
    snapshot, and somebody else has a later one."""
    breaking = one_shop.transaction(isolation="repeatable_read")
    await breaking.start()
    await one_shop.execute("LOCK TABLE gateway.charges")
    await bystander.execute("SELECT pg_current_xact_id()")
    yield one_shop
    await breaking.rollback()


async def test_an_empty_shop_keeps_every_promise(database_url: str):
    connection = await asyncpg.connect(database_url)
    report = await evaluate(connection)
    await connection.close()
    assert report.state == "holds", report.findings
    assert len(report.findings) == len(invariants())


async def test_unfinished_orders_break_nothing_and_are_settling(shop: asyncpg.Connection):
    report = await evaluate(shop)
    assert violated(report) == []
    assert {each.invariant.id for each in report.those("settling")} == {"I10", "I11"}
    assert report.those("unknown") == ()
    assert report.state == "settling"


def _params(cases: Iterable[Break], short: Callable[[Break], bool]) -> list[ParameterSet]:
    return [
        pytest.param(
            case,
            id=f"{case.breaks}: {case.how}",
            marks=[] if short(case) else [pytest.mark.long],
        )
        for case in cases
    ]


@pytest.mark.parametrize(
    "case", _params(FIRST_OF_EACH.values(), lambda case: case in FIRST_OF_KIND.values())
)
async def test_what_is_broken_is_found_by_every_way_to_read(
    shop: asyncpg.Connection, auditor: asyncpg.Connection, case: Break
):
    await shop.execute(case.sql)
    whole = await evaluate(auditor)
    _assert_found(whole, case)
    if case.marked:  # a proof that builds on the last one
        before = await checkpoints(auditor)
        assert_same(await prove(auditor, Limits()), whole)
        # Where it has kept nothing, the next one would only say the same again.
        if await checkpoints(auditor) != before:
            assert_same(await prove(auditor, Limits()), whole)
    # One that believes it was proven already, until all of history has been read again.
    await push_ahead(shop)
    await scrub_all(auditor)
    # Where there is none to build on, the next one would read everything, as `whole` has.
    if await checkpoints(auditor):
        assert summary(await prove(auditor, Limits())) == summary(whole)


@pytest.mark.parametrize("case", _params(EVERY_BREAK, lambda case: not case.long))
@pytest.mark.asyncio(loop_scope="module")
async def test_however_it_is_broken_it_is_found(taken_back: asyncpg.Connection, case: Break):
    await taken_back.execute(f"{case.sql}; SET CONSTRAINTS ALL IMMEDIATE")
    whole = await evaluate(taken_back)
    _assert_found(whole, case)
    if case.marked:
        assert_same(await prove(taken_back, Limits()), whole)


def _assert_found(whole: Report, case: Break) -> None:
    assert set(violated(whole)) == case.promises
    assert whole.those("unknown") == ()
    [found] = [each for each in whole.those("violated") if each.invariant.id == case.breaks]
    column, value = case.cell
    assert value in [row[column] for row in found.rows]


def test_every_promise_is_broken_by_some_case():
    # I27's other half, the head outside the database, is in test_chain.py.
    assert {case.breaks for case in EVERY_BREAK} == {each.id for each in invariants()}


async def test_a_gateway_that_cannot_fence_may_hold_money_until_the_time_to_settle(
    shop: asyncpg.Connection,
):
    await cancelled_order(shop)
    late = (
        "UPDATE gateway.charges SET state = 'CAPTURED', amount_minor = 19998, currency = 'EUR',"
        " captured_at = now() - $1::interval WHERE payment_ref = $2"
    )
    not_fencing = Limits(gateway_fences=False)
    await shop.execute(late, timedelta(0), str(payment_of(CANCELLED)))
    assert violated(await evaluate(shop, not_fencing)) == []
    await shop.execute(late, timedelta(days=1), str(payment_of(CANCELLED)))
    assert "I5" in violated(await evaluate(shop, not_fencing))


async def test_only_the_first_offending_rows_are_fetched_and_all_are_counted(
    shop: asyncpg.Connection,
):
    await shop.execute(
        "INSERT INTO inventory.stock (product_id, total, stock, reserved)"
        " SELECT 'GHOST-' || n, 1, 0, 1 FROM generate_series(1, 40) n"
    )
    report = await evaluate(shop)
    [finding] = report.those("violated")
    assert (len(finding.rows), finding.total) == (ROWS_SHOWN, 40)


async def test_a_key_answered_404_owns_no_order_and_breaks_nothing(
    shop: asyncpg.Connection,
):
    await shop.executemany(
        "INSERT INTO orders.idempotency"
        " (scope, key, request_hash, status_code, response, locked_until)"
        " VALUES ('POST /orders', $1, '', 404, 'no such product', now())",
        [("a-key-of-sixteen",), ("another-key-of-it",)],
    )
    assert violated(await evaluate(shop)) == []
