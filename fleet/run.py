"""`valerix run SERVICE`: one process, exactly as `valerix up` and a container start it."""

import faulthandler
import gc
import os
import signal
from importlib import import_module
from typing import NamedTuple

from chassis.contracts import checks
from chassis.http.asgi import App
from chassis.http.server import serve
from chassis.settings import BadSetting, Settings
from chassis.telemetry import recording
from fleet.errors import CannotRun
from fleet.settings import load
from topology import Process, find


class Prepared(NamedTuple):
    """A process up to where it begins to have an effect."""

    process: Process
    settings: Settings
    app: App


def run_process(key: str) -> int:
    """Serve until a signal; the exit code. Everything with an effect starts here, not at import."""
    return serve_prepared(prepare(key))


def prepare(key: str) -> Prepared:
    """Read its settings, import it and compose its app. Raises `CannotRun`."""
    # What a process is made of stays to its end: looking for garbage in it took a sixth of the
    # imports, and later its part of every order (docs/benchmark.md, What changes bought).
    gc.disable()
    try:
        settings = load(key)
        process = find(key)
        app = import_module(f"{process.package}.app").create_app(settings)
    except BadSetting as error:
        raise CannotRun(str(error)) from None
    return Prepared(process, settings, app)


def serve_prepared(prepared: Prepared) -> int:
    """Serve it until a signal; the exit code. Raises `CannotRun`."""
    process, settings, app = prepared
    # Whoever is about to kill it asks where each thread is (fleet/children.py); its log says it.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    os.nice(process.nice)
    try:
        recording.start(settings, service=process.name)
        checks.start(settings)
        gc.freeze()
        gc.enable()
        return serve(app, settings)
    except BadSetting as error:
        raise CannotRun(str(error)) from None
    finally:
        recording.stop()
