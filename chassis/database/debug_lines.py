"""Lines at DEBUG about what a transaction did: its bounds, and the statements that had to wait.

Who writes one first asks `is_on`, so they cost one look at the level where nobody reads them."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

logger = logging.getLogger(__name__)

# No statement of the shop takes half as long by itself: it waited for a lock, or for the disk.
WAITED_MS = 100.0
_OUTCOMES: dict[type[BaseException], str] = {
    asyncpg.LockNotAvailableError: "lock-timeout",
    asyncpg.DeadlockDetectedError: "deadlock",
}


def is_on() -> bool:
    """Whether anybody reads these lines."""
    return logger.isEnabledFor(logging.DEBUG)


class TransactionLines:
    """The bounds of one transaction."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        logger.debug("a transaction began", extra={"transaction": "begin"})

    def end(self, how: str, error: BaseException | None = None) -> None:
        """It was committed or rolled back: `how` is "commit" or "rollback"."""
        why = {"error": type(error).__name__} if error is not None else {}
        took = {"transaction": how, "duration_ms": _ms_since(self._began)}
        logger.debug("a transaction ended", extra={**took, **why})


def watched(method: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
    """The method of a connection, with a line where its statement waited for `WAITED_MS`, or in
    vain for a lock."""

    async def run(*arguments: Any) -> Any:
        began, outcome = time.perf_counter(), "done"
        try:
            return await method(*arguments)
        except BaseException as error:
            outcome = _OUTCOMES.get(type(error), type(error).__name__)
            raise
        finally:
            waited_ms = _ms_since(began)
            if waited_ms >= WAITED_MS or outcome in _OUTCOMES.values():
                logger.debug(
                    "a statement waited",
                    extra={"statement": name, "waited_ms": waited_ms, "outcome": outcome},
                )

    return run


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
