"""`valerix reconcile`: the accounts' settlement files of a day are fetched and matched."""

import os
from datetime import date
from typing import Any

import click

from chassis.settings import BadSetting
from fleet.errors import CannotRun
from fleet.health import ask
from fleet.run_dir import find_run_directory
from fleet.settings import load
from topology import find

# A day's file of some accounts, fetched and matched one after the other.
_TIMEOUT_S = 120.0


def reconcile_day(day: date | None) -> int:
    """Print what came of each account's file: 0 all match, 1 something differs, 2 cannot tell."""
    runs = _asked(day)
    if not runs:
        click.echo("no account has a settlement file: see VALERIX_PAYMENT_STRIPE_ACCOUNTS")
    for run in runs:
        click.echo(_line(run))
    results = {run["result"] for run in runs}
    if "failed" in results:
        return 2
    return 1 if "breaks" in results else 0


def _asked(day: date | None) -> list[dict[str, Any]]:
    process = find("payment")
    running = find_run_directory().running()
    try:
        settings = load(process.key)
    except BadSetting as error:
        raise CannotRun(str(error)) from None
    default = running.urls[process.key] if running else f"http://{settings.host}:{settings.port}"
    url = os.environ.get(process.url_variable) or default
    token = settings.operator_token
    headers = {"X-Valerix-Actor": "cli"} | ({"Authorization": f"Bearer {token}"} if token else {})
    query = f"?date={day.isoformat()}" if day else ""
    try:
        status, body = ask("POST", f"{url}/reconciliations{query}", headers, _TIMEOUT_S)
    except OSError as error:
        raise CannotRun(
            f"{process.name} does not answer at {url} ({error.strerror or error})"
        ) from None
    if status != 200 or not isinstance(body, dict):
        detail = body.get("detail", "") if isinstance(body, dict) else ""
        raise CannotRun(f"{process.name} answers {status} {detail}".rstrip())
    runs: list[dict[str, Any]] = body["runs"]
    return runs


def _line(run: dict[str, Any]) -> str:
    what = f"{run['account']} {run['day']}: "
    if run["result"] == "failed":
        return f"{what}not matched. {run['reason']}"
    young = f", {run['young']} too young to be judged" if run["young"] else ""
    differs = run["lines"] - run["young"] - run["matched"]
    differences = f", {differs} differ" if differs else ""
    more = "; see GET /reconciliation-breaks?state=open" if run["result"] == "breaks" else ""
    return f"{what}{run['matched']} of {run['lines']} lines match{young}{differences}{more}"
