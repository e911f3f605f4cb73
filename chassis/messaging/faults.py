"""Gremlins of deliveries: events that are lost on the way, come twice or out of order."""

import random
from collections.abc import Sequence

from chassis.faults.gremlins import Gremlins
from chassis.messaging.transport import Incoming


class DeliveryFaults:
    """What the gremlins of a consumer's process do to its deliveries."""

    def __init__(self, gremlins: Gremlins | None) -> None:
        self._gremlins = gremlins
        self._random = random.Random()  # noqa: S311 - a share of deliveries, not a secret

    def disturb(self, batch: Sequence[Incoming]) -> tuple[list[Incoming], list[Incoming]]:
        """(what arrives, what is lost on its way and has to come again)."""
        arriving, lost = list(batch), list[Incoming]()
        if self._gremlins is None or not arriving:
            return arriving, lost
        for gremlin in self._gremlins.biting_deliveries():
            share = gremlin.view.probability
            bitten = [each for each in arriving if self._random.random() < share]
            for _ in bitten:
                self._gremlins.mark(gremlin.view)
            if not bitten:
                continue
            match gremlin.kind.on_delivery:
                case "lose":
                    lost += bitten
                    arriving = [each for each in arriving if each not in bitten]
                case "repeat":
                    arriving += bitten
                case "shuffle":
                    self._random.shuffle(arriving)
        return arriving, lost
