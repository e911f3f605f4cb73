"""Compose file, topology, settings, scrape targets and documentation agree."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from chassis import VERSION
from fleet.programs import COLLECTOR, GRAFANA, JAEGER, LOKI, PROMETHEUS
from fleet.run_dir import ROOT
from fleet.settings import unknown
from infra import compose
from tests.harness import wire
from tests.tidy.files import complain
from topology import PROCESSES

COMPOSE: dict[str, Any] = yaml.safe_load(compose.FILE.read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "infra/Dockerfile").read_text()
# They do one thing and exit, so they have no health.
ONCE = {"migrate", "probe"}
STAYING = sorted(set(CONTAINERS) - ONCE)
OURS = sorted(name for name, each in CONTAINERS.items() if each["image"].startswith("valerix:"))
# The stack must fit a laptop.
MOST_MIB = 5632


def published(container: str) -> dict[int, int]:
    """Ports on this machine and the container's ports they lead to."""
    found = (port.split(":")[-2:] for port in CONTAINERS[container].get("ports", ()))
    return {int(outside): int(inside) for outside, inside in found}


def test_the_containers_of_the_shop_are_rendered_from_the_topology():
    text = compose.FILE.read_text()
    assert text == compose.render(text), "run `make render`"


def test_whatever_the_image_copies_is_sent_to_docker():
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+) \./\S*$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    complain(sorted(copied - set(sent)), "add `!NAME` to .dockerignore")
    complain(sorted(name for name in copied if not (ROOT / name).exists()), "no such file")


def test_every_process_is_a_container_with_its_command_and_port():
    for process in PROCESSES:
        container = CONTAINERS[process.name]
        assert container["command"] == ["run", process.key]
        assert container["environment"]["VALERIX_PORT"] == str(process.port)
        ports = [process.port, process.port + 1000] if process.speaks_grpc else [process.port]
        assert published(process.name) == {port: port for port in ports}
        assert container["image"] == f"valerix:{VERSION}"


def test_both_images_contain_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert DOCKERFILE.count(f"COPY {package} ./{package}\n") == 2, package


def test_the_other_ports_are_those_of_the_native_stack():
    outside = {
        COLLECTOR: {4317, 4318}, JAEGER: {16686}, LOKI: {3100}, PROMETHEUS: {9090}, GRAFANA: {3030},
    }  # fmt: skip
    for program, expected in outside.items():
        assert set(published(program.key)) == expected
        assert expected <= set(program.ports)


def test_only_what_customers_and_visitors_come_to_leaves_the_machine():
    leaving = {
        name
        for name, container in CONTAINERS.items()
        for port in container.get("ports", ())
        if port.startswith("${STACK_HOST:-127.0.0.1}:")
    }
    assert leaving == {"order-service", "dashboard", "grafana"}
    for name, container in CONTAINERS.items():
        for port in container.get("ports", ()):
            assert name in leaving or port.startswith("127.0.0.1:"), (name, port)
    for name in OURS:
        address = CONTAINERS[name]["environment"]["VALERIX_PUBLISHED_ON"]
        assert address == "${STACK_HOST:-127.0.0.1}"


def make_secrets(file: Path, **environ: str) -> dict[str, str]:
    """What `make stack` finds in its file of secrets."""
    bare = {"PATH": os.environ["PATH"], **environ}
    subprocess.run(["sh", ROOT / "infra/secrets.sh", file], env=bare, check=True)
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def test_every_secret_is_made_at_random_once_and_for_its_owner_only(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_text("OWN=1")
    made = make_secrets(file)
    secrets = {name: value for name, value in made.items() if value not in ("1", "valerix")}
    assert made["OWN"] == "1"
    asked = set(re.findall(r"\$\{(\w+(?:PASSWORD|SERVICE_TOKEN))", compose.FILE.read_text()))
    passwords = {f"STACK_{name}_PASSWORD" for name in ("POSTGRES", "RABBITMQ", "GRAFANA")}
    assert set(secrets) == asked == passwords | {"VALERIX_SERVICE_TOKEN"}
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", value) for value in secrets.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert make_secrets(file) == made
    assert not set(secrets.values()) & set(make_secrets(tmp_path / "other").values())
    assert ".env\n" in (ROOT / ".gitignore").read_text()


def test_compose_without_make_means_the_same_project(tmp_path: Path):
    (name,) = re.findall(r"--project-name (\S+)", (ROOT / "Makefile").read_text())
    assert make_secrets(tmp_path / ".env")["COMPOSE_PROJECT_NAME"] == name


@pytest.mark.parametrize(
    ("environ", "is_made"),
    [
        ({"STACK_HOST": "127.0.0.1"}, False),
        ({"STACK_HOST": "localhost"}, False),
        ({"STACK_HOST": "0.0.0.0"}, True),  # noqa: S104
        ({"STACK_HOST": "127.evil.example"}, True),
        ({"STACK_HOST": "0.0.0.0", "VALERIX_OPERATOR_TOKEN": "one of my own"}, False),  # noqa: S104
    ],
)
def test_an_operator_token_is_made_when_others_can_reach_the_shop(
    tmp_path: Path, environ: dict[str, str], is_made: bool
):
    made = make_secrets(tmp_path / ".env", **environ)
    assert ("VALERIX_OPERATOR_TOKEN" in made) is is_made


def test_no_secret_is_written_into_the_compose_file():
    text = compose.FILE.read_text()
    written = re.findall(r"^\s*\w*(?:PASSWORD|TOKEN|SECRET)\w*: (?!\$\{)(.*)$", text, re.MULTILINE)
    written += re.findall(r"://[^/\s]*:(?!\$\{)([^/\s@]*)@", text)
    assert written == []


def test_images_are_pinned_and_containers_are_limited():
    for name, container in CONTAINERS.items():
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", container["image"]), name
        assert re.fullmatch(r"\d+m", container["mem_limit"]), name
        assert container["cap_drop"] == ["ALL"], name
        assert container["logging"]["options"] == {"max-size": "10m", "max-file": "2"}, name


def test_the_whole_stack_fits_in_memory():
    always = [name for name in STAYING if "profiles" not in CONTAINERS[name]]
    total = sum(int(CONTAINERS[name]["mem_limit"][:-1]) for name in always)
    assert total <= MOST_MIB, f"{total} MiB: more than docs/stack.md promises"


def test_every_container_that_stays_has_a_health_check():
    assert "HEALTHCHECK" in DOCKERFILE
    for name in STAYING:
        if name in OURS:
            assert "healthcheck" not in CONTAINERS[name], "the image has one"
        else:
            check = CONTAINERS[name]["healthcheck"]
            assert check["test"][0] == "CMD", name
            assert check["start_period"], name


def test_a_container_waits_until_the_others_are_healthy_and_for_the_world_outside_not():
    outside = {process.name for process in PROCESSES if process.is_outside}
    for name, container in CONTAINERS.items():
        for other, how in container.get("depends_on", {}).items():
            end = "service_completed_successfully" if other in ONCE else "service_healthy"
            end = "service_started" if other in outside else end
            assert how == {"condition": end}, (name, other)


def test_every_mounted_file_exists_and_is_read_only():
    for name, container in CONTAINERS.items():
        for volume in container.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name} mounts {source}, which does not exist"
                assert volume.endswith(":ro"), (name, volume)
            else:
                assert source in COMPOSE["volumes"], (name, volume)


