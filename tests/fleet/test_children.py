"""Supervised processes: what their logs keep, and what one leaves that had to be killed."""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from chassis.telemetry.log_lines import JsonFormatter, TextFormatter
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


def test_a_process_outlives_the_thread_that_started_it(tmp_path: Path):
    good = supervised(
        tmp_path / "order.log", "import time; print('up', flush=True); time.sleep(60)"
    )
    starting = threading.Thread(target=good.start)
    starting.start()
    starting.join()
    while "up" not in good.log.read_text():
        assert good.ended() is None
    assert good.ended() is None
    children.stop([good], 10.0)


def test_the_logs_of_the_last_five_starts_are_kept(tmp_path: Path):
    log = tmp_path / "order.log"
    for number in range(7):
        started = supervised(log, f"print({number})")
        started.start()
        assert started.child is not None
        assert started.child.wait(10)
    kept = {path.name: path.read_text().strip() for path in tmp_path.iterdir()}
    assert kept == {"order.log": "6", **{f"order.log.{n}": str(6 - n) for n in range(1, 5)}}


def outage_in(module: str) -> logging.LogRecord:
    """A line with a traceback of several frames, one of them in a file with a long path."""
    where = "/long" * 200 + "/" + module
    try:
        exec(compile("def call():\n  raise OSError('no answer')\ncall()", where, "exec"))  # noqa: S102
    except OSError:
        return logging.makeLogRecord({"msg": "an outage", "exc_info": sys.exc_info()})
    raise AssertionError


@pytest.mark.parametrize(
    "formatter", [JsonFormatter("order-service"), TextFormatter("order-service")]
)
def test_the_tail_of_a_log_is_whole_lines_without_the_inside_of_logged_tracebacks(
    tmp_path: Path, formatter: logging.Formatter
):
    served = [formatter.format(logging.makeLogRecord({"msg": f"served {n}"})) for n in range(3)]
    died = [
        "Traceback (most recent call last):",
        '  File "/shop/run.py", line 3, in serve',
        "    listen()",
        "OSError: address in use",
    ]
    outage = formatter.format(outage_in("peer.py"))
    log = tmp_path / "order.log"
    log.write_text("\n".join([*served, outage, *served, *died]))
    tail = [line.strip() for line in supervised(log, "").log_tail().splitlines()]
    assert tail[:3] == served
    assert tail[-7:] == [*served, *(line.strip() for line in died)]
    assert "an outage" in tail[3]
    assert "OSError: no answer" in tail[-8]
    assert not any("peer.py" in line for line in tail)
