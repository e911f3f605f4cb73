"""What was sealed is known outside the database, so nobody can write it anew inside."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from proof import Limits, evaluate
from proof.chain import HeadFile, seal
from proof.evaluate import prove
from proof.quiescence import find_quiescence
from proof.sealed_tables import FORMAT, digests
from proof.session import ProofSession
from proof.settings import ProofSettings
from tests.proof.bulk_orders import insert_confirmed_orders
from tests.proof.checkpoints import erase, push_ahead, scrub_all, seal_all
from tests.proof.reports import finding, violated
from tests.proof.rows import CONFIRMED, payment_of

LIMITS = Limits()
SECOND_CAPTURE = (
    "INSERT INTO gateway.charges (gw_key, provider, payment_ref, amount_minor, currency, state,"
    f" captured_at) VALUES ('again', 'mock', '{payment_of(CONFIRMED)}', 1, 'EUR', 'CAPTURED',"
    " now())"
)
# Everything off and on again, as somebody with the run of the database can.
FORGE = """
ALTER TABLE proof.chain DISABLE TRIGGER USER;
{}
ALTER TABLE proof.chain ENABLE ALWAYS TRIGGER chain_is_append_only,
  ENABLE ALWAYS TRIGGER refuse_truncation"""


@pytest.fixture
def heads(tmp_path: Path) -> HeadFile:
    return HeadFile(str(tmp_path / "chain.head"))


@pytest.fixture
async def server(shop: asyncpg.Connection) -> str:
    return await shop.fetchval("SELECT system_identifier::text FROM pg_control_system()")


async def newest_link(shop: asyncpg.Connection) -> asyncpg.Record:
    """The number of the chain's newest link, and its digest as it is written outside."""
    link = await shop.fetchrow(
        "SELECT n, encode(digest, 'hex') AS digest FROM proof.chain ORDER BY n DESC LIMIT 1"
    )
    assert link is not None
    return link


async def test_links_follow_each_other_and_the_file_holds_the_newest(
    shop, auditor, heads: HeadFile, server: str
):
    for _ in range(2):
        await insert_confirmed_orders(shop, 2)
        await seal_all(auditor)
    last = await newest_link(shop)
    heads.keep(server, n=last["n"], digest=last["digest"])
    assert last["n"] >= 3
    kept = heads.read().of(server)
    assert (kept.n, kept.digest) == (last["n"], last["digest"])
    assert finding(await prove(auditor, LIMITS, whole=True, heads=heads), "I27").state == "holds"


async def test_where_nothing_was_written_there_is_nothing_to_seal(auditor):
    assert await seal(auditor) is None


async def test_a_long_history_becomes_several_links(shop, auditor, monkeypatch):
    monkeypatch.setattr("proof.chain._MOST_VERSIONS", 4)
    for _ in range(4):
        await insert_confirmed_orders(shop, 1)
    before = await shop.fetchval("SELECT count(*) FROM proof.chain")
    await seal_all(auditor)
    assert await shop.fetchval("SELECT count(*) FROM proof.chain") > before + 1
    assert finding(await prove(auditor, LIMITS, whole=True), "I27").state == "holds"


@pytest.mark.parametrize(
    "forged",
    [
        "DELETE FROM proof.chain WHERE n = (SELECT max(n) FROM proof.chain)",
        # The whole chain anew, each link with its right digest.
        """UPDATE proof.chain SET at = at + interval '1 s';
           UPDATE proof.chain SET digest = sha256(previous || convert_to(concat_ws(' ', n, server,
             since, before, extract(epoch FROM at), tables), 'UTF8'))""",
    ],
    ids=["its end cut off", "written anew"],
)
async def test_a_chain_that_is_not_the_one_known_outside_is_broken(
    shop, auditor, heads: HeadFile, server: str, forged: str
):
    last = await newest_link(shop)
    heads.keep(server, n=last["n"], digest=last["digest"])
    assert violated(await prove(auditor, LIMITS, heads=heads)) == []
    await shop.execute(FORGE.format(forged + ";"))
    for whole in (False, True):
        report = await prove(auditor, LIMITS, whole=whole, heads=heads)
        assert "the head outside" in [row["what"] for row in finding(report, "I27").rows]


# What the program before this format had sealed of other tables, and its own digest of it.
OLDER_LINK = """
INSERT INTO proof.chain (n, server, since, before, at, tables, format, previous, digest)
SELECT n, server, since, before, at, tables, 1, ''::bytea,
       sha256(convert_to(concat_ws(' ', n, server, since, before, extract(epoch FROM at), tables),
                         'UTF8'))
FROM (SELECT 1::bigint AS n, system_identifier::text AS server, '0'::xid8 AS since,
             pg_snapshot_xmin(pg_current_snapshot()) AS before, now() AS at,
             '{"payments.ledger": [4, "as it was spelled then"]}'::jsonb AS tables
      FROM pg_control_system()) l"""


