"""Asks a running `valerix up` to kill or restart one of its processes, or to run a load profile.

A request is a file in the folder that `valerix up` looks into; the response is a file beside it.
Whoever may write there is the shop's own user: no port, no token.
fleet/control_server.py serves the requests."""

import asyncio
import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from topology import NAMES

T = TypeVar("T")
Verb = Literal["kill", "restart"]
POSTGRES = "postgres"
# What can be asked for. The dashboard cannot: it is where most requests come from.
RESTARTABLE = (*NAMES, POSTGRES)
# After this a request is void: what was asked for one act must not happen in the next.
TAKEN_WITHIN_S = 5.0
# Stopping PostgreSQL in order may take fifteen seconds, twice.
DOWN_WITHIN_S = 40.0
BACK_WITHIN_S = 150.0
_POLL_S = 0.05
REQUEST_SUFFIX, RESPONSE_SUFFIX = ".asked.json", ".answer.json"
LOAD_SUFFIX, LOAD_STATE = ".load.json", "load.state.json"


class ControlRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One request; `until` is seconds since the epoch, after which it is void."""

    verb: Verb
    process: str
    away_s: float
    actor: str
    until: float


class ControlResponse(Struct, frozen=True):
    """How far the request is; `why` says what went wrong."""

    state: Literal["taken", "down", "back", "refused"]
    why: str = ""


class LoadRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Start a profile, or stop the one that runs. `scale` stretches its time, `rate` 0 is a closed
    loop, else visits a second; `until` as above."""

    verb: Literal["start", "stop"]
    actor: str
    until: float
    profile: str = ""
    scale: float = 1.0
    rate: float = 0.0


class LoadState(Struct, frozen=True):
    """The profile that runs, or the last one that ran since the shop was opened. Moments are epoch
    seconds; `folder` is that of its report; `why` says why it left none."""

    profile: str
    scale: float
    rate: float
    actor: str
    began_s: float
    folder: str
    state: Literal["running", "stopping", "ended"] = "running"
    exit_code: int | None = None
    why: str = ""


class RequestRefused(Exception):
    """The request was not carried out, and why."""


class ControlClient:
    """Sends requests to a `valerix up` on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def is_open(self) -> bool:
        """Whether a `valerix up` looks into the folder."""
        return self._folder.is_dir()

    async def take_down(self, verb: Verb, process: str, away_s: float, actor: str) -> str:
        """Send a request; its number once the process is down. Raises `RequestRefused`."""
        number = secrets.token_hex(8)
        request = ControlRequest(verb, process, away_s, actor, time.time() + TAKEN_WITHIN_S)
        path = self._folder / f"{number}{REQUEST_SUFFIX}"
        try:
            write(path, request)
        except OSError as error:
            raise RequestRefused(f"the shop cannot be asked: {error.strerror}") from None
        try:
            await self._reach(number, ("taken", "down", "back"), TAKEN_WITHIN_S)
            await self._reach(number, ("down", "back"), DOWN_WITHIN_S)
        finally:
            path.unlink(missing_ok=True)
        return number

    async def wait_until_back(self, number: str) -> None:
        """Return once the process of this request works again; raises `RequestRefused`."""
        await self._reach(number, ("back",), BACK_WITHIN_S)

    async def ask_load(self, request: LoadRequest) -> None:
        """Return once the shop has taken the request; raises `RequestRefused`."""
        number = secrets.token_hex(8)
        path = self._folder / f"{number}{LOAD_SUFFIX}"
        try:
            write(path, request)
        except OSError as error:
            raise RequestRefused(f"the shop cannot be asked: {error.strerror}") from None
        try:
            await self._reach(number, ("taken",), TAKEN_WITHIN_S)
        finally:
            path.unlink(missing_ok=True)

    def load_state(self) -> LoadState | None:
        """The profile that runs, or the last one; None while there was none."""
        return read(self._folder / LOAD_STATE, LoadState)

    async def _reach(self, number: str, states: tuple[str, ...], within_s: float) -> None:
        end = time.monotonic() + within_s
        while True:
            response = read(self._folder / f"{number}{RESPONSE_SUFFIX}", ControlResponse)
            if response is not None and response.state == "refused":
                raise RequestRefused(response.why)
            if response is not None and response.state in states:
                return
            if time.monotonic() > end:
                raise RequestRefused(f"the shop did not do it within {within_s:.0f} s")
            await asyncio.sleep(_POLL_S)


def write(path: Path, what: Struct) -> None:
    """Write a file aside and rename it, so that a reader never sees half of one."""
    aside = path.with_suffix(f".{os.getpid()}.new")
    aside.write_bytes(msgspec.json.encode(what))
    aside.replace(path)


def read(path: Path, shape: type[T]) -> T | None:
    """The content of a file, or None while there is none."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=shape)
    return None
