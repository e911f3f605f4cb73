"""The real acquirer's settlement file, matched with our ledger, and each way to differ from it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio
import stripe
from click.testing import CliRunner

from chassis.settings import Settings
from cli.main import main
from services.payment.app import stripe_accounts
from services.payment.contract import BREAK_KINDS
from services.payment.reconciliation.match import DayRecords, Posting, match_day
from services.payment.reconciliation.run import Reconciliation, fee_at
from services.payment.reconciliation.settlement_file import BadFile, SettlementLine, read_file
from services.payment.reconciliation.store import Terms
from tests.harness.running import RunningFleet
from tests.harness.serving import serve
from tests.services.payment.payment_service import Replica, open_replica

in_module_loop = pytest.mark.asyncio(loop_scope="module")

FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {"VALERIX_OPERATOR_TOKEN": "the-token-of-the-shops-operator"}
NOW = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
HEAD = (
    "balance_transaction,type,source,payment_intent,amount_minor,fee_minor,net_minor,currency,"
    "created_at\r\n"
)
PAYMENT = uuid4()


# ---- the match, as values ------------------------------------------------------------------------


def line(**other: Any) -> SettlementLine:
    """A capture of 100.00 at one o'clock, with its fee."""
    usual = {
        "line_id": "txn_1",
        "kind": "capture",
        "intent": "pi_1",
        "amount_minor": 10_000,
        "fee_minor": 175,
        "currency": "EUR",
        "booked_at": NOW - timedelta(hours=2),
    }
    return SettlementLine(**{**usual, **other})


def posting(**other: Any) -> Posting:
    """The same in our ledger."""
    usual = {"payment_id": PAYMENT, "leg_n": 1, "kind": "capture", "intent": "pi_1",
             "amount_minor": 10_000, "currency": "EUR", "posted_at": NOW - timedelta(hours=2),
             "attempt_state": "SUCCEEDED", "payment_state": "SUCCEEDED"}  # fmt: skip
    return Posting(**{**usual, **other})


def differences(
    lines: list[SettlementLine],
    postings: list[Posting],
    known: tuple[SettlementLine, ...] = (),
) -> list[tuple[str, str, int | None, int | None]]:
    terms = [Terms(None, 150, 25)]
    records = DayRecords(
        postings=postings,
        known={each.line_id: each for each in known},
        fee_of=lambda amount, at: fee_at(terms, amount, at),
    )
    found = match_day(lines, records, day=TODAY, now=NOW, young_s=900.0)
    return [(d.kind, d.reference, d.expected_minor, d.found_minor) for d in found.differences]


REFUND = {"kind": "refund", "fee_minor": 0, "line_id": "txn_2"}
BACK = {"kind": "refund", "attempt_state": "REFUNDED", "payment_state": "REFUNDED"}
MATCHING: dict[str, tuple[list[SettlementLine], list[Posting]]] = {
    "a capture": ([line()], [posting()]),
    "given back": (
        [line(), line(**REFUND)],
        [posting(attempt_state="REFUNDED", payment_state="REFUNDED"), posting(**BACK)],
    ),
    "posted after midnight": ([line()], [posting(posted_at=NOW + timedelta(hours=20))]),
    "still young": ([line(booked_at=NOW - timedelta(minutes=1))], []),
    "posted on another day": ([], [posting(posted_at=NOW - timedelta(days=1))]),
}
DIFFERING: dict[str, tuple[list[SettlementLine], list[Posting], tuple[Any, ...]]] = {
    "missing_here": ([line()], [], ("txn_1", None, 10_000)),
    "missing_there": ([], [posting()], (f"{PAYMENT}:1:capture", 10_000, None)),
    "amount_differs": (
        [line(amount_minor=10_001, fee_minor=176)],
        [posting()],
        ("txn_1", 10_000, 10_001),
    ),
    "currency_differs": ([line(currency="USD")], [posting()], ("txn_1", 10_000, 10_000)),
    "fee_differs": ([line(fee_minor=174)], [posting()], ("txn_1", 175, 174)),
    "payment_differs": (
        [line()],
        [posting(payment_state="CANCELLED")],
        ("txn_1", 10_000, 10_000),
    ),
    "duplicate_line": ([line(), line()], [posting()], ("txn_1", None, 10_000)),
}


@pytest.mark.parametrize("case", MATCHING)
def test_what_matches_differs_nowhere(case: str):
    assert differences(*MATCHING[case]) == []


