"""What the acquirer answers when it refuses: the error envelope of Stripe's API."""

from typing import Any, Literal

import msgspec

ErrorType = Literal["invalid_request_error", "card_error", "idempotency_error", "api_error"]


class Answer(msgspec.Struct, frozen=True):
    """A status, a body and the headers that belong to it."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class Refused(Exception):
    """A request that is not done, or a card that is declined. `param` names the parameter."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: ErrorType = "invalid_request_error",  # noqa: A002 - the API's own word
        code: str | None = None,
        param: str | None = None,
        more: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        known = {"type": type, "code": code, "param": param, "message": message, **(more or {})}
        self.error = {name: value for name, value in known.items() if value is not None}
        self.headers = headers or {}

    def answer(self) -> Answer:
        """The refusal on the wire."""
        return Answer(self.status, msgspec.json.encode({"error": self.error}), headers=self.headers)


# The official client asks again exactly where this header says so.
_AGAIN, _NOT_AGAIN = {"Stripe-Should-Retry": "true"}, {"Stripe-Should-Retry": "false"}


def no_such(what: str, object_id: str, param: str, *, status: int = 404) -> Refused:
    """An object that this account does not have; 400 when a parameter names it."""
    message = f"No such {what}: '{object_id}'"
    return Refused(status, message, code="resource_missing", param=param)


def other_account(header: str) -> Refused:
    """A header asks on behalf of another account; there is none that a key may speak for."""
    return Refused(
        403, f"The header {header} is not supported here: a key asks for its own account alone.",
        code="account_invalid",
    )  # fmt: skip


def unexpected_state(message: str, intent: dict[str, Any]) -> Refused:
    """The intent is not where this could be done; it is shown as it stands."""
    code = "payment_intent_unexpected_state"
    return Refused(400, message, code=code, more={"payment_intent": intent})


def key_in_use() -> Refused:
    """Another request with the same key is being worked on right now."""
    return Refused(
        409, "There is currently another in-progress request using this Idempotency-Key.",
        type="idempotency_error", code="idempotency_key_in_use", headers=_AGAIN,
    )  # fmt: skip


def key_reused(key: str) -> Refused:
    """The same key with other parameters."""
    return Refused(
        400, "Keys for idempotent requests can only be used with the same parameters they were "
        f"first used with. Try using a key other than '{key}'.", type="idempotency_error",
    )  # fmt: skip


def lock_timeout() -> Refused:
    """Another request holds the object for too long; nothing was done."""
    return Refused(
        429, "This object cannot be accessed right now because another request holds it.",
        code="lock_timeout", headers=_AGAIN,
    )  # fmt: skip


def rate_limit() -> Refused:
    """More requests than there is room for; nothing was done."""
    return Refused(
        429, "Too many requests hit the API too quickly; nothing was done.",
        code="rate_limit", headers=_AGAIN,
    )  # fmt: skip


def broken(*, again: bool) -> Refused:
    """Something broke on the acquirer's side, before or after the effect. Asking again is of no use
    where the result is stored under the key: it would be replayed."""
    return Refused(
        500, "Sorry, there was an error on our side. The outcome is not known.",
        type="api_error", headers=_AGAIN if again else _NOT_AGAIN,
    )  # fmt: skip
