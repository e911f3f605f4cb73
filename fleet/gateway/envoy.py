"""Envoy as the agent's child: found, started, started again, asked, and ended."""

import asyncio
import contextlib
import logging
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import aiohttp

from fleet.child_guard import Child
from fleet.children import describe_exit
from fleet.gateway.access_log import AccessLog, reader_of
from fleet.gateway.configuration import written
from fleet.gateway.program import find_envoy, missing
from fleet.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)

# Envoy's own lines, beside those of requests: objects too. %j is the message, escaped.
_LOG_FORMAT = '{"level":"%l","message":"%j"}'
_ASK_S = 2.0
_LOOK_EVERY_S = 0.1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
# One that lived for so long died of something new.
_LIVED_S = 10.0
# What is being answered is waited for, and connections that stay open are not.
_DRAIN_S = 2.0
_STOP_S = 2.0
# Whether the system says when a child ends.
_NOTICES = hasattr(os, "pidfd_open")


class Envoy:
    """One Envoy after the other. The socket that it is asked at, its configuration and nothing else
    are in a folder that only this user sees."""

    def __init__(
        self, settings: GatewaySettings, log: AccessLog, started: Callable[[], None]
    ) -> None:
        """`started` is called with each start."""
        self._settings, self._log, self._started = settings, log, started
        self._program = find_envoy(settings.envoy)
        self._child: Child | None = None
        self._session: aiohttp.ClientSession | None = None
        self._socket = ""
        self._stopping = asyncio.Event()
        # Those who have changed it must change the next one too.
        self.starts = 0

    async def run(self) -> None:
        """Keep one running, for ever; where none is installed, say so and wait."""
        if self._program is None:
            logger.warning("the gateway lets nobody in", extra={"why": missing()})
            await self._stopping.wait()
            return
        with tempfile.TemporaryDirectory(prefix="valerix-gateway-") as folder:
            self._socket = str(Path(folder) / "admin")
            path = Path(folder) / "envoy.yaml"
            path.touch(mode=0o600)
            path.write_text(written(self._settings, self._socket), encoding="utf-8")
            out, into = os.pipe()
            lines, pipe = await reader_of(out)
            reading = asyncio.create_task(self._log.follow(lines))
            try:
                await self._keep_running(self._program, path, into)
            finally:
                self._end()
                reading.cancel()
                pipe.close()
                os.close(into)

    async def _keep_running(self, program: str, path: Path, into: int) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            begun = time.monotonic()
            code = await _end_of(self._start(program, path, into))
            if self._stopping.is_set():
                return
            pause_s = _FIRST_PAUSE_S if time.monotonic() - begun > _LIVED_S else pause_s
            logger.error(
                "envoy died and is started again",
                extra={"why": describe_exit(code), "pause_s": pause_s},
            )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _start(self, program: str, path: Path, into: int) -> Child:
        Path(self._socket).unlink(missing_ok=True)
        self._child = Child(
            [program, *_arguments(path, self._settings.envoy_threads)],
            log=Path(f"/dev/fd/{into}"),
            if_orphaned=signal.SIGKILL,
        )
        self.starts += 1
        self._started()
        return self._child

    @property
    def pid(self) -> int | None:
        """Of the Envoy that runs now."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def is_installed(self) -> bool:
        """Whether there is any."""
        return self._program is not None

    async def probe(self) -> str:
        """A probe of health: whether it takes requests."""
        if not self.is_installed:
            return "not installed"
        text = await self.ask("GET", "/ready")
        return "reachable" if text.strip() == "LIVE" else text.strip().lower()

    async def change(self, values: Mapping[str, str]) -> None:
        """Put these into its runtime. Raises `OSError` or `aiohttp.ClientError`."""
        await self.ask("POST", "/runtime_modify", params=values)

    async def ask(self, method: str, path: str, params: Mapping[str, str] | None = None) -> str:
        """Something of its administration. Raises `OSError` or `aiohttp.ClientError`."""
        if not self._socket:
            raise OSError("envoy does not run")
        if self._session is None:
            connector = aiohttp.UnixConnector(self._socket)
            timeout = aiohttp.ClientTimeout(total=_ASK_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        async with self._session.request(method, f"http://envoy{path}", params=params) as response:
            text = await response.text()
            # Also 503: /ready says so what it waits for.
            if response.status not in (200, 503):
                raise OSError(f"envoy answers {response.status}: {text.strip()}")
            return text

    async def stop(self) -> None:
        """Take no more, finish what is being answered, end."""
        self._stopping.set()
        if self.pid is not None:
            with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
                await self.ask("POST", "/drain_listeners?inboundonly")
                async with asyncio.timeout(_DRAIN_S):
                    await self._idle()
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._end()

    async def _idle(self) -> None:
        while True:
            stats = await self.ask("GET", "/stats?filter=downstream_rq_active")
            if not any(line.split()[-1] != "0" for line in stats.splitlines() if "http." in line):
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _end(self) -> None:
        if self._child is not None:
            if self._child.poll() is None:
                self._child.send(signal.SIGTERM)
                self._child.wait(_STOP_S)
            self._child.kill()


def _arguments(path: Path, threads: int) -> Iterator[str]:
    yield "--disable-hot-restart"
    named = {
        "config-path": str(path),
        "concurrency": str(threads),
        "log-level": "warning",
        "log-format": _LOG_FORMAT,
        # Lines of requests come soon, not after ten seconds; a thread for each log looks so often.
        "file-flush-interval-msec": "500",
    }
    for name, value in named.items():
        yield from (f"--{name}", value)


async def _end_of(child: Child) -> int:
    ended = asyncio.Event()
    with _noticed(child.pid, ended.set):
        while (code := child.poll()) is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if _NOTICES else _LOOK_EVERY_S):
                    await ended.wait()
    return code


@contextlib.contextmanager
def _noticed(pid: int, ended: Callable[[], None]) -> Iterator[None]:
    """Call `ended` when the child ends (Linux, pidfd_open(2)); elsewhere it is looked for."""
    if not _NOTICES:
        yield
        return
    number, loop = os.pidfd_open(pid), asyncio.get_running_loop()
    loop.add_reader(number, ended)
    try:
        yield
    finally:
        loop.remove_reader(number)
        os.close(number)
