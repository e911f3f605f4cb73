"""What Envoy answers by itself, as the shop's own problem documents that say what was done."""

from base64 import b64encode
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from chassis.http.problems import MEDIA_TYPE, NOT_EXECUTED, ErrorMember, ProblemDocument
from chassis.rpc.bridge import RpcResponse
from chassis.rpc.codes import CODES
from chassis.rpc.status import TRAILER, status_of
from fleet.gateway.protos import named, typed


class _Reply(NamedTuple):
    """An answer: for these response flags of Envoy, or else for this status (and those above it)
    alone. `is_executed` is whether the request may have done something: then it reached a service.
    After `after_s` seconds it may be sent again. `details` is how Envoy's own explanation begins,
    where that decides."""

    status: int
    code: str
    detail: str
    flags: tuple[str, ...] = ()
    is_executed: bool = False
    after_s: int = 0
    details: str = ""
    and_above: bool = False


_UNKNOWN = "It is not known what was done: look again with the same key or id"
_NOBODY = "The service cannot be reached, or is busy; nothing was done"
_GREMLIN = "A gremlin at the gateway refused this request on purpose"
_TOKEN = "The token opens nothing: it is over, or not one of this shop's; nothing was done"  # noqa: S105
_NO_TOKEN = "This needs a token; nothing was done"  # noqa: S105
_LATE = "The request did not come to its end in time; nothing was done"
_MANY = "More requests than the gateway lets in; nothing was done"
_CODING = "A body comes whole or chunked, and as it is; nothing was done"
_NOWHERE = "There is nothing at this address"
_TIMES_UP = (408, 504)
# The first that fits is taken.
_REPLIES = (
    # As at a service it does not say that nothing was done: a fault that helps is none.
    _Reply(500, "gremlin", _GREMLIN, ("FI",), is_executed=True),
    _Reply(503, "gremlin", _GREMLIN, ("FI",), is_executed=True),
    # Whatever flag goes with it: only a request that is whole is passed on.
    _Reply(408, "request-timeout", _LATE),
    # Too many at once, nobody well, no connection: the request was not sent.
    _Reply(503, "overloaded", _NOBODY, ("UO", "UH", "UF"), after_s=1),
    # The connection broke after it was sent; the answer could not be read.
    _Reply(502, "outcome-unknown", _UNKNOWN, ("UC", "UR", "LR", "UPE"), is_executed=True),
    _Reply(504, "outcome-unknown", _UNKNOWN, ("UT", "SI", "UMSDR"), is_executed=True),
    # Also where Envoy says 403, as of a token that is for somebody else: it opens nothing here.
    _Reply(401, "token-needed", _NO_TOKEN, details="jwt_authn_access_denied{Jwt_is_missing"),
    _Reply(401, "bad-token", _TOKEN, details="jwt_authn_access_denied"),
    # CONNECT: nobody tunnels through here. Envoy says 403, which is about a role.
    _Reply(404, "not-found", _NOWHERE, details="upgrade_failed"),
    _Reply(403, "role-missing", "This needs a role that the token does not have"),
    _Reply(404, "not-found", _NOWHERE),
    _Reply(413, "too-large", "The body is larger than anything here; nothing was done"),
    _Reply(426, "upgrade-required", "HTTP/1.1 is needed, or HTTP/2; nothing was done"),
    _Reply(429, "too-many-requests", _MANY, after_s=1),
    # As the end of a call's time, which has no flag.
    _Reply(504, "outcome-unknown", _UNKNOWN, is_executed=True),
    _Reply(431, "head-too-large", "The head of the request is too large; nothing was done"),
    _Reply(501, "unknown-transfer-encoding", _CODING),
    # Whatever else there may be: what Envoy could not serve, and what it does not read.
    _Reply(500, "internal", _UNKNOWN, is_executed=True, and_above=True),
    _Reply(400, "bad-request", "The request cannot be read; nothing was done", and_above=True),
)


def local_replies() -> dict[str, Any]:
    """Envoy's `local_reply_config`: each answer to a call, and to every other request."""
    return {"mappers": [form(reply) for form in (_to_call, _to_request) for reply in _REPLIES]}


def _to_request(reply: _Reply) -> dict[str, Any]:
    # Envoy knows the request's id here, and not the trace's (which its own log has).
    document = _document(reply, "%REQ(X-REQUEST-ID)%")
    form = {"json_format": msgspec.to_builtins(document), "content_type": MEDIA_TYPE}
    return _mapper(reply, _filter(reply), _headers(reply), form)


def _to_call(reply: _Reply) -> dict[str, Any]:
    """As a service answers over gRPC (chassis/rpc): by status, details and metadata."""
    headers = {name.lower(): value for name, value in _headers(reply).items()}
    answer = RpcResponse(reply.status, headers, msgspec.json.encode(_document(reply, None)))
    status = status_of(answer)
    if reply.status == HTTPStatus.NOT_FOUND:  # no such method; to a service, no such thing
        status.code = CODES["UNIMPLEMENTED"]
    found = {
        **dict(answer.trailers),
        "grpc-status": str(status.code),
        TRAILER: b64encode(status.SerializeToString()).decode(),
    }
    form = {"text_format_source": {"inline_string": reply.detail}}
    return _mapper(reply, {"and_filter": {"filters": [_IS_CALL, _filter(reply)]}}, found, form)


_IS_CALL = {
    "header_filter": {
        "header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    }
}


def _document(reply: _Reply, request_id: str | None) -> ProblemDocument:
    return ProblemDocument(
        type=f"urn:valerix:problem:{reply.code}",
        title=HTTPStatus(reply.status).phrase,
        status=reply.status,
        detail=reply.detail,
        code=reply.code,
        request_id=request_id,
        trace_id=None,
        retryable=bool(reply.after_s or reply.flags) or reply.status in _TIMES_UP,
        details=None,
        error=ErrorMember(reply.code, reply.detail, None),
    )


def _headers(reply: _Reply) -> dict[str, str]:
    headers = {} if reply.is_executed else dict(NOT_EXECUTED)
    if reply.status == HTTPStatus.UNAUTHORIZED:
        error = ', error="invalid_token"' if reply.code == "bad-token" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="valerix"{error}'
    if reply.after_s:
        headers["Retry-After"] = str(reply.after_s)
    return headers


def _mapper(
    reply: _Reply, which: dict[str, Any], headers: dict[str, str], form: dict[str, Any]
) -> dict[str, Any]:
    return {
        "filter": which,
        # A connection that broke is 503 to Envoy, which elsewhere in the shop means: not executed.
        "status_code": reply.status,
        "headers_to_add": [
            {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for name, value in headers.items()
        ],
        "body_format_override": form,
    }


def _filter(reply: _Reply) -> dict[str, Any]:
    of_status = {
        "status_code_filter": {
            "comparison": {
                "op": "GE" if reply.and_above else "EQ",
                "value": {
                    "default_value": reply.status,
                    "runtime_key": f"gateway.replies.{reply.status}",
                },
            }
        }
    }
    if reply.details:
        expression = f"response.code_details.startsWith('{reply.details}')"
        cel = typed("extensions.access_loggers.filters.cel.v3.ExpressionFilter")
        name = "envoy.access_loggers.extension_filters.cel"
        return {"extension_filter": named(name, {**cel, "expression": expression})}
    if not reply.flags:
        return of_status
    of_flags = {"response_flag_filter": {"flags": list(reply.flags)}}
    if reply.code == "gremlin":  # it chose the status
        return {"and_filter": {"filters": [of_flags, of_status]}}
    return of_flags
