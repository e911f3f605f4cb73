"""The gremlins of a service: named, bounded, kept in the database so that processes agree."""

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import Iterable
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from chassis.database.pace import changes_of
from chassis.database.pool import Connection, Database, Row, statement
from chassis.faults.contract import NAME, AuditEvent, GremlinView, PutGremlin
from chassis.faults.kinds import BY_NAME, DELAYING, FaultKind
from chassis.faults.metrics import GremlinMetrics
from chassis.faults.request import Bite
from chassis.faults.statements import Statements
from chassis.http.problems import Problem, invalid
from chassis.messaging.bell import Bell
from chassis.settings import Settings
from chassis.telemetry.context import span_now

logger = logging.getLogger(__name__)

# Tells other processes that gremlins have changed. It is sent with the change, so that none is
# lost: they change seldom enough for the lock that this takes.
_BELL = "valerix_gremlins"
_RING = statement(text(f"NOTIFY {_BELL}"), "NOTIFY")
# A lost notification shows in the changes that a process's loops ask for; one that has no such loop
# looks this often.
_LONGEST_S = 30.0
# Never bitten: gremlins can always be ended, measured, and a restart comes up under one.
EXEMPT = re.compile(r"/metrics(/.*)?|/health/(live|ready)|/gremlins?(/.*)?|/schema(/.*)?")


# Every request is compared with every gremlin, and each is a series of metrics. Eight kinds on six
# routes is more than a demonstration can explain.
MOST_LOOSE = 50


class Active(msgspec.Struct, frozen=True):
    """A gremlin in this process, with its end on the local monotonic clock."""

    view: GremlinView
    kind: FaultKind
    ends_at: float
    matches: frozenset[str]

    @property
    def delay_s(self) -> float:
        """How long this bite sleeps, jitter included."""
        return (self.view.delay_ms + random.uniform(0, self.view.jitter_ms)) / 1000  # noqa: S311


