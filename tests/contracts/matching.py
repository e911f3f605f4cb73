"""What of a response matters, beyond its being equal: the matchers that pact's own module lacks."""

import json
import os
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, to_builtins

# Before the import: it would report its use to somebody else's machine.
os.environ["PACT_DO_NOT_TRACK"] = "true"

from pact import generate, match
from pact.match.matcher import GenericMatcher, IntegrationJSONEncoder

Plain = Any
_MATCHER, _VALUE = "pact:matcher:type", "value"


def of_state(expression: str, example: str) -> GenericMatcher[str]:
    """In a request: what the provider's state says it is, as in "/orders/${order_id}"."""
    return GenericMatcher("equality", example, generator=generate.provider_state(expression))


def shaped(value: Any) -> Any:
    """As this, but only in kind: of a list every entry like the first; what is empty may be full,
    and what is null stays so."""
    if isinstance(value, Struct):
        value = to_builtins(value)
    if isinstance(value, Mapping) and value:
        return {name: shaped(each) for name, each in value.items()}
    if isinstance(value, list) and value:
        return match.each_like(shaped(value[0]))
    return None if value is None else match.like(value)


def perhaps(entry: Any) -> GenericMatcher[list[Any]]:
    """A list of such entries, or of none."""
    return GenericMatcher("type", [entry], min=0)


def plain(value: Any) -> Plain:
    """As pact's core is given it: matchers are objects beside what they match."""
    return json.loads(json.dumps(value, cls=IntegrationJSONEncoder))


def is_matcher(value: Plain) -> bool:
    return isinstance(value, dict) and _MATCHER in value


def example_of(value: Plain) -> Plain:
    """What stands for it in a mock's answer."""
    if is_matcher(value):
        return example_of(value[_VALUE])
    if isinstance(value, dict):
        return {name: example_of(each) for name, each in value.items()}
    return [example_of(each) for each in value] if isinstance(value, list) else value
