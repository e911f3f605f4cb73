"""From what the database holds of orders to what is shown of them; pure."""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from frontend.orders.view_models import (
    AttemptRow,
    OrderRow,
    OrderStep,
    OrdersView,
    StateLabel,
    StoryView,
)
from frontend.queries import RECENT
from frontend.query_results import OrderDetails, OrderRecord, ProductRecord, ShopSnapshot
from frontend.web.labels import (
    ATTEMPT_LABELS,
    PAYMENT_LABELS,
    RESERVATION_LABELS,
    TERMINAL,
    State,
    is_settled,
    order_label,
    step_label,
)
from observatory.sources.down import Down


def products(
    shop: ShopSnapshot | Down, last: ShopSnapshot | None
) -> tuple[ProductRecord, ...] | Down:
    """The products to order; where only the `last` snapshot is known, how many are left is not."""
    if not isinstance(shop, Down):
        return shop.products
    return shop if last is None else tuple(replace(each, stock=None) for each in last.products)


def orders(
    newest: tuple[OrderRecord, ...], most: int = RECENT, *, shows_owner: bool = False
) -> OrdersView:
    """The recent orders, `most` of them."""
    rows = tuple(order_row(order) for order in newest[:most])
    return OrdersView(rows, more=len(newest) > most, shows_owner=shows_owner)


def order_row(order: OrderRecord) -> OrderRow:
    """One order as a line."""
    state, word, explanation = order_label(order.status, order.reason, order.payment)
    latency_ms = None
    if order.settled_at is not None:
        latency_ms = round((order.settled_at - order.created_at).total_seconds() * 1000)
    return OrderRow(order, state, word, explanation, latency_ms)


def story(details: OrderDetails, gone: frozenset[str] = frozenset()) -> StoryView:
    """An order's whole life; `gone` are traces of it that are no longer kept."""
    status = details.order.status
    return StoryView(
        row=order_row(details.order),
        steps=_steps(details),
        reservation=_label(details.reservation, RESERVATION_LABELS) or _stock(details),
        payment=_label(details.order.payment, PAYMENT_LABELS) or _money(details),
        attempts=tuple(
            AttemptRow(attempt, *ATTEMPT_LABELS.get(attempt.state, ("none", attempt.state)))
            for attempt in details.attempts
        ),
        cancellable=status not in TERMINAL | {"CANCELLING"},
        settled=is_settled(status, details.order.payment),
        gone=gone,
    )


def _steps(details: OrderDetails) -> tuple[OrderStep, ...]:
    """The states in order; tries that ended where they began are one step with a count."""
    steps: list[OrderStep] = []
    for record in details.steps:
        label = step_label(record.status, record.reason)
        after_ms = max(0, round((record.at - details.order.created_at).total_seconds() * 1000))
        if steps and (steps[-1].state, steps[-1].word, steps[-1].explanation) == label:
            again = replace(steps[-1], times=steps[-1].times + 1, last_ms=after_ms)
            steps[-1] = replace(again, last_trace_id=record.trace_id)
        else:
            traces = record.trace_id, record.trace_id
            steps.append(OrderStep(record.at, after_ms, *label, *traces, 1, after_ms))
    return tuple(steps)


def _stock(details: OrderDetails) -> StateLabel:
    # An order is PENDING_INVENTORY only after it was asked.
    return _unrecorded(details.order, waits="PENDING_INVENTORY", asked=True, before=("PENDING",))


def _money(details: OrderDetails) -> StateLabel:
    asked = details.order.attempts > 0
    before = ("PENDING", "PENDING_INVENTORY")
    return _unrecorded(details.order, waits="PENDING_PAYMENT", asked=asked, before=before)


def _unrecorded(
    order: OrderRecord, *, waits: str, asked: bool, before: Collection[str]
) -> StateLabel:
    """How it stands with stock or money of which there is no record: who was asked and did not
    answer may have done the work."""
    if order.status == waits and asked:
        return StateLabel("degraded", "no answer yet")
    is_next = order.status == waits or order.status in before
    return StateLabel("none", "not asked yet" if is_next else "nothing recorded")


def _label(code: str | None, labels: Mapping[str, tuple[State, str]]) -> StateLabel | None:
    return None if code is None else StateLabel(*labels.get(code, ("none", code.lower())))
