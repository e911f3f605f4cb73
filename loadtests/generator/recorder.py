"""Collects what the shoppers of a process measured and logged, until it is sent on."""

from loadtests.measures import Measures
from loadtests.outcomes import order_outcome
from proof.clients.intent import Intent
from proof.clients.log import line_of


class Recorder:
    """What one process has seen since it was last asked. A worker is asked every three
    seconds, so it never holds more than that."""

    def __init__(self) -> None:
        self.measures = Measures()
        self.lines: list[bytes] = []

    def add_intent(self, intent: Intent) -> None:
        """A shopper is done with an order: there will be no further reply."""
        self.lines.append(line_of(intent))
        self.measures.ended(order_outcome(intent.replies))
        self.measures.retries += max(0, len(intent.replies) - 1)
        self.measures.replays += sum(reply.replayed for reply in intent.replies)
        self.measures.lost_answers += sum(
            reply.status == 0 and reply.executed and reply.code != "cut-off"
            for reply in intent.replies
        )

    def take(self) -> tuple[Measures, list[bytes]]:
        """Return everything and begin afresh."""
        taken = self.measures, self.lines
        self.measures, self.lines = Measures(), []
        return taken
