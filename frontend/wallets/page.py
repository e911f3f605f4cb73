"""The pages of wallets: all of them, and one through time."""

import asyncio

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from frontend.wallets import presenter
from frontend.wallets.actions import CURRENCIES
from frontend.wallets.panels import (
    WalletSources,
    asked_of,
    cursor_of,
    history_panel,
    known_name,
    moment_panel,
    wallets_panel,
)
from frontend.web.actions import new_form_key
from frontend.web.formatting import utc_now
from frontend.web.pages import HttpRequest, Pages
from observatory.sources.down import Down


def wallets_routes(pages: Pages, sources: WalletSources) -> list[HTTPRouteHandler]:
    """GET /wallets, and its panel."""

    @get("/wallets", summary="Wallets", include_in_schema=False)
    async def show_wallets(request: HttpRequest) -> Response[str]:
        cursor = cursor_of(request)
        view = await sources.wallets(cursor)
        return pages.page(
            request,
            "wallets/page.html",
            wallets=wallets_panel(cursor, view),
            currencies=CURRENCIES,
            new_key=new_form_key,
        )

    @get("/panels/wallets", summary="The list of wallets", include_in_schema=False)
    async def show_list(request: HttpRequest) -> Response[str]:
        cursor = cursor_of(request)
        return pages.panel(request, wallets_panel(cursor, await sources.wallets(cursor)))

    return [show_wallets, show_list]


def wallet_routes(pages: Pages, sources: WalletSources) -> list[HTTPRouteHandler]:
    """GET /wallets/{user_id}, and its panels."""

    @get("/wallets/{user_id:str}", summary="One wallet", include_in_schema=False)
    async def show_wallet(user_id: FromPath[str], request: HttpRequest) -> Response[str]:
        user, asked = known_name(user_id), asked_of(request)
        moment, history = await asyncio.gather(
            sources.moment(user, asked), sources.history(user, asked)
        )
        rows = () if isinstance(history, Down) else history.rows
        at = None if isinstance(moment, Down) or moment.is_now else moment.at
        return pages.page(
            request,
            "wallets/wallet_page.html",
            user_id=user,
            moment=moment_panel(user, moment),
            history=history_panel(user, asked, history),
            slider=presenter.slider(rows, at, utc_now()),
            is_known=not isinstance(moment, Down) and not isinstance(history, Down),
            currencies=CURRENCIES,
            payees=sorted({row.transaction.provider_id or "" for row in rows} - {""}),
            new_key=new_form_key,
        )

    @get("/panels/moment/{user_id:str}", summary="A wallet at an instant", include_in_schema=False)
    async def show_moment(user_id: FromPath[str], request: HttpRequest) -> Response[str]:
        user, asked = known_name(user_id), asked_of(request)
        return pages.panel(request, moment_panel(user, await sources.moment(user, asked)))

    @get("/panels/history/{user_id:str}", summary="A wallet's history", include_in_schema=False)
    async def show_history(user_id: FromPath[str], request: HttpRequest) -> Response[str]:
        user, asked = known_name(user_id), asked_of(request)
        view = await sources.history(user, asked)
        return pages.panel(request, history_panel(user, asked, view))

    return [show_wallet, show_moment, show_history]
