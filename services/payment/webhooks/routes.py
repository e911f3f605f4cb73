"""POST /webhooks/{provider}: reads the bytes as they came, lets `intake` work, answers."""

from typing import Annotated, Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import PathParameter

from chassis.http.openapi import answered
from chassis.http.problems import Problem, shed
from chassis.identity.owners import OTHER_CREDENTIAL
from services.payment import contract
from services.payment.context import PaymentContext
from services.payment.contract import WebhookAnswer
from services.payment.metrics import WebhookResult
from services.payment.webhooks.intake import take_in

_Provider = Annotated[str, PathParameter(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
_REFUSED = {
    "no_signature": "The signature's header is missing",
    "bad_signature": "The signature is not this account's",
    "stale": "The signature is older than five minutes",
    "malformed": "The signed body is not an event",
    "too_large": "An event of this size is none",
}


@post(
    "/webhooks/{provider:str}",
    status_code=200,
    # Whoever signs is the account.
    opt=OTHER_CREDENTIAL,
    responses={400: answered(bytes, "Not signed by the account, or too old")},
    summary="An event of a provider's account, signed; kept before it is answered",
)
async def receive_webhook(
    provider: _Provider, request: Request[Any, Any, Any], state: State
) -> WebhookAnswer:
    """POST /webhooks/{provider}: 200 kept, 400 not believed, 404 no such account, 503 not yet."""
    context: PaymentContext = state["context"]
    account = context.accounts.get(provider)
    try:
        payload = await request.body()
        name = account.webhooks.signature_header if account is not None else ""
        result = await take_in(context, provider, payload, request.headers.get(name, ""))
    except (Problem, HTTPException) as error:
        if getattr(error, "status", None) != 413 and getattr(error, "status_code", None) != 413:
            raise
        result = "too_large"
    # Names that anybody may ask for are no label.
    context.metrics.webhook("other" if account is None else provider, result)
    return _answer(result, provider)


def _answer(result: WebhookResult, provider: str) -> WebhookAnswer:
    match result:
        case "accepted" | "repeated" | "ignored":
            return WebhookAnswer(result)
        case "unknown_account":
            raise Problem(
                404,
                contract.ACCOUNT_NOT_FOUND,
                "There is no such account; the event was not kept",
                details={"provider": provider},
            )
        case "no_secret":
            raise shed(
                "What signs this account's events is not known yet; the event was not kept",
                code=contract.WEBHOOK_NOT_READY,
                after_s=5,
            )
    raise Problem(
        400,
        contract.WEBHOOK_REFUSED,
        f"{_REFUSED[result]}; the event was not kept",
        details={"reason": result},
    )
