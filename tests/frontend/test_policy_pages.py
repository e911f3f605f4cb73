"""The page of policies, over the real payment service: a draft checked, tried, saved and given."""

import re
from contextlib import asynccontextmanager
from uuid import UUID

import aiohttp
import asyncpg
import msgspec
import pytest
import pytest_asyncio

from frontend.app import create_app
from frontend.policies import presenter
from frontend.policies.drafts import Draft
from frontend.policies.panels import draft_panel
from frontend.policies.queries import PresentTerms
from frontend.policies.terms import TermsDraft, read_terms
from services.payment.contract import (
    PlannedLegView,
    PolicyMistake,
    ReconsideredPayment,
    RouteView,
    WhatIfResult,
)
from tests.frontend.dashboards import TOKEN, dashboard, text, token
from tests.frontend.samples import HOSTILE, NOW, FixedProof, FixedSource, show
from tests.harness.serving import create_service, serve, settings_of

pytestmark = pytest.mark.timeout(60)
# Beside these are tests that are not async.
with_the_module = pytest.mark.asyncio(loop_scope="module")
DENY = "if amount > 50 then deny\n"


@asynccontextmanager
async def shop(database_url, **overrides):
    """A dashboard whose payment service is there, and what may be asked of both."""
    given = {"payment_decline_rate": 0.0, **overrides}
    payment = settings_of("payment", database_url, **given)
    async with serve(create_service("payment", payment), payment) as payment_url:
        settings = settings_of("dashboard", database_url, payment_url=payment_url, **overrides)
        app = create_app(settings, source=FixedSource(), proof=FixedProof())
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            serve(app, settings) as url,
            aiohttp.ClientSession(url, cookie_jar=jar) as browser,
            aiohttp.ClientSession(payment_url) as payments,
        ):
            yield browser, payments


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_shop(module_database):
    """The module's shop, for tests that set nothing of their own."""
    async with shop(module_database) as opened:
        yield opened


async def posted(browser, path, **form):
    async with browser.post(path, data={"csrf": await token(browser), **form}) as response:
        return response.status, await response.text()


async def pay(payments, request_id, amount=100):
    body = {"request_id": request_id, "merchant_id": "m1", "amount": amount, "currency": "EUR"}
    async with payments.post("/process-payment", json=body) as response:
        return response.status


@with_the_module
async def test_a_mistake_is_shown_at_its_place_with_and_without_a_script(open_shop):
    browser, _ = open_shop
    form = {"text": "if true then allow\nif amuont > 1 then deny", "what": "check"}
    for path in ("/panels/draft", "/policies/draft"):
        status, html = await posted(browser, path, **form)
        assert (status, "line 2, column 4" in html) == (200, True), path
        assert "<mark>amuont &gt; 1 then deny</mark>" in html
    assert re.search(r"<textarea[^>]*>if true then allow\s+if amuont &gt; 1", html)


@with_the_module
async def test_a_draft_is_tried_saved_and_given(open_shop):
    browser, payments = open_shop
    assert await pay(payments, "r1") == 200
    _, tried = await posted(browser, "/panels/draft", text=DENY, what="what-if")
    assert "1 of the last 1 payment would change" in tried
    assert "not taken" in tried
    assert await pay(payments, "r2") == 200
    _, saved = await posted(browser, "/panels/draft", text=DENY, what="save")
    version = re.search(r'data-copy="([0-9a-f]{64})"', saved)[1]
    _, given = await posted(browser, "/actions/policy", merchant="m1", version=version)
    assert "Policy given" in given
    assert await pay(payments, "r3") == 402
    assert f'<option value="{version}" selected>' in await text(browser, "/panels/merchants")
    assert version in await text(browser, "/policies")
    async with browser.get("/api/policies") as response:
        found = await response.json()
    given_to = {each["merchant_id"]: each["policy_version"] for each in found["merchants"]}
    assert given_to["m1"] == version != given_to["m2"]
    assert found["versions"][0]["text"] == DENY


def whole_form(draft, **typed):
    """The form as a browser sends it: every field, with these instead of the present ones."""
    fields = {cell.name: cell.value for row in presenter.terms(draft).rows for cell in row.cells}
    return {**fields, "last": "", **typed}


@with_the_module
async def test_other_terms_are_tried_with_and_without_a_script(open_shop):
    browser, payments = open_shop
    assert await pay(payments, "terms", 50) == 200
    async with browser.get("/api/policies") as response:
        terms = msgspec.convert((await response.json())["terms"], tuple[PresentTerms, ...])
    assert [each.account for each in terms] == ["alfa", "bravo", "charlie", "wallet", "mock"]
    draft = TermsDraft(terms)
    dearer = whole_form(draft, **{"mock.minimum_minor": "60"})
    for path in ("/panels/terms", "/policies/terms"):
        status, html = await posted(browser, path, **dearer)
        assert (status, "would change" in html) == (200, True), html
        assert "now 1<" in html
        assert "not taken" in html
    wrong = {"alfa.fee_basis_points": "1.234", "bravo.minimum_minor": "99 999 999", "last": "0"}
    _, html = await posted(browser, "/panels/terms", **whole_form(draft, **wrong))
    assert "3 fields are wrong" in html
    for field in ("alfa.fee_basis_points", "bravo.maximum_minor", "last"):
        assert f'id="{field}-wrong"' in html, field
        assert f'aria-describedby="{field}-wrong"' in html, field
    _, html = await posted(browser, "/panels/terms", **whole_form(draft))
    assert "These are the terms at present" in html


