"""The panels of payments: the list, and one payment."""

from uuid import UUID

from chassis.http.problems import one_of
from frontend.live_state import DashboardState
from frontend.payments import presenter
from frontend.payments.queries import place_of
from frontend.payments.records import PaymentChoices, PaymentDetails, PaymentFilter
from frontend.payments.view_models import PaymentStory, PaymentsView
from frontend.web.filters import Select, field, filtered_url
from frontend.web.formatting import utc_now
from frontend.web.labels import PAYMENT_LABELS
from frontend.web.pages import HttpRequest
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.poller import reason_of
from observatory.timeline.fault_windows import FaultWindow, fault_windows

_STILL = "The payments themselves are safe in the database."


def payments_panel(wanted: PaymentFilter, view: PaymentsView | Down) -> Panel:
    """The list; its URL carries the filters."""
    url = filtered_url("/panels/payments", wanted)
    # Every five seconds and not at every nudge: each page of it is somebody's own query.
    return Panel("payments/payments.html", (), lambda _: view, url)


def payment_panel(payment_id: UUID, view: PaymentStory | Down) -> Panel:
    """One payment; its URL carries the id."""
    url = f"/panels/payment/{payment_id}"
    return Panel("payments/payment.html", ("shop",), lambda _: view, url)


def payment_filter(request: HttpRequest) -> PaymentFilter:
    """The filters of the URL; raises `Problem` (400) for what no payment can fit."""

    def wanted(name: str) -> str:
        # No id has anything else; PostgreSQL refuses a null byte.
        return "".join(filter(str.isprintable, field(request, name)))

    if before := wanted("before"):
        place_of(before)
    return PaymentFilter(
        state=wanted("state") and one_of("state", wanted("state"), PAYMENT_LABELS),
        provider=wanted("provider"),
        merchant=wanted("merchant"),
        review=wanted("review") and one_of("review", wanted("review"), ("yes",)),
        search=wanted("search"),
        before=before,
    )


def payment_selects(choices: PaymentChoices, wanted: PaymentFilter) -> tuple[Select, ...]:
    """What the list can be filtered by, beside the search."""
    states = tuple((code, word) for code, (_, word) in PAYMENT_LABELS.items())
    return (
        Select("state", "State", wanted.state, states),
        Select("provider", "Provider", wanted.provider, _same(choices.providers, wanted.provider)),
        Select("merchant", "Merchant", wanted.merchant, _same(choices.merchants, wanted.merchant)),
    )


async def payments_view(state: DashboardState, wanted: PaymentFilter) -> PaymentsView | Down:
    """The list as it is now."""
    try:
        return presenter.payments(await state.payments.page(wanted), wanted)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), _STILL)


async def payment_choices(state: DashboardState) -> PaymentChoices:
    """What there is to choose from; nothing while that is not known."""
    try:
        return await state.payments.choices()
    except Exception:  # noqa: BLE001 - the list itself says what is wrong
        return PaymentChoices()


async def payment_details(state: DashboardState, payment_id: UUID) -> PaymentDetails | Down | None:
    """One payment; None if there is no such payment."""
    try:
        return await state.payments.payment(payment_id)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), _STILL)


async def payment_view(
    state: DashboardState, details: PaymentDetails | Down
) -> PaymentStory | Down:
    """One payment as it is now, with the gremlins of its time."""
    if isinstance(details, Down):
        return details
    return presenter.payment(details, await _windows(state), utc_now())


async def _windows(state: DashboardState) -> tuple[FaultWindow, ...]:
    try:
        return fault_windows(await state.live.timeline.audit(), utc_now())
    except Exception:  # noqa: BLE001 - a payment is shown without them
        return ()


def _same(values: tuple[str, ...], chosen: str) -> tuple[tuple[str, str], ...]:
    known = values if not chosen or chosen in values else (chosen, *values)
    return tuple((value, value) for value in known)
