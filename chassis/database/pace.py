"""How soon a loop looks into the database again: often while there is work, otherwise rarely.

What a process writes it knows of by itself, so its loops need not ask for it. A slow look is for
what another replica wrote and did not finish."""

import asyncio
import contextlib

from chassis.database.pool import Database

# Gauges, and connections that listen. Shorter than the ten seconds after which a pool closes a
# connection that nobody used: to open one costs more than to keep it.
RARELY_S = 8.0
# Unfinished rows. Shorter than the leases of orders and of payments from wallets, six seconds: a
# row of a replica that died is known before it is due, and is then looked for often.
UNFINISHED_S = 5.0


class PollPace:
    """Of one loop. It looks every `often_s`, and as soon as that after this process has written."""

    def __init__(self, database: Database, often_s: float, rarely_s: float = RARELY_S) -> None:
        self._often_s, self._rarely_s = often_s, rarely_s
        self._written = database.written()
        # The first look may have come before anything could be heard.
        self._written.set()

    async def wait(self, *, is_quiet: bool = True) -> None:
        """Until the next look. `is_quiet`: the last one found nothing that would change by itself;
        what was written while it looked counts as not seen."""
        if is_quiet:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rarely_s - self._often_s):
                    await self._written.wait()
        # What is written until the look begins is seen by it.
        await asyncio.sleep(self._often_s)
        self._written.clear()
