"""The pages of wallets: what is held now and at an instant, the history, and the forms that move
money once."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args
from uuid import UUID

import msgspec
import pytest

from chassis.outcome import CallResult, Outcome
from frontend.wallets import presenter
from frontend.wallets.panels import Asked, history_panel, moment_panel, wallets_panel
from frontend.web.formatting import minor_units
from services.wallet.contract import (
    BalanceView,
    Kind,
    Status,
    TransactionPage,
    TransactionView,
    WalletBalances,
    WalletPage,
    WalletView,
)
from tests.frontend.dashboards import TOKEN, Wire, dashboard, text
from tests.frontend.samples import HOSTILE, NOW, show

# Beside these are tests that are not async.
with_the_module = pytest.mark.asyncio(loop_scope="module")

EUR = BalanceView("EUR", 2000, 500, 100, 1500)
YEN = BalanceView("JPY", 300, 0, 0, 300)
BALANCES = WalletBalances("alice", NOW, [EUR, YEN])
PAID = TransactionView(
    transaction_id=UUID(int=1),
    user_id="alice",
    kind="PAYMENT",
    status="DECLINED",
    reason=HOSTILE,
    amount_minor=1250,
    currency="EUR",
    balance_after_minor=750,
    provider_id="city-power",
    external_reference="invoice-1",
    counterparty=None,
    refund_of=None,
    created_at=NOW - timedelta(minutes=5),
    updated_at=NOW - timedelta(minutes=4),
    trace_id="ab" * 16,
    trace_url=None,
)
COMING = msgspec.structs.replace(
    PAID, kind="TRANSFER_IN", status="PENDING", counterparty="bob", balance_after_minor=None
)


def answer(body: object, status: int = 200) -> CallResult:
    return CallResult(Outcome.OK, status, body=msgspec.json.encode(body), trace_id="cd" * 16)


def refusal(status: int, code: str, outcome: Outcome, **details: object) -> CallResult:
    body = msgspec.json.encode({"detail": "as the service says it", "details": details})
    return CallResult(outcome, status, code=code, body=body, trace_id="cd" * 16)


def test_the_list_has_each_currency_of_each_user_and_what_is_pending():
    page = WalletPage([WalletView("alice", NOW, [EUR, YEN])], 20, False, "more")
    html = show(wallets_panel("", presenter.wallets(page, "")))
    money = (
        "15.00\u202f€",
        "20.00\u202f€",
        "5.00\u202f€ held, 1.00\u202f€ coming in",
        "300\u202f¥",
    )
    for shown in (*money, 'href="/wallets/alice"', 'href="/wallets?cursor=more"'):
        assert shown in html


def test_a_row_has_its_sign_the_balance_after_it_its_trace_and_the_instant_after_it():
    view = presenter.history("alice", TransactionPage([PAID, COMING], 20, False, "more"), "")
    html = show(history_panel("alice", Asked(), view))
    for shown in ("−12.50\u202f€", "+12.50\u202f€", "7.50\u202f€", "Transfer from bob",  # noqa: RUF001
                  "declined", "not sealed yet", f'href="/traces/{"ab" * 16}"',
                  'href="/wallets/alice?at=2026-11-21T11%3A56%3A00.005000%2B00%3A00"',
                  'href="/wallets/alice?cursor=more"'):  # fmt: skip
        assert shown in html
    assert "<script>" not in html


def test_now_asks_again_and_an_instant_that_is_over_does_not():
    now = show(moment_panel("alice", presenter.moment(BALANCES, None)))
    then = show(moment_panel("alice", presenter.moment(BALANCES, NOW)))
    assert ("hx-get" in now, "hx-get" in then) == (True, False)
    assert "Saturday 21 November 2026, 12:00:00 UTC" in then
    assert "Back to now" in then


def test_the_slider_reaches_from_the_oldest_row_until_now():
    rows = presenter.history("alice", TransactionPage([PAID], 20, False, None), "").rows
    slider = presenter.slider(rows, NOW - timedelta(minutes=1), NOW)
    assert slider.least < presenter.milliseconds(PAID.created_at)
    assert slider.most == presenter.milliseconds(NOW)
    # A browser's slider ends at its last whole step.
    assert (slider.most - slider.least) % slider.step == 0
    assert datetime.fromtimestamp(slider.value / 1000, UTC) == NOW - timedelta(minutes=1)
    # What was asked for is on the slider, however old it is.
    older = presenter.slider(rows, NOW - timedelta(days=1), NOW)
    assert older.least < older.value


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [
        ("12.50", "EUR", 1250), ("12,5", "EUR", 1250), (" 12 ", "EUR", 1200), ("12", "JPY", 12),
        ("12.5", "JPY", None), ("1.234", "EUR", None), ("-1", "EUR", None), ("1e3", "EUR", None),
        ("", "EUR", None), ("１２", "EUR", None),  # noqa: RUF001
    ],
)  # fmt: skip
def test_an_amount_is_read_as_people_write_it(written, currency, minor):
    assert minor_units(written, currency) == minor


def test_every_kind_and_status_of_a_row_can_be_shown():
    for kind, status in product(get_args(Kind), get_args(Status)):
        provider = "city-power" if kind == "PAYMENT" else None
        found = msgspec.structs.replace(
            PAID, kind=kind, status=status, provider_id=provider, counterparty="bob"
        )
        [row] = presenter.history("alice", TransactionPage([found], 20, False, None), "").rows
        assert row.word
        assert "None" not in row.what


@with_the_module
async def test_the_slider_and_the_field_ask_for_the_same_instant(module_database):
    async with dashboard(module_database, answer(BALANCES)) as (browser, wire):
        at = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
        asked = {
            "at=2026-11-21T11:00:00": "?at=2026-11-21T11%3A00%3A00%2B00%3A00",
            "at=2026-11-21T12:00:00%2B01:00": "?at=2026-11-21T11%3A00%3A00%2B00%3A00",
            f"at={presenter.milliseconds(at)}&until=9999999999999":
                "?at=2026-11-21T11%3A00%3A00%2B00%3A00",
            # At the slider's right end it is now.
            f"at={presenter.milliseconds(at)}&until={presenter.milliseconds(at)}": "",
        }  # fmt: skip
        for query, sent in asked.items():
            wire.begin(answer(BALANCES))
            await text(browser, f"/panels/moment/alice?{query}")
            assert [path for _, path, _ in wire.asked] == [f"/wallets/alice/balance{sent}"], query
        for query in ("at=yesterday", "at=99999999999999999999", "at=2026-13-01"):
            assert "This is no instant" in await text(browser, f"/panels/moment/alice?{query}")
        _, _, headers = wire.asked[0]
        assert headers["X-API-Key"] == "wallet-demo-key"


@with_the_module
async def test_no_wallet_is_404_and_no_service_shows_why(module_database):
    async with dashboard(module_database, CallResult(Outcome.NOT_SENT)) as (browser, wire):
        for path in ("/wallets", "/wallets/alice"):
            assert "It is not running" in await text(browser, path)
        wire.begin(refusal(401, "api-key-needed", Outcome.NOT_SENT))
        assert "VALERIX_WALLET_API_KEY" in await text(browser, "/wallets")
        wire.begin(refusal(404, "wallet-not-found", Outcome.DEFINITE_NO))
        for path in ("/wallets/nobody", "/panels/moment/nobody", "/wallets/a%20b"):
            async with browser.get(path) as response:
                assert response.status == 404, path


class Form:
    """The form of deposits as a browser has it: its key is the one that the page or the last answer
    has given it."""

    def __init__(self, browser, wire: Wire, page: str) -> None:
        self._browser, self._wire = browser, wire
        self.fields = {
            "csrf": re.search(r'name="csrf" value="(\w+)"', page)[1],
            "key": re.search(r'id="deposit-key" name="key" value="(\w+)"', page)[1],
            "user_id": "alice", "amount": "12.50", "currency": "EUR",
        }  # fmt: skip

    async def send(self, result: CallResult, **fields: str) -> tuple[str, str]:
        """What was answered; the form's next key, which may be the same."""
        self._wire.begin(result)
        sent = {**self.fields, **fields}
        async with self._browser.post("/actions/deposit", data=sent) as response:
            html = await response.text()
        renewed = re.search(r'id="deposit-key"[^>]*value="(\w+)"', html)
        return html, renewed[1] if renewed else self.fields["key"]


