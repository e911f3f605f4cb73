"""The samplers decide as OpenTelemetry's own do."""

import random

import pytest
from opentelemetry.sdk.trace import sampling as standard
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

from chassis.telemetry.sampling import SAMPLERS, make_sampler

STANDARD = {
    "always_on": lambda _: standard.ALWAYS_ON,
    "always_off": lambda _: standard.ALWAYS_OFF,
    "traceidratio": standard.TraceIdRatioBased,
}
IDS = [random.Random(seed).getrandbits(128) for seed in range(60)]
IDS += [1, 2**64 - 1, 2**64, 2**127]


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_it_decides_as_the_standard_sampler_of_its_name(name: str, ratio: float):
    theirs = STANDARD[name.removeprefix("parentbased_")](ratio)
    if name.startswith("parentbased_"):
        theirs = standard.ParentBased(theirs)
    ours = make_sampler(name, ratio)
    for trace_id in IDS:
        for parent in (None, True, False):
            decision = theirs.should_sample(_context(trace_id, parent), trace_id, "x").decision
            assert ours(f"{trace_id:032x}", parent) is decision.is_sampled(), (trace_id, parent)


def _context(trace_id: int, sampled: bool | None) -> object:
    if sampled is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 1, True, flags)))
