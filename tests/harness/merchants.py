"""What a simulated merchant asks for, and what is wrong with an answer it is given."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

# Chains of different length and order; of each merchant a third of the payments is divided.
CHAINS = {
    "three": ["alfa", "bravo", "charlie"],
    "turned": ["charlie", "alfa", "bravo"],
    "two": ["bravo", "charlie"],
}
# Taken, and not taken for good; the same question gets these bytes for ever.
FINAL = (200, 402)
# 0 where nobody answered; each may be asked again.
_NOT_YET = (0, 202, 409, 500, 502, 503, 504)
# Nobody looked at the question: it may be asked again whatever was answered before.
_NOT_LOOKED_AT = (0, 503)


class Asked(msgspec.Struct):
    """One request of a merchant and what became of it; `status` 0 where nobody answered."""

    body: bytes
    status: int = 0
    answer: bytes = b""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_taken_on(self) -> bool:
        """Whether the shop has it, so that it is settled without being asked for again."""
        return self.is_final or self.status == 202


class Answers:
    """What merchants were answered: how often each status, and every answer that may not be."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.wrong: list[str] = []

    def hear(self, one: Asked, status: int, answer: bytes) -> None:
        """Note an answer to a request; once it is final, only the same bytes may follow."""
        self.seen[status] += 1
        is_other = (status, answer) != (one.status, one.answer)
        if one.is_final and is_other and status not in _NOT_LOOKED_AT:
            self.wrong.append(f"{one.body!r}: {one.answer!r}, and then {status} {answer!r}")
        elif status not in _NOT_YET and status not in FINAL:
            self.wrong.append(f"{one.body!r}: {status} {answer!r}")
        if not one.is_final:
            one.status, one.answer = status, answer


def payment_request(fate: random.Random, merchants: Sequence[str], name: str, n: int) -> Asked:
    """The `n`th request, of a merchant of these; a third of them are to be divided.

    Small enough that each of the accounts is the cheapest for some."""
    wanted: dict[str, Any] = {"amount": fate.randrange(600, 9000), "currency": "EUR"}
    if n % 3 == 0:
        wanted["metadata"] = {"split": "equal"}
    named = {"request_id": f"{name}{n}", "merchant_id": merchants[n % len(merchants)]}
    return Asked(json.dumps(named | wanted).encode())


async def add_merchants(connection: asyncpg.Connection, budget_ms: int) -> None:
    """Let the shop know them; a payment of theirs may take so long before it is accepted."""
    await connection.executemany(
        "INSERT INTO payments.merchants (merchant_id, method, chain, budget_ms)"
        " VALUES ($1, 'pm_card_visa', $2, $3)",
        [(name, chain, budget_ms) for name, chain in CHAINS.items()],
    )
