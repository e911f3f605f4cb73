"""The clients' log: every reply to every shopper, one line an order, on disk, not in memory."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from proof.clients.intent import Intent

# About half a gigabyte. What comes after it is counted, not written, and the verdict says so.
MOST_INTENTS = 2_000_000
_BATCH = 500


class ClientLogWriter:
    """Writes the log: one process, for the shoppers of all processes."""

    def __init__(self, path: Path, *, most: int = MOST_INTENTS) -> None:
        self._file = path.open("ab")
        self._left = most
        self.beyond = 0

    def __enter__(self) -> "ClientLogWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more will be written."""
        self._file.close()

    def write(self, lines: list[bytes]) -> None:
        """Append these intents, each encoded by `line_of`."""
        kept = lines[: self._left]
        self._left -= len(kept)
        self.beyond += len(lines) - len(kept)
        if kept:
            self._file.write(b"\n".join(kept) + b"\n")
            # A run that is killed still has the replies received before.
            self._file.flush()


def line_of(intent: Intent) -> bytes:
    """One intent as a line of the log."""
    return msgspec.json.encode(intent)


def read(path: Path, size: int = _BATCH) -> Iterator[list[Intent]]:
    """The log in batches of `size`, so that memory does not grow with its length. A last line that
    was cut off by a kill is left out."""
    decoder = msgspec.json.Decoder(Intent)
    batch: list[Intent] = []
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            batch.append(decoder.decode(line))
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch
