"""A running dashboard, a browser without a screen at it, and a wire in place of the services."""

import re
from contextlib import asynccontextmanager

import aiohttp

from chassis.outcome import CallResult, Outcome
from frontend.app import create_app
from tests.frontend.samples import FixedProof, FixedSource
from tests.harness.serving import serve, settings_of
from topology import NAMES

TOKEN = "an operator token of some length"
CALMED = CallResult(Outcome.OK, 200, body=b'{"calmed":0}', trace_id="ab" * 16)


class Wire:
    """A peer that answers what the test says and remembers what it was asked."""

    def __init__(self, answer):
        self.begin(answer)

    def begin(self, answer):
        """Give this answer from now on, and forget what was asked before."""
        self.answer, self.asked, self.sent = answer, [], []

    async def call(self, method, path, json=None, **more):
        self.asked.append((method, path, more.get("headers") or {}))
        self.sent.append(json)
        return self.answer

    async def close(self):
        """Nothing to close."""


@asynccontextmanager
async def dashboard(database_url, answer=CALMED, **overrides):
    """A running dashboard, a browser at it, and the wire behind it."""
    settings = settings_of("dashboard", database_url, **overrides)
    wire = Wire(answer)
    app = create_app(
        settings,
        source=FixedSource(),
        proof=FixedProof(),
        peers=dict.fromkeys(NAMES, wire),
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(app, settings) as url, aiohttp.ClientSession(url, cookie_jar=jar) as browser:
        yield browser, wire


async def text(browser, path):
    async with browser.get(path) as response:
        assert response.status == 200, path
        return await response.text()


async def token(browser):
    return re.search(r'name="csrf" value="(\w+)"', await text(browser, "/"))[1]
