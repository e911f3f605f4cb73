"""One replica of the payment service, its provider on a script, and a look at both sides."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID, uuid4, uuid5

import asyncpg
import httpx

from chassis.http.outbound import Peer
from chassis.settings import Settings
from gateways import AttemptRef, Connector
from services.payment.app import create_app
from services.payment.asking import TRIES
from services.payment.connectors.flaky import Flaky
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.context import PaymentContext
from services.payment.domain import gw_key
from services.payment.late_captures import LateCaptures
from services.payment.reconciler import payment_reconciler
from tests.harness.serving import knock

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

    def fail(self, fault: str, calls: int = 1) -> None:
        """The next calls go wrong so, however often the service repeats each of them."""
        self.script.extend([fault] * (calls * TRIES if fault == "not_sent" else calls))

    def next_fault(self) -> str:
        """The next line of the script; a call beyond it goes well."""
        self.calls += 1
        return self.script.popleft() if self.script else ""

    async def delay_late_charge(self) -> None:
        """Until the test lets it land."""
        await self._landing.wait()

    async def forget(self) -> None:
        """Nothing is written any more, and no charge is on its way."""
        self.script.clear()
        self.calls = 0
        on_the_way = list(self._late_charges)
        for task in on_the_way:
            task.cancel()
        await asyncio.gather(*on_the_way, return_exceptions=True)

    async def land(self) -> None:
        """Let every late charge arrive."""
        self._landing.set()
        await asyncio.gather(*self._late_charges)
        self._landing.clear()


class Replica:
    """What a test needs: requests, the reconciler by hand, and a look at the rows."""

    def __init__(
        self,
        settings: Settings,
        gateway: Scripted,
        eyes: asyncpg.Connection,
        accounts: Mapping[str, Connector] | None = None,
        wallets: Peer | None = None,
    ) -> None:
        self.edge = create_app(settings, connector=gateway, accounts=accounts, wallets=wallets)
        self.context: PaymentContext = self.edge.app.state["context"]  # type: ignore[attr-defined]
        self.gateway = gateway
        self.reconciler = payment_reconciler(self.context, settings)
        self.late_captures = LateCaptures(self.context)
        self.eyes = eyes
        self.http = knock("http://payment", transport=httpx.ASGITransport(app=self.edge))

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
                "payment_id": str(payment_of(order_id)),
                "order_id": str(order_id),
                "amount_minor": amount_minor,
                "currency": currency,
            },
            headers={"Idempotency-Key": key or f"charge-{order_id}", **(headers or {})},
        )

    async def cancel(
        self, order_id: UUID, reason: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """POST /payments/{payment_id}/cancel, as the order service asks."""
        body = {"order_id": str(order_id), **({"reason": reason} if reason else {})}
        path = f"/payments/{payment_of(order_id)}/cancel"
        return await self.http.post(path, json=body, headers=headers)

    async def show(self, order_id: UUID) -> httpx.Response:
        """GET /payments/{payment_id}."""
        return await self.http.get(f"/payments/{payment_of(order_id)}")

    async def reconcile(self) -> None:
        """Let the reconciler finish what is unfinished, due or not, if the provider lets it."""
        for _ in range(3):
            await self.eyes.execute(
                "UPDATE payments.payments SET next_attempt_at = now()"
                " WHERE state IN ('PROCESSING', 'CANCELLING', 'REFUND_PENDING')"
            )
            if not await self.reconciler.run_once():
                return

    async def state(self, order_id: UUID) -> str:
        """The payment's state in our tables."""
        found: str = await self.eyes.fetchval(
            "SELECT state FROM payments.payments WHERE payment_id = $1", payment_of(order_id)
        )
        return found

    async def attempts(self, order_id: UUID) -> list[str]:
        """The states of its attempts."""
        rows = await self.eyes.fetch(
            "SELECT state FROM payments.attempts WHERE payment_id = $1 ORDER BY leg_n, n",
            payment_of(order_id),
        )
        return [row["state"] for row in rows]

    async def captures(self, order_id: UUID) -> list[str]:
        """The states of the order's payment in the provider's own record."""
        rows = await self.eyes.fetch(
            "SELECT state FROM gateway.charges WHERE payment_ref = $1 ORDER BY gw_key",
            str(payment_of(order_id)),
        )
        return [row["state"] for row in rows]

    async def ledger(self, order_id: UUID) -> dict[str, int]:
        """Our ledger's transfers of the order's payment: what each moved into clearing."""
        rows = await self.eyes.fetch(
            "SELECT kind, amount_minor FROM payments.ledger"
            " WHERE payment_id = $1 AND account = 'gateway_clearing'",
            payment_of(order_id),
        )
        return {row["kind"]: row["amount_minor"] for row in rows}

    async def take_unasked(self, order_id: UUID, *, key: str = "") -> None:
        """Money taken by the provider under a key of ours that these tables do not have."""
        payment_id = payment_of(order_id)
        key = key or gw_key(payment_id, 1, 1)
        await self.gateway.authorise(AttemptRef(key, str(payment_id), AMOUNT, "EUR"), capture=True)

    async def until_captured(self, order_id: UUID) -> None:
        """Wait for a charge to land in the provider's record."""

        async def captured() -> bool:
            return await self.captures(order_id) == ["CAPTURED"]

        await until(captured)

    async def forget(self) -> None:
        """What a test leaves in the process is gone, but for what was counted."""
        await self.gateway.forget()
        self.context.usual._calls.clear()  # noqa: SLF001 - a process that has seen no call
        self.late_captures = LateCaptures(self.context)

    async def close(self) -> None:
        """Close what the requests opened."""
        await self.http.aclose()
        await self.context.metrics.close()
        await self.context.database.close()
        await self.gateway.close()


@asynccontextmanager
async def open_replica(
    settings: Settings,
    eyes: asyncpg.Connection,
    *,
    silence_s: float = SILENCE_S,
    accounts: Mapping[str, Connector] | None = None,
    wallets: Peer | None = None,
) -> AsyncIterator[Replica]:
    """A replica for one test. Its background loops stay off: the test is the clock."""
    mock = Mock(
        MockStore(settings),
        decline_rate=settings.payment_decline_rate,
        seed=settings.payment_seed,
        fences=settings.payment_gateway_fences,
    )
    payments = Replica(settings, Scripted(mock, silence_s), eyes, accounts, wallets)
    try:
        yield payments
    finally:
        await payments.close()


# Where payments leave rows. The proof keeps its own notes of what is deleted here: a test that asks
# all of the proof has a database of its own.
_TABLES = (
    "SELECT schemaname || '.' || relname FROM pg_stat_user_tables"
    " WHERE schemaname IN ('payments', 'gateway', 'acquirer') AND relname <> 'transitions'"
)


async def keep_rows(eyes: asyncpg.Connection) -> str:
    """SQL that leaves in the tables what they hold now, for this connection. It takes a thirtieth
    of the time of a new database."""
    put_back = ["SET session_replication_role = replica"]
    for (table,) in await eyes.fetch(_TABLES):
        put_back.append(f"DELETE FROM {table}")
        if await eyes.fetchval(f"SELECT EXISTS (TABLE {table})"):
            await eyes.execute(f'CREATE TEMPORARY TABLE "{table}" AS TABLE {table}')
            put_back.append(f'INSERT INTO {table} TABLE "{table}"')
    return ";".join([*put_back, "SET session_replication_role = DEFAULT"])


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


def payment_of(order_id: UUID) -> UUID:
    """The payment that the order service would have chosen for it."""
    return uuid5(order_id, "payment")
