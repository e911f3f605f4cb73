"""For a provider that cannot fence: finds what was captured after the cancel, gives it back."""

import asyncio
import logging
from datetime import datetime, timedelta
from uuid import UUID

from chassis.telemetry import recording
from services.payment import charging, domain, due_work, settlement, store
from services.payment.charging import PaymentContext
from services.payment.connectors import Capture, GatewayNotSent, GatewayUnknown
from services.payment.due_work import OrphanCapture
from services.payment.outcomes import Captured

logger = logging.getLogger(__name__)

# Late captures are late by seconds, and nobody waits for this refund but the customer.
_EVERY_S = 5.0
_PAGE = 500
# Captures become visible in the order of their commits, not of their timestamps; a minute covers
# the slowest statement many times over.
_OVERLAP = timedelta(minutes=1)


class LateCaptures:
    """Reads the provider's settlement report from where it stopped, the last hour after a start.

    One look at each capture is enough: while its payment is still PROCESSING or SUCCEEDED, a
    cancel that comes later meets the capture itself, by its void or its refund."""

    def __init__(self, desk: PaymentContext) -> None:
        self._desk = desk
        self._since: datetime | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.run_once()
            except (GatewayUnknown, GatewayNotSent):
                logger.warning("the provider's captures cannot be read")
            await asyncio.sleep(_EVERY_S)

    async def run_once(self) -> int:
        """Give back every capture that should not be there; how many there were."""
        found, since = 0, self._since
        while page := await self._desk.connector.captures(since, _PAGE):
            found += await self._look_at(page)
            newest = page[-1].captured_at
            self._since = newest - _OVERLAP
            if len(page) < _PAGE or newest == since:
                break
            since = newest
        return found

    async def _look_at(self, page: list[Capture]) -> int:
        captures = {capture.gw_key: capture for capture in page}
        async with self._desk.database.connect() as connection:
            fugitives = await due_work.orphan_captures(connection, list(captures))
        for fugitive in fugitives:
            await self._give_back(fugitive, captures[fugitive.gw_key])
        return len(fugitives)

    async def _give_back(self, fugitive: OrphanCapture, capture: Capture) -> None:
        with recording.span("sweep capture") as work:
            work.attributes["valerix.order.id"] = capture.order_ref
            n, order_id = fugitive.n, fugitive.order_id
            if n is None or order_id is None:
                n, order_id = 1, await self._adopt(capture)
            if order_id is None:
                return
            said = Captured(capture.amount_minor, capture.currency)
            desk = self._desk
            payment = await settlement.settle(
                desk.database, desk.meters, order_id, n, said, grace_s=desk.grace_s
            )
            await charging.drive(desk, payment)

    async def _adopt(self, capture: Capture) -> UUID | None:
        """The order of a capture that no attempt here knows, if it can be booked and refunded.

        A tombstone has no amount to book it under, and a key that is not ours is not ours to
        refund: those are for a human."""
        try:
            order_id = UUID(capture.order_ref)
        except ValueError:
            order_id = None
        if order_id is not None and capture.gw_key == domain.gw_key(order_id, 1):
            async with self._desk.database.connect() as connection:
                if await due_work.adopt(connection, capture, order_id, self._desk.connector.name):
                    return order_id
                await store.flag(connection, order_id)
        logger.error(
            "the provider captured what was never asked for",
            extra={"gw_key": capture.gw_key, "order_ref": capture.order_ref},
        )
        return None
