"""From a performance to what is shown of it; pure."""

from collections.abc import Sequence
from datetime import datetime

from chassis.faults.kinds import KIND_LABELS
from frontend.acts.view_models import (
    ActsView,
    ActView,
    BesideRow,
    BesideView,
    CardView,
    Course,
    ListedAct,
    Noted,
    Numeral,
    RailView,
    StepView,
    WaitView,
    Wanted,
)
from frontend.web.formatting import THIN
from frontend.web.labels import State
from scenarios.conditions import FIGURES
from scenarios.descriptions import describe
from scenarios.loader import BadAct, Scenario
from scenarios.lock import LockHolder
from scenarios.model import ActStep, Kill, LetLoose, Restart, SetAccount, instruction_of
from scenarios.progress import Activity, FinishedStep, Performance
from scenarios.summary import Summary, SummaryFigure
from scenarios.twin_process import TwinFigures
from topology import LABELS

# Where the audience looks, as the page itself names it.
LOOK_LABELS = {
    "health": "the small dots at the top",
    "bar": "the bar of gremlins",
    "lights": "the map",
    "figures": "the three figures",
    "gremlins": "what is violet on the map",
    "shop": "the order form",
    "orders": "the orders",
    "proof": "the proof",
    "charts": "the charts",
}
_COURSES: dict[Course, tuple[State, str]] = {
    "coming": ("none", "coming"),
    "working": ("degraded", "now"),
    "done": ("good", "as written"),
    "skipped": ("none", "not waited for"),
    "missed": ("failed", "not as written"),
    "stopped": ("none", "stopped"),
}
_TONES: dict[str, State] = {"seen": "good", "skipped": "none", "missed": "failed"}
_OUTCOMES: dict[str, tuple[State, str]] = {
    "": ("degraded", "On"),
    "passed": ("good", "Everything showed as written"),
    "skipped": ("none", "Not everything was waited for"),
    "missed": ("failed", "Not everything showed as written"),
    "stopped": ("none", "Stopped before its end"),
}


def rail(played: Performance | None, now: datetime) -> RailView:
    """The slim line on every page."""
    return RailView(None if played is None else act(played, now))


def act(played: Performance, now: datetime) -> ActView:
    """A performance."""
    steps = tuple(
        _step(number, step, played.results[number] if number < len(played.results) else None, now)
        for number, step in enumerate(played.steps)
    )
    state, word = _OUTCOMES[played.outcome]
    following = played.step + 1
    return ActView(
        name=played.scenario.name,
        title=played.scenario.act.title,
        teaches=_line(played.scenario.act.teaches),
        phase=played.phase,
        steps=steps,
        at=steps[played.step] if played.shown is not None else None,
        coming=steps[following] if following < len(steps) and not played.outcome else None,
        doing=played.activity.what if played.activity and played.activity.limit_s is None else "",
        wait=_wait(played.activity, now),
        elapsed_s=((played.ended or now) - played.began).total_seconds(),
        state=state,
        word=word,
        reason=played.reason,
        card=_card(played.summary) if played.summary else None,
        needs_up=_needs_up(played.scenario),
        beside=_beside(played.scenario, played.figures, is_over=played.is_over),
    )


def idle(scenario: Scenario, other: Performance | None, holder: LockHolder | None) -> ActView:
    """An act that is not on; another one may be."""
    taken = ""
    if other is not None and not other.is_over:
        taken = f"{other.scenario.act.title} is being played here."
    elif holder is not None:
        taken = f"{holder.act} is being played by {holder.who} since {holder.since:%H:%M:%S} UTC."
    steps = tuple(_step(n, step, None, None) for n, step in enumerate(scenario.act.steps))
    return ActView(
        scenario.name,
        scenario.act.title,
        _line(scenario.act.teaches),
        "idle",
        steps,
        None,
        steps[0],
        "",
        None,
        0.0,
        "none",
        "",
        "",
        None,
        taken,
        _needs_up(scenario),
        _beside(scenario, None, is_over=False),
    )


def act_list(
    found: Sequence[Scenario | BadAct], played: Performance | None, holder: LockHolder | None
) -> ActsView:
    """Every act there is."""
    is_here = played is not None and not played.is_over
    elsewhere = "" if is_here or holder is None else f"{holder.act} is played by {holder.who}"
    on = played.scenario.name if played is not None and is_here else ""
    return ActsView(
        tuple(_listed_act(each, on) for each in found), elsewhere, holder.since if holder else None
    )


