"""Composes the echo service."""

from litestar import get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from prometheus_client import CollectorRegistry
from services.echo.contract import Echo
from services.echo.settings import EchoSettings
from services.echo.tables import SCHEMA_REVISION, messages
from sqlalchemy import bindparam, insert

from chassis.database.pool import Database, statement
from chassis.faults.gremlins import Gremlins
from chassis.http.app import service_app
from chassis.http.edge import Edge

NAME = "echo-service"
_INSERT = statement(insert(messages).values(text=bindparam("text")), "INSERT echo.messages")


@get("/echo/{text:str}", summary="The text, kept and sent back")
async def echo(state: State, text: FromPath[str]) -> Echo:
    """GET /echo/{text}."""
    database: Database = state["database"]
    async with database.begin() as connection:
        await connection.execute(_INSERT, text=text)
    return Echo(text)


ROUTES: list[BaseRouteHandler] = [echo]


def create_app(settings: EchoSettings) -> Edge:
    """The echo service as an ASGI app. Pure: nothing is opened before the lifespan."""
    registry = CollectorRegistry()
    database = Database(settings)
    return service_app(
        name=NAME,
        title="Valerix echo",
        settings=settings,
        registry=registry,
        routes=ROUTES,
        database=database,
        gremlins=Gremlins(NAME, "echo", settings, registry),
        schema_revision=SCHEMA_REVISION,
        state={"database": database},
    )
