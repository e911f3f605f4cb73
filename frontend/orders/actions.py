"""Placing and cancelling orders, and what the visitor is shown of it."""

import re
from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

from chassis.http.outbound import decode
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.live_state import DashboardState
from frontend.settings import DashboardSettings
from frontend.web.actions import Done, Form, NextForm, form_key, new_form_key, number
from frontend.web.formatting import money
from frontend.web.labels import order_label
from frontend.web.sessions import Visitor
from frontend.web.toasts import ProblemBody, Toast, failure_toast, toast_of
from observatory.sources.down import Down
from services.order.client import OrderClient
from services.wallet.contract import NAME

# Those who have a wallet from the start.
DEMO_USERS = ("alice", "bob", "carol")
_USER = re.compile(NAME)
_REFUSED = {"out-of-stock": "OUT_OF_STOCK", "payment-declined": "PAYMENT_DECLINED"}


class OrderActions:
    """What a visitor does to orders, through the order service's own client."""

    def __init__(
        self, settings: DashboardSettings, orders: OrderClient, state: DashboardState
    ) -> None:
        self._orders, self._state = orders, state
        # An order answers within its budget even when two peers hang; a second more for the way.
        self._deadline_s = settings.request_budget_s + 1.0

    async def place(self, form: Form, visitor: Visitor) -> Done:
        """Order what the form says, under the form's own key."""
        key = form_key(form)
        product_id, quantity = form.get("product_id", ""), number(form, "quantity", 1, 1000)
        if not product_id:
            raise Problem(400, "validation", "Choose what to order.")
        wallet_id = form.get("wallet_id", "") or None
        if wallet_id is not None and not _USER.search(wallet_id):
            raise Problem(400, "validation", "That is not the name of a wallet's user.")
        response = await self._orders.place(
            product_id, quantity, key=key, deadline_s=self._deadline_s, wallet_id=wallet_id,
            headers=visitor.headers,
        )  # fmt: skip
        shop = self._state.shop.now()
        products = () if isinstance(shop, Down) else shop.products
        toast = order_toast(response, {each.product_id: each.name for each in products})
        # While the outcome is not known the key stays, so that trying again cannot order twice.
        is_final = response.outcome not in (Outcome.UNKNOWN, Outcome.IN_PROGRESS)
        url = f"/orders/{toast.order_id}" if toast.order_id else "/"
        return Done(toast, url, NextForm("order", new_form_key()) if is_final else None)

    async def cancel(self, form: Form, visitor: Visitor) -> Done:
        """Cancel the order; the services undo what was done."""
        try:
            order_id = UUID(form.get("order_id", ""))
        except ValueError:
            raise Problem(400, "validation", "That is not an order's id.") from None
        response = await self._orders.cancel(order_id, headers=visitor.headers)
        return Done(cancel_toast(response, str(order_id)), f"/orders/{order_id}")


class _Order(Struct):
    order_id: str
    status: str = ""
    quantity: int = 0
    product_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    message: str = ""


def order_toast(response: CallResult, names: Mapping[str, str]) -> Toast:
    """What came of an order, for the person who placed it; `names` are the products' by id."""
    if response.outcome is Outcome.OK:
        return _placed(response, names)
    if response.code not in _REFUSED:
        return failure_toast(response, "Nothing was ordered")
    problem = decode(response, ProblemBody)
    details = problem.details if problem else None
    order_id = details.get("order_id", "") if isinstance(details, dict) else ""
    state, word, why = order_label("FAILED", _REFUSED[response.code], None)
    return toast_of(response, state, word, why, order_id)


def _placed(response: CallResult, names: Mapping[str, str]) -> Toast:
    order = decode(response, _Order)
    if order is None:
        why = "Look in the list before you try again."
        return toast_of(response, "degraded", "Strange answer", why)
    product = names.get(order.product_id, order.product_id)
    what = f"{order.quantity} × {product}, {money(order.amount_minor, order.currency)}"  # noqa: RUF001
    if response.status == 201:
        return toast_of(response, "good", "Order confirmed", what, order.order_id)
    what = f"{what}. It settles by itself."
    return toast_of(response, "degraded", "Order is being processed", what, order.order_id)


def cancel_toast(response: CallResult, order_id: str) -> Toast:
    """What came of a cancellation."""
    if response.outcome is not Outcome.OK:
        return failure_toast(response, "Not cancelled")
    if response.status == 202:
        why = "Money first, then the stock: it shows here when it is done."
        return toast_of(response, "degraded", "Cancelling", why, order_id)
    why = "It is closed, and what was held for it is free again."
    return toast_of(response, "refused", "Cancelled", why, order_id)
