"""The ordinary user PostgreSQL runs as when we are root, because it refuses to be root itself."""

import fcntl
import grp
import os
import pwd
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.errors import CannotRun

NAME = "pgserver"  # the name the PostgreSQL wheel itself uses, so both agree on one user
_SEARCH = stat.S_IXOTH
_READ_AND_SEARCH = stat.S_IROTH | stat.S_IXOTH


def choose(say: Callable[[str], None]) -> str | None:
    """Whom to run PostgreSQL as: nobody else (None) for an ordinary user, `pgserver` for root."""
    if os.geteuid() != 0:
        return None
    if not _exists():
        with _alone():
            if not _exists():
                say(f"PostgreSQL refuses to run as root: creating the system user {NAME} for it")
                _create()
    return NAME


def _exists() -> bool:
    """With its group, which `useradd` writes last."""
    try:
        pwd.getpwnam(NAME)
        grp.getgrnam(NAME)
    except KeyError:
        return False
    return True


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: `useradd` looks for the name before it takes its own lock, so two at
    once give one name two numbers in turn, and the first number then belongs to no user."""
    folder = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _create() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false"]
    try:
        done = subprocess.run([*command, NAME], capture_output=True, text=True, check=False)
        problem = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        raise CannotRun(
            f"PostgreSQL refuses to run as root and the user {NAME} could not be created "
            f"({problem}): run this as an ordinary user, or set VALERIX_DATABASE_URL"
        )


def give(folder: Path, user: str | None) -> None:
    """Make the user the owner of `folder`."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def open_way(target: Path, user: str | None, say: Callable[[str], None]) -> None:
    """Let `user` reach `target`: search permission, nothing more, on each folder above it that
    denies it (a checkout under /root, say). Each one opened is reported."""
    if user is None:
        return
    for folder in reversed(target.resolve().parents):
        mode = folder.stat().st_mode
        if mode & _SEARCH or folder.stat().st_uid == pwd.getpwnam(user).pw_uid:
            continue
        try:
            folder.chmod(stat.S_IMODE(mode) | _SEARCH)
        except OSError as error:
            raise CannotRun(
                f"the user {user} cannot reach {target} through {folder} ({error.strerror}): "
                "move the checkout, or run this as an ordinary user"
            ) from None
        say(f"opened {folder} for passing through (chmod o+x), so that {user} reaches PostgreSQL")


def open_tree(tree: Path, user: str | None) -> None:
    """Let `user` read and run what is in `tree`: an umask of 077 at installation denies it."""
    if user is None or (tree / "bin" / "postgres").stat().st_mode & _READ_AND_SEARCH == (
        _READ_AND_SEARCH
    ):
        return
    for path in (tree, *tree.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        # Whoever may run it, all may run it: the owner's x is the guide for files.
        path.chmod(mode | stat.S_IROTH | (_SEARCH if mode & stat.S_IXUSR else 0))
