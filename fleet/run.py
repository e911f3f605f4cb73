"""`valerix run SERVICE`: one process, exactly as `valerix up` and a container start it."""

import faulthandler
import gc
import os
import signal
from importlib import import_module

from chassis.contracts import checks
from chassis.http.server import serve
from chassis.settings import BadSetting
from chassis.telemetry import recording
from fleet.errors import CannotRun
from fleet.settings import load
from topology import find


def run_process(key: str) -> int:
    """Serve until a signal; the exit code. Everything with an effect starts here, not at import."""
    # What a process is made of stays to its end: looking for garbage in it took a sixth of the
    # imports, and later its part of every order (docs/benchmark.md, What changes bought).
    gc.disable()
    # Whoever is about to kill it asks where each thread is (fleet/children.py); its log says it.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    try:
        settings = load(key)
    except BadSetting as error:
        raise CannotRun(str(error)) from None
    process = find(key)
    os.nice(process.nice)
    create_app = import_module(f"{process.package}.app").create_app
    try:
        recording.start(settings, service=process.name)
        checks.start(settings)
        app = create_app(settings)
        gc.freeze()
        gc.enable()
        return serve(app, settings)
    except BadSetting as error:
        raise CannotRun(str(error)) from None
    finally:
        recording.stop()
