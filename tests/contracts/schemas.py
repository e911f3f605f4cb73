"""Does one JSON schema allow a value that another does not?

It reads what `msgspec` and Litestar write and fails closed: a keyword that it does not know must
have the value it had."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]
# They say something to a reader and nothing about a value.
_NOTES = {
    "title", "description", "summary", "examples", "example", "default", "deprecated", "$comment",
    "readOnly", "writeOnly",
}  # fmt: skip
_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_SHAPE = {"type", "enum", "const", "required", "properties", "additionalProperties", "items"}


class Sides(NamedTuple):
    """The documents that the references of either schema are looked up in."""

    giving: Mapping[str, Any]
    taking: Mapping[str, Any]


def beyond(
    gives: Schema, takes: Schema, sides: Sides, *, read: bool, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """Where a value of `gives` may be none of `takes`, as (JSON pointer, reason).

    `read`: `gives` is what is sent now and `takes` what readers know, who then also miss a property
    that is gone although it was optional. Otherwise `takes` is what is accepted now."""
    step = f"{gives.get('$ref')} {takes.get('$ref')}"
    if "$ref" in gives or "$ref" in takes:
        if step in seen:
            return
        seen |= {step}
    given, taken = _alternatives(gives, sides.giving), _alternatives(takes, sides.taking)
    for one in given:
        yield from _nearest(one, taken, sides, read=read, seen=seen)


def _nearest(
    one: Schema, taken: list[Schema], sides: Sides, *, read: bool, seen: frozenset[str]
) -> list[tuple[str, str]]:
    """Nothing if one alternative takes it, else why the nearest does not."""
    fitting = [each for each in taken if _type_fits(one, each)]
    if not fitting:
        expected = " or ".join(str(each.get("type")) for each in taken)
        return [("", f"the type is {one.get('type', 'any')}, not {expected}")]
    return min((list(_single(one, each, sides, read=read, seen=seen)) for each in fitting), key=len)


def _type_fits(gives: Schema, takes: Schema) -> bool:
    given, taken, listed = gives.get("type"), takes.get("type"), _listed(gives)
    if taken is None or given == taken or (given, taken) == ("integer", "number"):
        return True
    return given is None and listed is not None and all(_is(taken, each) for each in listed)


def _alternatives(schema: Schema, document: Mapping[str, Any]) -> list[Schema]:
    """The schemas that a value may follow, each with one type, without references of their own."""
    schema = _whole(schema, document)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            rest = {name: value for name, value in schema.items() if name != union}
            parts = [_whole(each, document) for each in schema[union]]
            return [one for part in parts for one in _alternatives({**rest, **part}, document)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": one} for one in schema["type"]]
    return [schema]


def _whole(schema: Schema, document: Mapping[str, Any]) -> Schema:
    """A schema with what it refers to and what `allOf` adds to it."""
    if "$ref" in schema:
        found: Any = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        return _whole({**found, **{k: v for k, v in schema.items() if k != "$ref"}}, document)
    if "allOf" not in schema:
        return schema
    merged = {name: value for name, value in schema.items() if name != "allOf"}
    for part in (_whole(each, document) for each in schema["allOf"]):
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = sorted({*merged.get("required", ()), *part.get("required", ())})
        merged = {**merged, **part, "properties": properties, "required": required}
    return merged


def _single(
    gives: Schema, takes: Schema, sides: Sides, *, read: bool, seen: frozenset[str]
) -> Iterator[tuple[str, str]]:
    yield from (("", reason) for reason in _values(gives, takes))
    yield from (("", reason) for reason in _bounds(gives, takes))
    yield from _properties(gives, takes, sides, read=read, seen=seen)
    if "items" in takes:
        inner = beyond(gives.get("items", {}), takes["items"], sides, read=read, seen=seen)
        yield from ((f"/*{pointer}", reason) for pointer, reason in inner)


def _values(gives: Schema, takes: Schema) -> Iterator[str]:
    """Values that are listed one by one."""
    allowed, possible = _listed(takes), _listed(gives)
    if allowed is not None and possible is None:
        yield f"it may be any value, not one of {allowed}"
    elif allowed is not None and (more := [each for each in possible or () if each not in allowed]):
        yield f"the values {more} are not among {allowed}"


def _listed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _is(kind: str, value: Any) -> bool:
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    return isinstance(value, kinds.get(kind, type(None)))


def _bounds(gives: Schema, takes: Schema) -> Iterator[str]:
    """Limits that only `takes` has, or that are closer there, and keywords that are not known."""
    for name in sorted(takes.keys() - _SHAPE - _NOTES):
        limit, current = takes[name], gives.get(name)
        if name in _LOWER | _UPPER and current is not None:
            if current < limit if name in _LOWER else current > limit:
                yield f"{name} {current} is beyond {limit}"
        elif current != limit and _listed(gives) is None:
            yield f"{name} is {'not there' if current is None else current}, not {limit}"


def _properties(
    gives: Schema, takes: Schema, sides: Sides, *, read: bool, seen: frozenset[str]
) -> Iterator[tuple[str, str]]:
    known, accepted = gives.get("properties", {}), takes.get("properties", {})
    required = set(takes.get("required", ()))
    for name in sorted(required - set(gives.get("required", ()))):
        yield f"/{name}", "is not always there" if read else "is required"
    if read:
        for name in sorted(accepted.keys() - known.keys() - required):
            yield f"/{name}", "is gone"
    others, more = takes.get("additionalProperties", True), gives.get("additionalProperties", True)
    pairs = {name: (known[name], accepted[name]) for name in known.keys() & accepted.keys()}
    if others is False:
        yield from ((f"/{name}", "is not known") for name in sorted(known.keys() - accepted.keys()))
        if more is not False and gives.get("type") == "object" and not read:
            yield "", "other fields are not known"
    elif isinstance(others, Mapping):
        pairs |= {name: (known[name], others) for name in known.keys() - accepted.keys()}
        if more is not False:
            pairs["*"] = ({} if more is True else more, others)
    for name, (one, other) in sorted(pairs.items()):
        inner = beyond(one, other, sides, read=read, seen=seen)
        yield from ((f"/{name}{pointer}", reason) for pointer, reason in inner)
