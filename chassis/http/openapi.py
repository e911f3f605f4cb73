"""The OpenAPI document: what the types do not show, above all that every refusal is a problem."""

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.params import QueryParameter

from chassis.http.problems import MEDIA_TYPE, ProblemDocument

(_PROBLEM,), _SCHEMAS = msgspec.json.schema_components(
    [ProblemDocument], ref_template="#/components/schemas/{name}"
)
_ANY_OTHER = {
    "description": "Any other refusal or fault (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
}


def answered(shape: type, description: str) -> ResponseSpec:
    """A status that an operation answers with `shape`, without the framework's random examples."""
    return ResponseSpec(shape, generate_examples=False, description=description)


def refused(description: str) -> ResponseSpec:
    """A status that an operation answers with a problem, for `responses={409: refused(…)}`."""
    return ResponseSpec(
        ProblemDocument, generate_examples=False, description=description, media_type=MEDIA_TYPE
    )


def limit_up_to(most: int) -> QueryParameter:
    """How many of a list to answer, as `rows_of` reads it. The schema has no minimum: the document
    of the version before had none, and a client's number that fitted it would not fit any more."""
    return QueryParameter(description=f"1 to {most}; a larger number means {most}")


def limit_clamped_to(most: int, more: str) -> QueryParameter:
    """The same where the answer says what was used: `more` is how."""
    return QueryParameter(description=f"1 to {most}; any other number means the nearest. {more}")


@dataclass
class KeyedOperation(Operation):
    """An operation that takes an Idempotency-Key. The header is read by hand, so that two of
    them, or a bad one, get an answer that names the problem."""

    def __post_init__(self) -> None:
        schema = Schema(
            type=OpenAPIType.STRING, min_length=16, max_length=255, pattern=r"^[\x21-\x7e]+$"
        )
        key = Parameter(name="Idempotency-Key", param_in="header", required=False, schema=schema)
        self.parameters = [*(self.parameters or []), key]


class OpenApiJson(JsonRenderPlugin):
    """/schema/openapi.json with every operation's problems in it."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document."""
        return super().render(request, with_problems(openapi_schema))


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the framework's own 400 replaced by the problem document."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update({name: schema for name, schema in _SCHEMAS.items() if name not in schemas})
    for item in document.get("paths", {}).values():
        for operation in item.values():
            answers = operation["responses"]
            if MEDIA_TYPE not in answers.get("400", {}).get("content", {}):
                answers.pop("400", None)
            answers["default"] = _ANY_OTHER
            _close_body(operation, schemas)
    return document


def _close_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Bodies are read strictly (chassis/http/json_body.py), which the framework does not know."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        _close(content["schema"], schemas)


def _close(schema: Any, schemas: dict[str, Any]) -> None:
    """No other fields in what is referred to here, nor in what that refers to."""
    if isinstance(schema, list):
        for each in schema:
            _close(each, schemas)
    elif isinstance(schema, dict):
        found = schemas.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
        if found.get("type") == "object" and "additionalProperties" not in found:
            found["additionalProperties"] = False
            _close(found, schemas)
        for each in schema.values():
            _close(each, schemas)
