"""How many connections a server holds, and which of them goes when there is one too many."""

import resource
import time
from typing import Protocol

from chassis.http.problems import Problem, shed
from chassis.settings import Settings

# A burst of new connections is no attack: each has this long to send its first request, also
# where the process is busy and reads late.
_GRACE_S = 1.0
# What a process opens beside connections: files, pipes, the loop's own, a scrape of its telemetry.
_OTHER_DESCRIPTORS = 64

NO_PLACE = shed("Every connection is taken", code="too-many-connections")
_GAVE_WAY = shed(
    "The request did not come, and others needed its connection", code="too-many-connections"
)


class OpenConnection(Protocol):
    """What the register asks of a connection."""

    def refuse(self, problem: Problem) -> None:
        """Answer with the problem, and close."""

    def close_idle(self) -> None:
        """Close without an answer, between two requests."""


class Connections:
    """All connections of a server. Those that wait for a request make room for new ones, the
    longest waiting first, so that somebody who comes with a request (a health probe) is served
    whoever else holds connections open. A peer with many half-sent requests makes room itself.
    `peer` is the client's network, as `network_of` gives it."""

    def __init__(self, settings: Settings) -> None:
        self._most = _places(settings)
        self._most_half_open = settings.half_open_per_peer
        self._all: set[OpenConnection] = set()
        self._idle: dict[OpenConnection, None] = {}
        # Without a whole request head yet, by peer, with the time they began; oldest first.
        self._half_open: dict[str, dict[OpenConnection, float]] = {}

    def admit(self, connection: OpenConnection, peer: str) -> None:
        """A new connection: another one may have to go, or, where all are busy, this one."""
        self._all.add(connection)
        self._make_room(connection, peer)

    def awaits_head(self, connection: OpenConnection, peer: str) -> None:
        """The connection is new, or the first part of its next request has come."""
        self._idle.pop(connection, None)
        self._half_open.setdefault(peer, {})[connection] = time.monotonic()

    def has_head(self, connection: OpenConnection, peer: str) -> None:
        """The connection has a whole request head."""
        self._idle.pop(connection, None)
        if (waiting := self._half_open.get(peer)) is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._half_open[peer]

    def answered(self, connection: OpenConnection) -> None:
        """The connection's request is answered."""
        self._idle[connection] = None

    def forget(self, connection: OpenConnection, peer: str) -> None:
        """The connection is closed."""
        self.has_head(connection, peer)
        self._all.discard(connection)

    def _make_room(self, newcomer: OpenConnection, peer: str) -> None:
        if len(self._all) > self._most:
            self._close_another_than(newcomer)
        own, now = self._half_open.get(peer, {}), time.monotonic()
        while len(own) >= self._most_half_open:
            oldest, since = next(iter(own.items()))
            if now - since < _GRACE_S:
                break
            oldest.refuse(_GAVE_WAY)

    def _close_another_than(self, newcomer: OpenConnection) -> None:
        half_open = max(self._half_open.values(), key=len, default={})
        if len(half_open) > self._most_half_open:
            next(iter(half_open)).refuse(_GAVE_WAY)
        elif self._idle:
            next(iter(self._idle)).close_idle()
        elif half_open:
            next(iter(half_open)).refuse(_GAVE_WAY)
        else:
            newcomer.refuse(NO_PLACE)


def allow_descriptors(settings: Settings) -> None:
    """Raise this process's limit of descriptors to what it may need, as far as it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + _own_descriptors(settings)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _places(settings: Settings) -> int:
    """Connections that leave enough descriptors for the database, the peers and the rest."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings.max_connections
    return min(settings.max_connections, max(soft - _own_descriptors(settings), soft // 2))


def _own_descriptors(settings: Settings) -> int:
    peers = max(len(settings.urls) - 1, 0)
    return peers * settings.peer_connections + settings.pool_size + _OTHER_DESCRIPTORS
