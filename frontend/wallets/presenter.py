"""Turns what the wallet service answers into what the pages show; pure."""

from datetime import UTC, datetime, timedelta

from chassis.http.query import with_query
from frontend.wallets.view_models import (
    HistoryView,
    MomentView,
    TimeSlider,
    TransactionRow,
    WalletRow,
    WalletsView,
)
from frontend.web.formatting import in_full, in_zone
from frontend.web.labels import State
from services.wallet.contract import (
    Kind,
    Status,
    TransactionPage,
    TransactionView,
    WalletBalances,
    WalletPage,
)

_KINDS: dict[Kind, str] = {
    "PAYMENT": "Payment to {provider_id}",
    "PURCHASE": "Purchase in the shop",
    "REFUND": "Given back by {provider_id}",
    "DEPOSIT": "Deposit",
    "TRANSFER_OUT": "Transfer to {counterparty}",
    "TRANSFER_IN": "Transfer from {counterparty}",
}
_GOES_OUT = frozenset({"PAYMENT", "PURCHASE", "TRANSFER_OUT"})
_STATUSES: dict[Status, tuple[State, str]] = {
    "PENDING": ("degraded", "not known yet"),
    "APPROVED": ("good", "paid"),
    "DECLINED": ("refused", "declined"),
    "GATEWAY_ERROR": ("failed", "not taken"),
    "VOIDED": ("refused", "given back"),
    "COMPLETED": ("good", "done"),
}
_HELD: tuple[State, str] = ("degraded", "held")
_UNSEALED: tuple[State, str] = ("degraded", "not sealed yet")
# The money of a row is posted a moment after the row itself is written.
_JUST_AFTER = timedelta(milliseconds=5)
# Enough that an arrow key moves it by a little, few enough to cross it in a minute.
_SLIDER_STEPS = 240


def wallets(page: WalletPage, cursor: str) -> WalletsView:
    """A page of the list."""
    return WalletsView(
        tuple(WalletRow(each.user_id, each.opened_at, each.balances) for each in page.wallets),
        more=with_query("/wallets", cursor=page.next) if page.next else "",
        first="/wallets" if cursor else "",
    )


def moment(found: WalletBalances, at: datetime | None, mistake: str = "") -> MomentView:
    """What a wallet holds now, or held at an instant."""
    return MomentView(
        found.user_id,
        found.at,
        is_now=at is None,
        title="Now" if at is None else in_full(found.at),
        balances=found.balances,
        mistake=mistake,
    )


def history(user_id: str, page: TransactionPage, cursor: str) -> HistoryView:
    """A page of a history."""
    here = f"/wallets/{user_id}"
    return HistoryView(
        user_id,
        tuple(map(_row, page.transactions)),
        older=with_query(here, cursor=page.next) if page.next else "",
        newest=here if cursor else "",
    )


def _row(found: TransactionView) -> TransactionRow:
    state, word = _STATUSES[found.status]
    if found.status == "PENDING" and found.kind != "PAYMENT":
        state, word = _HELD if found.kind == "PURCHASE" else _UNSEALED
    then = (found.updated_at + _JUST_AFTER).isoformat()
    return TransactionRow(
        transaction=found,
        # A purchase is given back by the shop itself.
        what=_KINDS[found.kind].format(
            provider_id=found.provider_id or "the shop", counterparty=found.counterparty
        ),
        note=", ".join(filter(None, (found.external_reference, found.reason))),
        amount_minor=-found.amount_minor if found.kind in _GOES_OUT else found.amount_minor,
        state=state,
        word=word,
        then=with_query(f"/wallets/{found.user_id}", at=then),
    )


def slider(rows: tuple[TransactionRow, ...], at: datetime | None, now: datetime) -> TimeSlider:
    """From just before the oldest of the rows until now, or from the instant, where that is older.
    `written` is in the page's zone."""
    oldest = min((row.transaction.created_at for row in rows), default=now)
    most, shown = milliseconds(now), at or now
    # Whole steps, so that its right end is now.
    step = (most - milliseconds(min(oldest, shown))) // _SLIDER_STEPS + 1
    least = most - step * _SLIDER_STEPS
    return TimeSlider(
        since=datetime.fromtimestamp(least / 1000, UTC),
        least=least,
        most=most,
        step=step,
        value=min(milliseconds(shown), most),
        written=in_zone(shown).strftime("%Y-%m-%dT%H:%M:%S"),
    )


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1000)
