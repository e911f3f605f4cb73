"""What the templates are given about load runs."""

from msgspec import Struct

from frontend.web.labels import State
from observatory.load_runs import LoadProgress, LoadReport


class ProfileChoice(Struct, frozen=True):
    """A profile that may be started."""

    name: str
    about: str
    length: str
    unit: str


class FigureRow(Struct, frozen=True):
    """One figure of this run beside the last, in words; `change` is empty where there is no last
    one, `state` is degraded where it is clearly worse."""

    name: str
    now: str
    last: str
    change: str
    state: State


class LoadView(Struct, frozen=True):
    """The run that is on, or the choice of one; `obstacle` says why none can be started. `done` is
    its part as "42%"; `why` says why there
    is no run or why the last one left no report; `last` is what it is compared with."""

    obstacle: str
    is_on: bool
    is_stopping: bool
    progress: LoadProgress | None
    phase: str
    done: str
    figures: tuple[FigureRow, ...]
    of: LoadReport | None
    last: LoadReport | None
    why: str
    profiles: tuple[ProfileChoice, ...]


class RunRow(Struct, frozen=True):
    """A run in the list."""

    report: LoadReport
    state: State
    answer: str
    length: str
    rate: str
    p95: str
    p99: str


class RunsView(Struct, frozen=True):
    """The runs that left a report, newest first; `a` and `b` name the two that are chosen to be
    compared, empty where there are no two."""

    rows: tuple[RunRow, ...]
    a: str
    b: str


class ComparisonView(Struct, frozen=True):
    """Two runs beside each other. In `figures` the second is `now` and the first `last`."""

    choice: RunsView
    runs: tuple[RunRow, RunRow]
    figures: tuple[FigureRow, ...]
    is_one_kind: bool
