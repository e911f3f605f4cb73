"""Standard input and output as a command finds them: full, closed or gone, never a traceback."""

import errno
import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any, TextIO

import click

from fleet.errors import NobodyReads, OutputLost

_IN, _OUT, _ERROR = 0, 1, 2
_OTHERS_WRITE = 0o022


class CommandLine(click.Group):
    """A command line that its caller's terminal cannot surprise."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; ends the process."""
        guard()
        # Whatever else the caller's umask allows: others do not write into what we make.
        os.umask(os.umask(_OTHERS_WRITE) | _OTHERS_WRITE)
        return super().main(*args, **kwargs)


class _Output(FileIO):
    """A stream whose first failed write raises `OutputLost` if it `matters`; from then on it
    discards, so that nothing fails again while the command ends."""

    def __init__(self, number: int, *, matters: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._matters, self._lost = matters, False

    def write(self, data: Any, /) -> int:
        """As a file does."""
        if not self._lost:
            try:
                return super().write(data)
            except OSError as error:
                self._lost = True
                if self._matters:
                    raise _lost(error) from None
        return len(data)


def guard() -> None:
    """Make the three streams safe to use, whatever the caller did to them."""
    for number in (_IN, _OUT, _ERROR):
        _occupy(number)
    # In a test's own process they are somebody else's.
    if sys.stdin is sys.__stdin__ and sys.stdin is None:
        sys.stdin = open(_IN, closefd=False)  # noqa: SIM115 - it lasts as long as we do
    if sys.stdout is sys.__stdout__:
        sys.stdout = text(_OUT, _encoding(sys.stdout), matters=True)
    if sys.stderr is sys.__stderr__:
        sys.stderr = text(_ERROR, _encoding(sys.stderr), matters=False)


def _occupy(number: int) -> None:
    """Put something behind a closed number: otherwise the next file to be opened would get it."""
    try:
        os.fstat(number)
    except OSError:
        # For reading: it is at its end, and a write to it fails.
        os.dup2(os.open(os.devnull, os.O_RDONLY), number)


def _encoding(before: TextIO | None) -> str:
    return before.encoding if before is not None else "utf-8"


def text(number: int, encoding: str, *, matters: bool) -> TextIO:
    """A stream of text to the descriptor `number`; the first write that fails raises `OutputLost`
    if it `matters`, and what follows is discarded."""
    # A terminal that cannot show a character gets its number: better than no line at all.
    return TextIOWrapper(
        BufferedWriter(_Output(number, matters=matters)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def _lost(error: OSError) -> OutputLost:
    if error.errno == errno.EPIPE:
        return NobodyReads()
    is_closed = error.errno == errno.EBADF
    return OutputLost("it is closed" if is_closed else error.strerror or type(error).__name__)
