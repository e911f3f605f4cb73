"""What is missing of the telemetry that a page shows, in words: not sent, or no longer kept."""

from collections.abc import Mapping

from frontend.web.formatting import count
from observatory.limits import LossCounts
from observatory.sources.down import Down
from observatory.sources.protocols import MetricsSource, TelemetrySource
from topology import NAMES


def unsent(dropped: Mapping[str, int]) -> str:
    """What the services could not send, in words; empty when all of it left."""
    lost = [f"{count(dropped[key])} by {name}" for key, name in NAMES.items() if dropped.get(key)]
    return f"Spans and lines that could not be sent: {', '.join(lost)}." if lost else ""


def traces_lost(losses: LossCounts) -> str:
    """What of the traces is missing, in words; empty when nothing is."""
    return _lost(
        (losses.traces_evicted, "older traces were deleted to make room"),
        (losses.spans_over_trace, "spans did not fit into their trace"),
        (losses.malformed, "spans or lines were malformed"),
        (losses.refused_requests, "messages from services were not accepted"),
    )


def lines_lost(losses: LossCounts) -> str:
    """What of the lines is missing, in words; empty when nothing is."""
    return _lost(
        (losses.lines_evicted, "older lines were deleted to make room"),
        (losses.malformed, "spans or lines were malformed"),
        (losses.refused_requests, "messages from services were not accepted"),
    )


def _lost(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count(number)} {label}" for number, label in counts if number)


def silence(telemetry: TelemetrySource, source: MetricsSource) -> Down | None:
    """Set when the services have work to do and send no telemetry about it."""

    def busy() -> bool:
        traffic = [source.traffic(key) for key in NAMES]
        return any(not isinstance(each, Down) and each.requests > 0 for each in traffic)

    return telemetry.outage(busy)
