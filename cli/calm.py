"""`valerix calm`: one word that calls every gremlin off."""

import os

import click

from chassis.settings import BadSetting
from fleet.errors import CannotRun, Failed
from fleet.health import ask
from fleet.run_dir import find_run_directory
from fleet.settings import load
from topology import SERVICES, Process


def calm_all() -> None:
    """Ask every service, also when one does not answer; raises `Failed` if one did not."""
    running = find_run_directory().running()
    silent = []
    for process in SERVICES:
        given = os.environ.get(process.url_variable)
        url = given or (running.urls[process.key] if running else _default_url(process))
        problem = _calm(process, url)
        if problem:
            silent.append(problem)
    if silent:
        raise Failed("; ".join(silent))


def _calm(process: Process, url: str) -> str | None:
    try:
        status, body = ask("DELETE", f"{url}/gremlins", _headers(process))
    except OSError as error:
        return f"{process.name} does not answer at {url} ({error.strerror or error})"
    if status != 200:
        detail = body.get("detail", "") if isinstance(body, dict) else ""
        return f"{process.name} answers {status} {detail}".rstrip()
    click.echo(f"{process.name}: {body['calmed']} called off")
    return None


def _headers(process: Process) -> dict[str, str]:
    try:
        token = load(process.key).operator_token
    except BadSetting as error:
        raise CannotRun(str(error)) from None
    actor = {"X-Valerix-Actor": "cli"}
    return actor | ({"Authorization": f"Bearer {token}"} if token else {})


def _default_url(process: Process) -> str:
    settings = load(process.key)
    return f"http://{settings.host}:{settings.port}"
