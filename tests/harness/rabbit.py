"""A real RabbitMQ as a plain child process: its own user, folder, ports and cookie, on loopback."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from fleet.ports import free_port

# Debian's wrapper in /usr/sbin changes to the user of its service; this is the program itself.
_PROGRAMS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
_READY_LIMIT_S = 90


def program() -> str | None:
    """Where RabbitMQ is; None where it is not installed."""
    return next((found for each in _PROGRAMS if (found := shutil.which(each))), None)


class RabbitServer:
    """One broker. What it has stored outlives `stop` and `kill`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port, self._dist, self._epmd = free_port(), free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
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
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start, and wait until it speaks AMQP."""
        with (self._home / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program() or "rabbitmq-server"],
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + _READY_LIMIT_S
        while not self._speaks():
            if self._process.poll() is not None or time.monotonic() > end:
                log_text = (self._home / "console.log").read_text(errors="replace")
                raise AssertionError(f"RabbitMQ did not start:\n{log_text[-2000:]}")
            time.sleep(0.1)

    def _speaks(self) -> bool:
        import socket

        try:
            with socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                connection.settimeout(2)
                return bool(connection.recv(1))
        except OSError:
            return False

    def kill(self) -> None:
        """As a machine that loses its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an operator does, and the name server that came with it."""
        self._end(signal.SIGTERM)
        subprocess.run(["epmd", "-kill"], env=self._environ, capture_output=True, check=False)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
            self._process.wait(timeout=60)
        self._process = None
