"""`valerix reconcile`: the accounts' settlement files of a day are fetched and matched."""

from datetime import date
from typing import Any

import click

from cli.ask import asked
from fleet.errors import CannotRun, Failed

# A day's file of some accounts, fetched and matched one after the other.
_TIMEOUT_S = 120.0


def reconcile_day(day: date | None) -> int:
    """Print what came of each account's file: 0 all match, 1 something differs, 2 cannot tell."""
    query = f"?date={day.isoformat()}" if day else ""
    try:
        runs = asked("payment", "POST", f"/reconciliations{query}", timeout_s=_TIMEOUT_S)["runs"]
    except Failed as error:
        raise CannotRun(str(error)) from None
    if not runs:
        click.echo("no account has a settlement file: see VALERIX_PAYMENT_STRIPE_ACCOUNTS")
    for run in runs:
        click.echo(_line(run))
    results = {run["result"] for run in runs}
    if "failed" in results:
        return 2
    return 1 if "breaks" in results else 0


def _line(run: dict[str, Any]) -> str:
    what = f"{run['account']} {run['day']}: "
    if run["result"] == "failed":
        return f"{what}not matched. {run['reason']}"
    young = f", {run['young']} too young to be judged" if run["young"] else ""
    differs = run["lines"] - run["young"] - run["matched"]
    differences = f", {differs} differ" if differs else ""
    more = "; see GET /reconciliation-breaks?state=open" if run["result"] == "breaks" else ""
    return f"{what}{run['matched']} of {run['lines']} lines match{young}{differences}{more}"
