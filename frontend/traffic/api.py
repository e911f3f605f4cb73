"""Steady traffic as JSON: whether it is on, on, and off."""

from datetime import datetime
from typing import Any

from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from msgspec import Struct

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.identity.caller import needs_role
from chassis.identity.owners import actor_of
from frontend.traffic.switch import TrafficSwitch
from frontend.web.responses import leave_untraced
from scenarios.steady_traffic import TrafficMix

_NO_OPERATOR = refused("This needs the operator token")


class StartTraffic(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/traffic: `rate` is visits a second, `mix` weighs what they do."""

    rate: float = 5.0
    mix: TrafficMix = TrafficMix()
    minutes: int = 60


class TrafficView(Struct, frozen=True):
    """Whether it is on, and what came of the visits since it was last turned on."""

    is_on: bool
    is_resting: bool
    note: str
    responses: dict[str, dict[str, int]]
    rate: float | None = None
    mix: TrafficMix | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None


def traffic_api(switch: TrafficSwitch) -> list[HTTPRouteHandler]:
    """GET, POST and DELETE /api/traffic."""

    @get("/api/traffic", summary="Steady traffic", before_request=leave_untraced)
    async def read_traffic() -> TrafficView:
        return _view(switch)

    @post(
        "/api/traffic",
        guards=[needs_role("operator")],
        dto=Strict[StartTraffic],
        return_dto=None,
        summary="Turn steady traffic on",
        responses={401: _NO_OPERATOR, 409: refused("It is on already")},
    )
    async def start_traffic(
        data: JSONBody[StartTraffic], request: Request[Any, Any, Any]
    ) -> TrafficView:
        await switch.start(data.rate, data.mix, data.minutes, actor_of(request))
        return _view(switch)

    @delete(
        "/api/traffic",
        guards=[needs_role("operator")],
        status_code=200,
        summary="Turn steady traffic off",
        responses={401: _NO_OPERATOR, 409: refused("It is off already")},
    )
    async def stop_traffic(request: Request[Any, Any, Any]) -> TrafficView:
        await switch.stop(actor_of(request))
        return _view(switch)

    return [read_traffic, start_traffic, stop_traffic]


def _view(switch: TrafficSwitch) -> TrafficView:
    found, order = switch.traffic, switch.traffic.order
    of_order = (order.rate, order.mix, order.since, order.until, order.actor) if order else ()
    return TrafficView(order is not None, found.is_resting, found.note, found.responses, *of_order)
