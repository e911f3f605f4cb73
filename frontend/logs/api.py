"""Lines of log as JSON: those that the page shows."""

from datetime import datetime

from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from chassis.http.openapi import refused
from chassis.http.parameters import takes
from frontend.logs.search import log_filter, log_query
from frontend.logs.view_models import LogFilter
from frontend.web.answered import unreadable
from frontend.web.filters import known_service
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest
from frontend.web.responses import leave_untraced
from observatory.sources.down import Down
from observatory.sources.protocols import TelemetrySource
from observatory.store.model import StoredLine


class FoundLine(Struct, frozen=True):
    """One line; `at_ns` is nanoseconds since 1970, and what `around` takes."""

    at: datetime
    at_ns: int
    level: str
    service: str
    message: str
    trace_id: str
    span_id: str
    attributes: dict[str, str]


class LinePage(Struct, frozen=True):
    """Lines of a search, oldest first, at most two hundred; `more` means that older ones fit."""

    lines: tuple[FoundLine, ...]
    more: bool
    kept: int | None


def log_api(telemetry: TelemetrySource) -> list[HTTPRouteHandler]:
    """GET /api/logs."""

    @get(
        "/api/logs",
        summary="The newest lines of log that fit, or those around a moment",
        responses={400: refused("A field cannot be read"), 503: refused("They cannot be read now")},
        before_request=leave_untraced,
        opt=takes(LogFilter.__struct_fields__),
    )
    async def list_lines(request: HttpRequest) -> LinePage:
        """The fields are those of the page: service, level, text, trace, since, until, around."""
        wanted = log_filter(request)
        query = log_query(wanted, utc_now())
        known_service(wanted.service, dict(await telemetry.writers()))
        found = await telemetry.tail(query)
        if isinstance(found, Down):
            raise unreadable(found)
        return LinePage(tuple(_line(each) for each in found.lines), found.more, found.kept)

    return [list_lines]


def _line(line: StoredLine) -> FoundLine:
    return FoundLine(
        at=line.at,
        at_ns=line.at_ns,
        level=line.level,
        service=line.service,
        message=line.message,
        trace_id=line.trace_id,
        span_id=line.span_id,
        attributes=dict(line.attributes),
    )
