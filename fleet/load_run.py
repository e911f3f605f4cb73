"""The load profile that a running shop runs on request: one at a time; it ends with the shop."""

import importlib
import os
import signal
import time
from collections.abc import Callable
from importlib.util import find_spec

from msgspec.structs import replace

from fleet.children import Supervised, python_command, python_environment
from fleet.client import LOAD_STATE, LoadRequest, LoadState, write
from fleet.run_dir import RunDirectory
from observatory.load_runs import DOCUMENT
from scenarios.load_profiles import PROFILES, RATES, SCALES


class LoadRun:
    """Starts and stops it as `make load` would; `tick` notices its end and never waits."""

    def __init__(self, home: RunDirectory, say: Callable[[str], None]) -> None:
        self._home, self._say = home, say
        self._child: Supervised | None = None
        self._state: LoadState | None = None

    def take(self, request: LoadRequest) -> str:
        """Do what is asked; why it is not done, or an empty text."""
        return self._start(request) if request.verb == "start" else self._stop()

    def _start(self, request: LoadRequest) -> str:
        if self._child is not None and self._state is not None:
            return f"{self._state.profile} is running already: one at a time"
        if why := _mistake(request):
            return why
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{request.profile}"
        folder, number = self._home.reports / name, 1
        while folder.exists():
            number += 1
            folder = folder.with_name(f"{name}-{number}")
        options = ["--profile", request.profile, "--scale", f"{request.scale:g}"]
        options += ["--rate", f"{request.rate:g}"] if request.rate else []
        command = python_command("loadtests", "run", *options, "--report", str(folder))
        environ = python_environment({**os.environ, "VALERIX_HOME": str(self._home.path)})
        child = Supervised("load", command, self._home.log("load"), environ)
        try:
            child.start()
        except OSError as error:
            return f"the load could not be started: {error.strerror}"
        self._child = child
        self._note(
            LoadState(
                request.profile, request.scale, request.rate, request.actor, time.time(),
                str(folder),
            )
        )  # fmt: skip
        self._say(f"load profile {request.profile} is started for {request.actor}")
        return ""

    def _stop(self) -> str:
        if self._child is None or self._child.child is None or self._state is None:
            return "no load profile is running"
        # Once is gently: it is judged by what it has measured. Twice is at once.
        self._child.child.send(signal.SIGTERM)
        self._note(replace(self._state, state="stopping"))
        return ""

    def tick(self) -> None:
        """Note its end."""
        if self._child is None or self._state is None or (code := self._child.ended()) is None:
            return
        reported = (self._home.reports / self._state.folder / DOCUMENT).exists()
        why = "" if reported else self._child.log_tail().splitlines()[-1].strip()
        self._note(replace(self._state, state="ended", exit_code=code, why=why[:300]))
        self._say(f"load profile {self._state.profile} is over (exit code {code})")
        self._child = None

    def kill(self) -> None:
        """End it at once, and what it started with it."""
        if self._child is not None and self._child.child is not None:
            self._child.child.kill()
            self._child = None

    def _note(self, state: LoadState) -> None:
        self._state = state
        write(self._home.control / LOAD_STATE, state)


def _mistake(request: LoadRequest) -> str:
    if request.profile not in PROFILES:
        return f"no profile is called {request.profile!r}; there are: {', '.join(PROFILES)}"
    if not SCALES[0] <= request.scale <= SCALES[1]:
        return f"the scale must be a number from {SCALES[0]:g} to {SCALES[1]:g}"
    if request.rate and not RATES[0] <= request.rate <= RATES[1]:
        return f"the rate must be a number from {RATES[0]:g} to {RATES[1]:g} a second"
    importlib.invalidate_caches()
    if find_spec("locust") is None:
        return (
            "the load generator is not installed: run `make load-tools` in another terminal, then "
            "start the profile again; the shop needs no restart"
        )
    return ""
