"""The embedded PostgreSQL: our own child, on a Unix socket, gone when we are.

PostgreSQL's usual port 5432 is left alone: a laptop may well have a server there already.
"""

import contextlib
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psutil

from chassis.settings import Settings
from fleet import data_directory, system_user
from fleet.child_guard import Child
from fleet.errors import CannotRun
from topology import PROCESSES

# sun_path is 104 bytes on macOS and 108 on Linux, with the closing zero.
_SOCKET_PATH_LIMIT = 103
_SOCKET_NAME = ".s.PGSQL.5432"
# What the URL leaves open is taken from PGPORT and its like, which are for another server.
_NOT_ENVIRON = (
    "port=5432&sslmode=disable&sslnegotiation=postgres&gsslib=gssapi&target_session_attrs=any"
)
_START_LIMIT_S = 120  # long, because recovery after a crash replays what was not yet on disk
_STOP_LIMIT_S = 15
_POLL_S = 0.02
# A full pool in every process, and as many again as two of them for the command line, acts, the
# waits for notifications and whoever looks in with psql.
_CONNECTIONS = (len(PROCESSES) + 2) * Settings(service="").pool_size

SETTINGS = {
    "listen_addresses": "",  # the socket only: nothing on the network, no port to collide with
    "unix_socket_permissions": "0700",
    "max_connections": str(_CONNECTIONS),
    "shared_buffers": "64MB",  # the whole shop fits; more would only be missing elsewhere
    "max_wal_size": "256MB",
    "io_method": "sync",  # no disk-bound reads here, so no worker processes for them
    "jit": "off",  # statements of a millisecond never earn a compilation
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_statement": "none",  # statements carry what customers typed
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
# Where data is thrown away. Commits still reach the operating system, so a killed server loses
# nothing.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer:
    """One PostgreSQL on one data directory. The caller keeps others away from the directory."""

    def __init__(
        self,
        data: Path,
        log: Path,
        *,
        say: Callable[[str], None],
        settings: Mapping[str, str] = MappingProxyType({}),
        go_on: Callable[[], None] = lambda: None,
    ) -> None:
        """`settings` take the place of those in `SETTINGS`; `go_on` is called again and again
        during a start, which may take long, and raises where it is no longer wanted."""
        self.data, self.log, self._say, self._go_on = data, log, say, go_on
        self._settings = {**SETTINGS, **settings}
        self._socket: Path | None = None
        self._log_begins = 0
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return self.url_of(data_directory.OWNER)

    def url_of(self, database: str) -> str:
        """The connection URL of one of its databases; only while it runs."""
        if self._socket is None:
            raise CannotRun("PostgreSQL is not running")
        folder = quote(str(self._socket))
        return f"postgresql://{data_directory.OWNER}@/{database}?host={folder}&{_NOT_ENVIRON}"

    def start(self) -> None:
        """Start it and return once it takes connections; raises `CannotRun` with the reason."""
        installation = data_directory.find_installation()
        user = system_user.choose(self._say)
        system_user.open_way(installation, user, self._say)
        system_user.open_way(self.data, user, self._say)
        system_user.open_tree(installation, user)
        data_directory.ensure(self.data, installation, user, self.log, self._say, self._go_on)
        self.wait_for_last()
        # After `halt` the same folder again: clients that were connected know no other.
        self._socket = _socket_folder(self.data.parent, self._socket)
        system_user.open_way(self._socket, user, self._say)
        system_user.give(self._socket, user)
        settings = self._settings | {"unix_socket_directories": str(self._socket)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0
        self.child = Child(
            [str(installation / "bin" / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            if_orphaned=signal.SIGINT,  # a fast, clean shutdown
            environ=data_directory.ENVIRONMENT,
            user=user,
            cwd=Path("/"),
        )
        self._wait_until_ready(self.child)

    def halt(self) -> None:
        """Shut down in order; one that does not is killed, and recovers at its next start. Its
        address stays, for whoever waits for it to come back."""
        if self.child is not None:
            for number in (signal.SIGINT, signal.SIGQUIT):
                if self.child.poll() is None:
                    self.child.send(number)
                    self.child.wait(_STOP_LIMIT_S)
            self.child.kill()
            self.child = None

    def stop(self) -> None:
        """Halt, and leave nothing behind but the data."""
        self.halt()
        if self._socket is not None and self._socket.parent != self.data.parent:
            shutil.rmtree(self._socket, ignore_errors=True)
        self._socket = None

    def _wait_until_ready(self, child: Child) -> None:
        begun = reported = time.monotonic()
        while _status(self.data, child.pid) != "ready":
            self._go_on()
            now = time.monotonic()
            if child.poll() is not None or now - begun > _START_LIMIT_S:
                self.stop()
                why = data_directory.last_error(self.log, self._log_begins)
                raise CannotRun(f"PostgreSQL did not start: {why}")
            if now - reported > 2:
                self._say(f"PostgreSQL is starting ({now - begun:.0f} s)")
                reported = now
            time.sleep(_POLL_S)

    def wait_for_last(self) -> None:
        """Deal with what a kill -9 left: a server that is still stopping, or its pid file.

        PostgreSQL removes the file of a dead pid itself. It refuses when the pid belongs to another
        program, or to a zombie that nobody reaps (a container without an init).
        """
        pid_file = self.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            last = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            if not _serves(last, self.data):
                self._say(
                    f"removing a stale {pid_file.name}: its pid {last.pid} is not a PostgreSQL now"
                )
                pid_file.unlink()
                return
            self._say(f"waiting for the last PostgreSQL to stop (pid {last.pid})")
            last.send_signal(signal.SIGINT)
            with contextlib.suppress(psutil.TimeoutExpired):
                last.wait(_STOP_LIMIT_S)


def _serves(process: psutil.Process, data: Path) -> bool:
    """Whether this is a live PostgreSQL on `data`."""
    try:
        return str(data) in process.cmdline()
    except (psutil.ZombieProcess, psutil.AccessDenied):
        return False


def _status(data: Path, pid: int) -> str:
    """What `postmaster.pid` says about the server with this pid; its eighth line is the status."""
    with contextlib.suppress(OSError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        if len(lines) >= 8 and lines[0] == str(pid):
            return lines[7].strip()
    return "starting"


def _socket_folder(beside: Path, known: Path | None) -> Path:
    """An empty folder whose socket path the kernel and a URL can hold: beside the data if short.

    Empty, because a killed server leaves a lock file beside its socket.
    """
    if known is not None:
        shutil.rmtree(known, ignore_errors=True)
        known.mkdir(mode=0o700)
        return known
    folder = beside / "socket"
    fits = len(str(folder / _SOCKET_NAME).encode()) <= _SOCKET_PATH_LIMIT
    if fits and re.fullmatch(r"[\w./~+@-]+", str(folder), re.ASCII):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder
    return Path(tempfile.mkdtemp(prefix="valerix-"))


@contextlib.contextmanager
def serving(server: PostgresServer) -> Iterator[str]:
    """The URL of `server` while the block runs."""
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
