"""What is installed decides which programs of the stack are started, and the shop's settings."""

import json
from pathlib import Path

import msgspec
import pytest

from fleet import health
from fleet.errors import CannotRun, Failed
from fleet.ports import free_port
from fleet.programs import (
    COLLECTOR,
    EPMD,
    GRAFANA,
    JAEGER,
    LOKI,
    PROGRAMS,
    PROMETHEUS,
    RABBITMQ,
    Program,
)
from fleet.run_dir import RunDirectory
from fleet.settings import load
from fleet.stack import Stack
from tests.harness import rabbit, wire
from topology import KEYS, PROCESSES


class Machine:
    """A machine on which these programs are installed; each prints a line and exits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.messages = RunDirectory(folder / "home"), list[str]()
        self._path = folder / "bin"
        self._path.mkdir()
        self.home.prepare()
        monkeypatch.setenv("PATH", str(self._path))

    def with_programs(self, *programs: Program, **settings: object) -> Stack:
        for program in programs:
            command = self._path / program.commands[-1]
            command.write_text("#!/bin/sh\necho no such option\nexit 3\n")
            command.chmod(0o755)
        return Stack(self.home, {key: load(key, settings) for key in KEYS}, self.messages.append)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_without_programs_the_dashboard_keeps_its_own_telemetry(machine: Machine):
    stack = machine.with_programs()
    assert stack.environment() == {}
    assert len(machine.messages) == len(PROGRAMS)
    assert all("is not installed" in line for line in machine.messages)


def test_with_all_of_them_the_services_send_to_the_collector(machine: Machine):
    settings = machine.with_programs(*PROGRAMS).environment()
    assert settings["VALERIX_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert settings["VALERIX_DASHBOARD_PROMETHEUS_URL"] == "http://127.0.0.1:9090"
    assert settings["VALERIX_DASHBOARD_LOKI_URL"] == "http://127.0.0.1:3100"
    assert settings["VALERIX_DASHBOARD_GRAFANA_LINK"] == "http://127.0.0.1:3030"
    assert machine.messages == []


@pytest.mark.parametrize("missing", [COLLECTOR, JAEGER, LOKI], ids=lambda each: each.key)
def test_with_one_of_three_missing_traces_and_logs_stay_with_the_dashboard(
    machine: Machine, missing: Program
):
    stack = machine.with_programs(*(each for each in PROGRAMS if each is not missing))
    assert set(stack.environment()) == {
        "VALERIX_AMQP_URL", "VALERIX_DASHBOARD_PROMETHEUS_URL", "VALERIX_DASHBOARD_GRAFANA_LINK",
    }  # fmt: skip
    left_out = [line for line in machine.messages if "left out" in line]
    assert len(left_out) == 2
    assert all(line.endswith(f"only with {missing.key}") for line in left_out)


def test_events_travel_through_the_rabbitmq_that_is_installed(machine: Machine):
    stack = machine.with_programs(EPMD, RABBITMQ)
    assert stack.environment() == {"VALERIX_AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/"}


def test_where_another_rabbitmq_is_named_none_is_started(machine: Machine):
    another = {"VALERIX_AMQP_URL": "amqp://guest:guest@broker.example:5672/"}
    stack = machine.with_programs(EPMD, RABBITMQ, **another)
    assert RABBITMQ not in stack
    assert machine.messages[-1] == "rabbitmq is left out: VALERIX_AMQP_URL names another"


@pytest.mark.long
@pytest.mark.skipif(rabbit.program() is None, reason="RabbitMQ is not installed")
def test_a_real_rabbitmq_has_its_page_and_metrics_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broker = msgspec.structs.replace(RABBITMQ, commands=(str(rabbit.program()),))
    monkeypatch.setattr("fleet.stack.PROGRAMS", (EPMD, broker))
    monkeypatch.setattr("fleet.stack.RABBITMQ", broker)
    monkeypatch.setattr("fleet.programs.RABBITMQ", broker)
    home = RunDirectory(tmp_path / "home")
    home.prepare()
    stack = Stack(home, {key: load(key, {}) for key in KEYS}, print)
    try:
        stack.demand_ports()
    except CannotRun as error:
        pytest.skip(f"another stack runs on this machine: {error}")
    try:
        stack.start()
        stack.wait(lambda: False)
        assert health.ask("GET", broker.url)[0] == 200
    finally:
        stack.stop()
    stack.demand_ports()


def test_prometheus_is_given_the_addresses_of_this_machine(machine: Machine):
    stack = machine.with_programs(PROMETHEUS, GRAFANA)
    stack.start()
    stack.stop()
    folder = machine.home.path / "stack/prometheus"
    shop = json.loads((folder / "targets/shop.json").read_text())
    assert {each["labels"]["service"] for each in shop} == {each.name for each in PROCESSES}
    stack_targets = json.loads((folder / "targets/stack.json").read_text())
    assert {each["labels"]["job"] for each in stack_targets} == {"prometheus", "grafana"}
    assert (folder / "prometheus.yml").exists()
    assert (folder / "rules").is_dir()


def test_a_program_that_dies_at_the_start_is_reported_with_its_output(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    port = free_port()  # where nobody else's Grafana answers that it is ready
    monkeypatch.setattr(
        "fleet.stack.PROGRAMS", (Program("grafana", ("grafana",), (port,), f":{port}/"),)
    )
    stack = machine.with_programs(GRAFANA)
    stack.start()
    with pytest.raises(Failed, match=r"grafana died \(exit code 3\)(.|\n)*no such option"):
        stack.wait(lambda: False)
    stack.stop()


def test_a_program_that_dies_later_is_reported_once(machine: Machine):
    stack = machine.with_programs(PROMETHEUS)
    stack.start()
    stack.stop()
    stack.report_deaths()
    stack.report_deaths()
    assert [line for line in machine.messages if "orders go on" in line] == machine.messages[-1:]


async def test_a_port_in_use_is_reported_in_one_line(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    async with wire.listen(wire.silence) as url:
        port = int(url.rpartition(":")[2])
        taken = Program("prometheus", ("prometheus",), (port,), f":{port}/")
        monkeypatch.setattr("fleet.stack.PROGRAMS", (taken,))
        with pytest.raises(CannotRun, match=f"port {port} for prometheus is taken by .*PATH"):
            machine.with_programs(taken).demand_ports()
