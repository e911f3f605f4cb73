"""The three-way match of one day: an account's lines, our postings, and how the payments stand."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec

from services.payment.contract import BreakKind
from services.payment.domain import AttemptState, PaymentState
from services.payment.reconciliation.settlement_file import LineKind, SettlementLine

# Money of these payments is nobody's any more: what was captured has gone back.
_WITHOUT_MONEY: frozenset[PaymentState] = frozenset({"FAILED", "CANCELLED", "REFUNDED"})
Movement = tuple[str, LineKind]


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """A capture or a refund in our ledger, its attempt's name at the account (where it has one),
    and how attempt and payment stand. The amount is positive for both kinds."""

    payment_id: UUID
    leg_n: int
    kind: LineKind
    intent: str | None
    amount_minor: int
    currency: str
    posted_at: datetime
    attempt_state: AttemptState
    payment_state: PaymentState

    @property
    def movement(self) -> Movement:
        """What a line about the same money is about."""
        return (self.intent or f"{self.payment_id}:{self.leg_n}", self.kind)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the two disagree: `expected_minor` is ours, `found_minor` the account's."""

    kind: BreakKind
    reference: str
    reason: str
    payment_id: UUID | None = None
    expected_minor: int | None = None
    found_minor: int | None = None
    currency: str | None = None


class DayMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a day: the lines that are judged, how many of them matched, what differs, and
    how many are too young to be judged."""

    lines: tuple[SettlementLine, ...]
    matched: int
    young: int
    differences: tuple[Difference, ...]


class DayRecords(msgspec.Struct, frozen=True, kw_only=True):
    """What a day's lines are matched with: the postings of these lines and of this day, the lines
    of the account that were read before, and what it charges for a capture, at a time."""

    postings: Sequence[Posting]
    known: Mapping[str, SettlementLine]
    fee_of: Callable[[int, datetime], int | None]


def match_day(
    lines: Sequence[SettlementLine],
    records: DayRecords,
    *,
    day: date,
    now: datetime,
    young_s: float,
) -> DayMatch:
    """Match one day. A line without a posting that is younger than `young_s` seconds is left to the
    next run: its payment may still be settled."""
    postings = {each.movement: each for each in records.postings}
    # The first line about a movement is the one that counts, on whichever day it came.
    first: dict[Movement, str] = {}
    for each in sorted(records.known.values(), key=lambda line: (line.booked_at, line.line_id)):
        first.setdefault((each.intent, each.kind), each.line_id)
    judged: list[SettlementLine] = []
    found: list[Difference] = []
    seen: set[str] = set()
    matched = young = 0
    for line in lines:
        movement = (line.intent, line.kind)
        # A posting has one line. Another one about the same movement, such as a second refund in
        # part, is money of its own, and our ledger does not have it.
        is_first = first.setdefault(movement, line.line_id) == line.line_id
        posting = postings.get(movement) if is_first else None
        if posting is None and now - line.booked_at < timedelta(seconds=young_s):
            young += 1
            continue
        if line.line_id in seen:
            differences = [_again(line, posting)]
        else:
            differences = list(_of_line(line, posting, records))
        seen.add(line.line_id)
        judged.append(line)
        found += differences
        matched += not differences
    found += _not_there(postings.values(), first.keys(), day)
    return DayMatch(lines=tuple(judged), matched=matched, young=young, differences=tuple(found))


def _of_line(
    line: SettlementLine, posting: Posting | None, records: DayRecords
) -> Iterator[Difference]:
    def differs(kind: BreakKind, reason: str, **minor: int | None) -> Difference:
        return Difference(
            kind=kind,
            reference=line.line_id,
            reason=reason,
            payment_id=None if posting is None else posting.payment_id,
            currency=line.currency,
            **minor,
        )

    before = records.known.get(line.line_id)
    if before is not None and before != line:
        yield differs(
            "line_changed",
            "The account's file says something else of this line than when it was first read.",
            expected_minor=before.amount_minor,
            found_minor=line.amount_minor,
        )
    expected = records.fee_of(line.amount_minor, line.booked_at) if line.kind == "capture" else 0
    if line.fee_minor != expected:
        why = "The account has no terms for that time."
        if expected is not None:
            why = f"By the terms at that time a {line.kind} of this amount costs another fee."
        yield differs("fee_differs", why, expected_minor=expected, found_minor=line.fee_minor)
    if posting is None:
        yield differs(
            "missing_here",
            f"The account has a {line.kind} that our ledger does not have.",
            found_minor=line.amount_minor,
        )
        return
    both = {"expected_minor": posting.amount_minor, "found_minor": line.amount_minor}
    if posting.amount_minor != line.amount_minor:
        yield differs("amount_differs", f"Our {line.kind} is over another amount.", **both)
    if posting.currency != line.currency:
        yield differs("currency_differs", f"Our {line.kind} is in {posting.currency}.", **both)
    if why := _payment_says(posting, records.postings):
        yield differs("payment_differs", why, **both)


def _payment_says(posting: Posting, postings: Iterable[Posting]) -> str:
    """What the payment says against a posting of its own, or ""."""
    if posting.kind == "refund":
        fits = posting.attempt_state == "REFUNDED"
        return "" if fits else f"Its attempt is {posting.attempt_state}, not refunded."
    if posting.attempt_state not in ("SUCCEEDED", "REFUNDED"):
        return f"Its attempt is {posting.attempt_state}, not captured."
    given_back = any(
        (each.payment_id, each.leg_n, each.kind) == (posting.payment_id, posting.leg_n, "refund")
        for each in postings
    )
    if posting.payment_state in _WITHOUT_MONEY and not given_back:
        return f"Its payment is {posting.payment_state}, and the capture was not given back."
    return ""


def _again(line: SettlementLine, posting: Posting | None) -> Difference:
    return Difference(
        kind="duplicate_line",
        reference=line.line_id,
        reason="The account's file has this line twice.",
        payment_id=None if posting is None else posting.payment_id,
        found_minor=line.amount_minor,
        currency=line.currency,
    )


def _not_there(
    postings: Iterable[Posting], there: Collection[Movement], day: date
) -> Iterator[Difference]:
    for each in postings:
        if each.movement not in there and each.posted_at.astimezone(UTC).date() == day:
            yield Difference(
                kind="missing_there",
                reference=f"{each.payment_id}:{each.leg_n}:{each.kind}",
                reason=f"Our ledger has a {each.kind} that is in no file of the account.",
                payment_id=each.payment_id,
                expected_minor=each.amount_minor,
                currency=each.currency,
            )
