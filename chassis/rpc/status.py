"""A refusal as google.rpc.Status: its problem in an ErrorInfo, and when to ask again."""

from typing import Any

import msgspec
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from chassis.rpc.bridge import RpcResponse
from chassis.rpc.codes import CODES

# The metadata that carries it, as every gRPC library has it.
TRAILER = "grpc-status-details-bin"
DOMAIN = "valerix"
# Metadata has 8 KiB for all of it, and a trailer is encoded to four thirds of its length.
_LONGEST = 2048


def status_of(answer: RpcResponse) -> status_pb2.Status:
    """The status of an answer that is a problem, or of none at all."""
    try:
        problem: dict[str, Any] = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        problem = {}
    code = str(problem.get("code") or f"http-{answer.status}")
    info = error_details_pb2.ErrorInfo(
        reason=code.upper().replace("-", "_"),
        domain=DOMAIN,
        metadata={"code": code, "status": str(answer.status)},
    )
    details = msgspec.json.encode(problem.get("details")).decode()
    if len(details) <= _LONGEST:
        info.metadata["details"] = details
    more: list[any_pb2.Any] = [_packed(info)]
    if (after := answer.headers.get("retry-after", "")).isdigit():
        delay = duration_pb2.Duration(seconds=int(after))
        more.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    usual = "Something broke on our side" if answer.status else "The connection broke"
    message = str(problem.get("detail") or usual)
    # A refusal to pay for which the answer has no message is one all the same.
    name = answer.code if answer.code != "OK" else "FAILED_PRECONDITION"
    return status_pb2.Status(code=CODES[name], message=message, details=more)


def _packed(detail: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    # Else its metadata are in another order in each process, and so is what is rendered from it.
    packed.Pack(detail, deterministic=True)
    return packed


def problem_in(raw: bytes) -> tuple[int, bytes] | None:
    """Status and body of HTTP in a status of ours; None where it is another's."""
    try:
        status = status_pb2.Status.FromString(raw)
    except DecodeError:
        return None
    info = error_details_pb2.ErrorInfo()
    for each in status.details:
        if each.Unpack(info) and info.domain == DOMAIN and info.metadata["status"].isdigit():
            problem = {
                "code": info.metadata["code"],
                "detail": status.message,
                "details": msgspec.Raw((info.metadata["details"] or "null").encode()),
            }
            return int(info.metadata["status"]), msgspec.json.encode(problem)
    return None
