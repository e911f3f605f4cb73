"""Restarting and killing a process, as JSON."""

from typing import Annotated, Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.identity.caller import needs_role
from chassis.identity.owners import actor_of
from fleet.client import Verb
from frontend.processes.actions import MOST_AWAY_S, ProcessActions


class RestartProcess(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/processes/{key}/restart: it starts again after `away_s` seconds."""

    verb: Verb = "restart"
    away_s: Annotated[float, Meta(ge=0, le=MOST_AWAY_S)] = 0.0


class ProcessStopped(Struct, frozen=True):
    """The process is down, for `away_s` seconds; the audit log says when it is back."""

    process: str
    verb: Verb
    away_s: float


def process_api(processes: ProcessActions) -> list[HTTPRouteHandler]:
    """POST /api/processes/{key}/restart."""

    @post(
        "/api/processes/{key:str}/restart",
        guards=[needs_role("operator")],
        status_code=200,
        dto=Strict[RestartProcess],
        return_dto=None,
        summary="Restart or kill one process",
        responses={
            401: refused("This needs the operator token"),
            404: refused("There is no such process"),
            409: refused("The shop did not do it"),
            503: refused("No `valerix up` can be asked"),
        },
    )
    async def restart_process(
        key: FromPath[str], data: JSONBody[RestartProcess], request: Request[Any, Any, Any]
    ) -> ProcessStopped:
        await processes.take_down(data.verb, key, data.away_s, actor_of(request))
        return ProcessStopped(key, data.verb, data.away_s)

    return [restart_process]
