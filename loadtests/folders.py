"""Where reports are kept: one folder a run, named after when and what."""

import time
from pathlib import Path

from fleet.errors import CannotRun
from fleet.run_dir import find_run_directory

# What the generator leaves there, and what is made of it.
PLAN, MEASURES, RAN, CLIENT_LOG = "plan.json", "measures.json", "ran.json", "client_log.jsonl"
GENERATOR_LOG, JUNIT = "generator.log", "junit.xml"


def new_folder(profile: str, given: Path | None = None) -> Path:
    """A new, empty folder: `given`, or <VALERIX_HOME>/reports/<time>-<profile>."""
    name = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    folder = given or find_run_directory().reports / f"{name}-{profile}"
    number = 1
    while given is None and folder.exists():
        number += 1
        folder = folder.with_name(f"{name}-{profile}-{number}")
    try:
        folder.mkdir(parents=True, exist_ok=given is not None)
        if any(folder.iterdir()):
            raise CannotRun(f"{folder} is not empty: a report needs a folder of its own")
    except OSError as error:
        raise CannotRun(f"{folder} cannot be written ({error.strerror})") from None
    return folder
