"""I16: what each customer was told, compared with what the database says in the end."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import asyncpg
import msgspec

from tests.chaos.customers import Wish

_TRUTH = """
SELECT i.key, o.id, o.status, o.reason FROM orders.idempotency i
JOIN orders.orders o ON o.id = i.order_id"""


class Truth(msgspec.Struct, frozen=True):
    """How an order ended."""

    order_id: UUID
    status: str
    reason: str | None


async def lies(connection: asyncpg.Connection, wishes: Iterable[Wish]) -> list[str]:
    """Every contradiction between an answer and the end of the order it spoke of."""
    rows = await connection.fetch(_TRUTH)
    truth = {row["key"]: Truth(row["id"], row["status"], row["reason"]) for row in rows}
    return [
        f"{wish.key}: {lie}" for wish in wishes for lie in _lies_about(wish, truth.get(wish.key))
    ]


def _lies_about(wish: Wish, truth: Truth | None) -> Iterator[str]:
    named = {word.order_id for word in (*wish.answered, *wish.cancel_answer) if word.order_id}
    if truth is None:
        if wish.answered:
            yield f"was answered {wish.answered} but there is no order"
        return
    if named - {truth.order_id}:
        yield f"was told of {sorted(map(str, named))}, the key owns {truth.order_id}"
    end = (truth.status, truth.reason)
    for word in wish.answered:
        if not _fits(word.status, word.code, truth):
            yield f"was told {word.status} {word.code}, but the order ended {end}"
    for word in wish.cancel_answer:
        if word.status in (200, 202) and end != ("FAILED", "USER_CANCELLED"):
            yield f"was told its cancel counts ({word.status}), but the order ended {end}"
        if word.status not in (200, 202, 409):
            yield f"a cancel was answered {word.status} {word.code}"
    if len(wish.last_bytes) >= 2 and wish.last_bytes[-1] != wish.last_bytes[-2]:
        yield "two replays of one key differ"


def _fits(status: int, code: str, truth: Truth) -> bool:
    end = (truth.status, truth.reason)
    match status, code:
        case 201, _:
            return truth.status == "CONFIRMED"
        case 202, _:
            return truth.status in ("CONFIRMED", "FAILED")
        case 402, "payment-declined":
            return end == ("FAILED", "PAYMENT_DECLINED")
        case 409, "out-of-stock":
            return end == ("FAILED", "OUT_OF_STOCK")
        case 409, "order-failed":
            return truth.status == "FAILED"
    return False
