"""Waits for a ring, or for the next poll."""

import asyncio
import contextlib


class Bell:
    """Set by a notification; `wait` returns when it was, or after as long as it is given."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()

    def ring(self) -> None:
        """There may be something to do."""
        self.rung.set()

    async def wait(self, longest_s: float) -> bool:
        """Until it rings or it is time to look anyway; whether it rang."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self.rung.wait()
        rang = self.rung.is_set()
        self.rung.clear()
        return rang
