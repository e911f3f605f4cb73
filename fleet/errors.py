"""What stops a command: each is one line that says what to do, and an exit code for scripts."""

import click


class CannotRun(click.ClickException):
    """The command could not do its work: a port taken, no database, a wrong setting."""

    exit_code = 2


class Failed(click.ClickException):
    """The command ran and the answer is no: a child died, a service did not answer."""

    exit_code = 1