async def test_a_new_format_seals_everything_again_and_the_older_links_stay_checked(
    shop, heads: HeadFile
):
    await shop.execute(OLDER_LINK)
    while await seal(shop):
        pass
    links = await shop.fetch("SELECT n, format, since::text FROM proof.chain ORDER BY n")
    assert [tuple(link) for link in links[:2]] == [(1, 1, "0"), (2, FORMAT, "0")]
    assert finding(await prove(shop, LIMITS, whole=True, heads=heads), "I27").state == "holds"
    await scrub_all(shop)
    assert (await prove(shop, LIMITS)).reach.before is not None
    await shop.execute("CREATE TEMP TABLE kept AS TABLE proof.chain")
    for forged in ("tables = '{}' WHERE n = 1", "format = 1 WHERE n = 2", "format = 2 WHERE n = 1"):
        await shop.execute(FORGE.format(f"UPDATE proof.chain SET {forged};"))
        found = finding(await prove(shop, LIMITS, whole=True, heads=heads), "I27")
        assert found.state == "violated", forged
        await shop.execute(FORGE.format("DELETE FROM proof.chain;"
                                        "INSERT INTO proof.chain TABLE kept;"))  # fmt: skip


def test_another_spelling_of_what_is_sealed_is_another_format():
    spelled = hashlib.sha256(digests("since", "before").encode()).hexdigest()[:16]
    # Whoever changes it raises FORMAT, or every link that there is reads as broken.
    assert (FORMAT, spelled) == (5, "148acff68477eb7b")


async def test_what_somebody_else_proves_meanwhile_is_built_on(
    shop, auditor, heads: HeadFile, monkeypatch
):
    await insert_confirmed_orders(shop, 1)
    await prove(auditor, LIMITS, heads=heads)
    before, read = heads.read(), heads.read
    await insert_confirmed_orders(shop, 1)
    await prove(auditor, LIMITS, heads=heads)
    readings = iter([before, before])
    monkeypatch.setattr(heads, "read", lambda: next(readings, None) or read())
    assert (await prove(auditor, LIMITS, heads=heads)).reach.why == ""


async def test_a_proof_that_is_stopped_while_it_saves_keeps_both_copies_the_same(
    shop, auditor, heads: HeadFile, monkeypatch
):
    saving, save = asyncio.Event(), evaluate.save

    async def saved_and_not_heard_of(*values: Any) -> str:
        not_kept = await save(*values)
        saving.set()
        await asyncio.sleep(0.1)
        return not_kept

    await insert_confirmed_orders(shop, 1)
    await prove(auditor, LIMITS, heads=heads)
    with monkeypatch.context() as patched:
        patched.setattr(evaluate, "save", saved_and_not_heard_of)
        await insert_confirmed_orders(shop, 1)
        stopped = asyncio.create_task(prove(auditor, LIMITS, heads=heads))
        await saving.wait()
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
    assert (await prove(auditor, LIMITS, heads=heads)).reach.why == ""


async def test_a_checkpoint_that_is_not_the_one_known_outside_is_not_used(
    shop, auditor, heads: HeadFile
):
    await insert_confirmed_orders(shop, 1)
    assert (await prove(auditor, LIMITS, heads=heads)).state == "settling"
    await shop.execute(SECOND_CAPTURE)
    await push_ahead(shop)
    report = await prove(auditor, LIMITS, heads=heads)
    why = "the earlier proof differs from its copy outside the database, as after a kill"
    assert (report.reach.why, finding(report, "I3").state) == (why, "violated")


async def test_triggers_that_were_off_for_a_moment_are_noticed_at_once(shop, auditor):
    await shop.execute(
        "ALTER TABLE payments.ledger DISABLE TRIGGER USER;"
        "UPDATE payments.ledger SET account = 'merchant'"
        f" WHERE payment_id = '{payment_of(CONFIRMED)}';"
        "ALTER TABLE payments.ledger ENABLE TRIGGER USER;"
        "ALTER TABLE payments.ledger ENABLE ALWAYS TRIGGER mark_change,"
        " ENABLE ALWAYS TRIGGER note_truncation"
    )
    report = await prove(auditor, LIMITS)
    assert report.reach.before is None
    assert {"I22", "I27"} <= set(violated(report))


async def test_what_another_process_seals_while_a_proof_begins_breaks_nothing(
    shop, auditor, heads: HeadFile, server: str, monkeypatch
):
    async def meanwhile(*arguments):
        found = await find_quiescence(*arguments)
        monkeypatch.undo()
        await insert_confirmed_orders(shop, 1)
        await seal_all(shop)
        last = await newest_link(shop)
        heads.keep(server, n=last["n"], digest=last["digest"])
        await prove(shop, LIMITS, heads=heads)
        return found

    monkeypatch.setattr("proof.evaluate.find_quiescence", meanwhile)
    assert violated(await prove(auditor, LIMITS, whole=True, heads=heads)) == []


@pytest.mark.parametrize("known", ["in the checkpoint", "outside alone"])
async def test_an_order_that_was_proven_and_is_erased_everywhere_is_missed(
    shop, auditor, heads: HeadFile, known: str
):
    await insert_confirmed_orders(shop, 1)
    assert violated(await prove(auditor, LIMITS, heads=heads)) == []
    newest = "SELECT id FROM orders.orders ORDER BY created_at DESC, id LIMIT 1"
    await erase(shop, await shop.fetchval(newest))
    if known == "outside alone":
        await shop.execute("DELETE FROM proof.checkpoint")
    report = await prove(auditor, LIMITS, heads=heads)
    assert violated(report) == ["I26"]
    assert finding(report, "I26").rows[0]["was"] == "1"


async def test_notes_of_what_was_removed_cannot_be_removed(shop):
    await shop.execute("SET session_replication_role = replica")
    await shop.execute(f"DELETE FROM orders.history WHERE order_id = '{CONFIRMED}'")
    for statement in ("DELETE FROM proof.removals", "TRUNCATE proof.removals"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await shop.execute(statement)


async def test_a_round_of_reading_ends_and_finds_nothing_in_a_whole_shop(shop, auditor):
    await insert_confirmed_orders(shop, 3)
    await scrub_all(auditor)
    assert (await prove(auditor, LIMITS)).reach.before is not None


async def test_only_its_owner_reads_the_head(heads: HeadFile, tmp_path: Path):
    heads.keep("a server", n=1, digest="d")
    assert (tmp_path / "chain.head").stat().st_mode & 0o777 == 0o600


async def _sealed_and_kept(shop: asyncpg.Connection, heads: HeadFile, server: str) -> None:
    for _ in range(2):
        await insert_confirmed_orders(shop, 1)
        await seal_all(shop)
    last = await newest_link(shop)
    heads.keep(server, n=last["n"], digest=last["digest"])


@pytest.mark.parametrize("lost", ["missing", "damaged"])
async def test_a_head_that_is_lost_is_reported_and_not_made_anew_in_silence(
    shop, heads: HeadFile, server: str, tmp_path: Path, lost: str
):
    await _sealed_and_kept(shop, heads, server)
    file = tmp_path / "chain.head"
    file.unlink() if lost == "missing" else file.write_text("garbage")
    for _ in range(2):
        found = finding(await prove(shop, LIMITS, whole=True, heads=heads), "I27")
        assert (found.state, found.reason) == ("unknown", f"the head outside is {lost}: {file}")
        heads.keep(server, create=False, n=9, digest="nine")
    assert not file.exists() or file.read_text() == "garbage"


async def test_a_head_is_adopted_where_it_was_lost(
    shop, heads: HeadFile, server: str, tmp_path: Path, database_url: str
):
    await _sealed_and_kept(shop, heads, server)
    kept, file = heads.read().of(server), tmp_path / "chain.head"
    file.write_text("garbage")
    settings = ProofSettings(service="dashboard", database_url=database_url, proof_head=str(file))
    async with ProofSession(settings) as session:
        await session.adopt_head()
        assert finding(await session.judge(), "I27").state == "holds"
    assert (heads.read().of(server).n, heads.read().of(server).digest) == (kept.n, kept.digest)
    assert (tmp_path / "chain.head.damaged").read_text() == "garbage"


def test_a_server_s_head_is_not_taken_for_another_s(heads: HeadFile):
    heads.keep("one", n=5, digest="five")
    heads.keep("other", n=2, digest="two")
    heads.keep("one", checkpoint="c")
    kept = heads.read()
    assert (kept.of("one").n, kept.of("one").checkpoint, kept.of("other").n) == (5, "c", 2)
    assert kept.of("a third").n == 0


def test_a_head_that_cannot_be_kept_is_warned_of_once(tmp_path: Path, caplog):
    heads = HeadFile(str(tmp_path))
    heads.keep("one", n=1, digest="d")
    heads.keep("one", n=2, digest="e")
    assert caplog.messages == ["the chain's head is kept in the database only: Is a directory"]
    assert heads.read().known == {}
