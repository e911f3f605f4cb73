"""Where shoppers leave what they measured and heard, until it is handed on."""

from loadtests.client_log import line_of
from loadtests.intent import Intent
from loadtests.measures import Measures
from loadtests.outcomes import order_outcome


class Recorder:
    """What one process has seen since it was last asked. A worker is asked every three seconds, so
    it never holds more than that."""

    def __init__(self) -> None:
        self.measures = Measures()
        self.lines: list[bytes] = []

    def heard(self, wish: Intent) -> None:
        """A shopper is done with an order: nothing more will be said about it."""
        self.lines.append(line_of(wish))
        self.measures.ended(order_outcome(wish.words))
        self.measures.retries += max(0, len(wish.words) - 1)
        self.measures.replays += sum(word.replayed for word in wish.words)
        self.measures.lost_answers += sum(
            word.status == 0 and word.executed and word.code != "cut-off" for word in wish.words
        )

    def take(self) -> tuple[Measures, list[bytes]]:
        """Hand everything on and begin afresh."""
        taken = self.measures, self.lines
        self.measures, self.lines = Measures(), []
        return taken
