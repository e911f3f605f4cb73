"""A disk that fills up is said once, and so is room that comes back."""

from pathlib import Path

import pytest

from fleet.disk import DiskWatch

MIB = 1 << 20


def test_it_speaks_when_the_disk_fills_and_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lines: list[str] = []
    watch = DiskWatch(tmp_path, lines.append)
    for free in (900, 63, 1, 40, 64, 900):
        usage = (10**12, 10**12 - free * MIB, free * MIB)
        monkeypatch.setattr("shutil.disk_usage", lambda _, usage=usage: _Usage(*usage))
        watch.check()
    assert [line.split(" ")[0] for line in lines] == ["63", "64"]
    assert "refused" in lines[0]


def test_a_folder_that_is_gone_says_nothing(tmp_path: Path):
    lines: list[str] = []
    DiskWatch(tmp_path / "gone", lines.append).check()
    assert lines == []


class _Usage:
    """As shutil gives it."""

    def __init__(self, total: int, used: int, free: int) -> None:
        self.total, self.used, self.free = total, used, free
