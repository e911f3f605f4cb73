"""From the traffic that is on to what is shown of it; pure."""

from msgspec.structs import asdict

from frontend.traffic.view_models import AnswerCount, TrafficPanelView
from scenarios.steady_traffic import SteadyTraffic, TrafficMix

# What a person chooses on the page; the API and the command line take any weights.
MIXES: dict[str, tuple[str, TrafficMix]] = {
    "all": ("all three", TrafficMix()),
    "orders": ("orders only", TrafficMix(1, 0, 0)),
    "payments": ("payments only", TrafficMix(0, 1, 0)),
    "wallets": ("wallets only", TrafficMix(0, 0, 1)),
}
_RATES, _USUAL_RATE = (1, 2, 5, 10, 20, 50), 5
_ANSWERS = {"sold_out": "sold out", "turned_away": "turned away", "no_money": "without money",
            "not_taken": "not taken"}  # fmt: skip


def traffic(found: SteadyTraffic, most_per_s: float) -> TrafficPanelView:
    """The switch as it is now."""
    order = found.order
    rates = tuple(rate for rate in _RATES if rate <= most_per_s) or (1,)
    return TrafficPanelView(
        order,
        f"{order.rate:g}" if order else "",
        shown_mix(order.mix) if order else "",
        found.is_resting,
        found.note,
        tuple(
            AnswerCount(what, sum(counts.values()), _answers(counts))
            for what, counts in found.responses.items()
            if any(counts.values())
        ),
        rates,
        min(_USUAL_RATE, rates[-1]),
        tuple((key, label) for key, (label, _) in MIXES.items()),
    )


def shown_mix(mix: TrafficMix) -> str:
    """`6 orders : 3 payments : 1 wallets`, without what nobody does."""
    weights = {what: weight for what, weight in asdict(mix).items() if weight}
    if len(weights) == 1:
        return f"{next(iter(weights))} only"
    return " : ".join(f"{weight} {what}" for what, weight in weights.items())


def _answers(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {_ANSWERS.get(answer, answer)}" for answer, n in counts.items() if n)
