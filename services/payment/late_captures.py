"""Finds what was captured and should not have been, and refunds it.

A provider that fences captures nothing after a void; but nobody should have to rely on that."""

import logging
from datetime import timedelta
from uuid import UUID

from chassis.database.pace import PollPace
from chassis.telemetry import recording
from gateways import Capture, Captured, CapturePlace, GatewayNotSent, GatewayUnknown
from services.payment import asking, domain, due_work, intents, operations, settlement, store
from services.payment.context import PaymentContext
from services.payment.domain import AttemptId
from services.payment.due_work import OrphanCapture
from services.payment.intents import Decision

logger = logging.getLogger(__name__)

# Late captures are late by seconds, and nobody waits for this refund but the customer.
_EVERY_S = 5.0
# What a provider captures on its own is not seen in our database. Late ones follow payments, which
# are; so this is for the last of them before a rest.
_LONGEST_S = 30.0
_PAGE = 500
# Captures become visible in the order of their commits, not of their times: by a statement's
# length at most. What is stamped earlier than that is found when all of them are read again.
_OVERLAP = timedelta(seconds=10)
_NOT_OURS = Decision("adopt", "The provider captured what nobody here had asked for.", {})


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
        pace = PollPace(self._context.database, _EVERY_S, longest_s=_LONGEST_S)
        while True:
            try:
                await self.run_once()
            except (GatewayUnknown, GatewayNotSent):
                logger.warning("the provider's captures cannot be read")
            await pace.wait()

    async def run_once(self) -> int:
        """Refund every capture that should not exist; how many there were."""
        return await self._newest() + await self._all()

    async def _newest(self) -> int:
        found, kept = 0, await self._place("newest")
        place = CapturePlace(kept.captured_at - _OVERLAP, "") if kept is not None else None
        while page := await self._context.connector.captures(place, _PAGE):
            found += await self._look_at(page)
            place = _end_of(page)
            # The newest is in the overlap until there is another. A write would be a reason to look
            # again soon.
            if place != kept:
                await self._keep("newest", place)
            if len(page) < _PAGE:
                break
        return found

    async def _all(self) -> int:
        place = await self._place("all")
        page = await self._context.connector.captures(place, _PAGE)
        found = await self._look_at(page)
        end = _end_of(page) if len(page) == _PAGE else None
        if end != place:
            await self._keep("all", end)
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
            work.attributes["valerix.payment.id"] = capture.payment_ref
            attempt = orphan.attempt or await self._adopt(capture)
            if attempt is None:
                return
            captured = Captured(capture.amount_minor, capture.currency)
            context = self._context
            payment = await settlement.settle(
                context.database, context.metrics, attempt, captured, grace_s=context.grace_s
            )
            work.attributes.update(asking.span_names(payment))
            await operations.drive(context, payment)

    async def _adopt(self, capture: Capture) -> AttemptId | None:
        """The attempt of a capture that none here knows, if it can be posted and refunded.

        A tombstone has no amount to post, and a key that is not ours is not ours to refund:
        those are for a human."""
        try:
            payment_id = UUID(capture.payment_ref)
        except ValueError:
            payment_id = None
        if payment_id is not None and capture.gw_key in domain.first_keys(payment_id):
            async with self._context.database.connect() as connection:
                provider = self._context.connector.name
                if await intents.adopt(connection, capture, payment_id, provider, _NOT_OURS):
                    return AttemptId(payment_id, 1, 1)
                await store.flag(connection, payment_id)
        if capture.gw_key not in self._logged and len(self._logged) < _PAGE:
            # Once a process: it is met again at every turn, and the proof shows it as well.
            self._logged.add(capture.gw_key)
            logger.error(
                "the provider captured what was never asked for",
                extra={"gw_key": capture.gw_key, "payment_ref": capture.payment_ref},
            )
        return None


def _end_of(page: list[Capture]) -> CapturePlace:
    return CapturePlace(page[-1].captured_at, page[-1].gw_key)
