"""The pages of payments, and the same as JSON."""

import asyncio
from uuid import UUID

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chassis.http.openapi import refused
from chassis.http.parameters import takes
from chassis.http.problems import Problem, one_of
from frontend.live_state import DashboardState
from frontend.payments.panels import (
    payment_choices,
    payment_details,
    payment_filter,
    payment_panel,
    payment_selects,
    payment_view,
    payments_panel,
    payments_view,
)
from frontend.payments.records import PaymentDetails, PaymentFilter, PaymentPage
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import leave_untraced
from observatory.sources.down import Down


def payment_routes(pages: Pages, state: DashboardState) -> list[HTTPRouteHandler]:
    """GET /payments and /payments/{id}, each with its panel."""

    async def known(payment_id: UUID) -> PaymentDetails | Down:
        details = await payment_details(state, payment_id)
        if details is None:
            raise _no_such_payment()
        return details

    @get("/payments", summary="Payments", include_in_schema=False)
    async def show_payments(request: HttpRequest) -> Response[str]:
        wanted = payment_filter(request)
        view, choices = await asyncio.gather(payments_view(state, wanted), payment_choices(state))
        return pages.page(
            request,
            "payments/page.html",
            payments=payments_panel(wanted, view),
            wanted=wanted,
            selects=payment_selects(choices, wanted),
        )

    @get("/panels/payments", summary="The list of payments", include_in_schema=False)
    async def show_list(request: HttpRequest) -> Response[str]:
        wanted = payment_filter(request)
        return pages.panel(request, payments_panel(wanted, await payments_view(state, wanted)))

    @get("/payments/{payment_id:uuid}", summary="One payment", include_in_schema=False)
    async def show_one(payment_id: FromPath[UUID], request: HttpRequest) -> Response[str]:
        view = await payment_view(state, await known(payment_id))
        return pages.page(
            request,
            "payments/payment_page.html",
            payment_id=str(payment_id),
            payment=payment_panel(payment_id, view),
            growing=isinstance(view, Down) or not view.settled,
        )

    @get("/panels/payment/{payment_id:uuid}", summary="One payment", include_in_schema=False)
    async def show_one_panel(payment_id: FromPath[UUID], request: HttpRequest) -> Response[str]:
        view = await payment_view(state, await known(payment_id))
        return pages.panel(request, payment_panel(payment_id, view))

    return [show_payments, show_list, show_one, show_one_panel]


def payment_api(state: DashboardState) -> list[HTTPRouteHandler]:
    """What the pages of payments show, as JSON."""

    @get(
        "/api/payments",
        summary="Payments, newest first",
        responses={400: refused("A filter that nothing can fit")},
        before_request=leave_untraced,
        opt=takes(PaymentFilter.__struct_fields__),
    )
    async def list_payments(request: HttpRequest) -> PaymentPage:
        """GET /api/payments?state=&provider=&merchant=&review=yes&search=&before=."""
        wanted = payment_filter(request)
        if wanted.provider or wanted.merchant:
            known = await state.payments.choices()
            if wanted.provider:
                one_of("provider", wanted.provider, known.providers)
            if wanted.merchant:
                one_of("merchant", wanted.merchant, known.merchants)
        return await state.payments.page(wanted)

    @get(
        "/api/payments/{payment_id:uuid}",
        summary="One payment with its plan, attempts, decisions and ledger lines",
        before_request=leave_untraced,
    )
    async def show_payment(payment_id: FromPath[UUID]) -> PaymentDetails:
        """GET /api/payments/{id}."""
        details = await state.payments.payment(payment_id)
        if details is None:
            raise _no_such_payment()
        return details

    return [list_payments, show_payment]


def _no_such_payment() -> Problem:
    return Problem(404, "payment-not-found", "There is no payment with this id.")
