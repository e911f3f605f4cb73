"""The pages of payments and their JSON, over payments that the payment service really made."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from frontend.payments.queries import PAGE
from tests.frontend.dashboards import dashboard, text
from tests.harness.serving import settings_of
from tests.services.payment.account_shop import Shop, open_shop

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    """Payments of a merchant on the dashboard's own database."""
    settings = settings_of("payment", database_url, payment_decline_rate=0.0)
    eyes = await asyncpg.connect(database_url)
    async with open_shop(settings, eyes) as shop:
        yield shop
    await eyes.close()


async def read(browser, path):
    async with browser.get(path) as response:
        assert response.status == 200, path
        return await response.json()


def without_ages(html):
    """Ages tick on between two readings."""
    return re.sub(r"(<time[^>]*>)[^<]*", r"\1", html)


async def found(browser, query):
    page = await read(browser, f"/api/payments?{query}")
    return [each["request_id"] for each in page["payments"]]


async def test_a_split_payment_is_whole_on_its_page_and_as_json(database_url, shop):
    await shop.split()
    paid = (await shop.pay()).json()["payment_id"]
    async with dashboard(database_url) as (browser, _):
        stored = await read(browser, f"/api/payments/{paid}")
        page = await text(browser, f"/payments/{paid}")
        panel = await text(browser, f"/panels/payment/{paid}")
    assert [leg["amount_minor"] for leg in stored["plan"]["legs"]] == [5000, 5000]
    assert [each["state"] for each in stored["tries"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert {each["kind"] for each in stored["decisions"]} == {"route", "capture"}
    assert sum(line["amount_minor"] for line in stored["ledger"]) == 0
    assert without_ages(panel) in without_ages(page)
    for sentence in ("All 2 parts were taken", "that is proven", "Line 6 of its policy decided"):
        assert sentence in page
    assert re.findall(r'<rect class="leg-\d" x="([\d.]+%)" width="([\d.]+%)"', page) == [
        ("0%", "50%"),
        ("50%", "50%"),
    ]


async def test_payments_are_found_by_state_provider_merchant_and_name(database_url, shop):
    await shop.use("bravo")
    await shop.pay(request_id="first")
    await shop.use("alfa")
    newest = (await shop.pay(request_id="second")).json()["payment_id"]
    await shop.eyes.execute(
        "UPDATE payments.payments SET needs_review = true WHERE payment_id = $1", newest
    )
    async with dashboard(database_url) as (browser, _):
        assert await found(browser, "") == ["second", "first"]
        assert await found(browser, "provider=bravo") == ["first"]
        assert await found(browser, "review=yes") == ["second"]
        assert await found(browser, "state=FAILED") == []
        for name in ("merchant", "provider", "state", "review", "before"):
            async with browser.get("/api/payments", params={name: "ODD"}) as refused:
                assert refused.status == 400, name
                assert (await refused.json())["detail"].startswith(f"{name} must be ")
        assert await found(browser, "search=first") == ["first"]
        assert await found(browser, f"search={newest}") == ["second"]
        assert await found(browser, "search=%00fir%00st") == ["first"]
        assert "to review" in await text(browser, "/payments?state=SUCCEEDED&review=yes")


async def test_a_request_that_was_denied_is_found_although_it_has_no_payment(database_url, shop):
    await shop.pay(request_id="too-much", amount=100_000_00)
    async with dashboard(database_url) as (browser, _):
        page = await text(browser, "/payments?search=too-much")
    assert "was answered 402 without a payment" in page
    assert "policy denies" in page


async def test_older_payments_are_a_page_further_and_none_is_shown_twice(database_url, shop):
    await shop.use("alfa")
    names = [f"r{number}" for number in range(PAGE + 2)]
    for name in names:
        await shop.pay(request_id=name)
    async with dashboard(database_url) as (browser, _):
        first = await read(browser, "/api/payments")
        second = await found(browser, f"before={first['next'].replace('+', '%2B')}")
        html = await text(browser, "/payments")
        (older,) = re.findall(r'href="(/payments\?before=[^"]+)" rel="next"', html)
        last = await text(browser, older)
    assert [each["request_id"] for each in first["payments"]] + second == names[::-1]
    assert last.count('id="payment-') == 2
    assert 'rel="next"' not in last


async def test_a_payment_that_does_not_exist_is_not_found(database_url):
    nobody = "00000000-0000-4000-8000-000000000000"
    async with dashboard(database_url) as (browser, _):
        for path in (f"/payments/{nobody}", f"/api/payments/{nobody}", "/payments/x"):
            async with browser.get(path) as response:
                assert response.status == 404, path
        async with browser.get(f"/api/payments/{nobody}") as response:
            assert response.content_type == "application/problem+json"
