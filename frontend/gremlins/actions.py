"""Letting gremlins loose and calling them off, and what the visitor is shown of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from chassis.faults.client import GremlinClient
from chassis.faults.contract import PutGremlin
from chassis.faults.kinds import KIND_LABELS, KINDS, strength
from chassis.faults.routes import Calmed, GremlinList
from chassis.http.outbound import decode
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.live_state import DashboardState
from frontend.query_results import ActiveGremlin
from frontend.web.actions import Done, Form, number, operator_only
from frontend.web.formatting import utc_now
from frontend.web.sessions import Visitor
from frontend.web.toasts import Toast, failure_toast, toast_of, trace_of
from observatory.sources.down import Down
from topology import LABELS, NAMES

_KINDS = {kind.kind: kind for kind in KINDS}
_LOCKED = "Gremlins wait"
# Soon after a service answers again, and little to ask of one that does not.
_AGAIN_S = 2.0
# One release of a gremlin: a later one of the same name began at another moment.
Release = tuple[str, datetime]
logger = logging.getLogger(__name__)


class GremlinActions:
    """What a visitor does to gremlins, through each service's own client."""

    def __init__(
        self,
        gremlins: Mapping[str, GremlinClient],
        state: DashboardState,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gremlins, self._state, self._sleep = gremlins, state, sleep
        # By service, the calm that goes on because the service did not answer.
        self._going_on: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """End what goes on in the background; what it has not reached runs out by itself."""
        for task in self._going_on.values():
            task.cancel()
        await self.settled()

    async def settled(self) -> None:
        """Return once nothing goes on any more."""
        await asyncio.gather(*self._going_on.values(), return_exceptions=True)

    async def switch(self, form: Form, visitor: Visitor) -> Done:
        """Turn one switch: "on:inventory:latency" or "off:inventory:latency"."""
        operator_only(visitor, _LOCKED)
        turn, _, rest = form.get("switch", "").partition(":")
        service, _, kind = rest.partition(":")
        if service not in NAMES or kind not in _KINDS or turn not in ("on", "off"):
            raise Problem(400, "validation", "There is no such switch.")
        back = f"/processes/{service}#panel-faults"
        if turn == "off":
            return Done(await self._call_off(service, kind, visitor), back)
        return Done(await self._let_loose(service, kind, form, visitor), back)

    async def calm(self, _: Form, visitor: Visitor) -> Done:
        """Call every gremlin off, at every service at once. Where one does not answer, it goes on
        in the background, with those that are on there now."""
        operator_only(visitor, _LOCKED)
        on = self._state.gremlins.now()
        responses = await asyncio.gather(
            *(client.calm(headers=visitor.operator_headers) for client in self._gremlins.values())
        )
        counts = (decode(each, Calmed) for each in responses if each.outcome is Outcome.OK)
        ended = sum(count.calmed for count in counts if count is not None)
        by_service = list(zip(self._gremlins, responses, strict=True))
        known = () if isinstance(on, Down) else on
        missed = {service for service, each in by_service if each.outcome is not Outcome.OK}
        for service in missed & {each.service for each in known}:
            self._go_on(service, [each for each in known if each.service == service], visitor)
        return Done(
            calm_toast(by_service, ended, goes_on=bool(missed & self._going_on.keys())), "/"
        )

    def _go_on(self, service: str, on: list[ActiveGremlin], visitor: Visitor) -> None:
        if before := self._going_on.get(service):
            before.cancel()
        work = self._end_once_reached(service, on, visitor.operator_headers)
        task = self._going_on[service] = asyncio.create_task(work)
        task.add_done_callback(lambda ended: self._forget(service, ended))

    def _forget(self, service: str, ended: asyncio.Task[None]) -> None:
        if self._going_on.get(service) is ended:
            del self._going_on[service]

    async def _end_once_reached(
        self, service: str, on: list[ActiveGremlin], headers: dict[str, str]
    ) -> None:
        """End these releases as soon as the service answers; not one that began after them. It is
        given up when the last has run out: then nothing is left to end."""
        releases = {(each.name, each.started_at) for each in on}
        last = max(each.expires_at for each in on)
        while utc_now() < last:
            await self._sleep(_AGAIN_S)
            if await self._end(service, releases, headers):
                logger.warning("gremlins called off late", extra={"of": service})
                return

    async def _end(self, service: str, releases: set[Release], headers: dict[str, str]) -> bool:
        """Whether the service answered, and none of these is on there any more."""
        client = self._gremlins[service]
        found = await client.list()
        listed = decode(found, GremlinList) if found.outcome is Outcome.OK else None
        if listed is None:
            return False
        still = [g.name for g in listed.gremlins if (g.name, g.started_at) in releases]
        ended = [_gone(await client.remove(name, headers=headers)) for name in still]
        return all(each.outcome is Outcome.OK for each in ended)

    async def _let_loose(self, service: str, kind: str, form: Form, visitor: Visitor) -> Toast:
        usual = _KINDS[kind]
        delay_ms = 0
        if usual.delay_ms:
            delay_ms = number(form, f"delay_{kind}", 1, usual.delay_max_ms, usual.delay_ms)
        ttl_s = number(form, "ttl_s", 1, 3600, 300)
        share = number(form, "share", 1, 100, 100)
        command = PutGremlin(kind=kind, delay_ms=delay_ms, ttl_s=ttl_s, probability=share / 100)
        # Named after its kind, as the API's own shorthand names it: one switch, one gremlin.
        response = await self._gremlins[service].put(
            kind, command, headers=visitor.operator_headers
        )
        detail = strength(kind, delay_ms, 0, 503)
        if share < 100:
            detail = ", ".join(filter(None, (detail, f"{share} % of requests")))
        return loose_toast(response, kind, service, detail, ttl_s)

    async def _call_off(self, service: str, kind: str, visitor: Visitor) -> Toast:
        active = self._state.gremlins.now()
        if isinstance(active, Down):
            raise Problem(503, "unknown", f"{active.reason}: call everything off instead.")
        names = [each.name for each in active if (each.service, each.kind) == (service, kind)]
        end, headers = self._gremlins[service].remove, visitor.operator_headers
        responses = [(service, _gone(await end(name, headers=headers))) for name in names]
        return calm_toast(responses, len(responses))


def _gone(response: CallResult) -> CallResult:
    """One that ended by itself meanwhile is as gone as one that was called off."""
    if response.status == 404:
        return CallResult(Outcome.OK, trace_id=response.trace_id)
    return response


def loose_toast(response: CallResult, kind: str, service: str, detail: str, ttl_s: int) -> Toast:
    """A gremlin was let loose, or not."""
    label = f"{KIND_LABELS[kind]} on {LABELS[service].lower()}"
    if response.outcome is not Outcome.OK:
        return failure_toast(response, f"{label} did not start")
    minutes = f"{ttl_s // 60} min" if ttl_s >= 60 else f"{ttl_s} s"
    what = ", ".join(filter(None, (detail, f"ends by itself in {minutes}")))
    return toast_of(response, "gremlin", f"{label} is loose", what)


def calm_toast(
    responses: list[tuple[str, CallResult]], ended: int, *, goes_on: bool = False
) -> Toast:
    """Gremlins were called off, or some could not be."""
    missed = [LABELS[service] for service, each in responses if each.outcome is not Outcome.OK]
    trace_id = next(filter(None, (trace_of(each) for _, each in responses)), "")
    if missed:
        then = "The shop goes on trying until they are off" if goes_on else "They end by themselves"
        still = f"{', '.join(missed)} did not answer: gremlins there may still be on. {then}."
        return Toast("failed", "Not everything is calm", still, trace_id, status=503)
    if not ended:
        return Toast("good", "All was calm already", "", trace_id)
    noun = "gremlin" if ended == 1 else "gremlins"
    return Toast("good", f"{ended} {noun} called off", "What was pending settles now.", trace_id)
