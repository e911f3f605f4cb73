"""The act that is being played in this dashboard, for every panel to read, and who presents it."""

import time
from collections.abc import Callable

from scenarios.progress import Performance

# A laptop, a notes screen, a phone in the hand; whoever comes after takes the oldest one's place.
_PRESENTERS = 8


class Playing:
    """`now` is the performance, also when it is over, until the next one or until it is put away.
    A presenter is a browser that said Begin or Next, or has the speaker's notes open."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._presenters: dict[str, float] = {}
        self.now: Performance | None = None

    @property
    def is_on(self) -> bool:
        """Whether an act is under way."""
        return self.now is not None and not self.now.is_over

    def present(self, visitor_id: str) -> None:
        """This browser presents from now on."""
        self._presenters.pop(visitor_id, None)
        while len(self._presenters) >= _PRESENTERS:
            del self._presenters[next(iter(self._presenters))]
        self._presenters[visitor_id] = self._clock()

    def heard_from(self, visitor_id: str) -> None:
        """A request came from this browser; only a presenter's counts."""
        if visitor_id in self._presenters:
            self._presenters[visitor_id] = self._clock()

    def silent_s(self) -> float:
        """How long nothing was heard from any presenter."""
        return self._clock() - max(self._presenters.values(), default=self._clock())

    def dismiss(self) -> None:
        """Nobody presents any more."""
        self._presenters.clear()
