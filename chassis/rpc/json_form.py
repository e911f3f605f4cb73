"""Messages as the JSON of our HTTP interface, and back.

Names are those of the proto, and whole numbers are numbers: proto3's own JSON form writes one of 64
bits as text, which a strict reader refuses."""

from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_TIME = "google.protobuf.Timestamp"
# Any JSON at all: the library knows how.
_FREE = frozenset({"google.protobuf.Struct", "google.protobuf.Value"})


def to_json(message: Message, *, unset: str) -> dict[str, Any]:
    """The message as a JSON object. An optional field that is not set is left out (`unset` is
    "omit") or null ("null"). Raises ValueError for a number that JSON does not have."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            found[field.name] = _many(field, value, unset)
        elif not field.has_presence or message.HasField(field.name):
            found[field.name] = _one(field, value, unset)
        elif unset == "null":
            found[field.name] = None
    return found


def _many(field: FieldDescriptor, value: Any, unset: str) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"]
        return {key: _one(inner, value[key], unset) for key in value}
    return [_one(field, each, unset) for each in value]


def _one(field: FieldDescriptor, value: Any, unset: str) -> Any:
    if field.message_type is None:
        return value
    if field.message_type.full_name == _TIME:
        return value.ToJsonString()
    if field.message_type.full_name in _FREE:
        return _whole(json_format.MessageToDict(value))
    return to_json(value, unset=unset)


def _whole(value: Any) -> Any:
    """JSON has one kind of number, and proto a double for it: a whole one is written as such."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def fill(message: Message, value: Any) -> None:
    """Set the message's fields from a JSON object; null is not set, and a name that the message
    does not have is not read. Raises ValueError for a value of another kind."""
    fields = message.DESCRIPTOR.fields_by_name
    try:
        for name, each in value.items():
            if name in fields and each is not None:
                _set(message, fields[name], each)
    except (TypeError, AttributeError, json_format.ParseError) as error:
        raise ValueError(str(error)) from None


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    kind = field.message_type
    if kind is None and field.is_repeated:
        getattr(message, field.name).extend(value)
    elif kind is None:
        setattr(message, field.name, value)
    elif kind.GetOptions().map_entry:
        entries = getattr(message, field.name)
        for key, each in value.items():
            if kind.fields_by_name["value"].message_type is None:
                entries[key] = each
            else:
                _fill_message(entries[key], each)
    elif field.is_repeated:
        entries = getattr(message, field.name)
        for each in value:
            _fill_message(entries.add(), each)
    else:
        _fill_message(getattr(message, field.name), value)


def _fill_message(message: Any, value: Any) -> None:
    message.SetInParent()
    if message.DESCRIPTOR.full_name == _TIME:
        message.FromJsonString(value)
    elif message.DESCRIPTOR.full_name in _FREE:
        json_format.ParseDict(value, message)
    else:
        fill(message, value)
