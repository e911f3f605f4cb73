"""Children that cannot outlive their parent, not even when it is killed with -9."""

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Loaded before any fork: looking a library up between fork and exec may deadlock.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
# Whether an orphan among our descendants can be made a child of ours.
CAN_ADOPT = _LIBC is not None
_POLL_S = 0.02
# To prctl(2) the thread that starts a child is its parent, so that one lives as long as we do.
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="children")


class AnyChild(ABC):
    """A child process of ours with its own process group, so that the terminal's Ctrl-C reaches
    only us and we decide who stops first."""

    pid: int

    @abstractmethod
    def poll(self) -> int | None:
        """Its exit code once it has ended, minus the signal's number when a signal ended it."""

    def send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_S)
        return True

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait(math.inf)


class Child(AnyChild):
    """One that runs a program of its own."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        if_orphaned: signal.Signals,
        environ: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
    ) -> None:
        """Start `argv` with its output in `log`; `if_orphaned` is sent when we are gone."""
        with log.open("ab") as output:
            self._process = _STARTER.submit(
                subprocess.Popen,
                argv,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=cwd,
                process_group=0,
                preexec_fn=when_parent_dies(if_orphaned, os.getpid()),
                user=user,
                group=user,
                extra_groups=[] if user else None,
            ).result()
        self.pid = self._process.pid
        self._watch = None if _LIBC else _watch(self.pid, if_orphaned)

    def poll(self) -> int | None:
        """As promised; the watch ends with it."""
        code = self._process.poll()
        if code is not None and self._watch is not None:
            self._watch.communicate(b"done\n")
            self._watch = None
        return code


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """While the block runs, a descendant whose parent ends becomes our child (Linux, prctl(2))."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 0)


def when_parent_dies(number: signal.Signals, parent: int) -> Callable[[], None] | None:
    """What a child runs first so that the kernel signals it when its parent (a pid) is gone.

    Linux only (prctl(2)). A change of user clears it; `subprocess` changes users before this runs.
    """
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def ask_for_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died between fork and prctl: no signal would come
            os._exit(1)

    return ask_for_signal


def _watch(pid: int, number: signal.Signals) -> subprocess.Popen[bytes]:
    """The same where there is no prctl: a shell waits on a pipe that only we hold open. End of file
    there means that we have died; a line means that the child has ended, and so does the shell."""
    script = f"read line || kill -{int(number)} {pid}"
    # Its own session: the terminal's Ctrl-C must not end the watch before the child.
    return subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True
    )
