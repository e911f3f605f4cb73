"""What the light of each service follows, over the last thirty seconds."""

from prometheus.names import ACCEPTED, AVERAGE, BUSINESS, ERRORS, FAILURE, PENDING, RATE, WINDOW
from prometheus.rule import RecordingRule, RuleGroup


def _by_service(metric: str, *also: str) -> str:
    return f"sum by (service) (rate({metric}{{{','.join([BUSINESS, *also])}}}[{WINDOW}]))"


def _share(*wanted: str) -> str:
    # A service of which none did has no series of them: that means zero.
    return f"({_by_service('http_requests_total', *wanted)} or {RATE} * 0)\n/\n({RATE} > 0)"


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
            RecordingRule(ERRORS, _share(FAILURE)),
            RecordingRule(PENDING, _share(ACCEPTED)),
        ),
    ),
)
