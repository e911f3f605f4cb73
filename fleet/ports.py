"""Whether the ports of the fleet are free, asked before anything starts."""

import atexit
import contextlib
import errno
import itertools
import secrets
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import psutil
from msgspec import Struct

from chassis.settings import PREFIX, Settings
from fleet.errors import CannotRun
from topology import GRPC_ABOVE, find


def demand_free(name: str, host: str, port: int, other: str) -> None:
    """Raise one line that names the port, what wants it and what holds it; `other` says what to do
    if the holder stays."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server itself will ask: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotRun(
                    f"{name} cannot listen on {host}:{port} ({error.strerror}): "
                    f"set VALERIX_HOST, or {other}"
                ) from None
            raise CannotRun(
                f"port {port} for {name} is taken{_holder(port)}: stop it, or {other}"
            ) from None


class ListeningPort(Struct, frozen=True):
    """A port that a process listens on, and the variable that sets it."""

    name: str
    host: str
    port: int
    variable: str


def listening_ports(settings: Mapping[str, Settings]) -> Iterator[ListeningPort]:
    """Every port of the fleet; `settings` are those of each process, by its key."""
    for key, own in settings.items():
        process = find(key)
        yield ListeningPort(process.name, own.host, own.port, process.port_variable)
        for name, port in own.further_ports().items():
            yield ListeningPort(process.name, own.host, port, PREFIX + name)


def demand_different(chosen: Iterable[ListeningPort]) -> None:
    """Raise one line when two are to listen on one port."""
    takers: dict[int, ListeningPort] = {}
    for each in chosen:
        taker = takers.setdefault(each.port, each)
        if taker is not each:
            raise CannotRun(
                f"port {each.port} is meant for {taker.name} and for {each.name}: "
                f"set {taker.variable} or {each.variable} to another"
            )


# Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere),
# so that none is taken between being named and being listened on. Each process begins elsewhere.
# The odd thousands are left for gRPC, a thousand above whoever is given one of these.
_FREE = [port for port in range(20_000, 32_000) if port // GRPC_ABOVE % 2 == 0]
_IN_TURN = itertools.cycle(secrets.SystemRandom().sample(_FREE, len(_FREE)))
# A port that was given is listened on only when its server has started. Until then the UDP port of
# the same number, which no server of ours uses, says to every other process that it is given. More
# than a shop needs; what was given before them is listened on by now, or will not be.
_MOST_CLAIMED = 100
_CLAIMED: deque[socket.socket] = deque()


@atexit.register
def _give_back() -> None:
    for claim in _CLAIMED:
        claim.close()


def _holder(port: int) -> str:
    """What listens there, as far as we may know: other users' sockets are hidden from us."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            if listens and connection.pid:
                with contextlib.suppress(psutil.Error):
                    return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
                return f" by pid {connection.pid}"
    return ""


def free_port() -> int:
    """A port nobody listens on at this moment, given to nobody else, and never the same one twice
    from this process."""
    for _ in _FREE:
        port = next(_IN_TURN)
        with contextlib.ExitStack() as unless_free, contextlib.suppress(OSError):
            claim = unless_free.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            unless_free.pop_all()
            _CLAIMED.append(claim)
            if len(_CLAIMED) > _MOST_CLAIMED:
                _CLAIMED.popleft().close()
            return port
    raise CannotRun(f"every port from {_FREE[0]} to {_FREE[-1]} is taken")
