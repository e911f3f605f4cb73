"""`valerix calm`: one word that calls every gremlin off."""

import time

import click

from cli.ask import headers_of, url_of
from fleet.errors import Failed
from fleet.health import ask
from topology import SERVICES, Process

# As long as somebody waits for a command; a service that starts again is back in it.
_TRIES, _AGAIN_S = 5, 1.0


def calm_all() -> None:
    """Ask every service, also when one does not answer, and that one again for some seconds; raises
    `Failed` with those that never did."""
    missed = dict.fromkeys(SERVICES, "")
    for tried in range(_TRIES):
        if tried:
            time.sleep(_AGAIN_S)
        asked = {process: _calm(process, url_of(process)) for process in missed}
        missed = {process: problem for process, problem in asked.items() if problem}
        if not missed:
            return
    raise Failed("; ".join(missed.values()))


def _calm(process: Process, url: str) -> str:
    """Why it did not work; empty when it did."""
    try:
        status, body = ask("DELETE", f"{url}/gremlins", headers_of(process))
    except OSError as error:
        return f"{process.name} does not answer at {url} ({error.strerror or error})"
    if status != 200:
        detail = body.get("detail", "") if isinstance(body, dict) else ""
        return f"{process.name} answers {status} {detail}".rstrip()
    click.echo(f"{process.name}: {body['calmed']} called off")
    return ""
