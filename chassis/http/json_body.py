"""Reads a request body strictly: unambiguous JSON of the declared shape, or a 400."""

import json
import re
from collections.abc import Generator
from typing import Any, TypeVar

import msgspec
from litestar._openapi.schema_generation import SchemaCreator
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from chassis.http.misfit import plain
from chassis.http.problems import Problem, invalid

T = TypeVar("T")
# `curl -d` says "form" and means JSON, so a form content type is taken at its body.
_ACCEPTED = ("application/json", "application/x-www-form-urlencoded", "")


class Ambiguous(ValueError):
    """JSON that two readers could understand differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Ambiguous("the same key appears twice")
    return found


def _no_constant(name: str) -> None:
    raise Ambiguous(f"{name} is not JSON")


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text, refusing duplicate keys, NaN, a byte order mark and bad UTF-8."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        # A lone surrogate cannot be stored or sent on; PostgreSQL refuses NUL in text.
        if "\\u" in text and not _storable(json.dumps(value, ensure_ascii=False)):
            raise Ambiguous("a string holds a lone surrogate or a NUL")
    except (ValueError, RecursionError) as error:
        raise Problem(400, "malformed", f"The body is not usable JSON: {_why(error)}") from None
    return value


def _why(error: ValueError | RecursionError) -> str:
    if isinstance(error, Ambiguous | json.JSONDecodeError):
        return str(error)[:200]
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 from byte {error.start} on"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"


def _storable(text: str) -> bool:
    # Two backslashes are one in the text; a \u0000 that is left without them is a NUL.
    is_nul = "\\u0000" in text.replace("\\\\", "")
    return not is_nul and not any(0xD800 <= ord(c) <= 0xDFFF for c in text)


def read_body(raw: bytes, content_type: str, shape: type[T]) -> T:
    """The body as `shape` (types are not coerced); raises `Problem` 400 or 415."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _ACCEPTED and not media_type.endswith("+json"):
        raise Problem(
            415, "unsupported-media-type", f"Send application/json, not {media_type[:80]}"
        )
    if not raw.strip():
        raise Problem(400, "malformed", "The body is empty; a JSON object is expected")
    value = parse_json(raw)
    try:
        return msgspec.convert(value, shape, strict=True, str_keys=True)
    except msgspec.ValidationError as error:
        raise _pointed(error, shape) from None


def _pointed(error: msgspec.ValidationError, shape: Any) -> Problem:
    message, _, path = str(error).partition(" - at ")
    # Which key of a mapping it is, is not said.
    place = path.strip("`").lstrip("$").replace("[...]", "[*]").replace(".", "/")
    pointer = re.sub(r"\[(\d+|\*)\]", r"/\1", place)
    named = re.search(r"(?:unknown|required) field `([^`]*)`", message)
    if named:
        # RFC 6901 escapes; a client's own field name may hold anything, at any length.
        pointer += "/" + named[1].replace("~", "~0").replace("/", "~1")[:200]
    return invalid(pointer, plain(str(error), shape)[:500])


class Strict(AbstractDTO[T]):
    """Litestar's hook for reading a body, used as `dto=Strict[PlaceOrder], return_dto=None`."""

    @classmethod
    def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
        """Nothing to prepare: the body is decoded into the wire struct itself."""

    @classmethod
    def generate_field_definitions(
        cls, model_type: type[Any]
    ) -> Generator[DTOFieldDefinition, None, None]:
        """No transfer model."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """No transfer model."""
        return False

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Reference | Schema:
        """The wire struct's own schema."""
        return schema_creator.for_field_definition(field_definition)

    def decode_bytes(self, value: bytes) -> Any:
        """The body as the wire struct."""
        if self.asgi_connection.headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(
                415, "unsupported-encoding", "Send the body as it is, without Content-Encoding",
                headers={"Accept-Encoding": "identity"},
            )  # fmt: skip
        content_type = self.asgi_connection.headers.get("content-type", "")
        return read_body(value, content_type, self.model_type)
