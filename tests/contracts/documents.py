"""The documents that the processes publish, and what in one of them breaks its readers.

`make baseline` keeps the current ones, in docs/contracts, as those of the last version."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from fleet.run_dir import ROOT
from services.events import asyncapi
from tests.contracts.schemas import Schema, Sides, beyond
from tests.harness.serving import create_service, settings_of
from topology import SERVICES

KEPT = ROOT / "docs" / "contracts"
EVENTS = "events"
Document = Mapping[str, Any]


class Break(NamedTuple):
    """One change that breaks somebody: of which operation or event, where, and how."""

    operation: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.where} {self.reason}"


def path_of(key: str) -> Path:
    """Where the last version's document of a process is kept, or that of the events."""
    return KEPT / f"{key}.{'asyncapi' if key == EVENTS else 'openapi'}.json"


def last(key: str) -> Any:
    """The document of the last version."""
    return json.loads(path_of(key).read_text(encoding="utf-8"))


async def current(key: str) -> Any:
    """The document as the process would answer it; no database is asked for that."""
    if key == EVENTS:
        return asyncapi.document()
    app = create_service(key, settings_of(key, "postgresql://nobody@localhost/none"))
    wire = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=wire, base_url="http://localhost") as client:
        return (await client.get("/schema/openapi.json")).raise_for_status().json()


def broken(before: Document, now: Document) -> list[Break]:
    """What a reader of `before` cannot rely on any more; additions break nobody."""
    return list((_events if "asyncapi" in before else _operations)(before, now))


def _operations(before: Document, now: Document) -> Iterator[Break]:
    for path, item in before["paths"].items():
        for method, operation in item.items():
            name = f"{method.upper()} {path}"
            found = now["paths"].get(path, {}).get(method)
            if found is None:
                yield Break(name, "the operation", "is gone")
                continue
            for where, reason in _operation(operation, found, Sides(before, now)):
                yield Break(name, where, reason)


def _operation(before: Document, now: Document, sides: Sides) -> Iterator[tuple[str, str]]:
    """Sent by the client: parameters and body, which must be accepted as before. Sent by the
    service: responses, in which everything must be as readers know it."""
    yield from _parameters(before.get("parameters", ()), now.get("parameters", ()), sides)
    asked, body = before.get("requestBody", {}), now.get("requestBody", {})
    if body.get("required") and not asked.get("required"):
        yield "the request's body", "is required"
    accepted = body.get("content", {})
    yield from _contents("request", asked.get("content", {}), accepted, sides, read=False)
    for status, response in before["responses"].items():
        found = now["responses"].get(status)
        if found is None:
            if status.startswith("2"):
                yield f"response {status}", "is gone"
            continue
        for header in sorted(response.get("headers", {}).keys() - found.get("headers", {}).keys()):
            yield f"response {status}, header {header}", "is gone"
        known, sent = response.get("content", {}), found.get("content", {})
        yield from _contents(f"response {status}", known, sent, sides, read=True)


def _parameters(before: Any, now: Any, sides: Sides) -> Iterator[tuple[str, str]]:
    known = {(each["in"], each["name"]): each for each in before}
    found = {(each["in"], each["name"]): each for each in now}
    for place, name in sorted(known.keys() | found.keys()):
        where = f"{place} parameter {name}"
        one, other = known.get((place, name)), found.get((place, name))
        if other is None:
            yield where, "is gone"
            continue
        if other.get("required") and not (one or {}).get("required"):
            yield where, "is required"
        if one is not None:
            inner = beyond(one["schema"], other["schema"], sides, read=False)
            yield from ((f"{where}{pointer}", reason) for pointer, reason in inner)


def _contents(
    part: str, before: Document, now: Document, sides: Sides, *, read: bool
) -> Iterator[tuple[str, str]]:
    for kind, content in before.items():
        if kind not in now:
            yield f"{part}, {kind}", "is gone"
            continue
        schemas = content.get("schema", {}), now[kind].get("schema", {})
        for pointer, reason in _between(*schemas, sides, read=read):
            yield f"{part} {pointer or '/'}", reason


def _between(before: Schema, now: Schema, sides: Sides, *, read: bool) -> Iterator[tuple[str, str]]:
    """What is sent must be what is taken: who of the two is new depends on who sends."""
    if read:
        return beyond(now, before, Sides(giving=sides.taking, taking=sides.giving), read=True)
    return beyond(before, now, sides, read=False)


def _events(before: Document, now: Document) -> Iterator[Break]:
    channels = {each["address"]: each for each in now["channels"].values()}
    sides = Sides(before, now)
    for channel in before["channels"].values():
        event = channel["address"]
        found = channels.get(event)
        if found is None:
            yield Break(event, "the event", "is gone")
            continue
        if found["bindings"] != channel["bindings"]:
            yield Break(event, "the exchange", "is another")
        known, sent = _message(channel, before), _message(found, now)
        if known["contentType"] != sent["contentType"]:
            yield Break(event, "the content type", f"is {sent['contentType']}")
        for pointer, reason in _between(known["payload"], sent["payload"], sides, read=True):
            yield Break(event, pointer or "/", reason)


def _message(channel: Document, document: Document) -> Any:
    (reference,) = channel["messages"].values()
    return document["components"]["messages"][reference["$ref"].rpartition("/")[2]]


KEYS = (*(process.key for process in SERVICES), EVENTS)


async def _all() -> dict[str, Any]:
    return {key: await current(key) for key in KEYS}


def _keep() -> None:
    documents = asyncio.run(_all())
    # Of a process that is gone nothing is promised any more.
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    for key, document in documents.items():
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
        path_of(key).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    _keep()
