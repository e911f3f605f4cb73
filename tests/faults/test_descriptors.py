"""A real process with few descriptors: those who only hold connections open shut nobody out."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from fleet.ports import free_port
from fleet.run_dir import ROOT

DESCRIPTORS, CALLERS = 256, 400
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
HOLDING = {"silent": b"", "half a head": LIVE[:-2], "kept alive": LIVE}
# Starting takes two seconds, of a busy machine a minute.
_READY_S = 60


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An order service without a database; its liveness needs none."""
    number = free_port()
    log = tmp_path_factory.mktemp("descriptors") / "log"
    command = f"ulimit -n {DESCRIPTORS}; exec {sys.executable} -m cli run order"
    environ = os.environ | {"VALERIX_ORDER_PORT": str(number), "VALERIX_TELEMETRY": "off"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=ROOT, env=environ, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + _READY_S
        while not is_live(number):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield number
    finally:
        process.terminate()
        process.wait(20)


def is_live(port: int) -> bool:
    """Whether somebody new is answered."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as caller:
        caller.sendall(LIVE)
        return caller.recv(64).startswith(b"HTTP/1.1 200 ")
    return False


@pytest.mark.parametrize("sent", HOLDING.values(), ids=HOLDING)
def test_more_connections_than_descriptors_leave_health_answering(port: int, sent: bytes):
    with contextlib.ExitStack() as open_:
        for _ in range(CALLERS):
            caller = open_.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            caller.sendall(sent)
        assert is_live(port)
