"""The act that is being played in this dashboard, for every panel to read, and who presents it."""

import time
from collections.abc import Callable

from scenarios.progress import Performance

# A laptop, a notes screen, a phone in the hand; whoever comes after takes the oldest one's place.
_MOST_PRESENTERS = 8


class CurrentScenario:
    """`performance` stays when it is over, until the next one begins or it is put away. A presenter
    is a browser that pressed Begin or Next, or has the speaker's notes open."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._presenters: dict[str, float] = {}
        self.performance: Performance | None = None

    @property
    def is_on(self) -> bool:
        """Whether an act is under way."""
        return self.performance is not None and not self.performance.is_over

    def add_presenter(self, visitor_id: str) -> None:
        """This browser presents from now on."""
        self._presenters.pop(visitor_id, None)
        while len(self._presenters) >= _MOST_PRESENTERS:
            del self._presenters[next(iter(self._presenters))]
        self._presenters[visitor_id] = self._clock()

    def note_request(self, visitor_id: str) -> None:
        """A request came from this browser; only a presenter's counts."""
        if visitor_id in self._presenters:
            self._presenters[visitor_id] = self._clock()

    def silent_s(self) -> float:
        """How long no request has come from any presenter."""
        return self._clock() - max(self._presenters.values(), default=self._clock())

    def remove_presenters(self) -> None:
        """Nobody presents any more."""
        self._presenters.clear()
