"""What is committed is published once it is, in its order, and takes effect once."""

import asyncio
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from cli.main import main
from services.events.audit_consumer import log
from tests.harness.serving import create_service, serve, settings_of
from tests.services.events import scene as scenes
from tests.services.events.scene import Scene


async def test_committed_is_positioned_confirmed_and_consumed(scene: Scene):
    for _ in range(3):
        await scene.order()
    await scene.deliver()
    found = await scene.proof()
    assert found.is_gapless
    assert (found.committed, found.positioned, found.confirmed) == (6, 6, 6)
    assert found.consumed == {"audit-consumer": 6, "metrics-consumer": 6}
    assert await scene.broken() == set()


async def test_a_gap_is_named(scene: Scene):
    order = await scene.order()
    await scene.deliver(["metrics-consumer"])
    found = await scene.proof()
    assert not found.is_gapless
    assert [(each.aggregate_id, each.consumed) for each in found.gaps] == [
        (order, {"audit-consumer": 0, "metrics-consumer": 2})
    ]
    assert not found.is_at_fault


async def test_verify_says_what_is_on_its_way_waits_for_it_and_fails_for_what_is_wrong(
    scene: Scene, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("VALERIX_HOME", str(tmp_path))

    async def verify(*options: str) -> tuple[int, str]:
        run = partial(CliRunner().invoke, main, ["events", "verify", *options])
        result = await asyncio.to_thread(run)
        return result.exit_code, result.output

    order = await scene.order()
    await scene.deliver(["metrics-consumer"])
    settings = settings_of("relay", database_url)
    async with serve(create_service("relay", settings), settings) as url:
        monkeypatch.setenv("VALERIX_RELAY_URL", url)
        code, shown = await verify()
        behind = f"  order/{order}  2 of 2 published  2 not consumed yet by audit-consumer\n"
        assert (code, behind in shown) == (0, True), shown
        code, shown = await verify("--wait", "0.1")
        assert (code, "still on their way after 0.1 s" in shown) == (1, True), shown
        await scene.deliver(["audit-consumer"])
        code, shown = await verify("--wait", "60")
        assert (code, "gapless" in shown) == (0, True), shown

        await scene.connection._wire.execute(  # noqa: SLF001
            "ALTER TABLE orders.outbox DISABLE TRIGGER USER;"
            "DELETE FROM orders.outbox WHERE aggregate_seq = 1"
        )
        assert (await scene.proof()).is_at_fault
        code, shown = await verify("--wait", "60")
        assert (code, "WRONG: an event is missing: the last is number 2" in shown) == (1, True)


async def test_what_is_delivered_twice_takes_effect_once(scene: Scene):
    await scene.order()
    await scene.deliver()
    await scene.connection._wire.execute("UPDATE events.consumers SET position = 0")  # noqa: SLF001
    await scene.deliver()
    assert await scene.fetch("SELECT sum(events)::int FROM metrics.counters") == 2
    assert await scene.fetch("SELECT count(*)::int FROM audit.log") == 2


async def test_a_poison_message_holds_back_its_aggregate_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    poisoned, healthy = await scene.order(), await scene.order()

    async def write(tx, events):
        if any(each.aggregateid == poisoned and each.seq == 1 for each in events):
            raise ValueError("cannot be written")
        await log.write(tx, events)

    monkeypatch.setitem(scenes.EFFECTS, "audit-consumer", write)
    await scene.deliver()
    lines = f"SELECT count(*)::int FROM audit.log WHERE aggregate_id = '{healthy}'"
    assert await scene.fetch(lines) == 2
    parked = (
        "SELECT array_agg(kind || ' ' || aggregate_seq ORDER BY aggregate_seq) FROM events.parked"
    )
    assert await scene.fetch(parked) == ["failed 1", "waiting 2"]

    monkeypatch.setitem(scenes.EFFECTS, "audit-consumer", log.write)
    await scene.connection._wire.execute(  # noqa: SLF001
        "UPDATE events.parked SET retry_at = now() WHERE kind = 'failed'"
    )
    await scene.deliver()
    assert await scene.fetch(lines.replace(healthy, poisoned)) == 2
    assert (await scene.proof()).is_gapless


async def test_what_was_put_aside_and_comes_again_is_put_aside_no_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    await scene.order()

    async def write(tx, events):
        raise ValueError("cannot be written")

    monkeypatch.setitem(scenes.EFFECTS, "audit-consumer", write)
    await scene.deliver()
    still_aside = "SELECT count(*)::int FROM events.parked WHERE done_at IS NULL"
    assert await scene.fetch(still_aside) == 2
    monkeypatch.setitem(scenes.EFFECTS, "audit-consumer", log.write)
    await scene.connection._wire.execute("UPDATE events.consumers SET position = 0")  # noqa: SLF001
    await scene.deliver()
    assert await scene.fetch("SELECT count(*)::int FROM audit.log") == 2
    assert await scene.fetch(still_aside) == 0


async def test_a_changed_line_of_the_audit_log_is_found(scene: Scene):
    for _ in range(2):
        await scene.order()
    await scene.deliver()
    assert await log.first_broken(scene.connection) == (4, None)
    wire = scene.connection._wire  # noqa: SLF001
    await wire.execute("ALTER TABLE audit.log DISABLE TRIGGER ALL")
    await wire.execute("UPDATE audit.log SET data = '{}' WHERE n = 3")
    assert await log.first_broken(scene.connection) == (3, 3)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE orders.outbox SET payload = '{}'",
        "UPDATE orders.outbox SET position = position + 1",
        "UPDATE orders.outbox SET confirmed_at = now()",
        "DELETE FROM orders.outbox",
        "TRUNCATE orders.outbox",
        "UPDATE audit.log SET n = n + 1",
        "DELETE FROM events.inbox",
    ],
)
async def test_what_was_written_down_stays(scene: Scene, change: str):
    await scene.order()
    await scene.deliver()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await scene.connection._wire.execute(change)  # noqa: SLF001
