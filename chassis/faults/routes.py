"""The gremlin API that every service carries."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, PathParameter
from msgspec import Meta

from chassis.faults.contract import NAME, AuditEvent, GremlinView, Milliseconds, PutGremlin
from chassis.faults.gremlins import Gremlins
from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import Problem, invalid
from chassis.identity.caller import needs_role
from chassis.identity.owners import actor_of

_Name = Annotated[str, PathParameter(pattern=rf"^{NAME.pattern}$")]
_NO_OPERATOR = refused("This needs the operator token")


class GremlinList(msgspec.Struct, frozen=True):
    """What is loose on one service."""

    service: str
    gremlins: list[GremlinView]


class AuditList(msgspec.Struct, frozen=True):
    """What happened to gremlins on one service, newest first."""

    service: str
    events: list[AuditEvent]


class Calmed(msgspec.Struct, frozen=True):
    """How many gremlins were ended."""

    calmed: int


class SetLatency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shorthand: a latency gremlin named "latency" on every route, on or off."""

    enabled: bool
    delay_ms: Milliseconds = 1000
    jitter_ms: Milliseconds = 0
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    ttl_s: Annotated[int, Meta(ge=1, le=3600)] | None = None


def gremlin_routes(gremlins: Gremlins) -> list[HTTPRouteHandler]:
    """GET/DELETE /gremlins, PUT/DELETE /gremlins/{name}, the audit, and POST /gremlin/latency."""

    @get("/gremlins", summary="What is loose on this service")
    async def list_gremlins() -> GremlinList:
        return GremlinList(gremlins.service, gremlins.views())

    @get("/gremlins/audit", summary="Who did what to gremlins here, newest first")
    async def list_audit() -> AuditList:
        return AuditList(gremlins.service, await gremlins.audit())

    @put(
        "/gremlins/{name:str}",
        dto=Strict[PutGremlin],
        return_dto=None,
        guards=[needs_role("operator")],
        summary="Let a gremlin loose, or change one; it expires by itself",
        responses={401: _NO_OPERATOR},
    )
    async def put_gremlin(
        name: _Name, data: JSONBody[PutGremlin], request: Request[Any, Any, Any]
    ) -> GremlinView:
        return await gremlins.put(name, data, actor_of(request))

    @delete(
        "/gremlins/{name:str}",
        guards=[needs_role("operator")],
        summary="End one gremlin",
        responses={401: _NO_OPERATOR, 404: refused("No gremlin of that name is loose here")},
    )
    async def delete_gremlin(name: FromPath[str], request: Request[Any, Any, Any]) -> None:
        if not NAME.fullmatch(name) or not await gremlins.remove(name, actor_of(request)):
            raise Problem(404, "gremlin-not-found", "No gremlin of that name is loose here")

    @delete(
        "/gremlins",
        guards=[needs_role("operator")],
        status_code=200,
        summary="Calm: end every gremlin",
        responses={401: _NO_OPERATOR},
    )
    async def calm(request: Request[Any, Any, Any]) -> Calmed:
        return Calmed(await gremlins.remove("*", actor_of(request)))

    shorthand = _latency_shorthand(gremlins)
    return [list_gremlins, list_audit, put_gremlin, delete_gremlin, calm, shorthand]


def _latency_shorthand(gremlins: Gremlins) -> HTTPRouteHandler:
    @post(
        "/gremlin/latency",
        dto=Strict[SetLatency],
        return_dto=None,
        guards=[needs_role("operator")],
        status_code=200,
        summary="Shorthand: latency on every route, on or off",
        responses={401: _NO_OPERATOR},
    )
    async def set_latency(
        data: JSONBody[SetLatency], request: Request[Any, Any, Any]
    ) -> Response[GremlinList]:
        if not data.enabled:
            await gremlins.remove("latency", actor_of(request))
        elif data.delay_ms + data.jitter_ms == 0:
            raise invalid("/delay_ms", "a latency gremlin needs a delay")
        else:
            fields = {k: getattr(data, k) for k in data.__struct_fields__ if k != "enabled"}
            await gremlins.put("latency", PutGremlin(kind="latency", **fields), actor_of(request))
        return Response(GremlinList(gremlins.service, gremlins.views()))

    return set_latency
