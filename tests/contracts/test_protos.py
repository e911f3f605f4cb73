"""The protos say the same as the HTTP interface, and a change that breaks a caller is found."""

import datetime as dt
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from msgspec import inspect

from chassis.http.edge import Edge
from chassis.rpc.method import methods_of
from fleet.run_dir import ROOT
from tests.harness.serving import create_service, settings_of
from topology import SPEAKS_GRPC

BUF = Path(sys.executable).with_name("buf")
BASELINE = ROOT / "docs/contracts/protos.json"
# What each kind of a wire struct's field is in a proto.
_NUMBERS = {
    inspect.IntType: {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64},
    inspect.FloatType: {FieldDescriptor.TYPE_DOUBLE},
    inspect.BoolType: {FieldDescriptor.TYPE_BOOL},
    inspect.StrType: {FieldDescriptor.TYPE_STRING},
    inspect.LiteralType: {FieldDescriptor.TYPE_STRING},
    inspect.UUIDType: {FieldDescriptor.TYPE_STRING},
}
_WELL_KNOWN = {
    inspect.DateTimeType: "google.protobuf.Timestamp",
    inspect.AnyType: "google.protobuf.Value",
}


def buf(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUF, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )


def differences(struct: type, message: Descriptor, given: set[str]) -> Iterator[str]:
    """Where a message is not the JSON of a struct; fields that are `given` stand in the path."""
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)
    known = {field.encode_name: field for field in kind.fields}
    names = {name for name in message.fields_by_name if name not in given}
    if names != known.keys():
        yield f"{message.full_name}: {names ^ known.keys()} is on one side alone"
    for name in names & known.keys():
        yield from _field(known[name], message.fields_by_name[name])


def _field(known: inspect.Field, found: FieldDescriptor) -> Iterator[str]:
    kind, may_be_null = _unwrapped(known.type)
    may_be_absent = may_be_null or not known.required
    is_plain = found.message_type is None and not found.is_repeated
    if is_plain and found.has_presence != may_be_absent:
        yield f"{found.full_name}: {'may' if may_be_absent else 'may not'} be absent"
    yield from _kind(kind, found)


def _kind(kind: inspect.Type, found: FieldDescriptor) -> Iterator[str]:
    message = found.message_type
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        if not found.is_repeated:
            yield f"{found.full_name}: is a list"
        yield from _kind(_unwrapped(kind.item_type)[0], found)
    elif isinstance(kind, inspect.StructType):
        if message is None:
            yield f"{found.full_name}: is a message"
        else:
            yield from differences(kind.cls, message, set())
    elif isinstance(kind, inspect.DictType):
        if message is None or message.full_name not in (
            "google.protobuf.Struct", f"{found.containing_type.full_name}.MetadataEntry"
        ):  # fmt: skip
            yield f"{found.full_name}: is an object"
    elif type(kind) in _WELL_KNOWN:
        if message is None or message.full_name != _WELL_KNOWN[type(kind)]:
            yield f"{found.full_name}: is {_WELL_KNOWN[type(kind)]}"
    elif found.type not in _NUMBERS[type(kind)]:
        yield f"{found.full_name}: is {type(kind).__name__}"


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """The kind itself, and whether it may be null."""
    if isinstance(kind, inspect.Metadata):
        return _unwrapped(kind.type)
    if not isinstance(kind, inspect.UnionType):
        return kind, False
    several = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    return _unwrapped(several[0])[0], len(several) < len(kind.types)


@pytest.mark.parametrize("key", [process.key for process in SPEAKS_GRPC])
def test_each_method_has_the_messages_of_its_http_request(key: str):
    app: Edge = create_service(key, settings_of(key, "postgresql://nobody@localhost/none"))
    assert app.rpc is not None
    for descriptor, method in zip(app.rpc[0].methods, methods_of(app.rpc[0]), strict=True):
        contracts = app.contracts[method.verb, method.template]
        asked, answered = descriptor.input_type, descriptor.output_type
        given = {name for name in asked.fields_by_name if f"{{{name}}}" in method.template}
        if contracts.request is None:
            assert set(asked.fields_by_name) == given
        else:
            assert list(differences(contracts.request, asked, given)) == []
        (answer,) = {each for status, each in contracts.answers.items() if status < 300}
        inner = answered.fields_by_name.get(method.inner)
        answered = inner.message_type if inner is not None else answered
        assert list(differences(answer, answered, set())) == []


def test_a_difference_is_found():
    class Attempt(msgspec.Struct):
        n: str
        at: dt.datetime
        payment_id: UUID | None

    from valerix.payment.v1.payment_service_pb2 import Attempt as Message

    found = " ".join(differences(Attempt, Message.DESCRIPTOR, set()))
    assert "on one side alone" in found
    assert "valerix.payment.v1.Attempt.n: is StrType" in found


def test_the_generated_code_is_current(tmp_path: Path):
    made = buf("generate", "--output", tmp_path)
    assert made.returncode == 0, made.stderr
    written = {file.relative_to(tmp_path): file.read_text() for file in tmp_path.rglob("*.py*")}
    assert written
    committed = {
        file.relative_to(ROOT): file.read_text()
        for file in (ROOT / "valerix").rglob("*.py*") if "__pycache__" not in file.parts
    }  # fmt: skip
    assert committed == written, "run `make gen`"


def test_what_others_wrote_is_as_they_wrote_it():
    import google.api

    theirs = Path(next(iter(google.api.__path__)))
    for file in (ROOT / "protos/third_party/google/api").iterdir():
        assert file.read_text() == (theirs / file.name).read_text()


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ("string merchant_id = 2;", "string shop_id = 2;", "merchant_id"),
        ("int64 amount = 3;", "string amount = 3;", "amount"),
        ("  optional string error_code = 4;\n", "", "error_code"),
        ("rpc RefundPayment(", "rpc Refund(", "RefundPayment"),
        ("bool success = 3;\n  repeated", "bool success = 5;\n  repeated", "success"),
    ],
)
def test_a_change_that_breaks_a_caller_is_named(tmp_path: Path, before: str, after: str, gone: str):
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    proto = tmp_path / "protos/valerix/payment/v1/payment_service.proto"
    text = proto.read_text()
    assert before in text
    unchanged = buf("breaking", "--against", BASELINE, folder=tmp_path)
    proto.write_text(text.replace(before, after, 1))
    changed = buf("breaking", "--against", BASELINE, folder=tmp_path)
    assert (unchanged.returncode, unchanged.stdout) == (0, "")
    assert changed.returncode != 0
    assert gone in changed.stdout
