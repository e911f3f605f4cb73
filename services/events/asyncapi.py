"""Writes docs/events.asyncapi.yaml, which describes every event, from the events' structs."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from chassis.messaging.envelope import MEDIA_TYPE, CloudEvent, schema_of
from chassis.messaging.rabbitmq import exchange_of
from services.events.catalogue import TYPES

FILE = Path(__file__).parents[2] / "docs" / "events.asyncapi.yaml"
_REF = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    shapes = [CloudEvent, *TYPES.values()]
    _, schemas = msgspec.json.schema_components(shapes, ref_template=_REF)
    messages = {_name(each): _message(each, shape) for each, shape in TYPES.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Valerix events",
            "version": "1",
            "description": (
                "What happened in the shop: at least once, in the order of each aggregate. Read an"
                " event by its `id` once; `sequence` counts the events of its aggregate."
            ),
        },
        "defaultContentType": MEDIA_TYPE,
        "channels": {_name(each): _channel(each) for each in TYPES},
        "operations": {
            f"send{_name(each)}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{_name(each)}"},
                "messages": [{"$ref": f"#/channels/{_name(each)}/messages/{_name(each)}"}],
            }
            for each in TYPES
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _name(event_type: str) -> str:
    """Of its channel and its message: two types may have one struct."""
    return "".join(word.capitalize() for word in event_type.split("."))


def _channel(event_type: str) -> dict[str, Any]:
    name = _name(event_type)
    exchange = {"name": exchange_of(event_type), "type": "topic", "durable": True}
    return {
        "address": event_type,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _message(event_type: str, shape: type) -> dict[str, Any]:
    data = {
        "type": "object",
        "properties": {
            "type": {"const": event_type},
            "dataschema": {"const": schema_of(event_type)},
            "data": {"$ref": _REF.format(name=shape.__name__)},
        },
    }
    return {
        "name": event_type,
        "contentType": MEDIA_TYPE,
        "summary": " ".join((shape.__doc__ or "").split()),
        "payload": {"allOf": [{"$ref": _REF.format(name="CloudEvent")}, data]},
    }


def rendered() -> str:
    """The file's text."""
    text = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100)
    return f"# Rendered by `make render` from the structs of the events.\n{text}"


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
    sys.exit(0)
