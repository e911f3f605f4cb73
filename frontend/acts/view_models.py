"""What the templates are given about acts: the rail on every page, one act, the list."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from frontend.web.labels import State

Course = Literal["coming", "working", "done", "skipped", "missed", "stopped"]


class Wanted(Struct, frozen=True):
    """One thing that is waited for, and how it is now."""

    wanted: str
    now: str
    state: State


class Numeral(Struct, frozen=True):
    """One figure of the card; `value` is empty where nothing was measured."""

    label: str
    value: str
    unit: str
    detail: str
    state: State | Literal["gremlin"]


class Noted(Struct, frozen=True):
    """What a step showed, or did not."""

    text: str
    state: State


class StepView(Struct, frozen=True):
    """One step on the progress rail."""

    number: int
    title: str
    say: str
    look: str
    look_label: str
    course: Course
    state: State
    word: str
    elapsed_s: float | None
    notes: tuple[Noted, ...]
    does: tuple[str, ...]


class WaitView(Struct, frozen=True):
    """What is being waited for; `share` is how much of the limit has gone, in thousandths."""

    what: str
    wanted: tuple[Wanted, ...]
    waited_s: float
    limit_s: float
    share: int


class BesideRow(Struct, frozen=True):
    """One figure of both shops; of the four that should be 0, `is_wrong` says where one is not."""

    label: str
    ours: int
    theirs: int
    ours_wrong: bool
    theirs_wrong: bool


class BesideView(Struct, frozen=True):
    """The shop and the unsafe twin beside it; no rows until the twin has started."""

    twin: str
    rows: tuple[BesideRow, ...] = ()


class CardView(Struct, frozen=True):
    """What an act cost, in numbers."""

    faults: tuple[str, ...]
    times: tuple[Numeral, ...]
    costs: tuple[Numeral, ...]
    not_calm: tuple[str, ...]


class ActView(Struct, frozen=True):
    """An act as it is played, or as it lies in its file (`phase` is "idle")."""

    name: str
    title: str
    teaches: str
    phase: Literal["idle", "waiting", "working", "ending", "over"]
    steps: tuple[StepView, ...]
    at: StepView | None
    coming: StepView | None
    doing: str
    wait: WaitView | None
    elapsed_s: float
    state: State
    word: str
    reason: str
    card: CardView | None
    # Which other act is being played, by whom, since when.
    other: str = ""
    needs_up: bool = False
    beside: BesideView | None = None


class RailView(Struct, frozen=True):
    """The slim line under the bar; `act` is None while none is on."""

    act: ActView | None


class ListedAct(Struct, frozen=True):
    """One act of the list; `trouble` instead of the rest when its file cannot be read."""

    name: str
    title: str
    teaches: str
    steps: tuple[str, ...]
    kinds: tuple[str, ...]
    process_faults: tuple[str, ...]
    is_on: bool
    trouble: str = ""
    twin: str = ""


class ActsView(Struct, frozen=True):
    """The list, and who plays an act if it is not this dashboard."""

    acts: tuple[ListedAct, ...]
    elsewhere: str
    since: datetime | None