@pytest.mark.parametrize("kind", DIFFERING)
def test_each_difference_is_found_as_what_it_is(kind: str):
    lines, postings, found = DIFFERING[kind]
    assert differences(lines, postings) == [(kind, *found)]


def test_a_line_that_says_something_else_than_before_is_found():
    found = differences([line()], [posting()], known=(line(amount_minor=9_999),))
    assert found == [("line_changed", "txn_1", 9_999, 10_000)]


def test_a_second_refund_in_part_is_money_of_its_own():
    parts = [
        line(kind="refund", fee_minor=0, line_id=f"txn_{n}", amount_minor=amount)
        for n, amount in enumerate((1_000, 500, 1_500))
    ]
    missing = [("missing_here", each.line_id, None, each.amount_minor) for each in parts]
    assert differences(parts, []) == missing
    ours = [posting(**BACK, amount_minor=1_000)]
    assert differences(parts, ours) == missing[1:]
    assert differences(parts[1:], ours, known=(parts[0],)) == missing[1:]


def test_every_kind_of_difference_has_a_case():
    assert {*DIFFERING, "line_changed"} == {*BREAK_KINDS}


def test_a_fee_is_by_the_terms_of_its_time():
    terms = [Terms(None, 150, 25), Terms(NOW, 200, 0)]
    assert [fee_at(terms, 10_000, NOW + timedelta(seconds=s)) for s in (-1, 0)] == [175, 200]
    assert fee_at([Terms(NOW, 200, 0)], 10_000, NOW - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        HEAD.encode() + b"txn_1,charge,ch_1,pi_1,100,2,98,eur\r\n",
        HEAD.encode() + b"txn_1,charge,ch_1,pi_1,-100,2,-102,eur,2026-11-28T10:00:00+00:00\r\n",
        HEAD.encode() + b"txn_1,charge,ch_1,pi_1,100,2,99,eur,2026-11-28T10:00:00+00:00\r\n",
        HEAD.encode() + b"txn_1,gift,ch_1,pi_1,100,2,98,eur,2026-11-28T10:00:00+00:00\r\n",
        HEAD.encode() + b"txn_1,charge,ch_1,pi_1,100,2,98,eur,2026-11-28T10:00:00\r\n",
    ],
    ids=["empty", "HTML", "no text", "half a line", "negative", "sums", "a kind", "no zone"],
)
def test_what_is_no_settlement_file_is_refused_whole(raw: bytes):
    with pytest.raises(BadFile):
        read_file(raw)


# ---- with the acquirer ---------------------------------------------------------------------------


