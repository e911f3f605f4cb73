"""The operator's session: random, in the database, with an end; and few guesses at the token."""

import asyncio

import asyncpg
import pytest

from tests.frontend.dashboards import TOKEN, dashboard, token

GUARDED = DASHBOARD = {"operator_token": TOKEN}
LATEST = "ORDER BY opened_at DESC LIMIT 1"
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def sign_in(browser, claimed=TOKEN):
    """The status of a sign-in, and its Retry-After."""
    form = {"csrf": await token(browser), "token": claimed}
    async with browser.post("/login", data=form, allow_redirects=False) as response:
        return response.status, response.headers.get("Retry-After")


async def may_calm(browser):
    """Whether this browser is the operator's."""
    form = {"csrf": await token(browser)}
    async with browser.post("/do/calm", data=form, allow_redirects=False) as response:
        assert response.status in (303, 401)
        return response.status == 303


def cookies_of(browser, *names):
    """The browser's cookies, to be used in another one."""
    return {each.key: each.value for each in browser.cookie_jar if each.key in names}


async def execute(database_url, sql):
    """One statement behind the dashboard's back."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.execute(sql)
    finally:
        await connection.close()


async def test_the_cookie_of_a_session_that_was_ended_is_worthless(browser, wire):
    assert await sign_in(browser) == (303, None)
    assert await may_calm(browser)
    kept = cookies_of(browser, "valerix_visitor", "valerix_session")
    form = {"csrf": await token(browser)}
    async with browser.post("/logout", data=form) as response:
        assert response.status == 200
    wire.asked.clear()
    browser.cookie_jar.clear()
    browser.cookie_jar.update_cookies(kept)
    assert not await may_calm(browser)
    assert wire.asked == []


async def test_a_new_sign_in_ends_the_session_before_it(browser):
    await sign_in(browser)
    earlier = cookies_of(browser, "valerix_visitor", "valerix_session")
    await sign_in(browser)
    assert await may_calm(browser)
    browser.cookie_jar.clear()
    browser.cookie_jar.update_cookies(earlier)
    assert not await may_calm(browser)


async def test_an_operator_s_cookie_is_worthless_in_another_browser(browser, wire):
    await sign_in(browser)
    stolen = cookies_of(browser, "valerix_session")
    browser.cookie_jar.clear()
    browser.cookie_jar.update_cookies(stolen)
    assert not await may_calm(browser)
    assert wire.asked == []


@pytest.mark.parametrize("column", ["seen_at = now() - interval '61 minutes'",
                                    "opened_at = now() - interval '721 minutes'"])  # fmt: skip
async def test_a_session_ends_when_nobody_used_it_and_at_the_end_of_the_day(
    module_database, browser, column
):
    await sign_in(browser)
    assert await may_calm(browser)
    # What the browser does is written down by the dashboard, so both are done until it holds.
    async with asyncio.timeout(20):
        while "Only an operator may" not in await page(browser, "/panels/board"):
            await execute(module_database, f"UPDATE dashboard.sessions SET {column}")
            await asyncio.sleep(0.1)
    assert not await may_calm(browser)


async def test_an_open_page_that_refreshes_itself_does_not_keep_a_session(module_database, browser):
    await sign_in(browser)
    await execute(module_database, "UPDATE dashboard.sessions SET seen_at = now() - interval '30m'")
    before = await seen(module_database)
    for _ in range(15):
        await page(browser, "/panels/board")
        await asyncio.sleep(0.1)
    assert await seen(module_database) == before
    await page(browser, "/gremlins")
    async with asyncio.timeout(10):
        while await seen(module_database) == before:
            await asyncio.sleep(0.1)


async def test_a_session_ends_with_the_token_it_was_opened_with(module_database):
    async with dashboard(module_database, **GUARDED) as (browser, _):
        await sign_in(browser)
        kept = cookies_of(browser, "valerix_visitor", "valerix_session")
    async with dashboard(module_database, **GUARDED) as (browser, _):
        browser.cookie_jar.update_cookies(kept)
        async with asyncio.timeout(10):
            while not await may_calm(browser):
                await asyncio.sleep(0.1)
    async with dashboard(module_database, operator_token=TOKEN[::-1]) as (browser, _):
        browser.cookie_jar.update_cookies(kept)
        await asyncio.sleep(1.5)
        assert not await may_calm(browser)


async def test_a_sign_out_holds_at_every_dashboard(module_database, browser):
    async with dashboard(module_database, **GUARDED) as (other, _):
        await sign_in(browser)
        other.cookie_jar.update_cookies(cookies_of(browser, "valerix_visitor", "valerix_session"))
        async with asyncio.timeout(10):
            while not await may_calm(other):
                await asyncio.sleep(0.1)
        async with browser.post("/logout", data={"csrf": await token(browser)}):
            pass
        async with asyncio.timeout(10):
            while await may_calm(other):
                await asyncio.sleep(0.1)


async def test_nothing_a_visitor_sees_can_be_worked_out_from_the_token(database_url):
    async with dashboard(database_url, **GUARDED) as (browser, _):
        csrf = await token(browser)
        await sign_in(browser)
        visitor = cookies_of(browser, "valerix_visitor")
        first = cookies_of(browser, "valerix_session")
        await sign_in(browser)
        assert cookies_of(browser, "valerix_session") != first
    # The same visitor, the same token and another database: nothing is the same.
    await execute(database_url, "TRUNCATE dashboard.secrets")
    async with dashboard(database_url, **GUARDED) as (browser, _):
        browser.cookie_jar.update_cookies(visitor)
        async with browser.post("/do/calm", data={"csrf": csrf}) as response:
            assert response.status == 403
        assert await token(browser) != csrf


async def test_the_table_of_sessions_holds_neither_cookie_nor_token(module_database, browser):
    await sign_in(browser)
    cookie = cookies_of(browser, "valerix_session")["valerix_session"]
    connection = await asyncpg.connect(module_database)
    kept = await connection.fetchval("SELECT string_agg(s::text, ' ') FROM dashboard.sessions s")
    await connection.close()
    for secret in (cookie, TOKEN):
        assert secret not in kept
        assert secret.encode().hex() not in kept


async def test_many_wrong_tokens_are_braked_and_the_pages_are_not(module_database):
    async with dashboard(module_database, **GUARDED) as (browser, _):
        csrf = await token(browser)

        async def guess(n):
            form = {"csrf": csrf, "token": f"{TOKEN}{n}"}
            async with browser.post("/login", data=form) as response:
                return response.status

        found = await asyncio.gather(*(guess(n) for n in range(180)))
        assert sorted(found) == [401] * 10 + [429] * 170
        status, retry_after = await sign_in(browser)
        assert status == 429
        assert 1 <= int(retry_after) <= 6
        assert "Too much at once" not in await page(browser, "/")


async def page(browser, path):
    """The text of a page or panel."""
    async with browser.get(path) as response:
        return await response.text()


async def seen(database_url):
    """When the latest session was last used, as the database says."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(f"SELECT seen_at FROM dashboard.sessions {LATEST}")
    finally:
        await connection.close()


async def test_without_a_database_nobody_signs_in_and_the_page_says_so():
    nowhere = "postgresql://valerix@127.0.0.1:1/valerix"
    async with dashboard(nowhere, **GUARDED) as (browser, _):
        assert (await sign_in(browser))[0] == 503
        # A form is checked all the same, with this process's own key.
        assert not await may_calm(browser)
