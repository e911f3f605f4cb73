"""A service with no business logic at all: what is left is the chassis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import msgspec
from litestar import Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody, QueryParameter
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from chassis.database.pool import Database, statement
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.json_body import Strict
from chassis.settings import Settings
from tests.harness.serving import knock, serve

NAME = "bare-service"
_NOW = statement(text("SELECT now() AS now"), "SELECT now")


class MakeThing(msgspec.Struct, forbid_unknown_fields=True):
    """POST /things."""

    name: str


@post("/things", dto=Strict[MakeThing], return_dto=None)
async def make_thing(data: JSONBody[MakeThing], state: State) -> Response[dict[str, str]]:
    """The effect to watch: one more name in the list."""
    state["made"].append(data.name)
    return Response({"name": data.name}, status_code=201)


@get("/things/{thing_id:str}")
async def show_thing(thing_id: FromPath[str]) -> dict[str, str]:
    """A route with a parameter."""
    return {"thing_id": thing_id}


@get("/slow")
async def be_slow(seconds: Annotated[float, QueryParameter()]) -> dict[str, float]:
    """Holds its place for a while."""
    await asyncio.sleep(seconds)
    return {"seconds": seconds}


@get("/bug")
async def have_a_bug() -> None:
    """What nobody foresaw."""
    raise RuntimeError("SELECT secret FROM inside")


@get("/once")
async def work_once(state: State) -> dict[str, int]:
    """Works the first time and fails the second."""
    state["made"].append("once")
    if len(state["made"]) > 1:
        raise RuntimeError("the second time")
    return {"made": 1}


@get("/now")
async def show_now(state: State) -> dict[str, str]:
    """One statement."""
    async with state["database"].connect() as connection:
        row = await connection.row(_NOW)
    return {"now": str(row["now"])}


class Bare:
    """The running bare service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registry = CollectorRegistry()
        self.database = Database(settings)
        self.gremlins = Gremlins(NAME, "orders", settings, self.registry)
        self.made: list[str] = []
        self.url = ""
        self.door: httpx.AsyncClient
        self.app = service_app(
            name=NAME,
            title="Nothing",
            settings=settings,
            registry=self.registry,
            routes=[make_thing, show_thing, be_slow, have_a_bug, work_once, show_now],
            database=self.database,
            gremlins=self.gremlins,
            state={"made": self.made, "database": self.database},
        )

    async def let_loose(self, kind: str, *routes: str, **more: Any) -> dict[str, Any]:
        """A gremlin named after its kind; its view."""
        command = {"kind": kind, "routes": list(routes) or ["*"], **more}
        answer = await self.door.put(f"/gremlins/{kind}", json=command)
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value right now; 0.0 where the series does not exist."""
        return self.registry.get_sample_value(name, {"service": NAME, **labels}) or 0.0


@asynccontextmanager
async def run_bare(settings: Settings) -> AsyncIterator[Bare]:
    """The bare service on a real socket."""
    bare = Bare(settings)
    async with serve(bare.app, settings) as url:
        bare.url = url
        async with knock(url) as bare.door:
            yield bare


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so: two hundred looks, a hundredth of a second apart."""
    for _ in range(200):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("still not so")
