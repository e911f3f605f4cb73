"""Compose file, fleet, settings, scrape targets and documentation say the same."""

import json
import re
from typing import Any

import pytest
import yaml

from chassis import VERSION
from fleet.programs import COLLECTOR, GRAFANA, JAEGER, LOKI, PROMETHEUS
from fleet.run_dir import ROOT
from fleet.settings import unknown
from topology import PROCESSES

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# They do one thing and end, so nothing asks them how they are.
ONCE = {"migrate", "probe"}
STAYING = sorted(set(SERVICES) - ONCE)
OURS = sorted(name for name, each in SERVICES.items() if each["image"].startswith("valerix:"))
# OpenTelemetry's demo asks for six; SPEC of this one says four.
MOST_MIB = 4096


def published(service: str) -> dict[int, int]:
    """Ports on this machine and what they lead to inside."""
    found = (port.rpartition("}:")[2] for port in SERVICES[service].get("ports", ()))
    return {int(outside): int(inside) for outside, inside in (each.split(":") for each in found)}


def test_every_process_of_the_fleet_is_a_container_with_its_command_and_port():
    for process in PROCESSES:
        container = SERVICES[process.name]
        assert container["command"] == ["run", process.key]
        assert container["environment"]["VALERIX_PORT"] == str(process.port)
        assert published(process.name) == {process.port: process.port}
        assert container["image"] == f"valerix:{VERSION}"


def test_the_other_ports_are_those_of_the_native_stack():
    outside = {
        COLLECTOR: {4317, 4318}, JAEGER: {16686}, LOKI: {3100}, PROMETHEUS: {9090}, GRAFANA: {3030},
    }  # fmt: skip
    for program, expected in outside.items():
        assert set(published(program.key)) == expected
        assert expected <= set(program.ports)


def test_nothing_is_published_beyond_where_stack_host_says():
    for name, container in SERVICES.items():
        for port in container.get("ports", ()):
            assert port.startswith("${STACK_HOST:-127.0.0.1}:"), (name, port)
    told = SERVICES["order-service"]["environment"]["VALERIX_PUBLISHED_ON"]
    assert told == "${STACK_HOST:-127.0.0.1}"


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_and_a_container_bounded(name: str):
    container = SERVICES[name]
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", container["image"]), container["image"]
    assert re.fullmatch(r"\d+m", container["mem_limit"])
    assert container["cap_drop"] == ["ALL"]
    assert container["logging"]["options"] == {"max-size": "10m", "max-file": "2"}


def test_the_whole_stack_fits():
    always = [name for name in STAYING if "profiles" not in SERVICES[name]]
    total = sum(int(SERVICES[name]["mem_limit"][:-1]) for name in always)
    assert total <= MOST_MIB, f"{total} MiB: more than is promised"


@pytest.mark.parametrize("name", STAYING)
def test_a_container_that_stays_says_how_it_is(name: str):
    if name in OURS:
        assert "HEALTHCHECK" in (ROOT / "infra/Dockerfile").read_text()
        assert "healthcheck" not in SERVICES[name]
    else:
        check = SERVICES[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        assert check["start_period"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_waits_until_the_others_are_well(name: str):
    for other, how in SERVICES[name].get("depends_on", {}).items():
        ends = other in ONCE
        assert how == {"condition": "service_completed_successfully" if ends else "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str):
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).exists(), f"{name} mounts {source}, which does not exist"
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str):
    environ = SERVICES[name]["environment"]
    assert unknown({key: str(value) for key, value in environ.items()}) == []


def test_prometheus_scrapes_every_process_and_every_program():
    targets = ROOT / "prometheus/targets/compose"
    shop = {
        (each["targets"][0], each["labels"]["service"])
        for each in json.loads((targets / "shop.json").read_text())
    }
    assert shop == {(f"{each.name}:{each.port}", each.name) for each in PROCESSES}
    hosts = {
        each["targets"][0].split(":")[0]
        for each in json.loads((targets / "stack.json").read_text())
    }
    assert hosts == {"otel-collector", "jaeger", "loki", "grafana", "localhost"}
    assert hosts - {"localhost"} <= set(SERVICES)


def test_the_documentation_names_every_container_with_its_limit():
    text = (ROOT / "docs/stack.md").read_text()
    for name, container in SERVICES.items():
        limit = container["mem_limit"][:-1]
        image = container["image"].split(":")[1]
        row = rf"^\| `{name}` \| [^|]*{re.escape(image)}[^|]*\| {limit} \|"
        assert re.search(row, text, re.MULTILINE), f"docs/stack.md lacks {name}, {image}, {limit}"
