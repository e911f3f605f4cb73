"""The guards that the migrations make: `python -m tests.proof.guards` writes proof/guards.json."""

import asyncio
import tempfile
from pathlib import Path

import asyncpg
import msgspec

from fleet import migrate
from fleet.postgres import FAST_SETTINGS, PostgresServer
from proof.guards import FILE, FOUND
from tests.harness.running import Databases


async def render(database_url: str) -> str:
    """The file, from a database that nothing but the migrations has touched."""
    connection = await asyncpg.connect(database_url)
    found = dict(sorted(map(tuple, await connection.fetch(FOUND))))
    await connection.close()
    return msgspec.json.format(msgspec.json.encode(found), indent=1).decode() + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="valerix-render-") as folder:
        home = Path(folder)
        server = PostgresServer(home / "pg", home / "pg.log", settings=FAST_SETTINGS, say=print)
        server.start()
        try:
            databases = Databases(server.url)
            url = databases.create_template()
            migrate.upgrade(url)
            FILE.write_text(asyncio.run(render(url)), encoding="utf-8")
            databases.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