@with_the_module
async def test_a_form_has_a_new_key_once_it_is_known_what_became_of_it(module_database):
    async with dashboard(module_database, answer(BALANCES)) as (browser, wire):
        form = Form(browser, wire, await text(browser, "/wallets/alice"))
        first = form.fields["key"]
        html, key = await form.send(answer(PAID, 201))
        assert f'href="/traces/{"cd" * 16}"' in html
        ((_, path, headers),) = wire.asked
        assert (path, headers["Idempotency-Key"]) == ("/wallets/alice/deposits", first)
        assert key != first
        # Pressing again would do it again: what was written goes with the key.
        assert 'data-empties="form-deposit"' in html
        poor = refusal(409, "insufficient-funds", Outcome.DEFINITE_NO, available_minor=300)
        html, key = await form.send(poor)
        assert key != first
        assert "has 3.00\u202f€ available, less than this" in mistake_in(html)
        assert "data-empties" not in html
        for unknown in (
            CallResult(Outcome.UNKNOWN, 0, code="timeout"),
            refusal(504, "gateway-timeout", Outcome.UNKNOWN),
            refusal(409, "idempotency-in-progress", Outcome.IN_PROGRESS),
        ):
            html, key = await form.send(unknown)
            assert (key, bool(mistake_in(html))) == (first, True)
        # It is known that the gateway took nothing.
        assert (await form.send(refusal(502, "gateway-error", Outcome.UNKNOWN)))[1] != first


