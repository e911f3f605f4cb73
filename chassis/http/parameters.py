"""Which parameters of the address a route takes, and the refusal of any other."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from litestar.constants import RESERVED_KWARGS

from chassis.http.problems import invalid_parameter

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

_TAKES = "query_parameters"


def takes(names: Iterable[str]) -> dict[str, object]:
    """What a route says of itself that reads these parameters from the request by hand."""
    return {_TAKES: tuple(names)}


def rows_of(limit: int, most: int) -> int:
    """How many rows a page has: as many as were asked for, at most `most`; raises 400 below 1."""
    if limit < 1:
        raise invalid_parameter("limit", f"must be at least 1; more than {most} means {most}")
    return min(limit, most)


async def query_guard(connection: "ASGIConnection", handler: "BaseRouteHandler") -> None:  # type: ignore[type-arg]
    """A guard: 400 where a GET that is described has a parameter that it does not take, because a
    filter that is not looked at would answer everything. Not of what is open, as health and metrics
    are, nor of routes that read another's form of query."""
    given = connection.query_params
    if not given or connection.scope.get("method") not in ("GET", "HEAD"):
        return
    if handler.opt.get("credential") is not None or not handler.resolve_include_in_schema():  # type: ignore[attr-defined]
        return
    own = (
        getattr(each.kwarg_definition, "name", None) or key
        for key, each in handler.parsed_fn_signature.parameters.items()
        if key not in RESERVED_KWARGS and key not in connection.path_params
    )
    known = (*own, *handler.opt.get(_TAKES, ()))
    for name in given:
        if name not in known:
            there = f"this takes {', '.join(known)}" if known else "this takes none"
            raise invalid_parameter(name[:200], f"is not a parameter here; {there}")
