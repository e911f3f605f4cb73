"""The Locust user: a shopper who comes again (closed loop), or a door that lets them in (open)."""

import itertools
import time
from typing import Any

import gevent
from gevent.pool import Pool
from locust import FastHttpUser, task
from locust.user.task import LOCUST_STATE_STOPPING

from loadtests.generator.recorder import Recorder
from loadtests.generator.shop import ShopClient
from loadtests.generator.visits import Visits
from loadtests.plan import LoadPlan

# Visits of an open loop under way at once in one process. Past this the generator, not the shop,
# would be what is measured; the visits that did not begin are counted and reported.
MOST_UNDER_WAY = 1000
# How often an open loop looks at the clock: a visit is late by less than this.
_TICK_S = 0.005


class Run:
    """What every shopper of this process works for; set before the first of them is made."""

    def __init__(self, plan: LoadPlan, process: int, processes: int, began_s: float) -> None:
        """This is process `process` of `processes`; `began_s` is the master's start of the run."""
        self.plan, self.process, self.processes = plan, process, processes
        self.began_s = began_s
        self.over = False
        self.numbers = itertools.count(1)


class Shopper(FastHttpUser):
    """One shopper, or with a rate this process's share of all visits."""

    abstract = False
    host = "http://127.0.0.1"  # every request names its own
    concurrency = MOST_UNDER_WAY
    recorder = Recorder()
    run_now: Run

    def on_start(self) -> None:
        """Give this shopper a name, which seeds its random choices."""
        run = self.run_now
        name = f"{run.process}-{next(run.numbers):04d}"
        shop = ShopClient(self.client, run.plan, self.recorder)
        self.visits = Visits(shop, run.plan, name, self.recorder, self._leaving)
        self._under_way = Pool(MOST_UNDER_WAY)

    def on_stop(self) -> None:
        """Let the visits under way end within the patience, then end them."""
        self._under_way.join(timeout=self.run_now.plan.patience_s)
        self._under_way.kill()
        self.visits.leave()

    def wait_time(self) -> float:
        """Thinking, in a closed loop; an open one waits inside its task."""
        return 0.0 if self.run_now.plan.rate else self.visits.think_s()

    @task
    def shop(self) -> None:
        """One visit, or all visits until the end."""
        if self.run_now.plan.rate:
            self._begin_visits()
        else:
            self._visit(None)

    def _begin_visits(self) -> None:
        """Begin visits at the profile's rate, whatever becomes of those before."""
        run = self.run_now
        due = time.perf_counter()
        while not self._leaving():
            per_s = run.plan.arrivals_at(time.time() - run.began_s) / run.processes
            if per_s <= 0:
                gevent.sleep(_TICK_S)
                due = time.perf_counter()
                continue
            if time.perf_counter() < due:
                gevent.sleep(min(_TICK_S, due - time.perf_counter()))
                continue
            self._begin_visit(due)
            due += 1 / per_s

    def _begin_visit(self, due: float) -> None:
        measures = self.recorder.measures
        measures.due += 1
        measures.timeline.at(time.time()).due += 1
        if self._under_way.full():
            measures.not_begun += 1
        else:
            self._under_way.spawn(self._visit, due)

    def _visit(self, due: float | None) -> None:
        try:
            self.visits.visit(due)
        except Exception as error:  # noqa: BLE001 - one shopper's error must not end the others' visits
            self.recorder.measures.failed(f"{type(error).__name__}: {error}")

    def _leaving(self) -> bool:
        state: Any = self._state
        return self.run_now.over or state == LOCUST_STATE_STOPPING
