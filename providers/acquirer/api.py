"""One request to the API, from its key to its headers: who asks, how the account behaves today."""

import asyncio
import binascii
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, cast, get_args

import msgspec
from litestar import Request, Response
from litestar.datastructures import State

from chassis.database.pool import Connection
from chassis.http.app import answer_exception, as_problem
from chassis.service_credential import ServiceCredential
from providers.acquirer import store
from providers.acquirer.contract import Mode
from providers.acquirer.domain import Account
from providers.acquirer.errors import (
    Answer,
    Refused,
    broken,
    lock_timeout,
    other_account,
    rate_limit,
)
from providers.acquirer.execute import Act, Call, Context, execute
from providers.acquirer.parameters import Parameters, parse_form, read_form
from providers.acquirer.views import View

Asked = Request[Any, Any, Any]
Read = Callable[[Connection, Account, Parameters], Awaitable[View | bytes]]

_VERSION = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(\.[a-z]{1,20})?")
# Before this one Stripe's API had none.
_FIRST_VERSION = date(2011, 1, 1)
_OF_ANOTHER = ("Stripe-Account", "Stripe-Context")
_LONGEST_KEY = 255
_LONGEST_API_KEY = 200
_TROUBLE = tuple(mode for mode in get_args(Mode) if mode not in ("happy", "random"))


def context_of(state: State) -> Context:
    """What the acquirer is made of."""
    context: Context = state["context"]
    return context


async def answer_write(
    request: Asked, state: State, what: str, act: Act, **ids: str
) -> Response[bytes]:
    """Do what is asked once, under the key that came with it, as the account's mode has it."""
    context = context_of(state)
    account = await _account(request, context)
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is not None and not 1 <= len(key) <= _LONGEST_KEY:
        raise Refused(400, f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters.")
    raw, content_type = await request.body(), request.headers.get("content-type", "")
    form = read_form(raw, content_type, most=context.settings.acquirer_form_fields)
    mode = _mode_now(context, account)
    await _wait(context, account, mode)
    call = Call(account, request.method, request.url.path, form, _request_id(request), key, mode)
    answer = await execute(context, call, what, act, **ids)
    if mode == "timeout":
        await _stay_silent(context, request)
    return _response(request, context, answer)


async def answer_read(request: Asked, state: State, read: Read) -> Response[bytes]:
    """Answer what is asked. No mode touches it: what became of a payment can always be asked. To
    make that fail as well there are gremlins."""
    context = context_of(state)
    account = await _account(request, context)
    raw = request.scope["query_string"]
    given = Parameters(parse_form(raw, most=context.settings.acquirer_form_fields))
    async with context.database.connect() as connection:
        found = await read(connection, account, given)
    if isinstance(found, bytes):
        return _response(request, context, Answer(200, found), media_type="text/csv")
    return _response(request, context, Answer(200, msgspec.json.encode(found)))


def answer_refusal(request: Asked, error: Exception) -> Response[bytes]:
    """Every exception below /v1 in the API's own envelope; elsewhere as the shop answers."""
    if not isinstance(error, Refused) and not request.url.path.startswith("/v1/"):
        return answer_exception(request, error)
    context = context_of(request.app.state)
    return _response(request, context, _refusal_of(request, error).answer())


def _refusal_of(request: Asked, error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    problem = as_problem(error)
    if problem.code == "internal":
        answer_exception(request, error)  # writes it into the log
    if problem.status in (404, 405):
        return _unrecognized(request)
    if problem.code == "database-slow":
        return lock_timeout()
    if problem.code == "database-busy":
        return rate_limit()
    if problem.status < 500:
        return Refused(problem.status, problem.detail)
    return broken(again=problem.retryable)


def _unrecognized(request: Asked) -> Refused:
    url = f"{request.method}: {request.url.path[:200]}"
    return Refused(404, f"Unrecognized request URL ({url}).")


async def _account(request: Asked, context: Context) -> Account:
    """The account whose key came with the request: as a bearer's, or as the name in basic
    authentication. Raises `Refused` 401."""
    if "\x00" in request.scope["path"]:  # which PostgreSQL takes in no text
        raise _unrecognized(request)
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    api_key = shown.strip() if scheme.lower() == "bearer" else _basic_name(scheme, shown)
    if not api_key:
        message = "You did not provide an API key: send it as Authorization: Bearer YOUR_KEY."
        raise Refused(401, message)
    credential: ServiceCredential = request.app.state["service_credential"]
    # What the accounts' keys are is in the documents: beyond loopback the shop's own count alone.
    known = credential.well_known_of(api_key[:_LONGEST_API_KEY])
    if not known and not context.settings.is_exposed:
        known = api_key[:_LONGEST_API_KEY]
    async with context.database.connect() as connection:
        account = await store.account_of_key(connection, known)
    if account is None:
        raise Refused(401, f"Invalid API Key provided: {api_key[:8]}****")
    if not _is_version(version := _version(request, context)):
        raise Refused(400, f"Invalid Stripe API version: {version[:40]}")
    for header in _OF_ANOTHER:
        if header in request.headers:
            raise other_account(header)
    return account


def _is_version(version: str) -> bool:
    """Whether there can be a version of this name: the day it came out, and from 2024-09-30 on a
    word. Newer ones than this acquirer's own are taken, so that a newer library works."""
    if not (found := _VERSION.fullmatch(version)):
        return False
    try:
        came_out = date.fromisoformat(found[1])
    except ValueError:
        return False
    return _FIRST_VERSION <= came_out <= datetime.now(UTC).date()


def _basic_name(scheme: str, shown: str) -> str:
    if scheme.lower() != "basic":
        return ""
    try:
        return binascii.a2b_base64(shown.strip()).decode("ascii").partition(":")[0]
    except ValueError:
        return ""


def _mode_now(context: Context, account: Account) -> Mode:
    """The account's mode; `random` is another one for each request."""
    if account.mode != "random":
        return account.mode
    if context.chance.random() >= context.settings.acquirer_random_share:
        return "happy"
    return cast("Mode", context.chance.choice(_TROUBLE))


async def _wait(context: Context, account: Account, mode: Mode) -> None:
    """The account's own latency, and in the mode `latency` much more."""
    slow_s = context.settings.acquirer_slow_s if mode == "latency" else 0.0
    if delay_s := account.latency_ms / 1000 + slow_s:
        await asyncio.sleep(delay_s)


async def _stay_silent(context: Context, request: Asked) -> None:
    """Hold the answer for longer than any client waits, or until the client has left."""
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({leaving}, timeout=context.settings.acquirer_silence_s)
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


def _version(request: Asked, context: Context) -> str:
    version: str = request.headers.get("stripe-version", context.settings.acquirer_api_version)
    return version


def _request_id(request: Asked) -> str:
    """The request's id, the same however often it is asked for."""
    if "request_id" not in request.state:
        request.state["request_id"] = f"req_{secrets.token_hex(12)}"
    request_id: str = request.state["request_id"]
    return request_id


def _response(
    request: Asked, context: Context, answer: Answer, *, media_type: str = "application/json"
) -> Response[bytes]:
    version = _version(request, context)
    headers = {
        "Request-Id": _request_id(request),
        "Stripe-Version": version if _is_version(version) else "",
        **answer.headers,
    }
    if key := request.headers.get("idempotency-key"):
        headers["Idempotency-Key"] = key[:_LONGEST_KEY]
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=media_type)