def test_a_folder_that_an_image_of_ours_writes_to_is_its_user_s():
    images = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    for name, container in CONTAINERS.items():
        target = container["build"].get("target", "shop") if "build" in container else None
        for volume in container.get("volumes", ()) if target else ():
            (image,) = (each for each in images if f" AS {target}\n" in each)
            (user,) = re.findall(r"^USER (\d+):\1$", image, re.MULTILINE)
            made = f"RUN install --directory --owner={user} --group={user} {volume.split(':')[1]}\n"
            assert made in image, (name, volume)


def test_the_shop_is_built_before_the_load_generator():
    images = re.findall(r"^FROM \S+(?: AS (\S+))?$", DOCKERFILE, re.MULTILINE)
    assert images == ["build", "shop", "build-load", "load", ""]
    assert DOCKERFILE.endswith("\nFROM shop\n"), "a build without a target makes the shop"
    assert {CONTAINERS[name]["build"]["target"] for name in OURS} == {"shop"}


def test_every_variable_is_a_setting():
    for name in OURS:
        environ = {key: str(value) for key, value in CONTAINERS[name]["environment"].items()}
        assert unknown(environ) == [], name


def test_prometheus_scrapes_every_program_of_the_stack():
    stack = json.loads((ROOT / "prometheus/targets/compose/stack.json").read_text())
    hosts = {each["targets"][0].split(":")[0] for each in stack}
    assert hosts == {"otel-collector", "jaeger", "loki", "grafana", "rabbitmq", "localhost"}
    assert hosts - {"localhost"} <= set(CONTAINERS)


def test_the_documentation_lists_every_container_with_its_limit():
    text = (ROOT / "docs/stack.md").read_text()
    services = {process.name for process in PROCESSES if process.schema is not None}
    missing = []
    for name, container in CONTAINERS.items():
        limit, image = container["mem_limit"][:-1], container["image"].split(":")[1]
        label = "each service of the shop" if name in services else f"`{name}`"
        row = rf"^\| {label} \| [^|]*{re.escape(image)}[^|]*\| {limit} \|"
        if not re.search(row, text, re.MULTILINE):
            missing.append(f"{label}, {image}, {limit}")
    complain(missing, "add the container to the table of docs/stack.md")


def health_commands() -> dict[str, list[str]]:
    """What Docker runs to see whether a container is well; "shop" is the image's own."""
    found = {
        name: each["healthcheck"]["test"][1:]
        for name, each in CONTAINERS.items()
        if "test" in each.get("healthcheck", {})
    }
    (own,) = re.findall(r"^  CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return {**found, "shop": json.loads(own)}


DEAD = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:1")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
@pytest.mark.parametrize("name", ["shop", "locust"])
async def test_a_health_check_of_ours_takes_no_proxy(name: str, status: int, code: int):
    async with wire.listen(wire.responds(wire.http(status, b""))) as url:
        port = str(urlsplit(url).port)
        _, *arguments = (each.replace("8089", port) for each in health_commands()[name])
        child = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={**DEAD, "VALERIX_PORT": port}
        )
        assert await child.wait() == code


def test_a_health_check_of_others_takes_no_proxy():
    for name, command in health_commands().items():
        if "wget" in command:
            assert command[command.index("wget") + 1 :][:2] == ["-Y", "off"], name


def test_within_the_network_nothing_goes_through_a_proxy():
    for name in (*OURS, "otel-collector", "grafana"):
        for variable in ("NO_PROXY", "no_proxy"):
            direct = CONTAINERS[name]["environment"][variable].split(",")
            assert {"otel-collector", "jaeger", "loki", "prometheus", "127.0.0.1"} <= set(direct)
