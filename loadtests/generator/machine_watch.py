"""Watches the generator itself: a load generator that is busy measures its own queue."""

import time

import gevent
import psutil

from loadtests.generator.recorder import Recorder
from loadtests.measures import BUSY_PERCENT, GeneratorUsage

_SAMPLE_S = 1.0
_NAP_S = 0.05


def watch(recorder: Recorder) -> None:
    """For ever: how late this process's loop wakes up, and once a second its processor time."""
    process = psutil.Process()
    process.cpu_percent()
    psutil.cpu_percent()
    sampled = time.perf_counter()
    while True:
        slept = time.perf_counter()
        gevent.sleep(_NAP_S)
        now = time.perf_counter()
        recorder.measures.usage.late.add((now - slept - _NAP_S) * 1000)
        if now - sampled >= _SAMPLE_S:
            sampled = now
            recorder.measures.usage.merge(_sample(process))


def _sample(process: psutil.Process) -> GeneratorUsage:
    percent = process.cpu_percent()
    return GeneratorUsage(
        samples=1,
        busy_samples=int(percent >= BUSY_PERCENT),
        sum_percent=percent,
        peak_percent=percent,
        machine_sum_percent=psutil.cpu_percent(),
        peak_rss_mb=process.memory_info().rss / 1e6,
    )
