"""What the identity service did against thieves is in the operators' audit log."""

import asyncpg

from tests.frontend.dashboards import dashboard, text

_KEY = (
    "INSERT INTO identity.signing_keys (kid, state, public_key, published_at, signs_at, gone_at,"
    " withdrawn_at, withdrawn_by, withdrawn_because) VALUES (repeat('w', 43), 'WITHDRAWN', '{}',"
    " now(), now(), now(), now(), 'ada', 'the backup was stolen')"
)
_USER = "INSERT INTO identity.users (user_id, roles) VALUES ('grace', '{shopper}')"
_LOGIN = (
    "INSERT INTO identity.families (family_id, user_id, ends_at, revoked_at, revoked_because)"
    " VALUES (gen_random_uuid(), 'grace', now(), now(), $1)"
)


async def test_a_withdrawn_key_and_a_stolen_login_are_lines_and_a_logout_is_none(
    database_url: str, connection: asyncpg.Connection
):
    await connection.execute(_KEY)
    await connection.execute(_USER)
    await connection.execute(_LOGIN, "a spent refresh token was shown again")
    await connection.execute(_LOGIN, "logged out")
    async with dashboard(database_url) as (browser, _):
        async with browser.get("/api/audit") as answer:
            rows = (await answer.json())["rows"]
        assert "<td>withdrawn</td><td>Signing key</td>" in await text(browser, "/panels/audit")
    assert {(each["label"], each["action"], each["actor"], each["detail"]) for each in rows} == {
        ("Signing key", "withdrawn", "ada", f"{'w' * 43}: the backup was stolen"),
        ("Login", "ended", "identity-service",
         "of grace: a spent refresh token was shown again"),
    }  # fmt: skip
