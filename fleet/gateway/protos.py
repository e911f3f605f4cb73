"""How Envoy writes down which extension is meant."""

from typing import Any

_TYPES = "type.googleapis.com/envoy."


def typed(name: str, **values: Any) -> dict[str, Any]:
    """A message with its type: `name` is what follows `envoy.` in Envoy's own documents."""
    return {"@type": _TYPES + name, **values}


def named(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """An extension by its name."""
    return {"name": name, "typed_config": config}
