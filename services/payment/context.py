"""What taking money needs: the tables, the connectors, the breakers, and how long to wait."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime

import msgspec

from chassis.database.pool import Connection, Database
from gateways import Connector, OutsideAccount
from services.payment.breakers.breakers import Breakers
from services.payment.domain import WALLET, Attempt, Payment
from services.payment.metrics import PaymentMetrics
from services.payment.routing.next_account import Next, next_account
from services.payment.routing.usual_times import UsualTimes

# What the connectors in this process are called; they share one gateway.
_IN_PROCESS = frozenset({"mock", "flaky"})


class PaymentContext(msgspec.Struct, frozen=True):
    """`connector` is the one in this process, `wallets` that of the wallet service; `accounts` has
    the connector of each account outside; `planner` opens another plan in place of one that came
    to nothing."""

    database: Database
    connector: Connector
    metrics: PaymentMetrics
    gateway_timeout_s: float
    probe_base_s: float
    breakers: Breakers
    usual: UsualTimes
    accounts: Mapping[str, OutsideAccount] = {}
    wallets: Connector | None = None
    planner: Callable[["PaymentContext", Connection, Payment], Awaitable[Payment | None]] | None = (
        None
    )

    def route(
        self, payment: Payment, attempt: Attempt, code: str, closed_to_new: Collection[str]
    ) -> Next | None:
        """Where a leg goes after a definite no; None where no other account may take it."""
        until = attempt.begin_until
        found = next_account(
            code=code,
            tried=payment.tried(attempt.leg_n),
            fallbacks=attempt.fallbacks,
            left_s=0.0 if until is None else (until - datetime.now(UTC)).total_seconds(),
            usual_s=self.usual.p99_s,
            closed_to_new=closed_to_new,
        )
        return found if isinstance(found, Next) else None

    async def replan(self, tx: Connection, payment: Payment) -> Payment | None:
        """The payment with another plan in place of one that came to nothing; None without one."""
        return None if self.planner is None else await self.planner(self, tx, payment)

    def connector_of(self, provider: str) -> Connector | None:
        """The connector to a provider; None where none is configured."""
        if provider == WALLET:
            return self.wallets
        return self.connector if provider in _IN_PROCESS else self.accounts.get(provider)

    @property
    def grace_s(self) -> float:
        """How long a payment is left to whoever works on it before the reconciler claims it."""
        return self.gateway_timeout_s + self.probe_base_s
