"""Records on disk, in append-only files of bounded size that outlive the process."""

import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

log = logging.getLogger(__name__)

# Two of eight parts are for what survives, the others for what came last: of these the oldest file
# goes as a whole, so at least five are in use.
_PARTS, _SURVIVING_PARTS = 8, 2
_HEAD = struct.Struct("<II")  # length and CRC-32 of the record that follows


class Segments:
    """One folder of files. Where room is made, records that are `worth` more than 0 stay in the
    oldest file: if there are too many, those worth most, and of these the later ones. A file that
    ends in the middle of a record, as after `kill -9`, is read up to there. When the disk cannot be
    written, one line says so and nothing more is written."""

    def __init__(
        self, folder: Path, *, limit: int, worth: Callable[[bytes], int] = lambda _: 0
    ) -> None:
        self._folder, self._each, self._worth = folder, limit // _PARTS, worth
        self._path: Path | None = None
        self._failed = False

    def read(self) -> Iterator[bytes]:
        """Every record that is whole, oldest first."""
        for path in self._paths():
            try:
                content = path.read_bytes()
            except OSError as error:
                log.warning("kept telemetry cannot be read: %s", error.strerror)
                return
            yield from _records(content)

    def append(self, records: list[bytes]) -> None:
        """Write records; the oldest file makes room. Never raises for the disk."""
        if self._failed or not records:
            return
        content = b"".join(map(_framed, records))
        try:
            with self._newest().open("ab") as file:
                file.write(content)
        except OSError as error:
            self._failed = True
            log.warning("telemetry is kept in memory only: %s", error.strerror)

    def _newest(self) -> Path:
        """The file to write to: never one of an earlier process, whose last record may be torn."""
        if self._path is not None and self._path.stat().st_size < self._each:
            return self._path
        # Spans and lines hold what customers asked for: for the owner alone.
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One from before may be open to others.
        self._folder.chmod(0o700)
        paths = self._paths()
        while len(paths) > _PARTS - _SURVIVING_PARTS:
            self._merge(*paths[:2])
            paths = paths[1:]
        number = int(paths[-1].stem) + 1 if paths else 1
        self._path = self._folder / f"{number:08d}.segment"
        self._path.touch(mode=0o600)
        return self._path

    def _merge(self, first: Path, second: Path) -> None:
        """What survives of the two oldest files, in the place of the second."""
        records = [*_records(first.read_bytes()), *_records(second.read_bytes())]
        ranked = ((self._worth(record), number) for number, record in enumerate(records))
        left = self._each * _SURVIVING_PARTS
        stay: list[int] = []
        for _, number in sorted((each for each in ranked if each[0]), reverse=True):
            left -= _HEAD.size + len(records[number])
            if left < 0:
                break
            stay.append(number)
        merged = second.with_suffix(".merged")
        merged.touch(mode=0o600)
        merged.write_bytes(b"".join(_framed(records[number]) for number in sorted(stay)))
        # In this order `kill -9` leaves a record twice at worst, which is noticed when it is read.
        merged.replace(second)
        first.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.segment") if path.stem.isdecimal())


def _framed(record: bytes) -> bytes:
    return _HEAD.pack(len(record), zlib.crc32(record)) + record


def _records(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        try:
            length, checksum = _HEAD.unpack_from(content, at)
        except struct.error:
            return
        record = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(record) < length or zlib.crc32(record) != checksum:
            return
        yield record
        at += _HEAD.size + length
