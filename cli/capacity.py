"""`valerix capacity`: how much of everything so many orders a second take."""

from pathlib import Path

import click
import msgspec

from fleet.errors import CannotRun
from observatory.capacity.plan import (
    MEASURED,
    BadFigures,
    BadRate,
    CapacityPlan,
    Limit,
    plan,
    rate_of,
    read_figures,
    shown_volume,
)


def show_capacity(orders_per_s: str, measured: Path | None, *, as_json: bool) -> None:
    """Print the plan as a table or as JSON."""
    try:
        found = plan(read_figures(measured or MEASURED), rate_of(orders_per_s))
    except BadRate as error:
        raise click.UsageError(f"--orders-per-s {orders_per_s!r} cannot be used: {error}") from None
    except BadFigures as error:
        raise CannotRun(str(error)) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    click.echo("\n".join(_table(found)))


def _table(found: CapacityPlan) -> list[str]:
    at = found.measured
    lines = [f"{found.orders_per_s:g} orders/s, by figures of {at.date}, {at.cores} cores", ""]
    lines.append(f"{'process':<20} {'replicas':>8} {'cores':>8} {'busy':>6}")
    lines += [
        f"{each.process:<20} {each.replicas:>8} {each.cores:>8.2f} {each.busy:>6.0%}"
        for each in found.processes
    ]
    if found.without_figures:
        lines.append(f"not among the figures: {', '.join(found.without_figures)}")
    lines += [f"{'PostgreSQL':<20} {'':>8} {found.database_cores:>8.2f}", ""]
    lines += [f"{each.what:<28} {shown_volume(each):>12}" for each in found.volumes]
    lines += ["", "limits, the first that comes first"]
    lines += [_line(limit, found.orders_per_s) for limit in found.limits]
    return lines


def _line(limit: Limit, orders_per_s: float) -> str:
    over = "passed" if orders_per_s > limit.orders_per_s else ""
    return f"{limit.what:<24} {limit.orders_per_s:>8.0f} orders/s  {over:<6}  {limit.why}"
