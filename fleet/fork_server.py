"""The fork server: a process that has imported what all of the shop need, and forks each of them.

An interpreter that reads a thousand modules takes a second of a processor and sixty megabytes, and
each process would do it again. A fork begins where the reading has ended, and shares that memory
until it writes to it. So nothing may run here that a fork leaves behind: no thread, no event loop,
no socket, and no library that starts one (gRPC is imported by whoever serves it).
"""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from fleet import child_guard, streams
from fleet.errors import CannotRun
from fleet.forks import CONTEXT, ForkRequest
from fleet.process_title import show_as
from fleet.run import Prepared, prepare, serve_prepared
from fleet.run_dir import ROOT
from topology import PROCESSES

# What a process imports only once it runs, or a library does in its stead.
_LATER = ("uvloop", "uvicorn.lifespan.on", "jsonschema_rs", "gateways.stripe_api")


def serve(requests: Connection, replies: Connection, log: Path, parent: int) -> None:
    """The whole life of the server."""
    gc.disable()
    _separate(log, signal.SIGKILL, parent, keep=(requests, replies))
    _set_environment(dict(os.environ))
    show_as([sys.executable, "-m", "fleet.fork_server"])
    _only_own_modules()
    for module in (*_LATER, *(f"{process.package}.app" for process in PROCESSES)):
        # Whoever needs it imports it again, and its own log says why that fails.
        with contextlib.suppress(Exception):
            import_module(module)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("an import has started a thread: it would be missing after a fork")
    begun: set[str] = set()
    while (request := _next(requests)) is not None:
        _set_environment(request.environ)
        prepared = None
        if request.key not in begun:
            begun.add(request.key)
            # Here, so that what it takes is shared too. One that fails says so in its own log; one
            # that is started again reads its settings and composes its app itself, as ever.
            with contextlib.suppress(Exception):
                prepared = prepare(request.key)
        # So that no collection writes to what is shared.
        gc.freeze()
        _fork(request, prepared, requests, replies, parent)


def _set_environment(environ: Mapping[str, str]) -> None:
    """For Python and for libraries; nothing then points to where the kernel has put it."""
    os.environ.clear()
    os.environ.update(environ)


def _next(requests: Connection) -> ForkRequest | None:
    try:
        request: ForkRequest = requests.recv()
    except EOFError:
        return None
    return request


def _fork(
    request: ForkRequest,
    prepared: Prepared | None,
    requests: Connection,
    replies: Connection,
    parent: int,
) -> None:
    """Fork twice: the process in the middle ends at once, and what it has forked becomes a child of
    our own parent, which waits for it, and whose death ends it."""
    held, release = os.pipe()
    middle = os.fork()
    if middle == 0:
        requests.close()
        work = (request, prepared, replies, parent, held, release)
        CONTEXT.Process(target=_run, args=work).start()
        os._exit(0)
    os.waitpid(middle, 0)
    os.close(held)
    os.close(release)


def _run(
    request: ForkRequest,
    prepared: Prepared | None,
    replies: Connection,
    parent: int,
    held: int,
    release: int,
) -> None:
    """The whole life of one process."""
    os.close(release)
    os.read(held, 1)  # nothing comes: it ends once the process in the middle has
    _separate(request.log, request.if_orphaned, parent, keep=(replies,))
    show_as(request.argv)
    replies.send(os.getpid())
    replies.close()
    try:
        sys.exit(serve_prepared(prepared or prepare(request.key)))
    except CannotRun as error:
        error.show()
        sys.exit(error.exit_code)


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
