"""Which contract the messages of a route have: read from what the handlers declare."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from msgspec import Struct

from chassis.contracts.checks import is_contract
from chassis.http.problems import MEDIA_TYPE, ProblemDocument


class RouteContracts(Struct, frozen=True):
    """The wire structs of one operation: its request's, if it has one, and its answers' by status.
    Whatever is answered as a problem is one."""

    request: type | None
    answers: Mapping[int, type]

    def answer(self, status: int, media_type: str) -> type | None:
        """The struct of an answer; None where the route declares none."""
        if media_type.startswith(MEDIA_TYPE):
            return ProblemDocument
        return self.answers.get(status) if media_type.startswith("application/json") else None


def contracts_of(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], RouteContracts]:
    """By method and path template; operations whose messages are no structs are left out."""
    found: dict[tuple[str, str], RouteContracts] = {}
    for route in routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                contracts = _of_handler(handler)
                if contracts.request or contracts.answers:
                    for method in handler.http_methods:
                        found[method, route.path_format] = contracts
    return found


def _of_handler(handler: HTTPRouteHandler) -> RouteContracts:
    signature = handler.parsed_fn_signature
    body = signature.parameters.get("data")
    answers = {
        status: shape
        for status, spec in (handler.responses or {}).items()
        if (shape := _struct(spec.data_container)) is not None
    }
    usual = _struct(signature.return_type.annotation)
    if usual is not None:
        answers.setdefault(handler.status_code, usual)
    return RouteContracts(_struct(body.annotation) if body else None, answers)


def _struct(annotation: Any) -> type | None:
    """The one struct in an annotation such as `Response[T]` or `T | None`."""
    if is_contract(annotation):
        return annotation if annotation is not Response else None
    found = {each for inner in get_args(annotation) if (each := _struct(inner)) is not None}
    return found.pop() if len(found) == 1 else None
