"""Finds what was captured and should not have been, and refunds it.

A provider that fences captures nothing after a void; but nobody should have to rely on that."""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

from chassis.telemetry import recording
from services.payment import charging, domain, due_work, settlement, store
from services.payment.charging import PaymentContext
from services.payment.connectors import Capture, CapturePlace, GatewayNotSent, GatewayUnknown
from services.payment.due_work import OrphanCapture
from services.payment.outcomes import Captured

logger = logging.getLogger(__name__)

# Late captures are late by seconds, and nobody waits for this refund but the customer.
_EVERY_S = 5.0
_PAGE = 500
# Captures become visible in the order of their commits, not of their times: by a statement's
# length at most. What is stamped earlier than that is found when all of them are read again.
_OVERLAP = timedelta(seconds=10)


class LateCaptures:
    """Reads the provider's settlement report: the newest captures at every turn, and one page of
    all of them, from the first again after the last. Both places are kept in the database.

    One look at a capture is not enough: it may be stamped earlier than its neighbours that were
    read before. While its payment is still PROCESSING or SUCCEEDED it is left alone; a cancel that
    comes later meets the capture itself, by its void or its refund."""

    def __init__(self, context: PaymentContext) -> None:
        self._context = context
        self._logged: set[str] = set()

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.run_once()
            except (GatewayUnknown, GatewayNotSent):
                logger.warning("the provider's captures cannot be read")
            await asyncio.sleep(_EVERY_S)

    async def run_once(self) -> int:
        """Refund every capture that should not exist; how many there were."""
        return await self._newest() + await self._all()

    async def _newest(self) -> int:
        found, place = 0, await self._place("newest")
        if place is not None:
            place = CapturePlace(place.captured_at - _OVERLAP, "")
        while page := await self._context.connector.captures(place, _PAGE):
            found += await self._look_at(page)
            place = _end_of(page)
            await self._keep("newest", place)
            if len(page) < _PAGE:
                break
        return found

    async def _all(self) -> int:
        page = await self._context.connector.captures(await self._place("all"), _PAGE)
        found = await self._look_at(page)
        await self._keep("all", _end_of(page) if len(page) == _PAGE else None)
        return found

    async def _place(self, sweep: due_work.Sweep) -> CapturePlace | None:
        async with self._context.database.connect() as connection:
            return await due_work.swept_to(connection, self._context.connector.name, sweep)

    async def _keep(self, sweep: due_work.Sweep, place: CapturePlace | None) -> None:
        async with self._context.database.connect() as connection:
            await due_work.keep_swept(connection, self._context.connector.name, sweep, place)

    async def _look_at(self, page: list[Capture]) -> int:
        if not page:
            return 0
        captures = {capture.gw_key: capture for capture in page}
        async with self._context.database.connect() as connection:
            orphans = await due_work.orphan_captures(connection, list(captures))
        for orphan in orphans:
            await self._refund(orphan, captures[orphan.gw_key])
        return len(orphans)

    async def _refund(self, orphan: OrphanCapture, capture: Capture) -> None:
        with recording.span("refund late capture") as work:
            work.attributes["valerix.order.id"] = capture.order_ref
            n, order_id = orphan.n, orphan.order_id
            if n is None or order_id is None:
                n, order_id = 1, await self._adopt(capture)
            if order_id is None:
                return
            captured = Captured(capture.amount_minor, capture.currency)
            context = self._context
            payment = await settlement.settle(
                context.database, context.metrics, order_id, n, captured, grace_s=context.grace_s
            )
            await charging.drive(context, payment)

    async def _adopt(self, capture: Capture) -> UUID | None:
        """The order of a capture that no attempt here knows, if it can be posted and refunded.

        A tombstone has no amount to post, and a key that is not ours is not ours to refund:
        those are for a human."""
        try:
            order_id = UUID(capture.order_ref)
        except ValueError:
            order_id = None
        if order_id is not None and capture.gw_key == domain.gw_key(order_id, 1):
            async with self._context.database.connect() as connection:
                provider = self._context.connector.name
                if await due_work.adopt(connection, capture, order_id, provider):
                    return order_id
                await store.flag(connection, order_id)
        if capture.gw_key not in self._logged and len(self._logged) < _PAGE:
            # Once a process: it is met again at every turn, and the proof shows it as well.
            self._logged.add(capture.gw_key)
            logger.error(
                "the provider captured what was never asked for",
                extra={"gw_key": capture.gw_key, "order_ref": capture.order_ref},
            )
        return None


def _end_of(page: list[Capture]) -> CapturePlace:
    return CapturePlace(page[-1].captured_at, page[-1].gw_key)
