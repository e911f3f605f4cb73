"""Supervised processes: what their logs keep, and what one leaves that had to be killed."""

import os
import signal
import sys
from pathlib import Path

from fleet import children
from fleet.children import Supervised

# As a process of the shop: fleet/run.py registers the same.
_STUBBORN = """
import faulthandler, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
faulthandler.register(signal.SIGUSR1, all_threads=True)
def hold_on():
    print("holding on", flush=True)
    while True:
        time.sleep(0.1)
hold_on()
"""


def supervised(log: Path, program: str) -> Supervised:
    return Supervised("order-service", [sys.executable, "-c", program], log, os.environ)


def test_a_process_that_had_to_be_killed_leaves_its_reason_in_its_log(tmp_path: Path):
    stubborn = supervised(tmp_path / "order.log", _STUBBORN)
    stubborn.start()
    while "holding on" not in stubborn.log.read_text():
        assert stubborn.ended() is None
    assert children.stop([stubborn], 0.1) == [stubborn]
    assert stubborn.ended() == -signal.SIGKILL
    log = stubborn.log.read_text()
    assert "order-service did not stop 0 s after SIGTERM and is killed" in log
    assert "in hold_on" in log.partition("it was at:")[2]


def test_one_that_stops_when_asked_leaves_no_such_line(tmp_path: Path):
    good = supervised(
        tmp_path / "order.log", "import time; print('up', flush=True); time.sleep(60)"
    )
    good.start()
    while "up" not in good.log.read_text():
        assert good.ended() is None
    assert children.stop([good], 10.0) == []
    assert "did not stop" not in good.log.read_text()


def test_the_logs_of_the_last_five_starts_are_kept(tmp_path: Path):
    log = tmp_path / "order.log"
    for number in range(7):
        started = supervised(log, f"print({number})")
        started.start()
        assert started.child is not None
        assert started.child.wait(10)
    kept = {path.name: path.read_text().strip() for path in tmp_path.iterdir()}
    assert kept == {"order.log": "6", **{f"order.log.{n}": str(6 - n) for n in range(1, 5)}}
