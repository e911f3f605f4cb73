"""What stops a command: each is one line that says what to do, and an exit code for scripts."""

import click


class CannotRun(click.ClickException):
    """The command could not do its work: a port taken, no database, a wrong setting."""

    exit_code = 2


class OutputLost(CannotRun, OSError):
    """What the command prints could not be written, so its answer did not arrive."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the output cannot be written: {reason}")


class Failed(click.ClickException):
    """The command ran and the answer is no: a child died, a service did not answer."""

    exit_code = 1
