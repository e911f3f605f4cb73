"""Serves requests to a running shop: kill or restart one of its processes, run a load profile.

A process that dies by itself still stops the shop; one that is down on request does not."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import msgspec

from fleet import health
from fleet.children import FleetProcess
from fleet.client import (
    LOAD_SUFFIX,
    REQUEST_SUFFIX,
    RESPONSE_SUFFIX,
    RESTARTABLE,
    ControlRequest,
    ControlResponse,
    LoadRequest,
    RequestRefused,
    read,
    write,
)
from fleet.errors import Failed
from fleet.load_run import LoadRun
from fleet.postgres import PostgresServer

# A service ends within its own grace of five seconds; one that does not is killed.
_STOP_S = 8.0
_READY_S = 120.0
_PROBE_EVERY_S = 0.3
# Of more requests than this waiting in the folder, the rest is left for the next tick.
_MOST_PENDING = 16
R = TypeVar("R", LoadRequest, ControlRequest)


class ProcessAudit(Protocol):
    """Where a running shop writes down whom it stops a process for."""

    def begin(self, request: ControlRequest) -> int:
        """Before it is stopped; the line's id. `RequestRefused` where it is not written."""

    def end(
        self, line: int, request: ControlRequest, action: Literal["back", "lost"], detail: str
    ) -> None:
        """What came of it. `RequestRefused` where it is not written."""


class _InProgress(msgspec.Struct):
    """The request that is being served: what it waits for (`phase`), and until when (`due`);
    `line` is its line in the audit log."""

    request: ControlRequest
    number: str
    line: int
    service: FleetProcess | None
    begun: float
    phase: str = "stopping"
    due: float = 0.0
    probed: float = 0.0

    @property
    def name(self) -> str:
        return self.service.name if self.service is not None else "PostgreSQL"


class ControlServer:
    """Looks into the folder, serves one request at a time, responds beside it. `tick` never waits,
    but for the audit log, and for PostgreSQL's own stop and start, which are children of this
    thread."""

    def __init__(
        self,
        folder: Path,
        services: Sequence[FleetProcess],
        server: PostgresServer | None,
        say: Callable[[str], None],
        load: LoadRun,
        audit: ProcessAudit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._server, self._say, self._clock = folder, server, say, clock
        self._load, self._audit = load, audit
        self._services = {service.process.key: service for service in services}
        self._current: _InProgress | None = None

    def open(self) -> None:
        """Begin to take requests; what an earlier shop left is thrown away."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)

    def close(self) -> None:
        """Take no more, and end the load."""
        self._load.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def has_taken_down(self, service: FleetProcess) -> bool:
        """Whether this process is down on request."""
        return (
            self._current is not None
            and self._current.service is service
            and self._current.phase in ("stopping", "away")
        )

    def tick(self) -> None:
        """Go on with the request in progress, or take the next one."""
        if self._current is not None:
            self._go_on(self._current)
        self._load.tick()
        names = self._names()
        for number, load in self._requests(names, LOAD_SUFFIX, LoadRequest):
            why = self._load.take(load)
            self._respond(number, "refused" if why else "taken", why)
        for number, request in self._requests(names, REQUEST_SUFFIX, ControlRequest):
            self._take(request, number)

    def _names(self) -> list[str]:
        """What is in the folder, in the order of the requests; nothing where there is none."""
        try:
            return sorted(each.name for each in self._folder.iterdir())
        except FileNotFoundError:
            return []

    def _requests(
        self, names: Sequence[str], suffix: str, kind: type[R]
    ) -> Iterator[tuple[str, R]]:
        for name in [each for each in names if each.endswith(suffix)][:_MOST_PENDING]:
            request = read(self._folder / name, kind)
            (self._folder / name).unlink(missing_ok=True)
            if request is not None and time.time() <= request.until:
                yield name.removesuffix(suffix), request

    def _take(self, request: ControlRequest, number: str) -> None:
        service = self._services.get(request.process)
        if request.process not in RESTARTABLE:
            known = ", ".join(RESTARTABLE)
            self._respond(number, "refused", f"{request.process} is not one of: {known}")
        elif self._current is not None:
            self._respond(number, "refused", f"{self._current.name} is being restarted already")
        elif service is None and self._server is None:
            self._respond(number, "refused", "PostgreSQL is not ours: VALERIX_DATABASE_URL is set")
        else:
            self._begin(request, number, service)

    def _begin(self, request: ControlRequest, number: str, service: FleetProcess | None) -> None:
        self._respond(number, "taken")
        begun = self._clock()
        try:
            line = self._audit.begin(request)
        except RequestRefused as error:
            self._respond(number, "refused", f"{error}; nothing was stopped")
            return
        self._current = _InProgress(request, number, line, service, begun)
        verb = "killed" if request.verb == "kill" else "restarted"
        self._say(f"{self._current.name} is {verb} for {request.actor}")
        self._stop(self._current)

    def _stop(self, current: _InProgress) -> None:
        if current.service is None:
            if self._server is not None:
                self._server.halt()
        elif (child := current.service.child) is not None and child.poll() is None:
            if current.request.verb == "kill":
                child.kill()
            else:
                child.send(signal.SIGTERM)
        current.due = self._clock() + _STOP_S

    def _go_on(self, current: _InProgress) -> None:
        now = self._clock()
        if current.phase == "stopping":
            self._see_stopped(current, now)
        elif current.phase == "away" and now >= current.due:
            if current.service is not None:
                current.service.start()
            elif self._server is not None:
                self._server.start()
            current.phase, current.due = "starting", now + _READY_S
        elif current.phase == "starting" and now - current.probed >= _PROBE_EVERY_S:
            self._see_ready(current, now)

    def _see_stopped(self, current: _InProgress, now: float) -> None:
        service = current.service
        if service is not None and service.ended() is None:
            if now < current.due or service.child is None:
                return
            service.child.kill()
        current.phase, current.due = "away", now + current.request.away_s
        self._respond(current.number, "down")

    def _see_ready(self, current: _InProgress, now: float) -> None:
        current.probed = now
        obstacle = health.obstacle(current.service.url) if current.service is not None else None
        if obstacle is None:
            self._current = None
            after = f"after {now - current.begun:.1f} s"
            self._end(current, "back", after)
            self._respond(current.number, "back")
            self._say(f"{current.name} is back {after}")
        elif now > current.due:
            self._end(current, "lost", obstacle)
            raise Failed(f"{current.name} did not come back: {obstacle}")

    def _end(self, current: _InProgress, action: Literal["back", "lost"], detail: str) -> None:
        try:
            self._audit.end(current.line, current.request, action, detail)
        except RequestRefused as error:
            self._say(f"what came of {current.name} is not in the audit log: {error}")

    def _respond(self, number: str, state: str, why: str = "") -> None:
        response = ControlResponse(state, why)  # type: ignore[arg-type]
        write(self._folder / f"{number}{RESPONSE_SUFFIX}", response)
