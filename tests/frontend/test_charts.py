"""What the charts are sent: only what is new, never more than a quarter of an hour."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from frontend.overview.charts import REACH_S, chart_data, moments, sparks
from observatory.metrics.history import Exemplar, Point
from observatory.sla import Traffic
from observatory.timeline.fault_windows import FaultWindow
from tests.frontend.samples import DOWN, FixedSource
from topology import LIT

NOW = 1_795_226_880.5
AT = datetime.fromtimestamp(NOW, UTC)


class ChartSource(FixedSource):
    """A source with one point for every moment and one exemplar."""

    def points(self, service, moments):
        return [Point(2.0, 0.0, 0.0123456, None, 1.5) for _ in moments]

    def exemplars(self, service, since, until):
        found = Exemplar(NOW - 3, 0.98765, "a" * 32, NOW - 2.5)
        return [found] if since < found.seen <= until else []


def window(ago_s, lasted_s=None):
    on = AT - timedelta(seconds=ago_s)
    off = None if lasted_s is None else on + timedelta(seconds=lasted_s)
    return FaultWindow("inventory", "latency", "latency", "3 s", "me", on, None, off)


@pytest.mark.parametrize("since", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300])
def test_whatever_is_asked_for_the_answer_is_bounded(since):
    assert len(moments(since, NOW)) <= REACH_S // 2 + 1


def test_only_what_is_new_is_sent():
    data = chart_data(ChartSource(), (), since=NOW - 6.5, now=NOW)
    assert data.at == [1_795_226_876, 1_795_226_878, 1_795_226_880]
    order = data.services["order"]
    assert order.rate == [2.0] * 3
    assert order.p50 == [0.01235] * 3
    assert order.p90 == [None] * 3
    assert order.exemplars == [(NOW - 3, 0.9877, "a" * 32)]
    again = chart_data(ChartSource(), (), since=data.at[-1], now=NOW)
    assert again.at == []
    assert again.services["order"].exemplars == []


def test_a_service_without_a_signal_is_not_shown_as_a_quiet_one():
    quiet = chart_data(ChartSource(Traffic(0, 0, 0.0, None)), (), since=NOW - 6.5, now=NOW)
    assert quiet.services["order"].silent_since is None
    lost = chart_data(ChartSource(DOWN), (), since=NOW - 6.5, now=NOW)
    assert lost.services["order"].silent_since == DOWN.since.timestamp()


def test_gremlins_are_sent_while_the_charts_still_show_them():
    loose, recent, old = window(30), window(100, 20), window(2000, 60)
    bands = chart_data(ChartSource(), (old, recent, loose), since=0, now=NOW).gremlins
    assert [band.label for band in bands] == ["Slow request 3 s"] * 2
    assert bands[0].until == pytest.approx(NOW - 80)
    assert bands[1].until is None
    assert chart_data(ChartSource(), (window(2000),), since=0, now=NOW).gremlins


def test_without_scripts_there_is_a_line_for_every_service_of_the_shop():
    made = sparks(ChartSource(), NOW)
    assert [spark.key for spark in made] == [process.key for process in LIT]
    assert made[0].path.startswith("M0.0 ")
    assert made[0].path.count("L") == 149
    assert sparks(FixedSource(), NOW)[0].path == ""
