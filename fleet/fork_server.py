"""The fork server: a process that has imported what all of the shop need, and forks each of them.

An interpreter that reads a thousand modules takes a second of a processor and sixty megabytes, and
each process would do it again. A fork begins where the reading has ended, and shares that memory
until it writes to it. So nothing may run here that a fork leaves behind: no thread, no event loop,
no socket, and no library that starts one (gRPC is imported by whoever serves it).
"""

import contextlib
import gc
import locale
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from fleet import child_guard, streams
from fleet.child_guard import AnyChild
from fleet.process_title import show_as
from fleet.run_dir import ROOT
from fleet.settings import load
from topology import PROCESSES

# What a process imports only once it runs, or a library does in its stead.
_LATER = ("fleet.run", "uvloop", "uvicorn.lifespan.on", "jsonschema_rs", "gateways.stripe_api")
# The first request waits for the imports, on a machine that is busy with other work.
_FORK_LIMIT_S = 60.0
_STOP_S = 2.0
_CONTEXT: Any = multiprocessing.get_context("fork" if child_guard.CAN_ADOPT else "spawn")


class _Request(msgspec.Struct, frozen=True):
    """Run `argv`, a command of `fleet.children.python_command`, with its output in `log`."""

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
        requests, self._requests = _CONTEXT.Pipe(duplex=False)
        self._replies, replies = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_serve, args=(requests, replies, log, os.getpid()))
        self._process.start()
        requests.close()
        replies.close()

    def fork(
        self,
        argv: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        if_orphaned: signal.Signals,
    ) -> Fork | None:
        """A process that runs this command, our child; None when the server is dead or silent, and
        the command has to be started in the usual way."""
        request = _Request(tuple(argv), log, environ, if_orphaned)
        with contextlib.suppress(OSError, EOFError), child_guard.adopting():
            self._requests.send(request)
            if self._replies.poll(_FORK_LIMIT_S):
                return Fork(self._replies.recv())
        self._requests.close()
        return None

    def close(self) -> None:
        """End it; those it has forked go on."""
        self._requests.close()
        self._process.join(_STOP_S)
        self._process.kill()
        self._process.join()
        self._replies.close()


@contextlib.contextmanager
def forking(log: Path) -> Iterator[ForkServer | None]:
    """A fork server for the duration; None where a fork is not safe or not the same as a start:
    beyond Linux, where libraries of the system do not survive it, and where text is not UTF-8,
    which an interpreter settles when it starts."""
    if not child_guard.CAN_ADOPT or locale.getpreferredencoding(False).lower() != "utf-8":
        yield None
        return
    server = ForkServer(log)
    try:
        yield server
    finally:
        server.close()


def _serve(requests: Connection, replies: Connection, log: Path, parent: int) -> None:
    """The whole life of the server."""
    gc.disable()
    _separate(log, signal.SIGKILL, parent, keep=(requests, replies))
    show_as([sys.executable, "-m", "fleet.fork_server"])
    _only_own_modules()
    for module in (*_LATER, *(f"{process.package}.app" for process in PROCESSES)):
        # Whoever needs it imports it again, and its own log says why that fails.
        with contextlib.suppress(Exception):
            import_module(module)
    with contextlib.suppress(Exception):
        _build_one()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("an import has started a thread: it would be missing after a fork")
    # So that no collection writes to what is shared.
    gc.freeze()
    while (request := _next(requests)) is not None:
        _fork(request, requests, replies, parent)


def _build_one() -> None:
    """Build the app of one process and throw it away: what Litestar imports only then is the same
    for all, Pydantic among it where that is installed."""
    process = PROCESSES[0]
    import_module(f"{process.package}.app").create_app(load(process.key))


def _next(requests: Connection) -> _Request | None:
    try:
        request: _Request = requests.recv()
    except EOFError:
        return None
    return request


def _fork(request: _Request, requests: Connection, replies: Connection, parent: int) -> None:
    """Fork twice: the process in the middle ends at once, and what it has forked becomes a child of
    our own parent, which waits for it, and whose death ends it."""
    held, release = os.pipe()
    middle = os.fork()
    if middle == 0:
        requests.close()
        work = (request, replies, parent, held, release)
        _CONTEXT.Process(target=_run, args=work).start()
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(held)
    os.close(release)


def _run(request: _Request, replies: Connection, parent: int, held: int, release: int) -> None:
    """The whole life of one process."""
    os.close(release)
    os.read(held, 1)  # nothing comes: it ends once the process in the middle has
    _separate(request.log, request.if_orphaned, parent, keep=(replies,))
    os.environ.clear()
    os.environ.update(request.environ)
    show_as(request.argv)
    replies.send(os.getpid())
    replies.close()
    module, *arguments = request.argv[3:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _separate(
    log: Path, if_orphaned: signal.Signals, parent: int, keep: Sequence[Connection]
) -> None:
    """Leave behind what the parent has open and handles, as the start of a program does."""
    os.setpgid(0, 0)
    if tie := child_guard.when_parent_dies(if_orphaned, parent):
        tie()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        for number, file in enumerate((nothing, output, output)):
            os.dup2(file.fileno(), number)
    kept = {0, 1, 2, *(each.fileno() for each in keep)}
    for number in {int(path.name) for path in Path("/proc/self/fd").iterdir()} - kept:
        with contextlib.suppress(OSError):  # that of the list itself
            os.close(number)
    sys.stdout = streams.text(1, "utf-8", matters=True)
    sys.stderr = streams.text(2, "utf-8", matters=False)


def _only_own_modules() -> None:
    """Import from this checkout and what is installed, as `python -P` does with a PYTHONPATH that
    names this checkout."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    foreign = {Path(each).resolve() for each in ("", *given)}
    sys.path[:] = [str(ROOT), *(each for each in sys.path if Path(each).resolve() not in foreign)]
