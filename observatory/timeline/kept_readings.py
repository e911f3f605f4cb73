"""What the timeline measured, on disk: lights, bites and failures outlive the process."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from observatory.sla import LightState
from observatory.store.segments import Segments

# Thirty incidents are some 4 KB, so this is five hours, and is read again in a tenth of a second.
LIMIT_BYTES = 8 << 20
# How much of an incident `kill -9` may lose where no light changed.
EVERY = timedelta(seconds=10)
Key = tuple[str, str, datetime]


class TimelineReading(Struct, frozen=True, array_like=True):
    """Everything at one moment: the lights, each gremlin's bites and each incident's failures."""

    at: datetime
    lights: dict[str, LightState]
    bites: list[tuple[Key, int]]
    failures: list[tuple[Key, int]]


_decode = msgspec.msgpack.Decoder(TimelineReading).decode
_encode = msgspec.msgpack.Encoder().encode


class KeptReadings:
    """The moments in a folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, *, limit: int = LIMIT_BYTES) -> None:
        self._segments = Segments(folder, limit=limit) if folder is not None else None
        self._last: TimelineReading | None = None

    def read(self) -> list[TimelineReading]:
        """Every moment that was kept, oldest first."""
        found = []
        for record in self._segments.read() if self._segments is not None else ():
            try:
                found.append(_decode(record))
            except msgspec.MsgspecError:
                # Of another version.
                continue
        return found

    def keep(self, reading: TimelineReading) -> None:
        """Write a moment, if a light changed or the last one was written a while ago."""
        last = self._last
        same = last is not None and last.lights == reading.lights and reading.at - last.at < EVERY
        if self._segments is None or same:
            return
        self._last = reading
        self._segments.append([_encode(reading)])
