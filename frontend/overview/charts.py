"""The charts' numbers: one bounded, incremental JSON answer, and the same as a table."""

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import Struct

from chassis.faults.kinds import KIND_LABELS
from frontend.web.responses import HEADERS
from observatory.load_runs import LoadWindow
from observatory.metrics.history import Point
from observatory.sla import LIMIT_S
from observatory.sources.down import Down
from observatory.sources.protocols import MetricsSource
from observatory.timeline.fault_windows import FaultWindow
from topology import LABELS, LIT, SERVICES

EVERY_S = 2
REACH_S = 900
_WINDOWS = 60
_LIT_KEYS = tuple(process.key for process in LIT)
_TRACES = 400
# A sparkline is a hundred by twenty: five minutes across, four decades of seconds up.
_SPARK_S, _SPARK_HIGH, _DECADES = 300, 20.0, (0.001, 10.0)


class Lines(Struct):
    """One service's numbers, one per moment, and its exemplars as (epoch s, seconds, trace id).
    `silent_since` is set while its source cannot be read: its lines end, which is not calm."""

    rate: list[float | None]
    errors: list[float | None]
    p50: list[float | None]
    p90: list[float | None]
    p99: list[float | None]
    exemplars: list[tuple[float, float, str]]
    silent_since: float | None = None


class GremlinBand(Struct):
    """A gremlin's time on the axis; `until` is None while it is loose."""

    label: str
    service: str
    since: float
    until: float | None


class LoadBand(Struct):
    """A load run's time on the axis; `until` is None while it is on."""

    label: str
    since: float
    until: float | None


class ChartData(Struct):
    """What is new since the browser last asked; times are seconds since the epoch."""

    now: float
    every_s: int
    reach_s: int
    sla_s: float
    at: list[int]
    services: dict[str, Lines]
    gremlins: list[GremlinBand]
    loads: list[LoadBand]


class Spark(Struct, frozen=True):
    """One service's newest numbers and the path of its p99, for a browser without scripts."""

    key: str
    label: str
    point: Point
    path: str


def moments(since: float, now: float) -> list[int]:
    """The charts' moments after `since`: even seconds, at most a quarter of an hour of them."""
    first = max(since if math.isfinite(since) else 0.0, now - REACH_S)
    return list(range((math.floor(first / EVERY_S) + 1) * EVERY_S, math.floor(now) + 1, EVERY_S))


def chart_data(
    source: MetricsSource,
    windows: Sequence[FaultWindow],
    loads: Sequence[LoadWindow] = (),
    *,
    since: float,
    now: float,
) -> ChartData:
    """Everything after `since` (epoch seconds); gremlins and loads always whole, they are few."""
    at = moments(since, now)
    begin, end = (at[0] - EVERY_S, at[-1]) if at else (now, now)
    return ChartData(
        now=round(now, 3),
        every_s=EVERY_S,
        reach_s=REACH_S,
        sla_s=LIMIT_S,
        at=at,
        services={each.key: _lines(source, each.key, at, begin, end) for each in SERVICES},
        gremlins=[
            GremlinBand(
                band_label(each), LABELS[each.service], each.on.timestamp(), _seconds(each.off)
            )
            for each in windows[-_WINDOWS:]
            if each.off is None or each.off.timestamp() > now - REACH_S
        ],
        loads=[LoadBand(each.profile, each.since, each.until) for each in loads[-_WINDOWS:]],
    )


def band_label(window: FaultWindow) -> str:
    """The label of a violet band."""
    return f"{KIND_LABELS.get(window.kind, window.kind)} {window.detail}".rstrip()


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _lines(source: MetricsSource, key: str, at: list[int], begin: float, end: float) -> Lines:
    points, traffic = source.points(key, at), source.traffic(key)
    # The slowest are the ones worth a click.
    found = sorted(source.exemplars(key, begin, end), key=lambda each: each.seconds)[-_TRACES:]
    return Lines(
        **{name: [_short(getattr(p, name)) for p in points] for name in Point.__struct_fields__},
        exemplars=[(round(e.at, 2), round(e.seconds, 4), e.trace_id) for e in found],
        silent_since=traffic.since.timestamp() if isinstance(traffic, Down) else None,
    )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def sparks(source: MetricsSource, now: float, keys: Sequence[str] = _LIT_KEYS) -> list[Spark]:
    """What a browser without scripts gets instead, for each of these processes."""
    at = moments(now - _SPARK_S, now)
    made = []
    for key in keys:
        points = source.points(key, at)
        made.append(Spark(key, LABELS[key], points[-1] if points else Point(), _path(points)))
    return made


def _path(points: list[Point]) -> str:
    low, high = (math.log10(bound) for bound in _DECADES)
    path, pen = [], "M"
    for index, point in enumerate(points):
        if point.p99 is None:
            pen = "M"
            continue
        share = (math.log10(max(point.p99, _DECADES[0])) - low) / (high - low)
        x, y = 100 * index / max(1, len(points) - 1), _SPARK_HIGH * (1 - min(1.0, share))
        path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(path)


def chart_routes(
    source: MetricsSource,
    windows: Callable[[], Sequence[FaultWindow]],
    loads: Callable[[float], Sequence[LoadWindow]],
    clock: Callable[[], datetime],
) -> list[HTTPRouteHandler]:
    """GET /charts/data?since=SECONDS: the charts poll it while somebody looks."""

    @get("/charts/data", summary="Numbers for the charts", include_in_schema=False)
    async def show_data(
        since: Annotated[float, QueryParameter()] = 0.0,
    ) -> Response[bytes]:
        now = clock().timestamp()
        found = await asyncio.to_thread(loads, now - REACH_S)
        data = chart_data(source, windows(), found, since=since, now=now)
        return Response(msgspec.json.encode(data), media_type=MediaType.JSON, headers=HEADERS)

    return [show_data]
