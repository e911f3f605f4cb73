"""What every shopper was answered, compared with what the database holds in the end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from proof.clients.intent import Intent, LoggedReply

# {keys} is the list of keys, as a parameter of whoever asks.
RECORDED = """
SELECT i.key, o.id, o.status, o.reason, split_part(o.traceparent, '-', 2) AS trace_id,
       p.state AS payment
FROM orders.idempotency i
JOIN orders.orders o ON o.id = i.order_id
LEFT JOIN payments.payments p ON p.payment_id = o.payment_id
WHERE i.key = ANY({keys})"""
_KEYLESS = """
SELECT o.id FROM orders.orders o
WHERE o.created_at >= $1
  AND NOT EXISTS (SELECT 1 FROM orders.idempotency i WHERE i.order_id = o.id)
ORDER BY o.created_at"""
TERMINAL = ("CONFIRMED", "FAILED")
_GIVEN_BACK = ("CANCELLED", "REFUNDED")
# Replies that claim nothing about the order: refused at the door, shed, or an error that says so.
_NO_CLAIM = {
    (401, "token-needed"),
    (401, "service-credential-needed"),
    (409, "idempotency-in-progress"),
    (500, "outcome-unknown"),
    (500, "database-slow"),
    (500, "database-conflict"),
    (500, "gremlin"),
    (503, "gremlin"),
    (503, "overloaded"),
    (503, "database-busy"),
    (503, "database-down"),
    (503, "database-full"),
    (504, "caller-gone"),
}
# Codes that are allowed only when nothing was executed.
_MUST_BE_SHED = {"overloaded", "database-busy", "database-down", "database-full"}


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
    return orders_of(await connection.fetch(RECORDED.format(keys="$1::text[]"), list(keys)))


def orders_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, RecordedOrder]:
    """The rows of `RECORDED`, by key."""
    return {
        row["key"]: RecordedOrder(
            row["id"], row["status"], row["reason"], row["trace_id"], row["payment"]
        )
        for row in rows
    }


async def disagreements(connection: asyncpg.Connection, intents: Iterable[Intent]) -> list[str]:
    """Every contradiction between the replies and how the order ended; [] is agreement."""
    known = list(intents)
    recorded = await recorded_orders(connection, [intent.key for intent in known])
    return [
        contradiction
        for intent in known
        for contradiction in contradictions_of(intent, recorded.get(intent.key))
    ]


async def keyless(connection: asyncpg.Connection, since: datetime | None = None) -> list[UUID]:
    """Orders that belong to no key. Where every shopper uses one, each is an order made twice."""
    rows = await connection.fetch(_KEYLESS, since or datetime.fromtimestamp(0, UTC))
    return [row["id"] for row in rows]


def contradictions_so_far(intent: Intent, recorded: RecordedOrder | None) -> list[str]:
    """The same while orders may still be settling: of one that is, only a reply that already
    claims an end can be wrong."""
    settling = recorded is not None and recorded.status not in TERMINAL
    if settling and not any(reply.status == 201 for reply in intent.replies):
        return []
    return contradictions_of(intent, recorded)


def contradictions_of(intent: Intent, recorded: RecordedOrder | None) -> list[str]:
    """The contradictions between the replies to one intent and the order in the database."""
    return [f"{intent.key}: {contradiction}" for contradiction in _about(intent, recorded)]


def _about(intent: Intent, recorded: RecordedOrder | None) -> Iterator[str]:
    for reply in (*intent.replies, *intent.cancel_replies, *intent.refund_replies):
        yield from _unexpected(reply)
    claims = [reply for reply in intent.replies if reply.decides]
    if recorded is None:
        if claims or any(reply.code == "idempotency-in-progress" for reply in intent.replies):
            yield f"got {_listed(intent.replies)}, but there is no order"
        return
    if recorded.status not in TERMINAL:
        yield f"order {recorded.order_id} is still {recorded.status}"
    if all(not reply.executed for reply in intent.replies):
        yield f"nothing was executed ({_listed(intent.replies)}), but there is an order"
    yield from _claims(intent, recorded)
    yield from _replays(intent)
    yield from _cancels(intent, recorded)
    yield from _refunds(intent, recorded)


def _claims(intent: Intent, recorded: RecordedOrder) -> Iterator[str]:
    for reply in (*intent.replies, *intent.cancel_replies, *intent.refund_replies):
        if reply.order_id not in (None, recorded.order_id):
            yield f"got order {reply.order_id}, but the key owns {recorded.order_id}"
    for reply in intent.replies:
        if reply.decides and not _fits(reply, recorded):
            yield f"got {reply.status} {reply.code}, but the order ended {_end(recorded)}"
    if intent.shown in TERMINAL and intent.shown != recorded.status:
        yield f"saw the order as {intent.shown}, but it ended {_end(recorded)}"


def _unexpected(reply: LoggedReply) -> Iterator[str]:
    if reply.status and not reply.decides and (reply.status, reply.code) not in _NO_CLAIM:
        yield f"got an unexpected {reply.status} {reply.code}: {reply.body[:200]!r}"
    if reply.code in _MUST_BE_SHED and reply.executed:
        yield f"got {reply.code} without the header that says nothing was executed"


def _fits(reply: LoggedReply, recorded: RecordedOrder) -> bool:
    match reply.status, reply.code:
        case 201, _:
            return recorded.status == "CONFIRMED"
        case 202, _:
            return recorded.status in TERMINAL
        case 402, "payment-declined":
            return _end(recorded) == ("FAILED", "PAYMENT_DECLINED")
        case 409, "out-of-stock":
            return _end(recorded) == ("FAILED", "OUT_OF_STOCK")
        case 409, "order-failed":
            return recorded.status == "FAILED"
    return False


def _replays(intent: Intent) -> Iterator[str]:
    replays = {(reply.status, reply.body) for reply in intent.replies if reply.replayed}
    if len(replays) > 1:
        yield f"got {len(replays)} different replays"
    # A reply is stored before it is given, so there is one, whoever asks and how often.
    firsts = {
        (reply.status, reply.body)
        for reply in intent.replies
        if reply.decides and not reply.replayed
    }
    if len(firsts) > 1:
        yield f"got {len(firsts)} different first replies"
    if firsts and replays and firsts != replays:
        yield "the replay does not have the bytes of the first reply"


def _cancels(intent: Intent, recorded: RecordedOrder) -> Iterator[str]:
    replies = intent.cancel_replies
    cancelled = _end(recorded) == ("FAILED", "USER_CANCELLED")
    for reply in replies:
        if reply.status in (200, 202) and not cancelled:
            yield f"its cancel was accepted ({reply.status}), but the order ended {_end(recorded)}"
        if reply.status == 409 and cancelled:
            yield f"its cancel came too late ({reply.code}), but the order ended {_end(recorded)}"
        if reply.status in (201, 402, 404, 422):
            yield f"its cancel was answered {reply.status} {reply.code}"
    if cancelled and all(not reply.executed for reply in replies):
        yield f"no cancel was executed ({_listed(replies)}), but the order ended {_end(recorded)}"


def _refunds(intent: Intent, recorded: RecordedOrder) -> Iterator[str]:
    for reply in intent.refund_replies:
        if reply.status in (200, 202) and recorded.payment not in _GIVEN_BACK:
            yield f"its refund was accepted ({reply.status}), but the payment is {recorded.payment}"
        if reply.status in (201, 402, 404, 409, 422):
            yield f"its refund was answered {reply.status} {reply.code}"


def _listed(replies: Iterable[LoggedReply]) -> str:
    return ", ".join(f"{reply.status or 'nothing'} {reply.code}".strip() for reply in replies)


def _end(recorded: RecordedOrder) -> tuple[str, str | None]:
    return recorded.status, recorded.reason
