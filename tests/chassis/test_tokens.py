"""Which tokens a service takes, and what it does while keys change or nobody publishes them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from joserfc.jwk import ECKey
from litestar import get
from litestar.connection import ASGIConnection
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from chassis.http.problems import Problem
from chassis.identity.caller import Caller, Callers, caller_of, needs_role
from chassis.identity.keys import LOOK_EVERY_S, PublishedKeys
from chassis.identity.owners import FOR_SHOPPERS
from chassis.settings import Settings
from fleet.settings import load
from tests.harness.bad_tokens import BAD_TOKENS, Forger
from tests.harness.serving import knock, serve

NAME, TOKEN = "bare-service", "correct-horse-battery"


class Publisher:
    """Whoever publishes keys, or does not answer."""

    def __init__(self, *keys: ECKey, **changed: Any) -> None:
        self.keys, self.changed, self.looks, self.now = list(keys), changed, 0, 0.0
        self.is_up = True

    async def fetch(self) -> bytes:
        self.looks += 1
        if not self.is_up:
            raise OSError("gone")
        usual = {"use": "sig", "alg": "ES256"}
        return json.dumps({"keys": [
            {**each.as_dict(private=False), "kid": each.thumbprint(), **usual, **self.changed}
            for each in self.keys
        ]}).encode()  # fmt: skip

    def callers(self, every_s: float = 30.0) -> Callers:
        keys = PublishedKeys("", every_s, fetch=self.fetch, clock=lambda: self.now)
        return Callers(NAME, load("order", {}), keys)


@pytest.fixture(scope="module")
def key() -> ECKey:
    return ECKey.generate_key("P-256")


async def subject(callers: Callers, token: str) -> str | int:
    """Who the token is for, or the status of its refusal."""
    found = await callers.judge(token)
    return found.status if isinstance(found, Problem) else found.subject


@pytest.mark.parametrize("case", BAD_TOKENS)
async def test_a_bad_token_is_refused_and_says_why(key: ECKey, case: str):
    callers = Publisher(key).callers()
    forger = Forger(key, NAME)
    assert await subject(callers, forger.good()) == "ada"
    found = await callers.judge(BAD_TOKENS[case](forger))
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (401, "bad-token")
    assert 'error="invalid_token"' in found.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES384"}, {"kid": "short"},
        {"d": "AAAA"}, {"crv": "P-384"}, {"kty": "oct"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_published_key_that_is_not_for_this_verifies_nothing(
    key: ECKey, changed: dict[str, Any]
):
    other = ECKey.generate_key("P-256")
    publisher = Publisher(key, **changed)
    callers = publisher.callers()
    assert await subject(callers, Forger(key, NAME).good()) == 401
    publisher.keys, publisher.changed, publisher.now = [other], {}, LOOK_EVERY_S
    assert await subject(callers, Forger(other, NAME).good()) == "ada"


async def test_an_unknown_key_is_looked_for_now_and_then_and_keys_outlive_who_publishes_them(
    key: ECKey,
):
    publisher, new = Publisher(key), ECKey.generate_key("P-256")
    callers = publisher.callers()
    assert await subject(callers, Forger(key, NAME).good()) == "ada"
    for _ in range(50):
        assert await subject(callers, Forger(new, NAME).good()) == 401
    assert publisher.looks == 1
    publisher.keys, publisher.now = [key, new], LOOK_EVERY_S
    assert await subject(callers, Forger(new, NAME).good()) == "ada"
    publisher.is_up, publisher.now = False, 2 * LOOK_EVERY_S
    assert await subject(callers, Forger(ECKey.generate_key("P-256"), NAME).good()) == 401
    assert await subject(callers, Forger(key, NAME).good(jti="another")) == "ada"


async def test_after_a_rest_a_key_that_was_withdrawn_meanwhile_is_not_believed(key: ECKey):
    publisher, token = Publisher(key), Forger(key, NAME).good()
    callers = publisher.callers(every_s=10.0)
    assert await subject(callers, token) == "ada"
    publisher.keys, publisher.now = [], 9.0
    assert await subject(callers, token) == "ada"
    publisher.now = 60.0
    assert await subject(callers, token) == 401
    publisher.is_up, publisher.now = False, 120.0
    assert await subject(callers, token) == 401


async def test_a_token_of_a_key_that_is_no_longer_published_is_forgotten(key: ECKey):
    publisher, token = Publisher(key), Forger(key, NAME).good()
    callers = publisher.callers(every_s=0.01)
    refreshing = asyncio.create_task(callers.keys.run())
    try:
        assert await subject(callers, token) == "ada"
        publisher.keys = [ECKey.generate_key("P-256")]
        looks = publisher.looks
        while publisher.looks < looks + 2:
            await asyncio.sleep(0.01)
        assert await subject(callers, token) == 401
    finally:
        refreshing.cancel()


async def test_whoever_has_a_token_is_not_nobody(key: ECKey):
    found = await Publisher(key).callers().judge(Forger(key, NAME).good(sub="anonymous"))
    assert isinstance(found, Caller)
    assert not found.is_anonymous


async def test_without_any_keys_a_token_is_neither_good_nor_bad(key: ECKey):
    publisher = Publisher(key)
    publisher.is_up = False
    assert await subject(publisher.callers(), Forger(key, NAME).good()) == 503


@get("/me", opt=FOR_SHOPPERS)
async def show_me(request: ASGIConnection[Any, Any, Any, Any]) -> dict[str, str]:
    """Who asks."""
    return {"subject": caller_of(request).subject}


@get("/unmarked")
async def show_unmarked() -> None:
    """Says nothing of who may ask."""


@get("/yours", guards=[needs_role("shopper")])
async def show_yours() -> None:
    """For anybody who is known."""


@get("/machine", guards=[needs_role("operator")])
async def show_machine() -> None:
    """For an operator."""


_ASKED = {
    "/me": show_me,
    "/yours": show_yours,
    "/unmarked": show_unmarked,
    "/machine": show_machine,
}


@pytest.fixture
async def publisher(key: ECKey) -> AsyncIterator[str]:
    """Keys behind a real socket."""
    document = json.loads(await Publisher(key).fetch())

    @get("/.well-known/jwks.json")
    async def show_keys() -> dict[str, Any]:
        return document

    settings = load("order", {})
    async with serve(_app(settings, show_keys), settings_at_any_port(settings)) as url:
        yield url


def settings_at_any_port(settings: Settings) -> Settings:
    """The same, at a free port."""
    import msgspec

    return msgspec.structs.replace(settings, port=0)


def _app(settings: Settings, *routes: Any) -> Any:
    return service_app(
        name=NAME, title=NAME, settings=settings, registry=CollectorRegistry(), routes=routes
    )


OPEN, GUARDED = {}, {"operator_token": TOKEN}
EXPOSED = {"operator_token": TOKEN, "published_on": "10.0.0.7"}


@pytest.mark.parametrize(
    ("settings", "shown", "statuses"),
    [
        (OPEN, "", (200, 200, 200, 200)),
        (OPEN, "shopper", (200, 200, 403, 403)),
        (OPEN, "operator", (200, 200, 200, 200)),
        (OPEN, "wrong", (401, 401, 401, 401)),
        (GUARDED, "", (200, 200, 200, 401)),
        (GUARDED, "shopper", (200, 200, 403, 403)),
        (GUARDED, "admin", (200, 200, 200, 200)),
        (GUARDED, TOKEN, (200, 200, 200, 200)),
        (EXPOSED, "", (401, 401, 401, 401)),
        (EXPOSED, "service", (200, 403, 403, 403)),
        (EXPOSED, "shopper", (200, 200, 403, 403)),
        (EXPOSED, "wrong", (401, 401, 401, 401)),
        (EXPOSED, TOKEN, (200, 200, 200, 200)),
    ],
)
async def test_who_may_do_what(
    key: ECKey, publisher: str, settings: dict[str, str], shown: str, statuses: tuple[int, ...]
):
    given = load("order", {}, identity_url=publisher, **settings)
    roles = [shown] if shown in ("shopper", "operator", "admin") else []
    token = Forger(key, NAME).good(roles=roles) if roles or shown == "service" else shown
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        serve(_app(given, *_ASKED.values()), settings_at_any_port(given)) as url,
        knock(url, headers=headers) as http,
    ):
        answers = [await http.get(path) for path in _ASKED]
    assert tuple(each.status_code for each in answers) == statuses
    for each in answers:
        assert ("www-authenticate" in each.headers) == (each.status_code == 401)
        assert each.status_code == 200 or each.headers["content-type"].startswith("application/pro")
