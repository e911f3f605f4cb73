"""Brings together what every process of the generator saw, in whichever process asks for it."""

import time
from pathlib import Path
from typing import Any

import gevent
import locust
import msgspec
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.folders import CLIENT_LOG, MEASURES, PLAN, RAN
from loadtests.generator.recorder import Recorder
from loadtests.generator.shopper import Run, Shopper
from loadtests.measures import Measures
from loadtests.plan import LoadPlan, Ran
from proof.clients.log import ClientLogWriter

_FINAL_REPORT = "valerix_final"
_FINAL_REPORT_S = 20.0
_EVERY_S = 1.0
# Locust keeps a count a second for ever, and looks at the last twelve.
_LOCUST_KEEPS_S = 30


class _RunOrder(msgspec.Struct):
    """What the master sends its workers at the start of a run."""

    plan: LoadPlan
    began_s: float
    processes: int


class Worker:
    """Sends everything to the master every three seconds, with Locust's own report."""

    def __init__(self, environment: Environment, recorder: Recorder) -> None:
        self._recorder, self._environment = recorder, environment
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stopping.add_listener(_leave)
        environment.events.report_to_master.add_listener(self._report)
        environment.events.test_stop.add_listener(self._send_final_report)

    def _start(self, **_: Any) -> None:
        order = msgspec.json.decode(self._environment.parsed_options.valerix_order, type=_RunOrder)
        index = getattr(self._environment.runner, "worker_index", 0)
        self._recorder.take()
        Shopper.run_now = Run(order.plan, index, order.processes, order.began_s)

    def _report(self, data: dict[str, Any], **_: Any) -> None:
        data["valerix"] = msgspec.msgpack.encode(self._recorder.take())

    def _send_final_report(self, **_: Any) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            data: dict[str, Any] = {}
            self._report(data)
            runner.send_message(_FINAL_REPORT, data)


class ResultCollector:
    """Of one run after the other: everything measured, the clients' log, and how it went."""

    def __init__(self, environment: Environment, recorder: Recorder) -> None:
        self._environment, self._recorder = environment, recorder
        self._decoder = msgspec.msgpack.Decoder(tuple[Measures, list[bytes]])
        self._final_reports = 0
        self._log: ClientLogWriter | None = None
        self.total = Measures()
        self.began_s = 0.0
        environment.events.worker_report.add_listener(self._on_report)
        environment.events.test_stopping.add_listener(_leave)
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            runner.register_message(_FINAL_REPORT, self._on_final_report)

    def begin(self, plan: LoadPlan, folder: Path) -> None:
        """A run begins with empty measures. To be called before its first user is made."""
        self._recorder.take()
        self.total, self._final_reports = Measures(), 0
        self._log = ClientLogWriter(folder / CLIENT_LOG)
        self.began_s, self._plan, self._folder = time.time(), plan, folder
        self._processes = max(1, getattr(self._environment.runner, "worker_count", 1))
        order = _RunOrder(plan, self.began_s, self._processes)
        self._environment.parsed_options.valerix_order = msgspec.json.encode(order).decode()
        Shopper.run_now = Run(plan, 0, self._processes, self.began_s)

    def collect(self) -> None:
        """For ever: take in what this process saw, and keep Locust's own statistics short."""
        while True:
            gevent.sleep(_EVERY_S)
            self._take_in()
            _shorten(self._environment)

    def finish(self, *, complete: bool) -> Path:
        """The run is over: wait for every worker's final report, and leave the result."""
        runner = self._environment.runner
        expected = self._processes if isinstance(runner, MasterRunner) else 0
        end = time.monotonic() + _FINAL_REPORT_S
        while self._final_reports < expected and time.monotonic() < end:
            gevent.sleep(0.05)
        ended_s = time.time()
        self._take_in()
        log, self._log = self._log, None
        if log is not None:
            log.close()
        ran = Ran(
            self.began_s, ended_s, complete, "open" if self._plan.rate else "closed",
            locust.__version__, missing_workers=max(0, expected - self._final_reports),
            beyond_log=log.beyond if log else 0,
        )  # fmt: skip
        (self._folder / PLAN).write_bytes(msgspec.json.encode(self._plan))
        (self._folder / MEASURES).write_bytes(msgspec.json.encode(self.total))
        (self._folder / RAN).write_bytes(msgspec.json.encode(ran))
        return self._folder

    def _take_in(self) -> None:
        if self._log is None:
            return
        users = getattr(self._environment.runner, "user_count", 0)
        slot = self._recorder.measures.timeline.at(time.time())
        slot.users = max(slot.users, users)
        self._add(*self._recorder.take())

    def _add(self, measures: Measures, lines: list[bytes]) -> None:
        self.total.merge(measures)
        if self._log is not None:
            self._log.write(lines)

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        if (raw := data.get("valerix")) and self._log is not None:
            self._add(*self._decoder.decode(raw))

    def _on_final_report(self, msg: Any, **_: Any) -> None:
        self._on_report(msg.data)
        self._final_reports += 1


def _leave(**_: Any) -> None:
    run = getattr(Shopper, "run_now", None)
    if run is not None:
        run.over = True


def _shorten(environment: Environment) -> None:
    """Locust's statistics grow by a number a second and name; only the newest are ever read."""
    stats = environment.stats
    oldest = int(stats.last_request_timestamp or 0) - _LOCUST_KEEPS_S
    for entry in (stats.total, *stats.entries.values()):
        for counts in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
            for second in [second for second in counts if second < oldest]:
                del counts[second]
