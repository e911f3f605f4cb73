"""The committed configuration is current, valid, and what a container writes; its doors exist."""

import re
import subprocess
from collections.abc import Iterator

import yaml
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from chassis.identity.caller import needs_role
from fleet.gateway.configuration import written
from fleet.gateway.program import find_envoy
from fleet.gateway.settings import GatewaySettings
from fleet.run_dir import ROOT
from fleet.settings import load_as
from infra.gateway.__main__ import FILE, render
from tests.harness.serving import create_service, settings_of
from tests.tidy.files import complain
from topology import SERVICES, Process

_NO_DATABASE = "postgresql://valerix@127.0.0.1:1/valerix"


def test_the_committed_file_is_current_and_envoy_takes_it():
    assert FILE.read_text(encoding="utf-8") == render(), "run `make render`"
    checked = subprocess.run(
        [str(find_envoy()), "--mode", "validate", "--config-path", str(FILE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_it_is_what_a_container_writes():
    containers = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (name,) = [process.name for process in SERVICES if process.listens]
    # As compose fills it in where nobody has set anything.
    environ = {
        variable: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for variable, value in containers[name]["environment"].items()
        if ":?" not in value  # a secret, which Envoy is not given
    }
    # The image listens everywhere within its container.
    settings = load_as(GatewaySettings, "gateway", environ | {"VALERIX_HOST": "0.0.0.0"})  # noqa: S104
    made, committed = yaml.safe_load(written(settings, "/a/socket")), yaml.safe_load(render())
    made.pop("admin")
    committed.pop("admin")
    assert made == committed


def handlers(process: Process) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """What the process answers, as "METHOD /path", with its handler."""
    app = create_service(process.key, settings_of(process.key, _NO_DATABASE)).app
    assert isinstance(app, Litestar)
    for route in app.routes:
        path = re.sub(r":\w+\}", "}", route.path)
        for handler in getattr(route, "route_handlers", ()):
            yield from ((f"{method} {path}", handler) for method in handler.http_methods)


def test_every_door_leads_somewhere_and_operators_doors_are_marked():
    wrong = []
    for process in (each for each in SERVICES if each.doors):
        answered = dict(handlers(process))
        for door in process.doors:
            handler = answered.get(f"{door.method} {door.path}")
            if handler is None:
                wrong.append(f"{process.name} does not answer {door.method} {door.path}")
            elif (needs_role("operator") in (handler.guards or ())) != door.for_operator:
                wrong.append(f"{door.method} {door.path}: for_operator is {door.for_operator}")
    complain(wrong, "change the doors of topology/")
