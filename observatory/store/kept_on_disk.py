"""Spans and lines on disk: written a second later, and read again when the dashboard starts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from observatory.store.model import StoredLine, StoredSpan, pack
from observatory.store.segments import Segments
from observatory.store.store import TelemetryStore

# As much as is added to the store again in some two seconds, beside the pages that are asked for:
# ten minutes of five orders a second.
LIMIT_BYTES = 64 << 20
# What `kill -9` may lose, as long as the services wait before they send.
_WRITE_EVERY_S = 1.0
# One takes some 20 microseconds: after this many, pages get their turn.
_AT_A_TIME = 50


class _Record(Struct, frozen=True, array_like=True):
    span: StoredSpan | None = None
    line: StoredLine | None = None


class _SpanId(Struct, frozen=True, array_like=True):
    trace_id: str


class _LineId(Struct, frozen=True, array_like=True):
    at_ns: int
    severity: int
    level: str
    service: str
    message: str
    trace_id: str


class _RecordId(Struct, frozen=True, array_like=True):
    """As much of a record as says which trace it is of; the rest is skipped."""

    span: _SpanId | None = None
    line: _LineId | None = None


_decode_id = msgspec.msgpack.Decoder(_RecordId).decode
_decode = msgspec.msgpack.Decoder(_Record).decode


class KeptOnDisk:
    """Keeps what a store is given in a folder, within `limit` bytes."""

    def __init__(self, store: TelemetryStore, folder: Path, *, limit: int = LIMIT_BYTES) -> None:
        self._store = store
        self._segments = Segments(folder, limit=limit, worth=self._worth)
        self._due: list[bytes] = []
        # What is read is kept already.
        self._is_reading = False

    async def run(self) -> None:
        """Read what was kept, then write what comes, until cancelled."""
        try:
            await self.open()
            while True:
                await asyncio.sleep(_WRITE_EVERY_S)
                await asyncio.to_thread(self.write)
        finally:
            self.write()

    async def open(self) -> None:
        """From now on whatever the store is given is written; first it is given what was kept."""
        self._store.keep = self._keep
        await self.restore()

    def write(self) -> None:
        """Write what has come since the last time."""
        due, self._due = self._due, []
        self._segments.append(due)

    async def restore(self) -> None:
        """Give the store what was kept, oldest first; a record of another version is left out."""
        records = await asyncio.to_thread(lambda: list(self._segments.read()))
        for number, record in enumerate(_read(records), 1):
            self._is_reading = True
            if record.span is not None:
                self._store.keep_span(record.span, pack(record.span))
            if record.line is not None:
                self._store.keep_line(record.line, pack(record.line.attributes))
            self._is_reading = False
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _worth(self, record: bytes) -> int:
        """What makes room for newer ones last in memory does so on disk. Runs in a thread, and only
        looks one trace up."""
        try:
            found = _decode_id(record)
        except msgspec.MsgspecError:
            return 0
        part = found.span or found.line
        return self._store.traces.worth(part.trace_id) if part is not None else 0

    def _keep(self, item: StoredSpan | StoredLine) -> None:
        if self._is_reading:
            return
        record = _Record(span=item) if isinstance(item, StoredSpan) else _Record(line=item)
        self._due.append(pack(record))


def _read(records: list[bytes]) -> Iterator[_Record]:
    for each in records:
        try:
            yield _decode(each)
        except msgspec.MsgspecError:
            continue
