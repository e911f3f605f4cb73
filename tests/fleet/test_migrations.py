"""The schema goes up, comes down without a trace, and goes up again to the same place."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from fleet import migrate
from fleet.errors import CannotRun, Failed

# Everything a migration can make, by name and definition; the bookkeeping table is Alembic's own.
CATALOGUE = """
SELECT 'schema', nspname::text, '' FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'
UNION ALL SELECT 'column', attrelid::regclass || '.' || attname,
  format_type(atttypid, atttypmod) || ' ' || attnotnull
  || coalesce(' ' || pg_get_expr(adbin, adrelid), '')
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE c.relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped AND {here}
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(k.oid)
  FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid WHERE {here}
UNION ALL SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE {here}
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid)
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal AND {here}
UNION ALL SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
  WHERE nspname !~ '^(pg_|information_schema)'
UNION ALL SELECT 'sequence', c.oid::regclass::text, '' FROM pg_class c
  WHERE relkind = 'S' AND {here}
ORDER BY 1, 2, 3
""".format(here="c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'")
SCHEMAS = {"orders", "inventory", "payments"}


def look(database_url: str) -> list[tuple[str, str, str]]:
    async def ask() -> list[tuple[str, str, str]]:
        connection = await asyncpg.connect(database_url)
        try:
            rows = [tuple(row) for row in await connection.fetch(CATALOGUE)]
        finally:
            await connection.close()
        return [row for row in rows if "alembic_version" not in row[1]]

    return asyncio.run(ask())


def test_up_down_and_up_again_leads_to_the_same_schema(empty_database_url: str):
    nothing = look(empty_database_url)
    assert migrate.upgrade(empty_database_url) == migrate.newest()
    first = look(empty_database_url)
    assert {name for kind, name, _ in first if kind == "schema"} >= SCHEMAS

    assert migrate.downgrade(empty_database_url, everything=True) is None
    assert look(empty_database_url) == nothing

    migrate.upgrade(empty_database_url)
    assert look(empty_database_url) == first


# One that was released does not change any more.
@pytest.mark.parametrize("newest", [4, pytest.param(1000, marks=pytest.mark.long)])
def test_each_migration_alone_comes_down_to_what_was_before_it(
    empty_database_url: str, newest: int
):
    migrate.upgrade(empty_database_url)
    seen = []
    while len(seen) < newest and migrate.current(empty_database_url) is not None:
        seen.append((migrate.current(empty_database_url), look(empty_database_url)))
        migrate.downgrade(empty_database_url)
    # From the bottom up again, by hand, one at a time: the schema at each stop is the one left.
    for revision, schema in reversed(seen):
        migrate._run(empty_database_url, "upgrade", "+1")  # noqa: SLF001 - one step has no verb
        assert (migrate.current(empty_database_url), look(empty_database_url)) == (revision, schema)


def test_a_second_upgrade_has_nothing_to_do(database_url: str):
    assert migrate.upgrade(database_url) is None


def test_whoever_waits_for_the_schema_goes_on_when_it_is_there(empty_database_url: str):
    with pytest.raises(Failed, match="at none"):
        migrate.wait(empty_database_url, 0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(migrate.wait, empty_database_url, 60)
        migrate.upgrade(empty_database_url)
        assert waiting.result() == migrate.newest()
    migrate.force(empty_database_url, "0003")
    with pytest.raises(Failed, match="at 0003"):
        migrate.wait(empty_database_url, 0)


def test_two_migrations_at_once_are_harmless(empty_database_url: str):
    with ThreadPoolExecutor(2) as threads:
        moved = list(threads.map(migrate.upgrade, [empty_database_url] * 2))
    assert migrate.newest() in moved
    assert migrate.current(empty_database_url) == migrate.newest()


def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database_url: str):
    migrate.upgrade(empty_database_url)
    before = look(empty_database_url)
    migrate.force(empty_database_url, "0003")
    with pytest.raises(Failed, match="rolled back"):
        migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) == "0003"
    assert look(empty_database_url) == before


def test_a_version_this_checkout_does_not_know_is_one_clear_line(database_url: str):
    with pytest.raises(CannotRun, match="migrations end at"):
        migrate.force(database_url, "9999")


def test_a_database_that_does_not_answer_is_one_line_without_the_password():
    with pytest.raises(CannotRun) as refused:
        migrate.current("postgresql://someone:secret@127.0.0.1:1/valerix")
    assert "127.0.0.1:1/valerix" in refused.value.message
    assert "secret" not in refused.value.message
    assert "\n" not in refused.value.message


def test_every_sql_file_has_its_other_half_and_its_version_file():
    sql = {path.name for path in (migrate.MIGRATIONS / "sql").iterdir()}
    versions = {path.stem for path in (migrate.MIGRATIONS / "versions").glob("[0-9]*.py")}
    wanted = {f"{name}.{way}.sql" for name in versions for way in ("up", "down")}
    assert sql == wanted, "each NNNN_name needs sql/*.up.sql, sql/*.down.sql and versions/*.py"