class Gremlins:
    """The gremlins of one service: what is loose now, and the way to change it.

    It has connections of its own, so that a slow or exhausted pool cannot keep a gremlin alive."""

    def __init__(
        self,
        service: str,
        schema: str,
        settings: Settings,
        registry: CollectorRegistry,
        *,
        takes_events: bool = False,
        routes: Iterable[str] = (),
    ) -> None:
        self.service = service
        self._takes_events = takes_events
        self._sql = Statements(schema)
        self.controls = Database(settings, size=3)
        self._poll_s = settings.gremlin_poll_s
        self._ttl_s = settings.gremlin_default_ttl_s
        self._random = random.Random()  # noqa: S311 - a share of requests, not a secret
        # Those that are served elsewhere; otherwise the process's own, which it says itself.
        self.known_routes = frozenset(routes)
        self._slowed: list[Database] = []
        self.active: tuple[Active, ...] = ()
        # Set whenever they are read or ended.
        self.changed = asyncio.Event()
        self._metrics = GremlinMetrics(service, registry)
        self._reading = asyncio.Lock()  # or an older read could overwrite a newer one

    def slows(self, *databases: Database) -> None:
        """The pools whose statements a gremlin can make slow."""
        self._slowed.extend(databases)

    async def run(self) -> None:
        """Follow the database for ever; what is known stays in force until it expires."""
        while True:
            with contextlib.suppress(Exception):
                await self._follow()
            self._forget_expired()
            await asyncio.sleep(self._poll_s)

    async def _follow(self) -> None:
        """Read after each notification, for as long as the connection that brings them lasts."""
        bell = Bell()
        async with self.controls.connect() as connection:
            await connection.listen(_BELL, bell.ring)
            changes_of(self.controls).sets(bell.rung)
            while True:
                await self.refresh(connection)
                next_end_s = (gremlin.ends_at - time.monotonic() for gremlin in self.active)
                await bell.wait(max(self._poll_s, min([_LONGEST_S, *next_end_s])))
                self._forget_expired()

    async def close(self) -> None:
        """Close the control connections."""
        await self.controls.close()

    async def refresh(self, connection: Connection | None = None) -> None:
        """Read what is loose now; what has expired ends."""
        async with contextlib.AsyncExitStack() as held:
            if connection is None:
                connection = await held.enter_async_context(self.controls.connect())
            await held.enter_async_context(self._reading)
            rows = await connection.rows(self._sql.active)
            known = (row for row in rows if row["kind"] in BY_NAME)
            self._take(tuple(self._live(row) for row in known))

    def _live(self, row: Row) -> Active:
        view = self._view(row)
        routes = self.known_routes if "*" in view.routes else frozenset(view.routes)
        return Active(view, BY_NAME[view.kind], time.monotonic() + view.remaining_s, routes)

    def _view(self, row: Row) -> GremlinView:
        values = {k: v for k, v in row.items() if k != "is_new"}
        return GremlinView(
            service=self.service, bites=self._metrics.bites_of(values["name"]), **values
        )

    def _take(self, active: tuple[Active, ...]) -> None:
        self._metrics.show([old.view for old in self.active], [new.view for new in active])
        self.active = active
        self.changed.set()
        slow = any(gremlin.kind.on_statement is not None for gremlin in active)
        for database in self._slowed:
            database.before_statement = self._before_statement if slow else None

    def _forget_expired(self) -> None:
        now = time.monotonic()
        if any(gremlin.ends_at <= now for gremlin in self.active):
            self._take(tuple(gremlin for gremlin in self.active if gremlin.ends_at > now))

    def biting(self, method: str, route: str) -> list[Active]:
        """The gremlins that bite this request: by route, by share, and only while they live."""
        now = time.monotonic()
        return [
            gremlin
            for gremlin in self.active
            if gremlin.ends_at > now
            and gremlin.kind.on_statement is None
            and not gremlin.kind.on_delivery
            and (route in gremlin.matches or f"{method} {route}" in gremlin.matches)
            and self._random.random() < gremlin.view.probability
        ]

    def biting_deliveries(self) -> list[Active]:
        """The gremlins that bite events on their way to this process; each event by its share."""
        now = time.monotonic()
        return [each for each in self.active if each.ends_at > now and each.kind.on_delivery]

    def bite(self, gremlin: Active) -> Bite:
        """What the gremlin's kind needs to know to bite once."""
        view = gremlin.view
        return Bite(view.name, view.status, gremlin.delay_s, partial(self.is_loose, view.name))

    def is_loose(self, name: str) -> bool:
        """Whether the gremlin is still in force."""
        return any(g.view.name == name and g.ends_at > time.monotonic() for g in self.active)

    def mark(self, view: GremlinView) -> None:
        """Make a bite visible, on the metric and on the span of the work that is bitten."""
        self._metrics.count_bite(view)
        work = span_now.get()
        if work is not None:
            name, kind = view.name, view.kind
            # The same on every bite: attributes can be searched for equality, not for presence.
            work.attributes["valerix.gremlin.bit"] = True
            # Several may bite one request: each is named, as in the log line.
            for key, value in (("valerix.gremlin.name", name), ("valerix.gremlin.kind", kind)):
                known = str(work.attributes.get(key) or "").split(",")
                work.attributes[key] = ",".join(dict.fromkeys(filter(None, (*known, value))))
            work.events.append((time.time_ns(), "gremlin bite", {"name": name, "kind": kind}))

    async def _before_statement(self) -> None:
        """Where a fault of statements bites: every one of the service's own pools."""
        now = time.monotonic()
        for gremlin in self.active:
            if (
                gremlin.kind.on_statement is not None
                and gremlin.ends_at > now
                and self._random.random() < gremlin.view.probability
            ):
                self.mark(gremlin.view)
                await gremlin.kind.on_statement(self.bite(gremlin))

    def views(self) -> list[GremlinView]:
        """What is loose now, with the seconds left."""
        now = time.monotonic()
        return [
            msgspec.structs.replace(
                gremlin.view,
                remaining_s=round(gremlin.ends_at - now, 1),
                bites=self._metrics.bites_of(gremlin.view.name),
            )
            for gremlin in self.active
            if gremlin.ends_at > now
        ]

    async def put(self, name: str, command: PutGremlin, actor: str) -> GremlinView:
        """Start or change a gremlin; it expires by itself. Raises `Problem` 400 and 409."""
        self._check(name, command)
        ttl_s = float(command.ttl_s or self._ttl_s)
        values = {k: getattr(command, k) for k in command.__struct_fields__ if k != "ttl_s"}
        async with self.controls.begin() as tx:
            # Two at once could both be the last that fits.
            await tx.execute(self._sql.lock)
            others = await tx.row(self._sql.count_others, name=name)
            if others is not None and others["count"] >= MOST_LOOSE:
                raise Problem(
                    409,
                    "too-many-gremlins",
                    f"{MOST_LOOSE} gremlins are loose on this service, which is as many as may be. "
                    "Nothing was done: end one first, or all with DELETE /gremlins",
                )
            row = await tx.row(self._sql.put, name=name, actor=actor, ttl_s=ttl_s, **values)
            if row is None:
                raise Problem(500, "internal", "The gremlin was not stored")
            action = "started" if row["is_new"] else "changed"
            detail = {**values, "ttl_s": ttl_s}
            note = {"action": action, "name": name, "kind": command.kind, "actor": actor}
            await tx.execute(self._sql.note, detail=detail, **note)
            await tx.execute(_RING)
        logger.warning("gremlin %s", action, extra={"gremlin": name, "actor": actor, **detail})
        live = self._live(row)
        await self._in_force(name, live)
        return live.view

    def _check(self, name: str, command: PutGremlin) -> None:
        if not NAME.fullmatch(name):
            raise invalid("", "a gremlin's name is 1 to 64 of a-z, 0-9, - and _")
        if command.kind in DELAYING and command.delay_ms + command.jitter_ms == 0:
            raise invalid("/delay_ms", f"a {command.kind} gremlin needs a delay")
        if BY_NAME[command.kind].on_delivery and not self._takes_events:
            raise invalid(
                "/kind", f"{command.kind} is for a consumer; no events come to this process"
            )
        for route in command.routes:
            bare = route.partition(" ")[2] or route
            if route != "*" and bare not in self.known_routes:
                known = ", ".join(sorted(self.known_routes))
                raise invalid("/routes", f"{route} is not a route here; there are: {known}")

    async def remove(self, name: str, actor: str) -> int:
        """End one gremlin, or all with "*"; the number ended."""
        async with self.controls.begin() as tx:
            ended = await tx.execute(self._sql.remove, name=name, actor=actor)
            await tx.execute(_RING)
        if ended:
            logger.warning("gremlin calmed", extra={"gremlin": name, "actor": actor})
        await self._in_force(name)
        return ended

    async def _in_force(self, name: str, *instead: Active) -> None:
        """Apply what was committed at once; that it cannot be read back changes nothing."""
        others = (gremlin for gremlin in self.active if name not in ("*", gremlin.view.name))
        self._take((*others, *instead))
        with contextlib.suppress(Exception):
            await self.refresh()

    async def audit(self) -> list[AuditEvent]:
        """What happened to gremlins here, newest first, at most 100."""
        async with self.controls.connect() as connection:
            rows = await connection.rows(self._sql.audit)
        return [AuditEvent(**dict(row)) for row in rows]
