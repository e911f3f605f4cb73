"""The shop's objectives and the windows in which their budgets are watched."""

from math import ceil

from msgspec import Struct

from prometheus.names import FAILURE, ORDERS


class Slo(Struct, frozen=True):
    """An objective over counters: of all `requests` few may be `bad`, or nearly all `good`."""

    name: str
    title: str
    objective: float
    means: str
    requests: tuple[str, ...]
    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.objective, 6)


class Burn(Struct, frozen=True):
    """A pair of windows: the long one for evidence, the short one so that the alert ends soon."""

    alert: str
    long: str
    short: str
    factor: float
    severity: str
    live_demo: bool = False


# `valerix_orders_total` alone does not count the shop's own failures: a request that is refused
# never becomes an order, and its `failed` includes orders for an unknown product. So: responses of
# 5xx, dropped connections, requests given up on, and orders that were accepted but failed later.
_GIVEN_UP = 'status="FAILED",reason=~"INVENTORY_TIMEOUT|PAYMENT_TIMEOUT|INTERNAL_CONTRACT"'
_OURS = (
    f"http_requests_total{{{ORDERS},{FAILURE}}}",
    f"valerix_orders_settled_total{{{_GIVEN_UP}}}",
)
AVAILABILITY = Slo(
    "order-availability",
    "Order availability",
    0.995,
    "A request for an order gets a valid result: confirmed, accepted, declined or sold out.",
    requests=(*_OURS, 'valerix_orders_total{outcome=~"confirmed|degraded|declined|out_of_stock"}'),
    bad=_OURS,
)
LATENCY = Slo(
    "order-latency",
    "Order latency",
    0.99,
    "POST /orders is answered within one second.",
    requests=(f"http_request_duration_seconds_count{{{ORDERS}}}",),
    # The bucket that ends at one second counts what was in time.
    good=(f'http_request_duration_seconds_bucket{{{ORDERS},le="1.0"}}',),
)
SLOS = (AVAILABILITY, LATENCY)

# The pairs of the Site Reliability Workbook (Google, 2018, chapter 5) for a month's budget, and its
# two fast ones pressed together (1 h to 2 min, 6 h to 5 min; the short window stays a twelfth of
# the long one), so that an alert fires while a live demo still shows the fault.
BURNS = (
    Burn("SloBurnFast", "1h", "5m", 14.4, "page"),
    Burn("SloBurnSteady", "6h", "30m", 6, "page"),
    Burn("SloBurnSlow", "3d", "6h", 1, "ticket"),
    Burn("LiveDemoSloBurnFast", "2m", "10s", 14.4, "page", live_demo=True),
    Burn("LiveDemoSloBurnSteady", "5m", "25s", 6, "ticket", live_demo=True),
)
PERIOD = "30d"
# Computed from the counters; the longer windows from recorded minutes, because a month of samples
# every two seconds is too much for a rule to read.
SHORT_WINDOWS = ("10s", "25s", "2m", "5m")
LONG_WINDOWS = ("30m", "1h", "6h", "3d", PERIOD)
RECORD_EVERY_S = 15


def min_requests(burn: Burn) -> int:
    """How many requests are enough: with so many, a single bad one cannot exceed the factor."""
    return max(10, *(ceil(1 / (burn.factor * slo.budget)) + 1 for slo in SLOS))


def seconds(window: str) -> int:
    """A window of PromQL in seconds."""
    return int(window[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[window[-1]]
