"""What the template is given about steady traffic."""

from msgspec import Struct

from scenarios.steady_traffic import TrafficOrder


class AnswerCount(Struct, frozen=True):
    """What was asked, how often, and what came of it in words."""

    what: str
    asked: int
    answers: str


class TrafficPanelView(Struct, frozen=True):
    """The switch: `order` is what is on, `mix` says it in words; `rates` and `mixes` are what the
    next one may be."""

    order: TrafficOrder | None
    rate: str
    mix: str
    is_resting: bool
    note: str
    answers: tuple[AnswerCount, ...]
    rates: tuple[int, ...]
    usual_rate: int
    mixes: tuple[tuple[str, str], ...]
