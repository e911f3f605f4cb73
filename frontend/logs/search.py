"""What is asked of the lines of log: the same fields on the page, in the API and in a command."""

import re
from datetime import datetime

from chassis.http.problems import invalid_parameter, one_of
from frontend.logs.view_models import LogFilter
from frontend.web.filters import bounds_of, field
from frontend.web.pages import HttpRequest
from observatory.store.logs import LogQuery
from topology import NAMES

LEVELS = ("INFO", "WARNING", "ERROR")
_MOST_LINES = 200
# Enough to see what led to a line and what came of it, and little enough to find it.
_MOST_AROUND = 60
_AROUND = re.compile(r"[1-9][0-9]{17,18}")


def log_filter(request: HttpRequest) -> LogFilter:
    """The fields of the address as they are written."""
    given = {name: field(request, name) for name in LogFilter.__struct_fields__}
    given["service"] = NAMES.get(given["service"], given["service"])
    given["level"], given["trace"] = given["level"].upper(), given["trace"].lower()
    return LogFilter(**given)


def log_query(wanted: LogFilter, now: datetime) -> LogQuery:
    """The query of these fields; raises `Problem` (400) for one that cannot be read."""
    if wanted.level:
        one_of("level", wanted.level, LEVELS)
    if wanted.around and not _AROUND.fullmatch(wanted.around):
        raise invalid_parameter("around", "must be a line's time in nanoseconds since 1970")
    since, until = bounds_of(wanted.time, now)
    return LogQuery(
        wanted.service,
        wanted.level,
        wanted.text,
        wanted.trace,
        limit=_MOST_AROUND if wanted.around else _MOST_LINES,
        since=since,
        until=until,
        around_ns=int(wanted.around or 0),
    )
