"""Health: every dependency probed at once, each with its own deadline, so the answer is quick."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import text

from chassis.database.pool import Database, statement
from chassis.http.openapi import answered
from chassis.http.shop_identity import ShopIdentity
from chassis.identity.owners import OPEN

Probe = Callable[[], Awaitable[str]]
GOOD = frozenset({"connected", "reachable", "current", "of this shop, as far as it answers"})

# Nearly every process asks its database something every five seconds (`CHANGES_EVERY_S`), whether
# anything happens or not: what it answered then is not asked again. One that goes away ends
# connections, which is noticed at once; one that falls silent is found by that question.
_GOOD_S = 9.0
# Whose a database is can change only while nobody is connected to it, which a process would notice;
# it is asked now and then all the same.
_OURS_S = 60.0
_PING = statement(text("SELECT 1"), "SELECT 1")
_REVISION = statement(text("SELECT version_num FROM public.alembic_version"), "SELECT revision")


class HealthView(msgspec.Struct, frozen=True):
    """`dependencies` has the state of each; any state that is not good degrades the service."""

    status: Literal["healthy", "degraded"]
    service: str
    timestamp: datetime
    dependencies: dict[str, str]


class ReadyView(msgspec.Struct, frozen=True):
    """Whether the service can do its work, and what stands in the way."""

    status: Literal["ready", "not-ready"]
    service: str
    timestamp: datetime
    checks: dict[str, str]


def database_probe(
    database: Database, identity: ShopIdentity | None = None, good_s: float = _GOOD_S
) -> Probe:
    """Whether statements come back, whether the database is still the one of our shop, and whether
    there was room for the last statements. Where one came back `good_s` ago none is asked for it,
    unless the database has failed this process since or a gremlin slows it."""

    asked_at, failures = -math.inf, -1

    async def probe() -> str:
        nonlocal asked_at, failures
        is_known = (
            failures == database.failures
            and database.answered_s_ago < good_s
            and time.monotonic() - asked_at < _OURS_S
        )
        if not is_known or database.before_statement is not None:
            failures = database.failures
            async with database.connect() as connection:
                if identity is None or not identity.is_known:
                    await connection.row(_PING)
                elif wrong := await identity.wrong_database(connection):
                    return wrong
            asked_at = time.monotonic()
        return "full" if database.is_full else "connected"

    return probe


def shop_probe(connected: Probe, identity: ShopIdentity | None) -> Probe:
    """As `connected`, unless a process of ours takes us for another shop's."""

    async def probe() -> str:
        return (identity.doubt() if identity is not None else "") or await connected()

    return probe


def schema_probe(database: Database, needed: str) -> Probe:
    """Whether the migrations this service was written for have run. Revisions sort as text."""

    async def probe() -> str:
        try:
            async with database.connect() as connection:
                row = await connection.row(_REVISION)
        except Exception as error:
            if type(error).__name__ == "UndefinedTableError":
                return f"not migrated: run `make migrate-up` (needs {needed})"
            raise
        found = row["version_num"] if row else "nothing"
        if row is None or found < needed:
            return f"behind: at {found}, needs {needed}; run `make migrate-up`"
        return "current"

    return probe


def ready_probes(
    database: Database, identity: ShopIdentity | None, needed: str
) -> dict[str, Probe]:
    """What readiness asks of the database."""
    return {
        # Whoever sends traffic here asks now, and not often.
        "database": database_probe(database, identity, good_s=0),
        "schema": schema_probe(database, needed),
    }


async def ask_all(probes: Mapping[str, Probe], deadline_s: float) -> dict[str, str]:
    """The state that each probe found, all asked at once, in `deadline_s` at most."""
    tasks = {name: asyncio.ensure_future(probe()) for name, probe in probes.items()}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=deadline_s)
    return {name: _state_of(task) for name, task in tasks.items()}


# Probes given up but still running; kept, because the loop holds tasks only weakly.
_abandoned: set[asyncio.Future[str]] = set()


def _forget(task: asyncio.Future[str]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved, or the loop would complain


def _state_of(task: asyncio.Future[str]) -> str:
    if not task.done():
        # Not awaited: giving back a connection that hangs takes longer than the answer may.
        task.cancel()
        _abandoned.add(task)
        task.add_done_callback(_forget)
        return "unreachable (timeout)"
    error = task.exception()
    # A probe that fails is a state of its dependency, not a failure of health.
    return task.result() if error is None else f"unreachable ({type(error).__name__})"


def health_routes(
    service: str,
    dependencies: Mapping[str, Probe],
    readiness: Mapping[str, Probe],
    deadline_s: float,
) -> list[HTTPRouteHandler]:
    """GET /health, /health/live and /health/ready."""

    @get("/health", summary="How the service and what it depends on are", opt=OPEN)
    async def show_health() -> HealthView:
        states = await ask_all(dependencies, deadline_s)
        status = "healthy" if GOOD.issuperset(states.values()) else "degraded"
        return HealthView(status, service, datetime.now(UTC), states)  # type: ignore[arg-type]

    @get("/health/live", summary="Whether the process is up", opt=OPEN)
    async def show_live() -> dict[str, str]:
        return {"status": "alive", "service": service}

    @get(
        "/health/ready",
        summary="Whether the service can do its work (503 when it cannot)",
        opt=OPEN,
        responses={503: answered(ReadyView, "It cannot, and why")},
    )
    async def show_ready() -> Response[ReadyView]:
        states = await ask_all(readiness, deadline_s)
        ready = GOOD.issuperset(states.values())
        view = ReadyView("ready" if ready else "not-ready", service, datetime.now(UTC), states)
        return Response(view, status_code=200 if ready else 503)

    return [show_health, show_live, show_ready]
