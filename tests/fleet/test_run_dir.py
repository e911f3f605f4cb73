"""What the shop writes down of a run is its owner's alone, whatever the umask is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.run_dir import RunDirectory

URL = "postgresql://valerix:a-password@db.example/valerix"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """An umask that hides nothing."""
    earlier = os.umask(0)
    yield
    os.umask(earlier)


def mode_of(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
def test_the_run_file_and_its_folder_are_the_owner_s_alone(tmp_path: Path):
    home = RunDirectory(tmp_path / "folder" / "home")
    with home.locked():
        # Also where an interrupted start left a file that others may read.
        home.run_file.with_suffix(".new").touch(mode=0o666)
        home.announce(URL, {})
        assert home.running().database_url == URL
        assert mode_of(home.run_file) == 0o600
        assert mode_of(home.logs) == 0o700
        # The database's own user must pass through a folder of root's; it can list nothing.
        assert mode_of(home.path) == (0o711 if os.geteuid() == 0 else 0o700)


@pytest.mark.usefixtures("open_umask")
def test_a_folder_that_was_there_before_keeps_its_permissions(tmp_path: Path):
    home = RunDirectory(tmp_path / "given")
    home.path.mkdir(mode=0o755)
    home.prepare()
    assert mode_of(home.path) == 0o755
