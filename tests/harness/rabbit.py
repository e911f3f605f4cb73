"""A real RabbitMQ as a plain child process: its own user, folder, ports and cookie, on loopback."""

import os
import shutil
import signal
import socket
import time
from pathlib import Path

from fleet.child_guard import Child
from fleet.ports import free_port

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
        self._port, self._dist, self._epmd = free_port(), free_port(), free_port()
        # The broker, and the name server without which no Erlang node starts.
        self._broker: Child | None = None
        self._names: Child | None = None
        config = home / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            "loopback_users.guest = true\n"
            "cluster_formation.peer_discovery_backend = classic_config\n"
            "log.console = false\nlog.file = rabbit.log\nlog.file.level = warning\n"
            # Quorum queues write ahead; a test's disk may be small.
            "disk_free_limit.absolute = 1MB\n"
        )
        (home / "enabled_plugins").write_text("[].\n")
        self._environ = os.environ | {
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"valerix{self._port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # One scheduler: the machine has other things to do.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
            # The script then becomes the broker, instead of a shell that waits for it: a signal
            # to our child, the kernel's at our death included, is one to the broker.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

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
            with socket.create_connection(("127.0.0.1", self._port), 1) as connection:
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
