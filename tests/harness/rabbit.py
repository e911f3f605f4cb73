"""A real RabbitMQ as a plain child process, as the stack starts it, on ports nobody else has."""

import os
import shutil
import signal
import socket
import time
from pathlib import Path

from fleet.child_guard import Child
from fleet.ports import free_port
from fleet.rabbitmq import Ports, prepare

# Debian's wrapper in /usr/sbin changes to the user of its service; this is the program itself.
_PROGRAMS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
# It starts in five seconds on a core of its own.
_READY_LIMIT_S = 180
_STOP_LIMIT_S = 20


def program() -> str | None:
    """Where RabbitMQ is; None where it is not installed."""
    return next((found for each in _PROGRAMS if (found := shutil.which(each))), None)


class RabbitServer:
    """One broker. What it has stored outlives `stop` and `kill`; it does not outlive us."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ports = Ports(amqp=free_port(), nodes=free_port(), names=free_port())
        # The broker, and the name server without which no Erlang node starts.
        self._broker: Child | None = None
        self._names: Child | None = None
        self._environ = os.environ | prepare(home, self._ports)

    @property
    def url(self) -> str:
        return self._ports.url

    @property
    def pids(self) -> list[int]:
        """Of all that runs for it."""
        return [child.pid for child in (self._broker, self._names) if child is not None]

    def start(self) -> None:
        """Start, and wait until it speaks AMQP."""
        if self._names is None:
            # Ours, in the foreground: the one that Erlang starts by itself outlives everybody.
            self._names = self._child("epmd")
        self._broker = self._child(program() or "rabbitmq-server")
        end = time.monotonic() + _READY_LIMIT_S
        while not self._speaks():
            if self._broker.poll() is not None or time.monotonic() > end:
                log_text = (self._home / "console.log").read_text(errors="replace")
                raise AssertionError(f"RabbitMQ did not start:\n{log_text[-2000:]}")
            time.sleep(0.1)

    def _child(self, *argv: str) -> Child:
        return Child(
            argv,
            log=self._home / "console.log",
            if_orphaned=signal.SIGKILL,
            environ=self._environ,
        )

    def _speaks(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._ports.amqp), 1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                connection.settimeout(2)
                return bool(connection.recv(1))
        except OSError:
            return False

    def kill(self) -> None:
        """As a machine that loses its power."""
        if self._broker is not None:
            self._broker.kill()
        self._broker = None

    def stop(self) -> None:
        """As an operator does, and the name server with it."""
        if self._broker is not None:
            self._broker.send(signal.SIGTERM)
            self._broker.wait(_STOP_LIMIT_S)
        self.kill()
        if self._names is not None:
            self._names.kill()
        self._names = None
