"""What a running shop can be asked to do to one of its processes: kill it or restart it, once.

A process that dies by itself still stops the shop; one that is away on an errand does not."""

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fleet import health
from fleet.children import FleetProcess
from fleet.client import (
    REQUEST_SUFFIX,
    RESPONSE_SUFFIX,
    ControlRequest,
    ControlResponse,
    read,
    write,
)
from fleet.errors import Failed
from fleet.postgres import PostgresServer

# A service ends within its own grace of five seconds; one that does not is killed.
_STOP_S = 8.0
_READY_S = 120.0
_ASK_EVERY_S = 0.3
# More than this waiting in the folder is nobody's demo.
_MOST = 16


class _Under(msgspec.Struct):
    """The errand that is under way. `phase` says what it waits for next, `due` until when."""

    errand: ControlRequest
    number: str
    service: FleetProcess | None
    begun: float
    phase: str = "stopping"
    due: float = 0.0
    asked: float = 0.0


class ControlServer:
    """Looks into the folder, runs one errand at a time, answers beside it. `tick` never waits, but
    for PostgreSQL's own stop and start, which are children of this thread."""

    def __init__(
        self,
        folder: Path,
        services: Sequence[FleetProcess],
        server: PostgresServer | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._server, self._say, self._clock = folder, server, say, clock
        self._services = {service.process.key: service for service in services}
        self._under: _Under | None = None

    def open(self) -> None:
        """Begin to take errands; what an earlier shop left is thrown away."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)

    def close(self) -> None:
        """Take no more."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def excuses(self, service: FleetProcess) -> bool:
        """Whether this one is away on purpose."""
        return (
            self._under is not None
            and self._under.service is service
            and self._under.phase in ("stopping", "away")
        )

    def tick(self) -> None:
        """Go on with the errand under way, or take the next one."""
        if self._under is not None:
            self._go_on(self._under)
        for asked in sorted(self._folder.glob(f"*{REQUEST_SUFFIX}"))[:_MOST]:
            errand = read(asked, ControlRequest)
            asked.unlink(missing_ok=True)
            number = asked.name.removesuffix(REQUEST_SUFFIX)
            if errand is not None and time.time() <= errand.until:
                self._take(errand, number)

    def _take(self, errand: ControlRequest, number: str) -> None:
        service = self._services.get(errand.process)
        if self._under is not None:
            self._answer(number, "refused", f"{_name(self._under)} is being restarted already")
        elif service is None and self._server is None:
            self._answer(number, "refused", "PostgreSQL is not ours: VALERIX_DATABASE_URL is set")
        else:
            self._under = _Under(errand, number, service, self._clock())
            self._answer(number, "taken")
            verb = "killed" if errand.verb == "kill" else "restarted"
            self._say(f"{_name(self._under)} is {verb} for {errand.actor}")
            self._stop(self._under)

    def _stop(self, under: _Under) -> None:
        if under.service is None:
            if self._server is not None:
                self._server.halt()
        elif (child := under.service.child) is not None and child.poll() is None:
            if under.errand.verb == "kill":
                child.kill()
            else:
                child.send(signal.SIGTERM)
        under.due = self._clock() + _STOP_S

    def _go_on(self, under: _Under) -> None:
        now = self._clock()
        if under.phase == "stopping":
            self._see_stopped(under, now)
        elif under.phase == "away" and now >= under.due:
            if under.service is not None:
                under.service.start()
            elif self._server is not None:
                self._server.start()
            under.phase, under.due = "waking", now + _READY_S
        elif under.phase == "waking" and now - under.asked >= _ASK_EVERY_S:
            self._see_ready(under, now)

    def _see_stopped(self, under: _Under, now: float) -> None:
        service = under.service
        if service is not None and service.ended() is None:
            if now < under.due or service.child is None:
                return
            service.child.kill()
        under.phase, under.due = "away", now + under.errand.away_s
        self._answer(under.number, "down")

    def _see_ready(self, under: _Under, now: float) -> None:
        under.asked = now
        obstacle = health.obstacle(under.service.url) if under.service is not None else None
        if obstacle is None:
            self._under = None
            self._answer(under.number, "back")
            self._say(f"{_name(under)} is back after {now - under.begun:.1f} s")
        elif now > under.due:
            raise Failed(f"{_name(under)} did not come back: {obstacle}")

    def _answer(self, number: str, state: str, why: str = "") -> None:
        write(self._folder / f"{number}{RESPONSE_SUFFIX}", ControlResponse(state, why))  # type: ignore[arg-type]


def _name(under: _Under) -> str:
    return under.service.name if under.service is not None else "PostgreSQL"