TERMS = PresentTerms("alfa", ("EUR",), 150, 25, 50, 9_999, None)


@pytest.mark.parametrize(
    ("field", "typed", "changed"),
    [
        ("fee_basis_points", "2 %", {"fee_basis_points": 200}),
        ("fee_basis_points", "100", {"fee_basis_points": 10_000}),
        ("fee_basis_points", "100.01", None),
        ("fee_fixed_minor", "-1", None),
        ("fee_fixed_minor", "1.5", None),
        ("minimum_minor", "0", None),
        ("maximum_minor", "10\u202f000", {"maximum_minor": 10_000}),
        ("maximum_minor", str(2**53 + 1), None),
        ("maximum_minor", "", {"maximum_minor": 2**53}),
        ("maximum_minor", "49", None),
        ("daily_capacity_minor", "0", {"daily_capacity_minor": 0}),
        ("daily_capacity_minor", "", {}),
    ],
)
def test_a_field_of_the_terms_is_read_or_refused_beside_it(field, typed, changed):
    name = f"alfa.{field}"
    read = read_terms(whole_form(TermsDraft((TERMS,)), **{name: typed}), (TERMS,))
    assert set(read.errors) == ({name} if changed is None else set())
    assert msgspec.to_builtins(read.terms) == ({"alfa": changed} if changed else {})


async def test_only_the_operator_saves_and_gives_but_anybody_may_ask(database_url):
    async with shop(database_url, operator_token=TOKEN, service_token="x" * 32) as (browser, _):
        _, saved = await posted(browser, "/panels/draft", text=DENY, what="save")
        assert "wait for an operator" in saved
        status, _ = await posted(browser, "/do/policy", merchant="m1", version="0" * 64)
        assert status == 401
        _, checked = await posted(browser, "/panels/draft", text=DENY, what="check")
        assert "A policy of one rule" in checked
    eyes = await asyncpg.connect(database_url)
    assert await eyes.fetchval("SELECT count(*) FROM payments.policies") == 1
    await eyes.close()


async def test_without_a_payment_service_the_page_says_so(module_database):
    nowhere = settings_of("dashboard", module_database, payment_url="http://127.0.0.1:1")
    app = create_app(nowhere, source=FixedSource(), proof=FixedProof())
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(app, nowhere) as url, aiohttp.ClientSession(url, cookie_jar=jar) as browser:
        _, html = await posted(browser, "/panels/draft", text=DENY, what="check")
        assert "The payment service did not answer. Nothing was done" in html


async def test_a_draft_from_another_page_does_nothing(module_database):
    async with dashboard(module_database) as (browser, wire):
        await token(browser)
        form = {"csrf": "0" * 64, "text": DENY, "what": "save"}
        async with browser.post("/policies/draft", data=form) as response:
            assert response.status == 403
        async with browser.post("/panels/draft", data=form) as response:
            assert "older than the dashboard" in await response.text()
        assert wire.asked == []


def test_a_draft_s_text_is_escaped():
    mistake = PolicyMistake(1, 9, "syntax", HOSTILE)
    html = show(draft_panel(Draft(HOSTILE, mistakes=(mistake,))))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_long_line_is_cut_around_the_mistake():
    mistake = PolicyMistake(1, 401, "syntax", "")
    view = presenter.draft(Draft("a" * 400 + "b" * 99, mistakes=(mistake,)))
    (row,) = view.mistakes
    assert (row.left[0], row.left[1:], row.right) == ("…", "a" * 60, "b" * 99)


def test_a_route_that_stays_shows_the_action_that_differs():
    legs = [PlannedLegView("bravo", 100, 2)]
    before, after = (RouteView(action, legs, [[]], None) for action in ("allow", "avoid alfa"))
    payment = ReconsideredPayment(
        payment_id=UUID(int=1),
        merchant_id="m1",
        at=NOW,
        amount_minor=100,
        currency="EUR",
        before=before,
        after=after,
        changed=True,
        outcome="not-taken",
        why="",
    )
    found = WhatIfResult(
        version="x",
        payments=1,
        refused=0,
        same_route=0,
        changed=[payment],
        unknown=0,
        not_taken=0,
        without_plan=0,
        fees=[],
    )
    (row,) = presenter.draft(Draft("", what_if=found)).changed
    assert (row.before, row.after) == ("allow: bravo", "avoid alfa: bravo")
