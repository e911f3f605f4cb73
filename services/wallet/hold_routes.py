"""Holds for other services of the shop: `holding.py` does the work.

Whatever is asked of a key, the answer says what it has become: as asked, 200; otherwise 409, with
the hold in the problem's details."""

import contextlib
import re
from collections.abc import Iterator

import msgspec
from litestar import get, post, put
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import NOT_EXECUTED, Problem
from chassis.http.shop_identity import ShopIdentity
from services.wallet import contract
from services.wallet.api_keys import api_key_guard, client_now
from services.wallet.contract import HoldView, PlaceHold
from services.wallet.domain import WalletHold, is_of_payments
from services.wallet.holding import HoldKeyReused, HoldResolved, Holds, UnknownHold

_RESPONSES = {
    401: refused("No API key, or not a good one"),
    403: refused("The API key opens one user's wallet, or the hold is the payment service's"),
    404: refused("Your application has not used this key"),
    409: refused("It was refused, or has ended otherwise: the details say how it stands"),
    503: refused("Too busy; nothing was done"),
}


async def _may_hold(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """A Litestar guard, after the one of the key: a user's own key could give a purchase back, and
    an application's what a merchant was paid."""
    if client_now.get().user_id is not None:
        raise Problem(
            403,
            contract.ONE_USERS_KEY,
            "This API key opens one user's wallet alone; nothing was done",
            headers=NOT_EXECUTED,
        )
    identity: ShopIdentity = connection.app.state["identity"]
    if is_of_payments(connection.path_params["hold_key"]) and not await identity.is_service(
        connection
    ):
        raise Problem(
            403,
            contract.HOLD_KEY_RESERVED,
            "Hold keys that begin with pay_ are the payment service's alone; nothing was done",
            headers=NOT_EXECUTED,
        )


def _holds(state: State) -> Holds:
    holds: Holds = state["holds"]
    return holds


def _view(hold: WalletHold) -> HoldView:
    return msgspec.convert(hold, HoldView, from_attributes=True)


@contextlib.contextmanager
def _asked(hold_key: str) -> Iterator[str]:
    """A key that somebody can have used; what is refused under it is a `Problem`."""
    if not re.fullmatch(r"[!-~]{16,255}", hold_key):
        raise _unknown(hold_key)
    try:
        yield hold_key
    except UnknownHold:
        raise _unknown(hold_key) from None
    except HoldKeyReused:
        raise Problem(
            422,
            contract.HOLD_KEY_REUSED,
            "This key was used for another hold; nothing was held for this one",
            details={"hold_key": hold_key},
        ) from None
    except HoldResolved as resolved:
        raise _refused(resolved.hold) from None


def _unknown(hold_key: str) -> Problem:
    return Problem(
        404,
        contract.HOLD_NOT_FOUND,
        "Nothing is known of this key; a hold key is 16 to 255 visible characters",
        details={"hold_key": hold_key[:255].replace("\x00", "")},
    )


def _refused(hold: WalletHold) -> Problem:
    """409, with the hold in the details."""
    details = msgspec.to_builtins(_view(hold))
    if hold.reason == contract.INSUFFICIENT_FUNDS:
        detail = "The wallet has less available than this; nothing was held"
        return Problem(409, contract.INSUFFICIENT_FUNDS, detail, details=details)
    if hold.reason == contract.WALLET_NOT_FOUND:
        detail = "There is no such wallet; nothing was held"
        return Problem(409, contract.WALLET_NOT_FOUND, detail, details=details)
    if hold.reason == contract.WRONG_CURRENCY:
        detail = "This user has no wallet in this currency; nothing was held"
        return Problem(409, contract.WRONG_CURRENCY, detail, details=details)
    detail = f"This hold is {hold.state}; nothing was changed"
    return Problem(409, contract.HOLD_RESOLVED, detail, details=details)


_GUARDS = [api_key_guard, _may_hold]


@put(
    "/holds/{hold_key:str}", dto=Strict[PlaceHold], return_dto=None, guards=_GUARDS,
    summary="Hold money in a wallet for a purchase, once",
    responses={**_RESPONSES, 400: refused("The request does not fit"),
               422: refused("This key was used for another hold")},
)  # fmt: skip
async def place_hold(hold_key: FromPath[str], data: JSONBody[PlaceHold], state: State) -> HoldView:
    """PUT /holds/{hold_key}: 200 HELD or POSTED, 409, 422."""
    with _asked(hold_key) as key:
        return _view(await _holds(state).place(key, data, client_now.get().application))


@post(
    "/holds/{hold_key:str}/capture", guards=_GUARDS, status_code=200, responses=_RESPONSES,
    summary="Take what is held",
)  # fmt: skip
async def capture_hold(hold_key: FromPath[str], state: State) -> HoldView:
    """POST /holds/{hold_key}/capture: 200 POSTED, 404, 409."""
    with _asked(hold_key) as key:
        return _view(await _holds(state).capture(key, client_now.get().application))


@post(
    "/holds/{hold_key:str}/void", guards=_GUARDS, status_code=200, responses=_RESPONSES,
    summary="Give back what is held; of a new key, refuse a hold that comes later",
)  # fmt: skip
async def void_hold(hold_key: FromPath[str], state: State) -> HoldView:
    """POST /holds/{hold_key}/void: 200 VOIDED or REFUSED, 409."""
    with _asked(hold_key) as key:
        return _view(await _holds(state).void(key, client_now.get().application))


@post(
    "/holds/{hold_key:str}/refund", guards=_GUARDS, status_code=200, responses=_RESPONSES,
    summary="Give back what was taken",
)  # fmt: skip
async def refund_hold(hold_key: FromPath[str], state: State) -> HoldView:
    """POST /holds/{hold_key}/refund: 200 REFUNDED, 404, 409."""
    with _asked(hold_key) as key:
        return _view(await _holds(state).refund(key, client_now.get().application))


@get("/holds/{hold_key:str}", guards=_GUARDS, responses=_RESPONSES, summary="One hold")
async def show_hold(hold_key: FromPath[str], state: State) -> HoldView:
    """GET /holds/{hold_key}."""
    with _asked(hold_key) as key:
        return _view(await _holds(state).find(key, client_now.get().application))


HOLD_ROUTES: list[BaseRouteHandler] = [
    place_hold, capture_hold, void_hold, refund_hold, show_hold,
]  # fmt: skip
