"""The needs of a provider that is asked over gRPC as well: the same requests and responses as
messages, in proto3's JSON form, with gRPC's status and the call's metadata beside them."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from chassis.rpc.codes import CODES, code_of
from chassis.rpc.method import RpcMethod, methods_of
from chassis.rpc.status import DOMAIN, TRAILER
from tests.contracts.matching import Plain, example_of, is_matcher, plain
from tests.contracts.need import DEADLINE_S, JSON, Need
from tests.harness.serving import create_service, settings_of

from pact import Pact  # isort: skip - after `matching`, which tells it to report to nobody

_LONG = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}
_STATUS = "grpc-status"
# A detail's class has to be known before the detail is read.
_INFO = error_details_pb2.ErrorInfo.DESCRIPTOR.full_name


class Answer(NamedTuple):
    """What comes back: the response, or the google.rpc.Status of what is none, as JSON."""

    body: Plain
    metadata: Mapping[str, str]


class Call(NamedTuple):
    """A need as a call; `answer` may hold matchers."""

    need: Need
    method: str
    request: Plain
    answer: Answer

    @property
    def metadata(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.need.headers.items()}

    def add_to(self, pact: Pact) -> None:
        """As a synchronous message."""
        interaction = pact.upon_receiving(self.need.description, "Sync")
        interaction.given(self.need.state, dict(self.need.given))
        interaction.with_body(json.dumps(self.request), JSON)
        interaction.with_metadata({"method": self.method, **self.metadata})
        interaction.will_respond_with().with_body(json.dumps(self.answer.body), JSON)
        interaction.with_metadata(dict(self.answer.metadata))


def service_of(provider: str) -> ServiceDescriptor:
    """The service of the process's proto."""
    app = create_service(provider, settings_of(provider, "postgresql://nobody@localhost/none"))
    assert app.rpc is not None, f"{provider} speaks no gRPC"
    return app.rpc[0]


def calls_of(provider: str, needs: Iterable[Need]) -> list[Call]:
    """Each need as the call of the method that is its HTTP request."""
    service = service_of(provider)
    return [_call(service, need) for need in needs]


def _call(service: ServiceDescriptor, need: Need) -> Call:
    found = zip(service.methods, methods_of(service), strict=True)
    descriptor, method = next(
        each for each in found if each[1].verb == need.method and each[1].matches(need.path)
    )
    asked = GetMessageClass(descriptor.input_type)
    request = asked.FromString(method.write_request(need.path, need.body))
    answer = _answer(method, descriptor.output_type, need)
    return Call(need, method.name, json_format.MessageToDict(request), answer)


def _answer(method: RpcMethod, shape: Descriptor, need: Need) -> Answer:
    answer, status = plain(need.answer), need.status
    code = code_of(status, answer.get("code", ""))
    if code != "OK":
        known = {"code": answer["code"], "status": str(status)}
        info = {"@type": f"type.googleapis.com/{_INFO}", "domain": DOMAIN, "metadata": known}
        return Answer({"code": CODES[code], "details": [info]}, {_STATUS: code})
    metadata = {_STATUS: code, "x-valerix-status": str(status)}
    if status == 402:
        answer = {"declined": answer["details"]}
        metadata["x-valerix-problem"] = plain(need.answer)["code"]
    elif method.inner:
        answer = {method.inner: answer}
    return Answer(_proto3(answer, shape), metadata)


def _proto3(value: Plain, shape: Descriptor) -> Plain:
    """Our JSON with its matchers in proto3's own form."""
    if is_matcher(value):
        return {**value, "value": _proto3(value["value"], shape)}
    if isinstance(value, list):
        return [_proto3(each, shape) for each in value]
    return dict(_fields(value, shape))


def _fields(value: Mapping[str, Plain], shape: Descriptor) -> Iterator[tuple[str, Plain]]:
    for name, each in value.items():
        field = shape.fields_by_name[name]
        inner = field.message_type
        if inner is not None and inner.file.package == shape.file.package:
            each = _proto3(each, inner)
        elif field.type in _LONG:
            each = str(each)
        if each is not None:
            yield field.json_name, each


@asynccontextmanager
async def answering(provider: str, calls: list[Call]) -> AsyncIterator[str]:
    """A provider that gives these answers, each to its own request; yields its address."""
    service = service_of(provider)
    server, asked = aio.server(), set[str]()

    def handler(method: RpcMethod, descriptor: Any) -> grpc.RpcMethodHandler:
        async def handle(raw: bytes, context: Any) -> bytes:
            request = json_format.MessageToDict(
                GetMessageClass(descriptor.input_type).FromString(raw)
            )
            sent = dict(context.invocation_metadata())
            (call,) = (
                each for each in calls
                if (each.method, each.request) == (method.name, request)
                and each.metadata.items() <= sent.items()
            )  # fmt: skip
            asked.add(call.need.description)
            return await _give(call.answer, GetMessageClass(descriptor.output_type), context)

        return grpc.unary_unary_rpc_method_handler(handle)

    handlers = {
        descriptor.name: handler(method, descriptor)
        for descriptor, method in zip(service.methods, methods_of(service), strict=True)
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service.full_name, handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)
    assert asked == {each.need.description for each in calls}


async def _give(answer: Answer, shape: type[Message], context: Any) -> bytes:
    body, metadata = example_of(answer.body), dict(answer.metadata)
    code = grpc.StatusCode[metadata.pop(_STATUS)]
    if code is not grpc.StatusCode.OK:
        status = json_format.ParseDict(body, status_pb2.Status()).SerializeToString()
        await context.abort(code, "", ((TRAILER, status), *metadata.items()))
    context.set_trailing_metadata(tuple(metadata.items()))
    return json_format.ParseDict(body, shape()).SerializeToString()


def ask(
    target: str, provider: str, request: Mapping[str, Any], change: Callable[[bytes], bytes]
) -> Answer:
    """What a running provider answers to the request of a message in a pact; `change` is what
    happens to the bytes of its response on their way."""
    sent = dict(request["metadata"])
    method = sent.pop("method")
    descriptor = service_of(provider).methods_by_name[method.rpartition("/")[2]]
    message = json_format.ParseDict(
        request["contents"]["content"], GetMessageClass(descriptor.input_type)()
    )
    sent.pop("contentType")
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(f"/{method}")
        try:
            raw, done = call.with_call(
                message.SerializeToString(), timeout=DEADLINE_S, metadata=tuple(sent.items())
            )
        except grpc.RpcError as refused:
            return _refused(refused)
    response = GetMessageClass(descriptor.output_type).FromString(change(raw))
    return Answer(json_format.MessageToDict(response), _texts("OK", done.trailing_metadata()))


def _refused(error: Any) -> Answer:
    trailers = error.trailing_metadata() or ()
    status = status_pb2.Status.FromString(dict(trailers).get(TRAILER, b""))
    return Answer(json_format.MessageToDict(status), _texts(error.code().name, trailers))


def _texts(code: str, metadata: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {_STATUS: code, **{name: each for name, each in metadata if isinstance(each, str)}}