def _listed_act(each: Scenario | BadAct, on: str) -> ListedAct:
    if isinstance(each, BadAct):
        return ListedAct(each.file, each.file, "", (), (), (), is_on=False, trouble=str(each))
    actions = [does for _, _, does in each.act.actions()]
    kinds = [
        f"{KIND_LABELS[does.kind]} on {LABELS[does.service].lower()}"
        for does in actions
        if isinstance(does, LetLoose)
    ] + [
        f"{does.mode} at account {does.name}"
        for does in actions
        if isinstance(does, SetAccount) and does.mode != "happy"
    ]
    process_faults = [
        describe(does).split(",")[0] for does in actions if isinstance(does, Kill | Restart)
    ]
    return ListedAct(
        each.name,
        each.act.title,
        _line(each.act.teaches),
        tuple(step.title for step in each.act.steps),
        tuple(dict.fromkeys(kinds)),
        tuple(dict.fromkeys(process_faults)),
        each.name == on,
        twin=each.act.twin if isinstance(each.act.twin, str) else "",
    )


def _step(
    number: int, step: ActStep, result: FinishedStep | None, now: datetime | None
) -> StepView:
    course: Course = result.state if result is not None else "coming"
    state, word = _COURSES[course]
    look = step.look if isinstance(step.look, str) else ""
    return StepView(
        number=number + 1,
        title=step.title,
        say=_line(step.say),
        look=look,
        look_label=LOOK_LABELS.get(look, ""),
        course=course,
        state=state,
        word=word,
        elapsed_s=result.lasted_s(now) if result is not None and now is not None else None,
        notes=tuple(
            Noted(note.text, _TONES[note.tone]) for note in (result.notes if result else ())
        ),
        does=tuple(describe(instruction_of(action)) for action in step.do),
    )


def _wait(doing: Activity | None, now: datetime) -> WaitView | None:
    if doing is None or doing.limit_s is None:
        return None
    waited_s = max(0.0, (now - doing.since).total_seconds())
    wanted = tuple(
        Wanted(check.wanted, check.now, "good" if check.holds else "none") for check in doing.checks
    )
    share = min(1000, round(1000 * waited_s / doing.limit_s))
    return WaitView(doing.what, wanted, waited_s, doing.limit_s, share)


def _card(card: Summary) -> CardView:
    timed = [each for each in card.figures if each.label.endswith((" on", " after"))]
    rest = [each for each in card.figures if each not in timed]
    return CardView(
        card.faults, tuple(map(_numeral, timed)), tuple(map(_numeral, rest)), card.not_calm
    )


def _numeral(figure: SummaryFigure) -> Numeral:
    value, unit, state = "", "", figure.tone
    if figure.seconds is not None:
        value, unit = f"{figure.seconds:.1f}", f"{THIN}s"
    elif figure.count is not None:
        value = str(figure.count)
    else:
        state = "none"
    return Numeral(figure.label, value, unit, figure.detail, state)


def _beside(scenario: Scenario, figures: TwinFigures | None, *, is_over: bool) -> BesideView | None:
    """The two columns of an act with a twin. Until the act is over, what is stuck may only be
    waiting."""
    if not isinstance(twin := scenario.act.twin, str):
        return None
    if figures is None:
        return BesideView(twin)
    labels = FIGURES if is_over else FIGURES | {"stuck": "not over yet"}
    wrong = FIGURES.keys() - (set() if is_over else {"stuck"})
    counted = [(name, name) for name in ("orders", "payments") if getattr(figures.theirs, name)]
    rows = tuple(
        BesideRow(
            label,
            ours := getattr(figures.ours, name),
            theirs := getattr(figures.theirs, name),
            name in wrong and ours > 0,
            name in wrong and theirs > 0,
        )
        for name, label in (*counted, *labels.items())
    )
    return BesideView(twin, rows)


def _needs_up(scenario: Scenario) -> bool:
    return any(isinstance(does, Kill | Restart) for _, _, does in scenario.act.actions())


def _line(text: str) -> str:
    return " ".join(text.split())
