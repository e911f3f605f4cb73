"""What every shopper was told, held against what the database says in the end."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from loadtests.intent import Intent, LoggedReply

_TRUTH = """
SELECT i.key, o.id, o.status, o.reason, split_part(o.traceparent, '-', 2) AS trace_id,
       p.state AS payment
FROM orders.idempotency i
JOIN orders.orders o ON o.id = i.order_id
LEFT JOIN payments.payments p ON p.order_id = o.id
WHERE i.key = ANY($1::text[])"""
_KEYLESS = """
SELECT o.id FROM orders.orders o
WHERE o.created_at >= $1
  AND NOT EXISTS (SELECT 1 FROM orders.idempotency i WHERE i.order_id = o.id)
ORDER BY o.created_at"""
TERMINAL = ("CONFIRMED", "FAILED")
_GIVEN_BACK = ("CANCELLED", "REFUNDED")
# Answers that claim nothing about the order: nobody answered, shed, a fault of ours that says so.
_NO_CLAIM = {
    (409, "idempotency-in-progress"),
    (500, "outcome-unknown"),
    (500, "database-slow"),
    (500, "database-conflict"),
    (500, "gremlin"),
    (503, "gremlin"),
    (503, "overloaded"),
    (503, "database-busy"),
    (503, "database-down"),
    (504, "caller-gone"),
}
# What may only be said when nothing was done.
_MUST_BE_SHED = {"overloaded", "database-busy", "database-down"}


class RecordedOrder(msgspec.Struct, frozen=True):
    """How the order under a key ended, and its payment; the trace that placed it."""

    order_id: UUID
    status: str
    reason: str | None
    trace_id: str | None = None
    payment: str | None = None


async def recorded_orders(
    connection: asyncpg.Connection, keys: Sequence[str]
) -> dict[str, RecordedOrder]:
    """How the orders under these keys ended; a key without an order is absent."""
    rows = await connection.fetch(_TRUTH, list(keys))
    return {
        row["key"]: RecordedOrder(
            row["id"], row["status"], row["reason"], row["trace_id"], row["payment"]
        )
        for row in rows
    }


async def disagreements(connection: asyncpg.Connection, wishes: Iterable[Intent]) -> list[str]:
    """Every contradiction between what was said and how the order ended; [] is agreement."""
    told = list(wishes)
    truth = await recorded_orders(connection, [wish.key for wish in told])
    return [lie for wish in told for lie in contradictions_of(wish, truth.get(wish.key))]


async def keyless(connection: asyncpg.Connection, since: datetime | None = None) -> list[UUID]:
    """Orders that belong to no key. Where every shopper uses one, each is an order made twice."""
    rows = await connection.fetch(_KEYLESS, since or datetime.fromtimestamp(0, UTC))
    return [row["id"] for row in rows]


def contradictions_of(wish: Intent, truth: RecordedOrder | None) -> list[str]:
    """The contradictions between one shopper's words and the truth."""
    return [f"{wish.key}: {lie}" for lie in _about(wish, truth)]


def _about(wish: Intent, truth: RecordedOrder | None) -> Iterator[str]:
    for word in (*wish.words, *wish.cancel_words, *wish.refund_words):
        yield from _nonsense(word)
    claims = [word for word in wish.words if word.decides]
    if truth is None:
        if claims or any(word.code == "idempotency-in-progress" for word in wish.words):
            yield f"was told {_said(wish.words)}, but there is no order"
        return
    if truth.status not in TERMINAL:
        yield f"order {truth.order_id} is still {truth.status}"
    if all(not word.executed for word in wish.words):
        yield f"was only told that nothing was done ({_said(wish.words)}), but there is an order"
    yield from _claims(wish, truth)
    yield from _replays(wish)
    yield from _cancels(wish, truth)
    yield from _refunds(wish, truth)


def _claims(wish: Intent, truth: RecordedOrder) -> Iterator[str]:
    for word in (*wish.words, *wish.cancel_words, *wish.refund_words):
        if word.order_id not in (None, truth.order_id):
            yield f"was told of order {word.order_id}, but the key owns {truth.order_id}"
    for word in wish.words:
        if word.decides and not _fits(word, truth):
            yield f"was told {word.status} {word.code}, but the order ended {_end(truth)}"
    if wish.shown in TERMINAL and wish.shown != truth.status:
        yield f"was shown the order as {wish.shown}, but it ended {_end(truth)}"


def _nonsense(word: LoggedReply) -> Iterator[str]:
    if word.status and not word.decides and (word.status, word.code) not in _NO_CLAIM:
        yield f"was answered {word.status} {word.code}: {word.body[:200]!r}"
    if word.code in _MUST_BE_SHED and word.executed:
        yield f"was shed with {word.code}, without the header that says so"


def _fits(word: LoggedReply, truth: RecordedOrder) -> bool:
    match word.status, word.code:
        case 201, _:
            return truth.status == "CONFIRMED"
        case 202, _:
            return truth.status in TERMINAL
        case 402, "payment-declined":
            return _end(truth) == ("FAILED", "PAYMENT_DECLINED")
        case 409, "out-of-stock":
            return _end(truth) == ("FAILED", "OUT_OF_STOCK")
        case 409, "order-failed":
            return truth.status == "FAILED"
    return False


def _replays(wish: Intent) -> Iterator[str]:
    replays = {(word.status, word.body) for word in wish.words if word.replayed}
    if len(replays) > 1:
        yield f"heard {len(replays)} different replays"
    # An answer that could not be kept is followed by 202s, which claim nothing; any other first
    # answer was kept, or there would be no replay.
    firsts = {
        (word.status, word.body)
        for word in wish.words
        if word.decides and not word.replayed and word.status != 202
    }
    if len(firsts) > 1:
        yield f"heard {len(firsts)} different first answers"
    if firsts and replays and firsts != replays:
        yield "the replay is not the bytes of the first answer"


def _cancels(wish: Intent, truth: RecordedOrder) -> Iterator[str]:
    words = wish.cancel_words
    cancelled = _end(truth) == ("FAILED", "USER_CANCELLED")
    for word in words:
        if word.status in (200, 202) and not cancelled:
            yield f"its cancel counted ({word.status}), but the order ended {_end(truth)}"
        if word.status == 409 and cancelled:
            yield f"its cancel came too late ({word.code}), but the order ended {_end(truth)}"
        if word.status in (201, 402, 404, 422):
            yield f"its cancel was answered {word.status} {word.code}"
    if cancelled and all(not word.executed for word in words):
        yield f"no cancel was executed ({_said(words)}), but the order ended {_end(truth)}"


def _refunds(wish: Intent, truth: RecordedOrder) -> Iterator[str]:
    for word in wish.refund_words:
        if word.status in (200, 202) and truth.payment not in _GIVEN_BACK:
            yield f"was told its money comes back ({word.status}), but it is {truth.payment}"
        if word.status in (201, 402, 404, 409, 422):
            yield f"its refund was answered {word.status} {word.code}"


def _said(words: Iterable[LoggedReply]) -> str:
    return ", ".join(f"{word.status or 'nothing'} {word.code}".strip() for word in words)


def _end(truth: RecordedOrder) -> tuple[str, str | None]:
    return truth.status, truth.reason
