"""One replica of the payment service, its provider on a script, and eyes on both books."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from chassis.settings import Settings
from services.payment.app import create_app
from services.payment.charging import Desk
from services.payment.connectors.book import Book
from services.payment.connectors.flaky import Flaky
from services.payment.connectors.mock import Mock
from services.payment.prober import Prober
from services.payment.sweep import Sweep

AMOUNT = 9999
# A provider that will not answer is given up on soon, so that no test waits for the real timeout,
# which in turn is long enough for the slowest machine: only silence is silent here.
SILENCE_S = 0.01
GATEWAY_TIMEOUT_S = 20.0


class Scripted(Flaky):
    """The flaky provider with its fate written down instead of drawn: one fault per call, and
    late charges that land when the test says so."""

    def __init__(self, inner: Mock, silence_s: float) -> None:
        super().__init__(inner, shares={}, seed=1, late_s=0.0, silence_s=silence_s)
        self.script: deque[str] = deque()
        self.calls = 0
        self._landing = asyncio.Event()

    def fate(self) -> str:
        """The next line of the script; a call beyond it goes well."""
        self.calls += 1
        return self.script.popleft() if self.script else ""

    async def travel(self) -> None:
        """Until the test lets it land."""
        await self._landing.wait()

    async def land(self) -> None:
        """Let every late charge arrive."""
        self._landing.set()
        await asyncio.gather(*self._on_their_way)
        self._landing.clear()


class Till:
    """What a test needs: requests, the prober by hand, and a look at the rows."""

    def __init__(self, settings: Settings, gateway: Scripted, eyes: asyncpg.Connection) -> None:
        self.edge = create_app(settings, connector=gateway)
        self.desk: Desk = self.edge.app.state["desk"]  # type: ignore[attr-defined]
        self.gateway = gateway
        self.prober = Prober(self.desk, settings)
        self.sweep = Sweep(self.desk)
        self.eyes = eyes
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.edge), base_url="http://payment"
        )

    async def charge(
        self,
        order_id: UUID,
        amount_minor: int = AMOUNT,
        currency: str = "EUR",
        *,
        key: str = "",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """POST /payments, as the order service asks."""
        return await self.http.post(
            "/payments",
            json={
                "order_id": str(order_id),
                "amount_minor": amount_minor,
                "currency": currency,
            },
            headers={"Idempotency-Key": key or f"charge-{order_id}", **(headers or {})},
        )

    async def cancel(
        self, order_id: UUID, reason: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """POST /payments/{order_id}/cancel."""
        body = {"reason": reason} if reason else {}
        return await self.http.post(f"/payments/{order_id}/cancel", json=body, headers=headers)

    async def show(self, order_id: UUID) -> httpx.Response:
        """GET /payments/{order_id}."""
        return await self.http.get(f"/payments/{order_id}")

    async def probe(self) -> None:
        """Let the prober finish whatever is unfinished, due or not, while the provider lets it."""
        for _ in range(3):
            await self.eyes.execute(
                "UPDATE payments.payments SET next_attempt_at = now()"
                " WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
            )
            if not await self.prober.run_once():
                return

    async def state(self, order_id: UUID) -> str:
        """The payment's state in our tables."""
        found: str = await self.eyes.fetchval(
            "SELECT state FROM payments.payments WHERE order_id = $1", order_id
        )
        return found

    async def attempts(self, order_id: UUID) -> list[str]:
        """The states of its attempts."""
        rows = await self.eyes.fetch(
            "SELECT state FROM payments.attempts WHERE order_id = $1 ORDER BY n", order_id
        )
        return [row["state"] for row in rows]

    async def book(self, order_id: UUID) -> list[str]:
        """What the provider's own book says about the order."""
        rows = await self.eyes.fetch(
            "SELECT state FROM gateway.charges WHERE order_ref = $1 ORDER BY gw_key", str(order_id)
        )
        return [row["state"] for row in rows]

    async def ledger(self, order_id: UUID) -> dict[str, int]:
        """Our ledger's transfers of the order: what each moved into clearing."""
        rows = await self.eyes.fetch(
            "SELECT transfer_id, amount_minor FROM payments.ledger"
            " WHERE transfer_id LIKE $1 AND account = 'gateway_clearing'",
            f"{order_id}:%",
        )
        return {row["transfer_id"].rpartition(":")[2]: row["amount_minor"] for row in rows}

    async def until_captured(self, order_id: UUID) -> None:
        """Wait for a charge to land in the provider's book."""

        async def captured() -> bool:
            return await self.book(order_id) == ["CAPTURED"]

        await until(captured)

    async def close(self) -> None:
        """Close what the requests opened."""
        await self.http.aclose()
        await self.desk.meters.close()
        await self.desk.database.close()
        await self.gateway.close()


