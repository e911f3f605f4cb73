"""How soon a loop looks into the database again: often while there is work, otherwise rarely.

What a process writes it knows of by itself, so its loops need not ask for it. `RARELY_S` is for
what another replica wrote and did not finish."""

import asyncio
import time

from chassis.database.pool import Database

# Twenty loops of a shop are two statements a second. An order whose replica dies is due after six
# seconds, and is seen four later at most.
RARELY_S = 10.0


class PollPace:
    """Of one loop. It looks every `often_s`, and as soon as that after this process has written."""

    def __init__(self, database: Database, often_s: float, rarely_s: float = RARELY_S) -> None:
        self._database, self._often_s = database, often_s
        self._rarely_s = max(rarely_s, often_s)
        self._seen = -1

    async def wait(self, *, is_quiet: bool = True) -> None:
        """Until the next look. `is_quiet`: the last one found nothing that would change by itself;
        what was written while it looked counts as not seen."""
        end = time.monotonic() + self._rarely_s
        while True:
            await asyncio.sleep(self._often_s)
            writes = self._database.writes
            if not is_quiet or writes != self._seen or time.monotonic() >= end:
                self._seen = writes
                return
