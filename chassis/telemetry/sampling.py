"""Decides whether a trace is recorded, as OTEL_TRACES_SAMPLER says.

Asked once where a trace enters the process: what happens inside follows its parent. Source:
OpenTelemetry specification, "Tracing SDK", section "Built-in samplers"."""

from collections.abc import Callable

# Whether to record, from the trace id and what the caller decided (None: there is no caller).
Sampler = Callable[[str, bool | None], bool]

DEFAULT_SAMPLER = "parentbased_always_on"
SAMPLERS = frozenset(
    prefix + root
    for prefix in ("", "parentbased_")
    for root in ("always_on", "always_off", "traceidratio")
)
_ID_RANGE = 2**64


def make_sampler(name: str, ratio: float) -> Sampler:
    """The sampler called `name`, one of `SAMPLERS`; `ratio` is for those by trace id."""
    root = {"always_on": 1.0, "always_off": 0.0}.get(name.removeprefix("parentbased_"), ratio)
    bound = round(root * _ID_RANGE)

    def by_trace_id(trace_id: str, parent: bool | None) -> bool:
        return int(trace_id[16:], 16) < bound

    def by_parent(trace_id: str, parent: bool | None) -> bool:
        return by_trace_id(trace_id, None) if parent is None else parent

    return by_parent if name.startswith("parentbased_") else by_trace_id
