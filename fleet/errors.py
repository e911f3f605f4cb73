"""What stops a command: each is one line that says what to do, and an exit code for scripts."""

import contextlib
from typing import IO, Any

import click


class CannotRun(click.ClickException):
    """The command could not do its work: a port taken, no database, a wrong setting."""

    exit_code = 2


class OutputLost(CannotRun, OSError):
    """What the command prints could not be written, so its answer did not arrive."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the output cannot be written: {reason}")


class NobodyReads(OutputLost):
    """Whoever read the output has closed it, as `head` does once it has enough: the code says so,
    and as in other tools no line does."""

    def __init__(self) -> None:
        super().__init__("nobody reads it")

    def show(self, file: IO[Any] | None = None) -> None:
        """Say nothing."""


class Stopped(click.ClickException):
    """Somebody asked for the end before there was anything to run. Nothing went wrong."""

    exit_code = 0

    def __init__(self) -> None:
        super().__init__("stopped")

    def show(self, file: IO[Any] | None = None) -> None:
        """Say so where everything else was said."""
        with contextlib.suppress(OSError):
            click.echo(self.message)


class Failed(click.ClickException):
    """The command ran and the answer is no: a child died, a service did not answer."""

    exit_code = 1
