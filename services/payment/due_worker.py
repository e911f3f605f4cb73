"""Works on what is due at the payment service: payments in doubt, and events of providers."""

from collections.abc import Awaitable, Callable
from typing import Any

from chassis.database.pool import Connection
from chassis.due_work import DueWork, DueWorker
from services.payment.context import PaymentContext
from services.payment.settings import PaymentSettings


def due_worker(
    context: PaymentContext,
    settings: PaymentSettings,
    due: DueWork,
    work: Callable[[PaymentContext, Any], Awaitable[None]],
    *,
    places: int,
    poll_s: float,
    log_key: str,
) -> DueWorker:
    """One replica's worker for these rows, with the backoff of probes; any number may run."""

    async def claim(c: Connection, most: int) -> list[Any]:
        base_s, max_s = context.probe_base_s, settings.payment_probe_max_s
        return await due.claim(c, most, base_s=base_s, max_s=max_s)

    async def do(key: Any) -> None:
        await work(context, key)

    return DueWorker(
        context.database,
        claim,
        do,
        places=places,
        batch=settings.reconcile_batch,
        poll_s=poll_s,
        log_key=log_key,
        is_any=due.is_any,
    )
