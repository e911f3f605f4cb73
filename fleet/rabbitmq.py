"""A RabbitMQ of our own: all it listens on is loopback, all it keeps is in its folder."""

import os
from pathlib import Path

from msgspec import Struct

from fleet.run_dir import ROOT

_HERE = "127.0.0.1"


class Ports(Struct, frozen=True):
    """What it listens on. `names` is its own name server's (epmd), `nodes` its commands'; without
    `page` and `metrics` it has no plugins."""

    amqp: int
    nodes: int
    names: int
    page: int = 0
    metrics: int = 0

    @property
    def url(self) -> str:
        """Where its clients find it; the user may come from this machine alone."""
        return f"amqp://guest:guest@{_HERE}:{self.amqp}/"


def prepare(folder: Path, ports: Ports) -> dict[str, str]:
    """Write its configuration into `folder`; the variables for it and for its name server."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"listeners.tcp.1 = {_HERE}:{ports.amqp}",
        "loopback_users.guest = true",
        "cluster_formation.peer_discovery_backend = classic_config",
        "log.console = false\nlog.file = rabbit.log\nlog.file.level = warning",
        # Quorum queues write ahead; a laptop's disk may be nearly full.
        "disk_free_limit.absolute = 1MB",
    ]
    plugins = folder / "no_plugins"
    plugins.write_text("[].\n")
    if ports.page:
        plugins = ROOT / "infra/rabbitmq/enabled_plugins"
        for name, port in (("management", ports.page), ("prometheus", ports.metrics)):
            lines += [f"{name}.tcp.ip = {_HERE}", f"{name}.tcp.port = {port}"]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    return {
        # There lies the cookie that lets rabbitmqctl in.
        "HOME": str(folder),
        "RABBITMQ_NODENAME": "valerix@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(ports.nodes),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "ERL_EPMD_PORT": str(ports.names),
        "ERL_EPMD_ADDRESS": _HERE,
        # One scheduler that does not spin: the machine has other things to do.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
        # The script then becomes the broker, instead of a shell that waits for it: a signal to our
        # child, the kernel's at our death included, is one to the broker.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def server(path: str) -> str:
    """The program itself: Debian's wrapper in /usr/sbin changes to the user of its service."""
    return str(Path(path).resolve().with_name("rabbitmq-server"))
