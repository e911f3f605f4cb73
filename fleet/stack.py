"""The programs that are installed, started beside the shop as the containers would be."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping

from chassis.settings import Settings
from fleet import children, health, ports, rabbitmq
from fleet.children import Supervised
from fleet.errors import Failed
from fleet.programs import (
    COLLECTOR,
    ENVIRON,
    EPMD,
    GRAFANA,
    JAEGER,
    LOKI,
    PROGRAMS,
    PROMETHEUS,
    RABBIT_PORTS,
    RABBITMQ,
    Program,
    command,
    folder_of,
)
from fleet.run_dir import ROOT, RunDirectory
from topology import PROCESSES

_READY_LIMIT_S = 90  # Loki alone takes eleven seconds; a busy machine several times that
_PROGRESS_S = 2.0
_POLL_S = 0.2
_STOP_S = 10  # as compose gives a container


class Stack:
    """The installed programs of the stack. `start` returns at once, `wait` once all are ready."""

    def __init__(
        self, home: RunDirectory, settings: Mapping[str, Settings], say: Callable[[str], None]
    ) -> None:
        self._home, self._settings, self._say = home, settings, say
        paths = {program: program.find() for program in PROGRAMS}
        self._paths = {program: path for program, path in paths.items() if path}
        for program, path in paths.items():
            if path is None:
                commands = " or ".join(program.commands)
                say(f"{program.key} is not installed ({commands} on PATH){program.without}")
        self._keep_together(COLLECTOR, JAEGER, LOKI)
        self._keep_together(EPMD, RABBITMQ)
        if RABBITMQ in self and any(getattr(each, "amqp_url", "") for each in settings.values()):
            self._leave_out(EPMD, RABBITMQ, why="VALERIX_AMQP_URL names another")
        self._running: list[Supervised] = []
        self._reported: set[str] = set()

    def __contains__(self, program: Program) -> bool:
        return program in self._paths

    def environment(self) -> dict[str, str]:
        """Variables for the shop's processes: where they send to, where the dashboard reads."""
        addresses = {
            "VALERIX_AMQP_URL": (RABBITMQ, RABBIT_PORTS.url),
            "VALERIX_OTLP_ENDPOINT": (COLLECTOR, COLLECTOR.url),
            "VALERIX_DASHBOARD_PROMETHEUS_URL": (PROMETHEUS, PROMETHEUS.url),
            "VALERIX_DASHBOARD_JAEGER_URL": (JAEGER, JAEGER.url),
            "VALERIX_DASHBOARD_LOKI_URL": (LOKI, LOKI.url),
            "VALERIX_DASHBOARD_JAEGER_LINK": (JAEGER, JAEGER.url),
            "VALERIX_DASHBOARD_GRAFANA_LINK": (GRAFANA, GRAFANA.url),
        }
        return {name: value for name, (program, value) in addresses.items() if program in self}

    def demand_ports(self) -> None:
        """Raise one line when a port of a program is taken."""
        for program in self._paths:
            for port in program.ports:
                other = f"take {program.key} off PATH"
                if program is RABBITMQ:
                    other += ", or name the one that runs with VALERIX_AMQP_URL"
                ports.demand_free(program.key, "127.0.0.1", port, other)

    def start(self) -> None:
        """Start all of them."""
        for program, path in self._paths.items():
            folder = folder_of(program, self._home)
            folder.mkdir(parents=True, exist_ok=True)
            if program is PROMETHEUS:
                self._write_targets()
            log = self._home.log(program.key)
            running = Supervised(
                program.key,
                command(program, path, folder),
                log,
                dict(os.environ) | self._environ(program),
                if_orphaned=signal.SIGTERM,
            )
            running.start()
            self._running.append(running)

    def wait(self, asked_to_stop: Callable[[], bool]) -> None:
        """Return once all are ready or someone asked to stop; raises `Failed` when one is not."""
        begun = reported = time.monotonic()
        waiting = {program.key: program for program in self._paths}
        while waiting and not asked_to_stop():
            for each in self._running:
                if (code := each.ended()) is not None:
                    raise Failed(
                        f"{each.name} died ({children.describe_exit(code)}). "
                        f"Its last lines, from {each.log}:\n{each.log_tail()}"
                    )
            waiting = {key: each for key, each in waiting.items() if not _is_ready(each)}
            now = time.monotonic()
            if waiting and now - begun > _READY_LIMIT_S:
                raise Failed(f"{', '.join(waiting)} not ready after {_READY_LIMIT_S} s")
            if waiting and now - reported > _PROGRESS_S:
                self._say(f"  {now - begun:3.0f} s: waiting for " + ", ".join(waiting))
                reported = now
            time.sleep(_POLL_S)

    def report_deaths(self) -> None:
        """Report each death once. The shop goes on: none of them stops the work."""
        for each in self._running:
            if each.name not in self._reported and (code := each.ended()) is not None:
                self._reported.add(each.name)
                self._say(
                    f"{each.name} died ({children.describe_exit(code)}); orders go on, what it "
                    f"does is missing until the next start; see {each.log}"
                )
            each.trim_log()

    def stop(self) -> None:
        """Stop all of them: senders before receivers."""
        children.stop(self._running[::-1], _STOP_S)

    def greeting(self) -> list[str]:
        """A line for each program that has pages to open."""
        shown = [program for program in self._paths if program.shows]
        return [f"  {each.key:18} {each.url}   {each.shows}" for each in shown]

    def _keep_together(self, *chain: Program) -> None:
        """Traces and log lines of one order belong together: the whole chain, or the dashboard."""
        missing = [program.key for program in chain if program not in self]
        if missing:
            self._leave_out(*chain, why=f"it is of use only with {missing[0]}")

    def _leave_out(self, *programs: Program, why: str) -> None:
        for program in programs:
            if program in self:
                del self._paths[program]
                self._say(f"{program.key} is left out: {why}")

    def _environ(self, program: Program) -> dict[str, str]:
        own = dict(ENVIRON[program.key])
        folder = folder_of(program, self._home)
        if program in (EPMD, RABBITMQ):
            own |= rabbitmq.prepare(folder_of(RABBITMQ, self._home), RABBIT_PORTS)
        if program is LOKI:
            own["LOKI_FOLDER"] = str(folder)
        if program is GRAFANA:
            own["GF_PATHS_DATA"] = str(folder)
            own["SHOP_URL"] = f"http://127.0.0.1:{self._settings['dashboard'].port}"
        return own

    def _write_targets(self) -> None:
        """The configuration as it is, beside the addresses that are this machine's."""
        folder = folder_of(PROMETHEUS, self._home)
        (folder / "targets").mkdir(exist_ok=True)
        for name in ("prometheus.yml", "rules"):
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(ROOT / "prometheus" / name)
        shop = [
            _target(f"127.0.0.1:{self._settings[each.key].port}", **own)
            for each in PROCESSES
            if each.key in self._settings
            for own in each.targets
        ]
        scraped = {
            RABBITMQ: (("rabbitmq", RABBIT_PORTS.metrics),),
            COLLECTOR: (("otel-collector", 8888), ("host", 8889)),
            JAEGER: (("jaeger", 8890),),
            LOKI: (("loki", 3100),),
            PROMETHEUS: (("prometheus", 9090),),
            GRAFANA: (("grafana", 3030),),
        }
        stack = [
            _target(f"127.0.0.1:{port}", job=job)
            for program in self._paths
            for job, port in scraped.get(program, ())
        ]
        for name, targets in (("shop", shop), ("stack", stack)):
            (folder / "targets" / f"{name}.json").write_text(json.dumps(targets, indent=2))


def _target(address: str, **labels: str) -> dict[str, object]:
    return {"targets": [address], "labels": labels}


def _is_ready(program: Program) -> bool:
    try:
        return not program.ready or health.ask("GET", f"http://127.0.0.1{program.ready}")[0] == 200
    except OSError:
        return False