class Shop:
    """A replica with the account alfa, and requests to it."""

    def __init__(self, replica: Replica, settings: Settings, url: str) -> None:
        self.replica, self.eyes, self.settings = replica, replica.eyes, settings
        self.api = stripe.StripeClient("sk_test_alfa", base_addresses={"api": url}).v1

    async def pay(self) -> str:
        body = {"request_id": str(uuid4()), "merchant_id": "m1", "amount": 10_000,
                "currency": "EUR"}  # fmt: skip
        answer = await self.replica.http.post("/process-payment", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["payment_id"])

    async def run(self) -> dict[str, Any]:
        """Today's file of alfa."""
        today = datetime.now(UTC).date().isoformat()
        answer = await self.replica.http.post("/reconciliations", params={"date": today})
        assert answer.status_code == 200, answer.text
        [run] = answer.json()["runs"]
        return dict(run)

    async def breaks(self, state: str = "open") -> list[dict[str, Any]]:
        answer = await self.replica.http.get("/reconciliation-breaks", params={"state": state})
        return list(answer.json()["breaks"])

    async def own(self, number: int, **body: Any) -> httpx.Response:
        return await self.replica.http.post(f"/reconciliation-breaks/{number}", json=body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_shop(
    fleet: RunningFleet, payment_settings: Callable[..., Settings], eyes: asyncpg.Connection
) -> AsyncIterator[Shop]:
    """The module's shop."""
    settings = payment_settings(
        payment_stripe_accounts="alfa=sk_test_alfa",
        payment_stripe_url=fleet.url("acquirer"),
        payment_reconcile_young_s=0.001,
    )
    accounts = stripe_accounts(settings)  # type: ignore[arg-type]
    async with open_replica(settings, eyes, accounts=accounts) as replica:
        yield Shop(replica, settings, fleet.url("acquirer"))
    for each in accounts.values():
        await each.close()


@pytest_asyncio.fixture(loop_scope="module")
async def shop(open_shop: Shop, fleet: RunningFleet, connection: asyncpg.Connection) -> Shop:
    await connection.execute("UPDATE payments.merchants SET chain = '{alfa}'")
    tables = await asyncpg.connect(fleet.database_url)
    # The account is shared by the tests of this file; each begins with an empty day.
    await tables.execute(
        "SET session_replication_role = replica; DELETE FROM acquirer.balance_transactions"
    )
    await tables.close()
    return open_shop


@in_module_loop
async def test_captures_and_refunds_match_line_by_line(shop: Shop):
    await shop.pay()
    given_back = await shop.pay()
    await shop.replica.http.post(f"/payments/{given_back}/cancel")
    run = await shop.run()
    assert (run["result"], run["lines"], run["matched"], run["young"]) == ("matched", 3, 3, 0)
    assert await shop.breaks() == []
    # Again: the same rows.
    assert (await shop.run())["matched"] == 3
    assert await shop.eyes.fetchval("SELECT count(*) FROM payments.settlement_lines") == 3


@pytest.mark.parametrize("days", [-1, 1], ids=["before midnight", "a clock ahead of ours"])
@in_module_loop
async def test_a_capture_that_the_account_has_on_the_day_beside_matches(shop: Shop, days: int):
    await shop.pay()
    # What the account has today, we posted a day earlier or later, and that day is read.
    await shop.eyes.execute(
        "SET session_replication_role = replica;"
        f"UPDATE payments.ledger SET posted_at = posted_at - interval '{days} days';"
        "SET session_replication_role = DEFAULT"
    )
    now = datetime.now(UTC)
    later = now + timedelta(days=2)
    reconciliation = Reconciliation(
        shop.replica.context,
        shop.settings,  # type: ignore[arg-type]
        now=lambda: later,
    )
    run = await reconciliation.reconcile("alfa", now.date() - timedelta(days=days))
    assert run is not None
    assert (run.result, run.matched) == ("matched", 1)


@in_module_loop
async def test_money_that_only_the_account_knows_is_a_difference_until_it_is_accepted(shop: Shop):
    made = shop.api.payment_intents.create(
        {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    assert (await shop.run())["result"] == "breaks"
    [found] = await shop.breaks()
    assert (found["kind"], found["found_minor"], found["account"]) == ("missing_here", 500, "alfa")
    gauge = shop.replica.context.metrics
    await gauge.refresh()
    assert gauge._breaks.labels("missing_here")._value.get() == 1  # noqa: SLF001 - as it is scraped
    answer = await shop.own(found["id"], note="a trial by hand")
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    await shop.run()
    assert await shop.breaks() == []
    [accepted] = await shop.breaks("accepted")
    assert accepted["note"] == "a trial by hand"
    await gauge.refresh()
    assert gauge._breaks.labels("missing_here")._value.get() == 0  # noqa: SLF001
    assert made.status == "succeeded"


@in_module_loop
async def test_a_later_run_resolves_what_matches_then(shop: Shop):
    await shop.pay()
    rows = await shop.eyes.fetch("SELECT * FROM payments.ledger")
    await shop.eyes.execute(
        "SET session_replication_role = replica; DELETE FROM payments.ledger;"
        "SET session_replication_role = DEFAULT"
    )
    run = await shop.run()
    [found] = await shop.breaks()
    assert (run["result"], found["kind"]) == ("breaks", "missing_here")
    await shop.eyes.copy_records_to_table(
        "ledger", schema_name="payments", records=[tuple(row) for row in rows]
    )
    later = await shop.run()
    assert (later["result"], await shop.breaks()) == ("matched", [])
    [resolved] = await shop.breaks("resolved")
    assert (resolved["id"], resolved["resolved_in"]) == (found["id"], later["run"])
    refused = await shop.own(found["id"], note="too late")
    assert (refused.status_code, refused.json()["code"]) == (409, "break-resolved")


@in_module_loop
async def test_a_capture_that_the_account_does_not_have_is_a_difference(shop: Shop):
    await shop.pay()
    await shop.eyes.execute("SET session_replication_role = replica;"
                            "UPDATE payments.attempts SET provider_ref = 'pi_of_nobody';"
                            "SET session_replication_role = DEFAULT")  # fmt: skip
    await shop.run()
    assert sorted(each["kind"] for each in await shop.breaks()) == ["missing_here", "missing_there"]


@in_module_loop
async def test_an_account_that_does_not_answer_is_a_run_that_failed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    away = stripe_accounts(
        msgspec.structs.replace(shop.settings, payment_stripe_url="http://127.0.0.1:1")  # type: ignore[arg-type]
    )["alfa"]
    monkeypatch.setitem(shop.replica.context.accounts, "alfa", away)  # type: ignore[arg-type]
    run = await shop.run()
    assert run["result"] == "failed"
    assert "settlement file" in run["reason"]
    assert (await shop.replica.http.get("/reconciliations")).json()["runs"] == [run]
    # Six hours of looking every ten minutes: each time it is asked for after twice as long.
    nightly = Reconciliation(shop.replica.context, shop.settings, now=lambda: at)  # type: ignore[arg-type]
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    tries = []
    for minutes in range(10, 6 * 60, 10):
        at = midnight + timedelta(minutes=minutes)
        tries += [minutes for each in await nightly.run_due() if each.account == "alfa"]
    assert [later - one for one, later in itertools.pairwise(tries)] == [20, 40, 80, 160]
    await away.close()


@in_module_loop
async def test_the_last_day_is_read_once_a_night_and_a_day_with_differences_again(shop: Shop):
    await shop.pay()
    await shop.eyes.execute(
        "SET session_replication_role = replica; DELETE FROM payments.ledger;"
        "SET session_replication_role = DEFAULT"
    )
    await shop.run()  # today has a difference now
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)

    async def night(nights: int, seconds: float) -> list[str]:
        at = midnight + timedelta(days=nights, seconds=seconds)
        reconciliation = Reconciliation(
            shop.replica.context,
            shop.settings,
            now=lambda: at,  # type: ignore[arg-type]
        )
        return [str(run.day) for run in await reconciliation.run_due()]

    today = datetime.now(UTC).date()
    assert await night(0, 60) == [str(today)]
    assert await night(0, 120) == []
    assert await night(1, 60) == [str(today), str(today + timedelta(days=1))]
    # Nobody was there for two nights.
    assert await night(4, 60) == [str(today + timedelta(days=n)) for n in (0, 2, 3, 4)]


@pytest.mark.parametrize(
    ("day", "code"),
    [("tomorrow", "validation"), ("", "validation"), ("2026-02-30", "validation"),
     ("2999-01-01", "day-to-come")],
)  # fmt: skip
@in_module_loop
async def test_a_day_without_a_file_is_refused(shop: Shop, day: str, code: str):
    answer = await shop.replica.http.post("/reconciliations", params={"date": day})
    assert (answer.status_code // 100, answer.json()["code"]) == (4, code), answer.text
    assert "date" in answer.text


@in_module_loop
async def test_a_state_that_is_none_is_refused_under_its_name(shop: Shop):
    answer = await shop.replica.http.get("/reconciliation-breaks", params={"state": "odd"})
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/state")


@in_module_loop
async def test_the_command_line_says_whether_the_files_match(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("VALERIX_HOME", str(tmp_path))
    today = f"--date={datetime.now(UTC).date()}"

    async def reconcile(*arguments: str) -> tuple[int, str]:
        run = await asyncio.to_thread(CliRunner().invoke, main, ["reconcile", *arguments])
        return run.exit_code, run.output

    async with serve(shop.replica.edge, msgspec.structs.replace(shop.settings, port=0)) as url:
        monkeypatch.setenv("VALERIX_PAYMENT_URL", url)
        await shop.pay()
        assert await reconcile(today) == (0, f"alfa {today[7:]}: 1 of 1 lines match\n")
        assert (await reconcile())[0] == 0
        await shop.eyes.execute(
            "INSERT INTO payments.provider_terms (account, since, currencies, fee_basis_points,"
            " fee_fixed_minor, minimum_minor, maximum_minor)"
            " VALUES ('alfa', now() - interval '1 day', '{EUR}', 1, 0, 1, 99999999)"
        )
        code, output = await reconcile(today)
        assert (code, "0 of 1 lines match, 1 differ" in output) == (1, True), output
    code, output = await reconcile(today)
    assert code != 0


@in_module_loop
async def test_a_difference_that_is_not_there_is_a_404(shop: Shop):
    answer = await shop.own(12, note="which one?")
    assert (answer.status_code, answer.json()["code"]) == (404, "break-not-found")
