"""What a shopper does on one visit: browse, order, retry, follow, cancel, refund."""

import random
import time
from collections.abc import Callable

import gevent

from loadtests.generator.recorder import Recorder
from loadtests.generator.shop import ShopClient
from loadtests.plan import LoadPlan
from proof.clients.intent import Intent, LoggedReply

# Tries under one key, and the first pause between them; the pause doubles up to eight times it.
_TRIES, _PAUSE_S = 6, 0.2
# How an order is followed: soon at first, then once a second, and no longer than this.
_LOOK_S, _LOOK_MOST_S, _FOLLOW_S = 0.15, 1.0, 120.0
_TERMINAL = ("CONFIRMED", "FAILED")
# A refund needs a confirmed order of one's own; so many are remembered.
_MOST_RECEIPTS = 32


class Visits:
    """One shopper's visits. Chance is seeded, so a run can be repeated as far as a network can."""

    def __init__(
        self,
        shop: ShopClient,
        plan: LoadPlan,
        name: str,
        recorder: Recorder,
        over: Callable[[], bool],
    ) -> None:
        """`over` says whether the shopper has been asked to leave."""
        self._shop, self._plan, self._recorder, self._over = shop, plan, recorder, over
        self._name = name
        self._chance = random.Random(f"{plan.seed}-{name}")  # noqa: S311 - repeatable, no secret
        self._orders = 0
        self._receipts: list[Intent] = []

    def visit(self, due: float | None = None) -> None:
        """One thing a shopper does, by the profile's weights; `due` is when it should have begun
        (an open loop), so that a late generator cannot make the shop look quick."""
        habits = self._plan.what.habits
        weights = {
            self._browse: habits.browse,
            lambda: self._order(due): habits.order,
            self._shop.list_orders: habits.look_back,
            self._refund: habits.refund,
        }
        (chosen,) = self._chance.choices(list(weights), list(weights.values()))
        chosen()

    def think_s(self) -> float:
        """How long until the next visit."""
        return self._chance.uniform(*self._plan.what.habits.think_s)

    def _browse(self) -> None:
        look = self._chance.choice((self._shop.look_around, self._shop.read_prices, self._look_at))
        look()

    def _look_at(self) -> None:
        self._shop.look_at(self._chance.choice(self._plan.products))

    def _order(self, due: float | None = None) -> None:
        self._orders += 1
        intent = Intent(
            f"{self._plan.tag}-{self._name}-{self._orders:06d}",
            self._chance.choice(self._plan.products),
            self._chance.randint(1, 3),
        )
        kept = False
        try:
            reply = self._place(intent, due)
            if reply.status == 202 and intent.order_id is not None:
                self._wait_for(intent)
            kept = reply.status == 201 and self._may_refund()
            if kept:
                self._receipts.append(intent)
        finally:
            # Also when we are cut off: the replies so far count.
            if not kept:
                self._recorder.add_intent(intent)

    def _may_refund(self) -> bool:
        return self._plan.what.habits.refund > 0 and len(self._receipts) < _MOST_RECEIPTS

    def _place(self, intent: Intent, due: float | None) -> LoggedReply:
        """Place the order, and after a lost response or a shed request again under the same key."""
        reply = self._shop.place(intent, due)
        for number in range(_TRIES - 1):
            if reply.decides:
                break
            self._pause(_PAUSE_S * min(8, 2**number) * self._chance.uniform(0.5, 1.5))
            if self._over():
                # The run ended before a response: that is not the shop's failure.
                intent.replies.append(LoggedReply(0, "cut-off", executed=False))
                break
            reply = self._shop.place(intent)
        self._recorder.measures.compensations += reply.status == 402
        return reply

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._over() and (left_s := end - time.monotonic()) > 0:
            gevent.sleep(min(left_s, 0.2))

    def _wait_for(self, intent: Intent) -> None:
        """Follow an accepted order to its end; some are cancelled on the way."""
        if self._chance.random() < self._plan.what.habits.fickle:
            self._shop.cancel(intent)
        assert intent.order_id is not None  # noqa: S101 - its caller looked
        until, pause_s = time.monotonic() + _FOLLOW_S, _LOOK_S
        while not self._over() and time.monotonic() < until:
            view = self._shop.show(intent.order_id)
            if view is not None:
                intent.shown = view.status
            if view is not None and view.status in _TERMINAL:
                self._recorder.measures.settled.add(view.latency_ms or 0.0)
                undone = view.status == "FAILED" and view.reason != "OUT_OF_STOCK"
                self._recorder.measures.compensations += undone
                return
            self._pause(pause_s)
            pause_s = min(_LOOK_MOST_S, pause_s * 1.5)
        self._recorder.measures.left_open += 1

    def _refund(self) -> None:
        """Give the money of an order of one's own back; without one, order something first."""
        if not self._receipts:
            self._order()
            return
        intent = self._receipts.pop(self._chance.randrange(len(self._receipts)))
        try:
            reply = self._shop.refund(intent)
            self._recorder.measures.compensations += reply.status in (200, 202)
        finally:
            self._recorder.add_intent(intent)

    def leave(self) -> None:
        """The visits are over: log the orders that were kept for a refund."""
        for intent in self._receipts:
            self._recorder.add_intent(intent)
        self._receipts.clear()
