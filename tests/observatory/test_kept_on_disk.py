"""Telemetry outlives the dashboard's process: bounded, torn files read, a full disk survived."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from observatory.store.kept_on_disk import KeptOnDisk
from observatory.store.logs import LogQuery
from observatory.store.segments import Segments
from observatory.store.store import TelemetryStore
from observatory.store.trace_search import TraceQuery
from tests.observatory.samples import TRACE, keep, line, span, trace_id


def kept(folder: Path) -> list[bytes]:
    return list(Segments(folder, limit=1000).read())


async def run_with(folder: Path, *records: object) -> TelemetryStore:
    """A dashboard's memory in that folder, from its start to its orderly end."""
    memory = TelemetryStore()
    disk = KeptOnDisk(memory, folder)
    running = asyncio.create_task(disk.run())
    # Begun, and given what was sent while it still read.
    await asyncio.sleep(0)
    keep(memory, *records)
    await asyncio.sleep(0.05)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return memory


async def test_traces_and_lines_are_there_after_a_restart_and_after_the_next(tmp_path: Path):
    await run_with(tmp_path, span(), line("paid", attributes=(("status", "503"),)))
    await run_with(tmp_path, line("later"))
    memory = TelemetryStore()
    await KeptOnDisk(memory, tmp_path).restore()
    view = memory.trace(TRACE)
    assert view is not None
    assert len(view.spans) == 1
    found = memory.tail(LogQuery()).lines
    assert [(each.message, each.attributes) for each in found] == [
        ("paid", (("status", "503"),)),
        ("later", ()),
    ]


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path):
    made, before = tmp_path / "telemetry" / "traces", tmp_path / "before"
    before.mkdir(mode=0o755)
    for folder in (made, before):
        Segments(folder, limit=1000).append([b"whole"])
        (file,) = folder.iterdir()
        assert [path.stat().st_mode & 0o777 for path in (folder, file)] == [0o700, 0o600]
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_a_record_that_was_torn_ends_its_file_and_none_before_or_after_it(tmp_path: Path):
    first = Segments(tmp_path, limit=1000)
    first.append([b"whole", b"torn"])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-2])
    Segments(tmp_path, limit=1000).append([b"after"])
    assert kept(tmp_path) == [b"whole", b"after"]


def test_a_record_that_was_damaged_is_not_read(tmp_path: Path):
    Segments(tmp_path, limit=1000).append([b"whole", b"damaged"])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert kept(tmp_path) == [b"whole"]


async def test_a_slow_trace_outlives_the_ordinary_ones_after_it(tmp_path: Path):
    slow, first = trace_id(), trace_id()
    records = [
        span(first, ms=(0, 5)),
        span(slow, ms=(0, 3_000), attributes=(("tenant", "blue"),)),
        line("slow", trace_id=slow),
    ]
    limit = 40_000
    for _ in range(3):
        memory = TelemetryStore()
        disk = KeptOnDisk(memory, tmp_path, limit=limit)
        await disk.open()
        # As many seconds as it takes to need the room three times over.
        for _ in range(60):
            keep(memory, *records, *(span(trace_id()) for _ in range(10)))
            disk.write()
            records = []
    memory = TelemetryStore()
    await KeptOnDisk(memory, tmp_path, limit=limit).restore()
    found = memory.find(TraceQuery(kind="slowest", attributes=(("tenant", "blue"),)))
    assert [row.trace_id for row in found] == [slow]
    assert [each.message for each in memory.tail(LogQuery(trace_id=slow)).lines] == ["slow"]
    assert memory.trace(first) is None


def test_the_oldest_make_room_within_the_bound(tmp_path: Path):
    segments = Segments(tmp_path, limit=4000)
    for number in range(1000):
        segments.append([b"%08d" % number * 10])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000 + 4 * 88
    numbers = [int(each[:8]) for each in kept(tmp_path)]
    assert numbers == list(range(numbers[0], 1000))


def test_a_disk_that_cannot_be_written_is_reported_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "a file"
    folder.write_text("in the way")
    segments = Segments(folder, limit=1000)
    segments.append([b"x"])
    segments.append([b"y"])
    (warning,) = caplog.records
    assert (warning.levelname, warning.getMessage()) == (
        "WARNING",
        "telemetry is kept in memory only: File exists",
    )
