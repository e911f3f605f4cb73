"""What a method of a proto is as an HTTP request: read from its `google.api.http` option."""

import re
from typing import Any

import msgspec
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from chassis.http.problems import Problem, invalid
from chassis.rpc.json_form import fill, to_json

# What an id in a path may be: never a slash, which would make it another path.
_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}")
_FIELD = re.compile(r"\{(\w+)\}")
# The field of an answer that says that it was not paid: the details of what is 402 over HTTP.
_DECLINED = "declined"


class RpcMethod:
    """One method: `name` as gRPC has it in a path, `verb` and `template` of its HTTP request, and
    the field of its response that the HTTP response is; without one it is the whole message."""

    def __init__(self, descriptor: MethodDescriptor) -> None:
        service = descriptor.containing_service.full_name
        self.name = f"{service}/{descriptor.name}"
        rule: Any = descriptor.GetOptions().Extensions[annotations_pb2.http]
        self.verb = rule.WhichOneof("pattern").upper()
        self.template: str = getattr(rule, rule.WhichOneof("pattern"))
        self._has_body = rule.body == "*"
        self.inner = rule.response_body
        self._path_fields = _FIELD.findall(self.template)
        self._path = re.compile(_FIELD.sub(r"(?P<\1>[^/]+)", self.template))
        self._request = GetMessageClass(descriptor.input_type)
        self._response = GetMessageClass(descriptor.output_type)

    # ---- for who serves

    def read_request(self, raw: bytes) -> tuple[str, bytes]:
        """Path and body of the HTTP request. Raises `Problem` 400."""
        try:
            message = self._request.FromString(raw)
            values = to_json(message, unset="omit")
        except (DecodeError, ValueError):
            raise Problem(400, "malformed", f"The message is not a {self._asks}") from None
        known = message.ByteSize()
        message.DiscardUnknownFields()
        if message.ByteSize() != known:
            # As over HTTP: who asks for something that we do not know is not half obeyed.
            raise Problem(400, "validation", f"The message has fields that {self._asks} has not")
        for field in self._path_fields:
            if not _SEGMENT.fullmatch(values[field]):
                raise invalid(f"/{field}", "an id is expected")
        path = self.template.format_map(values)
        rest = {name: each for name, each in values.items() if name not in self._path_fields}
        return path, msgspec.json.encode(rest) if self._has_body else b""

    def write_response(self, status: int, body: bytes) -> bytes | None:
        """The answer as a message; None where there is none for a 402. Raises ValueError where the
        body does not fit the proto."""
        value, message = msgspec.json.decode(body), self._response()
        if self.inner:
            field = self.inner if status < 300 else _DECLINED
            if field not in message.DESCRIPTOR.fields_by_name:
                return None
            value = {field: value if status < 300 else value.get("details") or {}}
        fill(message, value)
        return bytes(message.SerializeToString())

    # ---- for who calls

    def matches(self, path: str) -> re.Match[str] | None:
        """What the path says, if it is one of this method."""
        return self._path.fullmatch(path)

    def write_request(self, path: str, json: object) -> bytes:
        """The HTTP request as a message. Raises ValueError where it does not fit the proto."""
        message = self._request()
        in_path = found.groupdict() if (found := self.matches(path)) else {}
        fill(message, {**msgspec.to_builtins(json or {}), **in_path})
        return bytes(message.SerializeToString())

    def read_response(self, raw: bytes, problem: str) -> tuple[int, bytes]:
        """Status and body as over HTTP; `problem` is the code that came with a refusal to pay.
        Raises ValueError for what is not a message."""
        try:
            message = self._response.FromString(raw)
        except DecodeError as error:
            raise ValueError(str(error)) from None
        if not self.inner:
            return 200, msgspec.json.encode(to_json(message, unset="null"))
        if message.HasField(self.inner):
            inner: Message = getattr(message, self.inner)
            return 200, msgspec.json.encode(to_json(inner, unset="null"))
        if _DECLINED in message.DESCRIPTOR.fields_by_name and message.HasField(_DECLINED):
            details = to_json(getattr(message, _DECLINED), unset="null")
            return 402, msgspec.json.encode({"code": problem, "details": details})
        raise ValueError("the message has neither of its answers")

    @property
    def _asks(self) -> str:
        return str(self._request.DESCRIPTOR.full_name)


def methods_of(service: ServiceDescriptor) -> list[RpcMethod]:
    """Those of a service that are HTTP requests as well."""
    return [RpcMethod(each) for each in service.methods]
