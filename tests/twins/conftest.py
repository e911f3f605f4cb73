"""A folder for small shops with a PostgreSQL of their own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """PostgreSQL's user passes through it, and pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="valerix-twin-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"
