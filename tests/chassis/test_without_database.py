"""What a service answers while its database is busy, slow, frozen or gone, and once it is back."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.chassis.bare import Bare, run_bare
from tests.chassis.pgwire import PgWire
from tests.chassis.pool import BOUNDS
from tests.harness.problems import assert_problem
from tests.harness.serving import settings_of

PROBE_S = 0.3


@pytest.fixture
async def bare(wire: PgWire) -> AsyncIterator[Bare]:
    """A bare service that has PostgreSQL at the end of a wire."""
    settings = settings_of("order", wire.url, **BOUNDS, probe_deadline_s=PROBE_S)
    async with run_bare(settings) as bare:
        yield bare


async def _ask(bare: Bare, path: str) -> tuple[int, dict[str, str], float]:
    begun = time.monotonic()
    answer = await bare.door.get(path)
    view = answer.json()
    return answer.status_code, view.get("dependencies") or view["checks"], time.monotonic() - begun


async def test_busy_means_503_and_nothing_was_done(bare: Bare):
    async with bare.database.connect(), bare.database.connect():
        answer = await bare.door.get("/now")
        problem = assert_problem(answer, 503, "database-busy")
        assert problem["retryable"]
        assert answer.headers["x-valerix-executed"] == "no"
        assert answer.headers["retry-after"] == "1"
    assert (await bare.door.get("/now")).status_code == 200


async def test_gone_means_503_and_nothing_was_done_until_it_is_back(bare: Bare, wire: PgWire):
    assert (await bare.door.get("/now")).status_code == 200
    await wire.take_away()
    await asyncio.sleep(0.05)
    for _ in range(3):
        answer = await bare.door.get("/now")
        problem = assert_problem(answer, 503, "database-down")
        assert problem["retryable"]
        assert answer.headers["x-valerix-executed"] == "no"
    status, states, _ = await _ask(bare, "/health")
    assert (status, states) == (200, {"database": "unreachable (DatabaseDown)"})
    status, states, _ = await _ask(bare, "/health/ready")
    assert status == 503
    assert set(states) == {"database", "schema"}
    assert (await bare.door.get("/health/live")).status_code == 200
    assert_problem(await bare.door.put("/gremlins/g", json={"kind": "error"}), 503)
    await wire.mend()
    # On a busy machine the first connection may take longer than a request waits for one.
    async with asyncio.timeout(20):
        while (await bare.door.get("/now")).status_code == 503:
            pass
    assert (await bare.door.get("/now")).status_code == 200
    status, states, _ = await _ask(bare, "/health/ready")
    assert (status, states) == (200, {"database": "connected", "schema": "current"})


async def test_a_service_starts_without_its_database_and_finds_it_later(wire: PgWire):
    await wire.take_away()
    async with run_bare(settings_of("order", wire.url, **BOUNDS)) as bare:
        assert_problem(await bare.door.get("/now"), 503, "database-down")
        assert (await _ask(bare, "/health/ready"))[0] == 503
        await wire.mend()
        assert (await bare.door.get("/now")).status_code == 200
        await bare.let_loose("error", "/now")
        assert_problem(await bare.door.get("/now"), 503, "gremlin")


async def test_a_cut_in_mid_statement_does_not_claim_that_nothing_was_done(
    bare: Bare, wire: PgWire
):
    wire.swallow_answer_to = b"SELECT now() AS now"
    answer = await bare.door.get("/now")
    problem = assert_problem(answer, 500, "outcome-unknown")
    assert problem["retryable"]
    assert "x-valerix-executed" not in answer.headers
    assert (await bare.door.get("/now")).status_code == 200


async def test_a_gremlin_that_was_committed_is_loose_though_the_database_is_gone_at_once(
    bare: Bare, wire: PgWire
):
    wire.gone_after = b"COMMIT"
    answer = await bare.door.put("/gremlins/g", json={"kind": "error", "routes": ["/now"]})
    assert answer.status_code == 200, "it was done: it must not be called undone"
    assert_problem(await bare.door.get("/now"), 503, "gremlin")
    await wire.mend()
    assert [g["name"] for g in (await bare.door.get("/gremlins")).json()["gremlins"]] == ["g"]
    assert_problem(await bare.door.get("/now"), 503, "gremlin")


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_health_never_takes_longer_than_its_probes_though_the_database_is_frozen(
    bare: Bare, wire: PgWire, path: str
):
    assert (await bare.door.get("/now")).status_code == 200
    wire.freeze()
    for _ in range(3):
        status, states, took_s = await _ask(bare, path)
        assert status == (200 if path == "/health" else 503)
        assert states["database"].startswith("unreachable")
        assert took_s < PROBE_S + 0.9
    wire.thaw()
    async with asyncio.timeout(5):
        while (await _ask(bare, "/health"))[1]["database"] != "connected":
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["slow_database", "error", "latency"])
async def test_liveness_and_metrics_answer_at_once_whatever_is_loose(bare: Bare, kind: str):
    await bare.let_loose(kind, delay_ms=3000)
    for path in ("/health/live", "/metrics"):
        begun = time.monotonic()
        assert (await bare.door.get(path)).status_code == 200
        assert time.monotonic() - begun < 1.5


async def test_a_slow_database_is_seen_by_health_within_its_deadline(bare: Bare):
    await bare.let_loose("slow_database", delay_ms=3000)
    status, states, took_s = await _ask(bare, "/health")
    assert (status, states["database"]) == (200, "unreachable (timeout)")
    assert took_s < PROBE_S + 2.0  # and not the statement's three seconds


async def test_a_schema_that_was_never_migrated_says_what_to_do(empty_database_url: str):
    async with run_bare(settings_of("order", empty_database_url)) as bare:
        status, states, _ = await _ask(bare, "/health/ready")
        assert status == 503
        assert "make migrate-up" in states["schema"]
        assert states["database"] == "connected"
