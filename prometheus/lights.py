"""The SLA light and the two rates beside it, per service, over the last thirty seconds."""

from prometheus.names import AVERAGE, BUSINESS, ERRORS, FAILURE, RATE, WINDOW
from prometheus.rule import RecordingRule, RuleGroup


def _by_service(metric: str, *also: str) -> str:
    return f"sum by (service) (rate({metric}{{{','.join([BUSINESS, *also])}}}[{WINDOW}]))"


_REQUESTS = _by_service("http_requests_total")

GROUPS = (
    RuleGroup(
        "lights",
        (
            RecordingRule(
                AVERAGE,
                # `> 0` drops a service without traffic: 0/0 is neither green nor red.
                f"{_by_service('http_request_duration_seconds_sum')}\n"
                "/\n"
                f"({_by_service('http_request_duration_seconds_count')} > 0)",
            ),
            RecordingRule(RATE, _REQUESTS),
            RecordingRule(
                ERRORS,
                # A service that never failed has no series of failures: that means zero.
                f"({_by_service('http_requests_total', FAILURE)} or {RATE} * 0)\n/\n({RATE} > 0)",
            ),
        ),
    ),
)
