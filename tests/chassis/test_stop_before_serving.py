"""A process that is asked to stop while it still prepares to serve."""

import subprocess
import sys

from fleet.ports import free_port
from fleet.run_dir import ROOT

# As if it came between the handlers of signals and the event loop.
_STOPPED_EARLY = """
import signal, sys
from chassis.http import server
from fleet.run import run_process

run = server._Server.run

def late(self, sockets=None):
    signal.raise_signal(signal.SIGTERM)
    run(self, sockets)

server._Server.run = late
sys.exit(run_process("inventory"))
"""


def test_a_stop_that_comes_before_it_serves_is_not_lost():
    settings = {"VALERIX_INVENTORY_PORT": str(free_port()), "VALERIX_CONFIG": "/dev/null"}
    ended = subprocess.run(
        [sys.executable, "-c", _STOPPED_EARLY],
        cwd=ROOT,
        env=settings,
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert ended.returncode == 0, ended.stderr