@asynccontextmanager
async def open_till(
    settings: Settings, eyes: asyncpg.Connection, *, silence_s: float = SILENCE_S
) -> AsyncIterator[Till]:
    """A replica for one test. Its background loops stay off: the test is the clock."""
    mock = Mock(
        Book(settings),
        decline_rate=settings.payment_decline_rate,
        seed=settings.payment_seed,
        fences=settings.payment_gateway_fences,
    )
    till = Till(settings, Scripted(mock, silence_s), eyes)
    try:
        yield till
    finally:
        await till.close()


async def until(
    condition: Callable[[], Awaitable[object]], *, limit_s: float = 10.0, every_s: float = 0.01
) -> None:
    """Wait until `condition` holds; fails after `limit_s`."""
    async with asyncio.timeout(limit_s):
        while True:
            if await condition():
                return
            await asyncio.sleep(every_s)


def new_order() -> UUID:
    """An order nobody has heard of."""
    return uuid4()


async def violations(eyes: asyncpg.Connection) -> dict[str, list[Any]]:
    """The money invariants that must hold at every instant, each with the rows that break it."""
    return {
        name: rows
        for name, sql in _INVARIANTS.items()
        if (rows := [tuple(row) for row in await eyes.fetch(sql)])
    }


_INVARIANTS = {
    "charged twice": (
        "SELECT order_ref, count(*) FROM gateway.charges WHERE state = 'CAPTURED'"
        " GROUP BY order_ref HAVING count(*) > 1"
    ),
    "said SUCCEEDED, not captured": (
        "SELECT p.order_id FROM payments.payments p WHERE p.state = 'SUCCEEDED' AND NOT EXISTS"
        " (SELECT 1 FROM gateway.charges c WHERE c.order_ref = p.order_id::text"
        "  AND c.state = 'CAPTURED' AND c.amount_minor = p.amount_minor)"
    ),
    "said over, still captured": (
        "SELECT p.order_id, p.state FROM payments.payments p JOIN gateway.charges c"
        " ON c.order_ref = p.order_id::text AND c.state = 'CAPTURED'"
        " WHERE p.state IN ('FAILED', 'CANCELLED', 'REFUNDED')"
    ),
    "ledger out of balance": (
        "SELECT transfer_id FROM payments.ledger GROUP BY transfer_id, currency"
        " HAVING sum(amount_minor) <> 0"
    ),
    "two live attempts": (
        "SELECT order_id FROM payments.attempts"
        " WHERE state IN ('IN_FLIGHT', 'UNKNOWN', 'SUCCEEDED')"
        " GROUP BY order_id HAVING count(*) > 1"
    ),
    "attempt and payment disagree": (
        "SELECT p.order_id, p.state, a.state FROM payments.payments p"
        " JOIN payments.attempts a USING (order_id) WHERE (p.state, a.state) NOT IN ("
        "('PROCESSING', 'IN_FLIGHT'), ('PROCESSING', 'UNKNOWN'), ('CANCELLING', 'IN_FLIGHT'),"
        "('CANCELLING', 'UNKNOWN'), ('SUCCEEDED', 'SUCCEEDED'), ('REFUND_PENDING', 'SUCCEEDED'),"
        "('FAILED', 'FAILED'), ('CANCELLED', 'VOIDED'), ('REFUNDED', 'REFUNDED'))"
    ),
    "ledger and states disagree": (
        "SELECT p.order_id, p.state, sum(l.amount_minor) FROM payments.payments p"
        " LEFT JOIN payments.ledger l ON l.transfer_id LIKE p.order_id::text || ':%'"
        " AND l.account = 'gateway_clearing' GROUP BY p.order_id"
        " HAVING coalesce(sum(l.amount_minor), 0) <>"
        " CASE WHEN p.state IN ('SUCCEEDED', 'REFUND_PENDING') THEN p.amount_minor ELSE 0 END"
    ),
}
# Once nothing is under way any more, also these.
_AT_REST = {
    "unfinished": (
        "SELECT order_id, state FROM payments.payments"
        " WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
    ),
    "money in doubt": (
        "SELECT order_id FROM payments.attempts WHERE state IN ('IN_FLIGHT', 'UNKNOWN')"
    ),
    "clearing is not what the provider holds": (
        "SELECT ours, theirs FROM"
        " (SELECT coalesce(sum(amount_minor), 0) AS ours FROM payments.ledger"
        "  WHERE account = 'gateway_clearing') o,"
        " (SELECT coalesce(sum(amount_minor), 0) AS theirs FROM gateway.charges"
        "  WHERE state = 'CAPTURED') t WHERE ours <> theirs"
    ),
    "waits for a human": "SELECT order_id FROM payments.payments WHERE needs_review",
}


async def unrest(eyes: asyncpg.Connection) -> dict[str, list[Any]]:
    """What is not settled yet, and any violation."""
    return await violations(eyes) | {
        name: rows
        for name, sql in _AT_REST.items()
        if (rows := [tuple(row) for row in await eyes.fetch(sql)])
    }
