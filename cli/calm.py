"""`valerix calm`: one word that calls every gremlin off."""

import click

from cli.ask import headers_of, url_of
from fleet.errors import Failed
from fleet.health import ask
from topology import SERVICES, Process


def calm_all() -> None:
    """Ask every service, also when one does not answer; raises `Failed` if one did not."""
    silent = []
    for process in SERVICES:
        problem = _calm(process, url_of(process))
        if problem:
            silent.append(problem)
    if silent:
        raise Failed("; ".join(silent))


def _calm(process: Process, url: str) -> str | None:
    try:
        status, body = ask("DELETE", f"{url}/gremlins", headers_of(process))
    except OSError as error:
        return f"{process.name} does not answer at {url} ({error.strerror or error})"
    if status != 200:
        detail = body.get("detail", "") if isinstance(body, dict) else ""
        return f"{process.name} answers {status} {detail}".rstrip()
    click.echo(f"{process.name}: {body['calmed']} called off")
    return None
