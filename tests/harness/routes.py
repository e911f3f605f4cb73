"""Every route that a process has, with what it says of who may ask, and an address of it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from chassis.http.edge import Edge
from tests.harness.serving import create_service, settings_of
from topology import KEYS

EXPOSED = {"host": "0.0.0.0", "operator_token": "a-token-of-the-operators"}  # noqa: S104
_NUMBER = "00000000-0000-4000-8000-000000000001"


class AskedRoute(NamedTuple):
    """A request to a route; `credential` is what it looks at in place of a token, and "none" is
    nothing."""

    key: str
    method: str
    template: str
    path: str
    credential: str | None

    @property
    def name(self) -> str:
        """As an operator would write it."""
        return f"{self.key}: {self.method} {self.template}"

    @property
    def is_open(self) -> bool:
        """Whether it says that anybody may ask."""
        return self.credential == "none"


def exposed(key: str) -> Edge:
    """The app of a process that is published beyond loopback, without a database or any other."""
    nobody = {f"{each}_url": "http://127.0.0.1:1" for each in KEYS}
    settings = settings_of(key, "postgresql://nobody@127.0.0.1:1/no", **nobody, **EXPOSED)
    return create_service(key, settings)


def routes_of(key: str, edge: Edge) -> Iterator[AskedRoute]:
    """One request to each route and method of a process."""
    for route in edge.app.routes:  # type: ignore[attr-defined]
        for handler in getattr(route, "route_handlers", ()):
            for method in sorted(set(handler.http_methods) - {"OPTIONS", "HEAD"}):
                credential = handler.opt.get("credential")
                yield AskedRoute(key, method, route.path_format, _path(route), credential)


def _path(route: Any) -> str:
    """An address of the route, each parameter with a value that fits its type."""
    path: str = route.path_format
    for name, parameter in route.path_parameters.items():
        value = {"int": "1", "uuid": _NUMBER}.get(parameter.type.__name__.lower(), _NUMBER)
        path = path.replace(f"{{{name}}}", value)
    return path