@with_the_module
async def test_what_is_wrong_stands_at_the_form_and_nothing_is_sent(module_database):
    async with dashboard(module_database, answer(BALANCES)) as (browser, wire):
        form = Form(browser, wire, await text(browser, "/wallets/alice"))
        for wrong, why in (
            ({"amount": "1.234"}, "This is no amount in EUR: write one as 12.50."),
            ({"amount": "12.5", "currency": "JPY"}, "no amount in JPY: write one as 12."),
            ({"amount": "0"}, "from 0.01"),
            ({"user_id": "a b"}, "Name a user"),
            ({"currency": "XXX"}, "one of the currencies"),
        ):
            html, key = await form.send(answer(PAID, 201), **wrong)
            assert why in mistake_in(html)
            assert (wire.asked, key) == ([], form.fields["key"])
        # Without a script it is a page.
        async with browser.post("/do/deposit", data={**form.fields, "amount": "x"}) as response:
            assert (response.status, "no amount" in await response.text()) == (400, True)


@with_the_module
async def test_a_payment_without_a_reference_is_the_same_one_when_it_is_sent_again(module_database):
    async with dashboard(module_database, answer(BALANCES)) as (browser, wire):
        form = Form(browser, wire, await text(browser, "/wallets/alice"))
        wire.begin(CallResult(Outcome.UNKNOWN, 0, code="timeout"))
        for _ in range(2):
            paid = {**form.fields, "provider": "city-power", "reference": ""}
            async with browser.post("/actions/pay", data=paid) as response:
                assert "Not sure yet" in await response.text()
        assert wire.sent[0] == wire.sent[1]
        assert wire.sent[0].external_reference


@with_the_module
async def test_where_there_is_an_operator_money_is_the_operators(module_database):
    async with dashboard(module_database, answer(BALANCES), operator_token=TOKEN) as opened:
        browser, wire = opened
        form = Form(browser, wire, await text(browser, "/wallets/alice"))
        html, _ = await form.send(answer(PAID, 201))
        assert "money waits for an operator" in html
        assert wire.asked == []


def mistake_in(html: str) -> str:
    return re.search(r'<p id="deposit-mistake"[^>]*>([^<]*)</p>', html)[1]
