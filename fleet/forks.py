"""Processes forked by the fork server, and our end of it."""

import contextlib
import locale
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from fleet import child_guard
from fleet.child_guard import AnyChild

# The first request waits for the imports, on a machine that is busy with other work.
_FORK_LIMIT_S = 60.0
_STOP_S = 2.0
CONTEXT: Any = multiprocessing.get_context("fork" if child_guard.CAN_ADOPT else "spawn")


class ForkRequest(msgspec.Struct, frozen=True):
    """Be the process `key`, shown as the command `argv`, with the output in `log`."""

    key: str
    argv: tuple[str, ...]
    log: Path
    environ: Mapping[str, str]
    if_orphaned: signal.Signals


class Fork(AnyChild):
    """A process that was forked and handed over to us."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """As promised: nobody else waits for it."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class ForkServer:
    """Our end of it. It is itself a fork of us, made while we have neither thread nor socket, so
    that what we have imported is shared too."""

    def __init__(self, log: Path) -> None:
        """`log` takes what it has to say, which is why it died."""
        requests, self._requests = CONTEXT.Pipe(duplex=False)
        self._replies, replies = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_serve, args=(requests, replies, log, os.getpid()))
        self._process.start()
        self._was_asked = False
        requests.close()
        replies.close()

    def fork(
        self,
        key: str,
        argv: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        if_orphaned: signal.Signals,
    ) -> Fork | None:
        """The process `key`, our child, shown as the command `argv` that would start it; None when
        the server is dead or silent, and that command has to be used."""
        log.touch()  # one that cannot be written fails here, as for a start by command
        request = ForkRequest(key, tuple(argv), log, environ, if_orphaned)
        with contextlib.suppress(OSError, EOFError), child_guard.adopting():
            self._was_asked = True
            self._requests.send(request)
            if self._replies.poll(_FORK_LIMIT_S):
                return Fork(self._replies.recv())
        self.close()
        return None

    def close(self) -> None:
        """End it, also again; those it has forked go on."""
        self._requests.close()
        # One that was never asked may still import, and would not see that nobody will ask.
        if self._was_asked:
            self._process.join(_STOP_S)
        self._process.kill()
        self._process.join()
        self._replies.close()


@contextlib.contextmanager
def forking(log: Path) -> Iterator[ForkServer | None]:
    """A fork server for the duration; None where a fork is not safe or not the same as a start."""
    if not _is_safe():
        yield None
        return
    server = ForkServer(log)
    try:
        yield server
    finally:
        server.close()


def _is_safe() -> bool:
    """Not beyond Linux, for libraries that do not survive a fork (macOS); not beside other threads,
    for a lock that one may hold; not without UTF-8, which an interpreter settles at its start."""
    is_utf8 = locale.getpreferredencoding(False).lower() == "utf-8"
    return child_guard.CAN_ADOPT and threading.active_count() == 1 and is_utf8


def _serve(requests: Connection, replies: Connection, log: Path, parent: int) -> None:
    # Here, because the supervisor has no use for what this imports.
    from fleet.fork_server import serve

    serve(requests, replies, log, parent)
