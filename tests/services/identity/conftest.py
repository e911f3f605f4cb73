"""An identity service over a real database and a real socket, and a service that checks tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest_asyncio
from litestar import Request, get
from prometheus_client import CollectorRegistry

from chassis.http.app import service_app
from chassis.identity.caller import caller_of
from chassis.identity.owners import FOR_SHOPPERS
from chassis.service_credential import ServiceCredential
from fleet.ports import free_port
from tests.harness.serving import create_service, knock, serve, settings_of

CREDENTIAL = "of-the-processes-of-this-shop"
# Argon2 with as little memory as it takes.
CHEAP = {"identity_hash_kib": 32, "service_token": CREDENTIAL}


class Identity:
    """The running service, and its database."""

    def __init__(self, http: httpx.AsyncClient, database_url: str) -> None:
        self.http, self.database_url = http, database_url
        self.url = str(http.base_url).rstrip("/")

    async def log_in(self, user: str = "ada", password: str = "demo-password") -> httpx.Response:
        return await self.http.post("/login", json={"user": user, "password": password})

    async def token(self, **form: Any) -> httpx.Response:
        return await self.http.post("/oauth2/token", data=form)

    async def refresh(self, token: str) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=token)


def secret_of(name: str) -> str:
    """What the service of this name shows."""
    settings = settings_of("order", "postgresql://nobody@127.0.0.1/none", service_token=CREDENTIAL)
    return ServiceCredential(settings).secret_of(name)


@asynccontextmanager
async def run_identity(database_url: str, **settings: Any) -> AsyncIterator[Identity]:
    """One service."""
    port = free_port()
    given = settings_of(
        "identity", database_url, port=port, identity_url=f"http://127.0.0.1:{port}",
        **{**CHEAP, **settings},
    )  # fmt: skip
    async with serve(create_service("identity", given), given) as url, knock(url) as http:
        yield Identity(http, database_url)


@get("/me", opt=FOR_SHOPPERS)
async def show_me(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Who asks."""
    caller = caller_of(request)
    return {"subject": caller.subject, "roles": sorted(caller.roles), "client": caller.client}


@asynccontextmanager
async def run_service(identity_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A service that checks tokens, under the name of one that people ask."""
    settings = settings_of(
        "order", "postgresql://nobody@127.0.0.1/none", identity_url=identity_url,
        identity_keys_every_s=0.2,
    )  # fmt: skip
    app = service_app(
        name="order-service", title="Checks", settings=settings, registry=CollectorRegistry(),
        routes=[show_me],
    )  # fmt: skip
    async with serve(app, settings) as url, knock(url) as http:
        yield http


def bearing(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def identity(module_database: str) -> AsyncIterator[Identity]:
    """The module's service."""
    async with run_identity(module_database) as running:
        yield running
