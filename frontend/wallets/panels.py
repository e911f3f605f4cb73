"""The panels of wallets: what their URLs ask for, and who answers it."""

import re
from datetime import UTC, datetime

from msgspec import Struct

from chassis.http.outbound import decode
from chassis.http.problems import Problem
from chassis.http.query import with_query
from chassis.outcome import CallResult
from frontend.wallets import presenter
from frontend.wallets.view_models import HistoryView, MomentView, WalletsView
from frontend.web.answered import T, answered
from frontend.web.filters import field
from frontend.web.formatting import read_in_zone, utc_now
from frontend.web.pages import HttpRequest
from frontend.web.panels import Panel
from frontend.web.toasts import ProblemBody
from observatory.sources.down import Down
from services.wallet.client import WalletClient
from services.wallet.contract import (
    API_KEY_NEEDED,
    NAME,
    WALLET_NOT_FOUND,
    TransactionPage,
    WalletBalances,
    WalletPage,
)

_ROWS = 20
_STILL = "Money stays where it is: the wallets are safe in the database."
NO_KEY = (
    "Make a key with `valerix keys create dashboard`, give it to the dashboard as "
    "VALERIX_WALLET_API_KEY, and start it again."
)
_NO_INSTANT = "This is no instant: write one as 2026-11-28 12:00:00."


class Asked(Struct, frozen=True):
    """What the URL of a wallet asks for: an instant, None for now; where the history begins; and
    why the instant that it names is none."""

    at: datetime | None = None
    cursor: str = ""
    mistake: str = ""


class WalletSources:
    """Who is asked about wallets. What is not known is `Down`; raises `Problem` 404 for a wallet
    that is not there."""

    def __init__(self, client: WalletClient) -> None:
        self._client = client

    async def wallets(self, cursor: str) -> WalletsView | Down:
        """A page of the list."""
        found = _read(await self._client.wallets(limit=_ROWS, cursor=cursor), WalletPage)
        return found if isinstance(found, Down) else presenter.wallets(found, cursor)

    async def moment(self, user_id: str, asked: Asked) -> MomentView | Down:
        """What the wallet holds now, or held at the instant."""
        at, mistake = asked.at, asked.mistake
        result = await self._client.balance(user_id, at)
        if result.status == 400 and at is not None:
            problem = decode(result, ProblemBody)
            mistake = problem.detail.rpartition(": ")[2].capitalize() if problem else _NO_INSTANT
            at, result = None, await self._client.balance(user_id)
        found = _read(result, WalletBalances)
        return found if isinstance(found, Down) else presenter.moment(found, at, mistake)

    async def history(self, user_id: str, asked: Asked) -> HistoryView | Down:
        """A page of the wallet's history."""
        found = _read(
            await self._client.transactions(user_id, limit=_ROWS, cursor=asked.cursor),
            TransactionPage,
        )
        if isinstance(found, Down):
            return found
        return presenter.history(user_id, found, asked.cursor)


def _read(result: CallResult, shape: type[T]) -> T | Down:
    if result.code == WALLET_NOT_FOUND:
        raise no_such_wallet()
    if result.code == API_KEY_NEEDED:
        return Down("It does not know the dashboard's key", utc_now(), NO_KEY)
    return answered(result, shape, _STILL)


def no_such_wallet() -> Problem:
    """404."""
    return Problem(404, WALLET_NOT_FOUND, "There is no such wallet. The first deposit opens it.")


def known_name(user_id: str) -> str:
    """A name that a user can have; raises `Problem` 404."""
    if not re.fullmatch(NAME, user_id):
        raise no_such_wallet()
    return user_id


def cursor_of(request: HttpRequest) -> str:
    """Where the list begins."""
    return "".join(filter(str.isprintable, field(request, "cursor")))


def asked_of(request: HttpRequest) -> Asked:
    """What the URL asks for. `at` is milliseconds since 1970, or an instant as ISO 8601 has it, in
    the page's zone where it names none; from `until` on, it is now."""
    given, until, cursor = field(request, "at"), field(request, "until"), cursor_of(request)
    if not given:
        return Asked(None, cursor)
    try:
        at = _instant(given)
        if until and at >= _instant(until):
            return Asked(None, cursor)
    except (ValueError, OverflowError, OSError):
        return Asked(None, cursor, _NO_INSTANT)
    return Asked(at, cursor)


def _instant(text: str) -> datetime:
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    return read_in_zone(text).astimezone(UTC)


def wallets_panel(cursor: str, view: WalletsView | Down) -> Panel:
    """The list; its URL carries the place."""
    url = with_query("/panels/wallets", cursor=cursor)
    return Panel("wallets/wallets.html", ("flow",), lambda _: view, url)


def moment_panel(user_id: str, view: MomentView | Down) -> Panel:
    """What the wallet holds; an instant that is over is never asked for again."""
    return Panel("wallets/moment.html", ("flow",), lambda _: view, f"/panels/moment/{user_id}")


def history_panel(user_id: str, asked: Asked, view: HistoryView | Down) -> Panel:
    """The history; its URL carries the place."""
    url = with_query(f"/panels/history/{user_id}", cursor=asked.cursor)
    return Panel("wallets/history.html", ("flow",), lambda _: view, url)
