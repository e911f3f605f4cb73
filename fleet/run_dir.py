"""Where a running shop keeps its data, its logs and the file that says it is running."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import psutil

from fleet.errors import CannotRun

ROOT = Path(__file__).resolve().parent.parent
_OWN_HOME = ROOT / ".valerix"
# PostgreSQL's user must be able to pass through a folder of root's (system_user.py), and sees
# nothing on the way.
_PRIVATE, _SEARCHABLE = 0o700, 0o711


class Running(msgspec.Struct, frozen=True):
    """The content of run.json while `valerix up` runs, so that other terminals find it."""

    pid: int
    started: float
    database_url: str
    urls: dict[str, str]


class Holder(msgspec.Struct, frozen=True):
    """The content of the lock while somebody has it; `is_shop` where that is a `valerix up`."""

    pid: int
    started: float
    is_shop: bool


class InUse(CannotRun):
    """Somebody else holds the folder; `holder` where the lock says who."""

    def __init__(self, home: Path, holder: Holder | None) -> None:
        super().__init__(
            f"the shop in {home} is in use by another valerix (pid {holder.pid if holder else '?'})"
            ": wait if it is just starting, stop it, or give this one its own folder (VALERIX_HOME)"
        )
        self.holder = holder


class RunDirectory(msgspec.Struct, frozen=True):
    """The folder of one shop; VALERIX_HOME, or .valerix in the checkout."""

    path: Path

    @property
    def data(self) -> Path:
        return self.path / "postgres"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def telemetry(self) -> Path:
        """What the dashboard keeps of the traces, logs and lights it saw: bounded."""
        return self.path / "telemetry"

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def control(self) -> Path:
        """Where requests to restart a process are put: see client.py."""
        return self.path / "control"

    @property
    def reports(self) -> Path:
        """Where load runs leave their reports, one folder a run."""
        return self.path / "reports"

    @property
    def chain_head(self) -> Path:
        """Where the proof keeps the head of its chain, outside the database."""
        return self.path / "chain.head"

    def log(self, key: str) -> Path:
        return self.logs / f"{key}.log"

    def prepare(self) -> None:
        """Make the folders; one clear line when that is not possible."""
        try:
            self._make_home()
            self.logs.mkdir(mode=_PRIVATE, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def _make_home(self) -> None:
        mode = _SEARCHABLE if os.geteuid() == 0 else _PRIVATE
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=mode)
        if self.path == _OWN_HOME:  # another one that was there before is left as it is
            self.path.chmod(mode)

    def running(self) -> Running | None:
        """The shop that runs from this folder, or None. A kill -9 leaves the file behind, so the
        process it names must exist and have started at the time it says."""
        try:
            running = msgspec.json.decode(self.run_file.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None
        return running if _lives(running) else None

    def announce(self, database_url: str, urls: dict[str, str]) -> None:
        started = psutil.Process().create_time()
        running = Running(os.getpid(), started, database_url, urls)
        # Written aside and renamed, so that a reader never sees half a file; and for its owner
        # only, since a database's address may hold a password.
        aside = self.run_file.with_suffix(".new")
        try:
            aside.unlink(missing_ok=True)
            aside.touch(mode=0o600, exist_ok=False)
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(running)))
            aside.replace(self.run_file)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> CannotRun:
        return CannotRun(
            f"{self.path} cannot be written ({error.strerror}): "
            "make room, or set VALERIX_HOME to a folder that can"
        )

    def forget(self) -> None:
        """Throw away everything but the logs: the next start is a first one."""
        for folder in (self.data, self.telemetry):
            shutil.rmtree(folder, ignore_errors=True)
        self.chain_head.unlink(missing_ok=True)

    def retract(self) -> None:
        self.run_file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, *, by_shop: bool = False) -> Iterator[None]:
        """Hold the folder: two servers on one data directory would destroy the data; `InUse` where
        somebody does. The kernel releases the lock when the holder dies, however it dies."""
        self.prepare()
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise InUse(self.path, _holder(file.read())) from None
            file.truncate(0)
            own = Holder(os.getpid(), psutil.Process().create_time(), by_shop)
            file.write(msgspec.json.encode(own).decode())
            file.flush()
            yield


def _holder(content: str) -> Holder | None:
    """Who wrote the lock, if it lives: whoever takes it has it before they have written it."""
    try:
        holder = msgspec.json.decode(content, type=Holder)
    except msgspec.DecodeError:
        return None
    return holder if _lives(holder) else None


def _lives(found: Running | Holder) -> bool:
    """Whether the process still runs; another may have its pid by now."""
    try:
        started: float = psutil.Process(found.pid).create_time()
    except psutil.Error:
        return False
    return abs(started - found.started) < 1


def find_run_directory(environ: Mapping[str, str] = os.environ) -> RunDirectory:
    """The folder this command works in."""
    return RunDirectory(Path(environ.get("VALERIX_HOME") or _OWN_HOME).absolute())
