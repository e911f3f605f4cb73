"""A bounded queue and the thread that empties it: a dead collector costs drops, never an order."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

# 4096 spans are about 2 MB; past that the oldest go, so that the newest fault stays visible.
_CAPACITY = 4096
_BATCH = 512
_EVERY_S = 1.0
STOP_S = 3.0

logger = logging.getLogger(__name__)


class NotDelivered(Exception):
    """A batch, or `count` items of it, that the other side did not take; the message is why."""

    def __init__(self, reason: str, count: int | None = None) -> None:
        super().__init__(reason)
        self.count = count


class NotAccepted(NotDelivered):
    """Nobody listens there, or there is no room now: nothing of the batch was taken, and it may be
    sent again."""


class Sender(Protocol[T_contra]):
    """Carries one batch to wherever it goes."""

    def send(self, batch: Sequence[T_contra], /) -> None:
        """Deliver the batch, or raise."""

    def close(self) -> None:
        """Give up what is under way, from any thread."""


class SendingThread(threading.Thread):
    """The thread of a queue: what it logs itself is not sent, or every failure would make more."""


class BatchQueue(Generic[T]):
    """Takes one kind of signal. `dropped` counts what was not delivered."""

    def __init__(self, kind: str, sender: Sender[T]) -> None:
        """`kind` ("spans") is what messages call the items."""
        self._kind, self._sender = kind, sender
        self._items: deque[T] = deque()
        self._waiting, self._stopping = threading.Event(), threading.Event()
        self._failing = False
        self.dropped = 0
        self.thread = SendingThread(target=self._run, name=f"send-{kind}", daemon=True)

    def start(self) -> None:
        """Begin sending."""
        self.thread.start()

    def add(self, item: T) -> None:
        """Queue an item; the oldest makes room. Never blocks, never raises."""
        if len(self._items) >= _CAPACITY:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        if not self._waiting.is_set():
            self._waiting.set()

    def ask_to_stop(self) -> None:
        """Send what is queued and end; returns at once."""
        self._stopping.set()
        self._waiting.set()

    def wait_until_stopped(self, timeout_s: float) -> None:
        """Wait at most `timeout_s`; what is not delivered by then is given up."""
        self.thread.join(timeout_s)
        self._sender.close()

    def _run(self) -> None:
        # From the first item on, what comes within a second goes together.
        while self._waiting.wait() and not self._stopping.wait(_EVERY_S):
            self._waiting.clear()
            self._drain()
        self._drain()
        self.dropped += len(self._items)

    def _drain(self) -> None:
        while batch := self._take():
            try:
                self._sender.send(batch)
            except NotAccepted as error:
                # A receiver that starts with us, or anew, or is full, gets what happened before.
                self._put_back(batch)
                self._report("wait to be sent again", error)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread must go on
                count = error.count if isinstance(error, NotDelivered) else None
                self.dropped += len(batch) if count is None else count
                self._report("are being dropped", error)
            else:
                self._failing = False

    def _report(self, what: str, error: Exception) -> None:
        if not self._failing:
            # Once per outage: a line per batch would be a second fault.
            logger.warning("%s %s: %s", self._kind, what, error)
        self._failing = True

    def _put_back(self, batch: list[T]) -> None:
        room = max(0, _CAPACITY - len(self._items))
        kept = batch[-room:] if room else []
        self.dropped += len(batch) - len(kept)
        self._items.extendleft(reversed(kept))
        self._waiting.set()

    def _take(self) -> list[T]:
        batch: list[T] = []
        while self._items and len(batch) < _BATCH:
            batch.append(self._items.popleft())
        return batch


def stop_all(queues: Sequence[BatchQueue[Any]]) -> None:
    """Stop them together: all have `STOP_S` between them."""
    for queue in queues:
        queue.ask_to_stop()
    end = time.monotonic() + STOP_S
    for queue in queues:
        queue.wait_until_stopped(max(0.0, end - time.monotonic()))
