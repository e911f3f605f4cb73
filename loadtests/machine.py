"""What kind of machine a run was made on: enough to compare with, nothing that names anybody."""

import platform
from pathlib import Path

import msgspec
import psutil

from chassis import VERSION
from loadtests.plan import Ran


class MachineDescription(msgspec.Struct, frozen=True):
    """Kind, size and versions; no host name, no user, no path."""

    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    locust: str
    valerix: str
    postgres: str


def describe_machine(ran: Ran, postgres: str) -> MachineDescription:
    """The machine the generator runs on, and the versions of what was at work."""
    return MachineDescription(
        _processor(),
        psutil.cpu_count() or 1,
        round(psutil.virtual_memory().total / 2**30),
        f"{platform.system()} {platform.release()} {platform.machine()}",
        platform.python_version(),
        ran.locust,
        VERSION,
        postgres.split(" ")[0] or "not asked",
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
