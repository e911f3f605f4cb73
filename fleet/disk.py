"""Says once when the disk that holds the shop's database is nearly full."""

import shutil
from collections.abc import Callable
from pathlib import Path

# PostgreSQL writes ahead in files of 16 MiB: four of them, and it stops accepting orders.
_LEAST_BYTES = 64 << 20


class DiskWatch:
    """`check` is asked now and then; it speaks when the disk fills up, and again when there is
    room."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._is_full = False

    def check(self) -> None:
        """Look at the disk; one that cannot be read says nothing."""
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return
        if (is_full := free < _LEAST_BYTES) == self._is_full:
            return
        self._is_full = is_full
        left = f"{free >> 20} MiB left on the disk of {self._folder}"
        if is_full:
            self._say(f"{left}: orders are refused (503) until there is room again")
        else:
            self._say(f"{left}: there is room again")
