"""`valerix traffic` and `valerix load`: asked of the running dashboard, which asks the fleet."""

from typing import Any
from urllib.parse import urlencode

import click

from cli.ask import asked
from observatory.load_runs import VERDICTS
from scenarios.load_profiles import PROFILES

_MISTAKE = "--mix {mix!r} cannot be read: write orders=6,payments=3,wallets=1"


def start_traffic(rate: float, mix: str, minutes: int) -> None:
    """Turn steady traffic on."""
    body = {"rate": rate, "mix": weights_of(mix), "minutes": minutes}
    _say_traffic(asked("dashboard", "POST", "/api/traffic", body))


def stop_traffic() -> None:
    """Turn it off."""
    _say_traffic(asked("dashboard", "DELETE", "/api/traffic"))


def show_traffic() -> None:
    """Whether it is on, and what came of it."""
    _say_traffic(asked("dashboard", "GET", "/api/traffic"))


def weights_of(mix: str) -> dict[str, int]:
    """`orders=6,wallets=1` as weights, 0 for what is not named; raises `UsageError`."""
    weights = {"orders": 0, "payments": 0, "wallets": 0}
    for part in mix.split(","):
        what, sign, weight = part.strip().partition("=")
        if what not in weights or not sign or not weight.isascii() or not weight.isdigit():
            raise click.UsageError(_MISTAKE.format(mix=mix))
        weights[what] = int(weight)
    return weights


def _say_traffic(found: Any) -> None:
    if found["is_on"]:
        mix = ", ".join(f"{weight} {what}" for what, weight in found["mix"].items() if weight)
        rests = "; it rests while an act is on" if found["is_resting"] else ""
        click.echo(f"on: {found['rate']:g} a second ({mix}), until {found['until']}{rests}")
    else:
        click.echo("off")
    for what, counts in found["responses"].items():
        if any(counts.values()):
            answers = ", ".join(f"{n} {answer}" for answer, n in counts.items() if n)
            click.echo(f"  {what:9} {sum(counts.values()):6}: {answers}")
    if found["note"]:
        click.echo(f"  {found['note']}")


def list_profiles() -> None:
    """One line a profile."""
    for each in PROFILES.values():
        click.echo(f"{each.name:8} {each.duration_s(1.0):5.0f} s  {each.about}")


def start_load(profile: str, scale: float, rate: float) -> None:
    """Start a profile."""
    body = {"profile": profile, "scale": scale, "rate": rate}
    asked("dashboard", "POST", "/api/load", body)
    click.echo(f"{profile} is started; valerix load status shows how it is doing")


def stop_load() -> None:
    """Stop the run."""
    asked("dashboard", "DELETE", "/api/load")
    click.echo("it is stopping, and judged by what it has measured; once more: at once")


def show_load() -> None:
    """What runs, or ran last."""
    found = asked("dashboard", "GET", "/api/load")
    run, progress = found["run"], found["progress"]
    if found["is_on"]:
        click.echo(f"{run['profile']} is {run['state']}, started by {run['actor']}")
    elif not progress:
        click.echo("no load profile is running")
    if found["obstacle"]:
        click.echo(f"  none can be started: {found['obstacle']}")
    if progress:
        shoppers = f"{progress['shoppers']} shopper{'' if progress['shoppers'] == 1 else 's'}"
        gone, whole = progress["now_s"] - progress["began_s"], progress["duration_s"]
        click.echo(
            f"  {gone:.0f} of {whole:.0f} s, {shoppers}, {progress['answers']}"
            f" answers; {_figure(progress['per_s'])}/s, p95 {_figure(progress['p95_ms'])} ms, p99"
            f" {_figure(progress['p99_ms'])} ms, failed {_figure(progress['failed_percent'])} %"
        )
    if run and run["why"]:
        click.echo(f"  the last run left no report: {run['why']}")
    for report in found["reports"][:1]:
        click.echo(f"  last report: {_report(report)}")


def list_reports() -> None:
    """The runs that left a report."""
    for report in asked("dashboard", "GET", "/api/load")["reports"]:
        click.echo(_report(report))


def compare_reports(a: str, b: str) -> None:
    """Two of them beside each other."""
    found = asked("dashboard", "GET", f"/api/load/compare?{urlencode({'a': a, 'b': b})}")
    for name in ("a", "b"):
        click.echo(f"{name}  {_report(found[name])}")
    if not found["is_one_kind"]:
        click.echo("two kinds of run: another profile, time or rate makes a difference by itself")
    click.echo(f"{'':10}{'a':>10}{'b':>10}{'b - a':>10}")
    for each in found["figures"]:
        cells = "".join(f"{_figure(each[name]):>10}" for name in ("a", "b"))
        change = "-" if each["difference"] is None else f"{each['difference']:+.1f}"
        worse = "  clearly worse" if each["is_worse"] else ""
        click.echo(f"{each['name']:10}{cells}{change:>10} {each['unit']}{worse}")


def _report(report: Any) -> str:
    latency, verdict = report["latency"]["all"], VERDICTS.get(report["answer"], report["answer"])
    return (
        f"{report['name']:28} {verdict:12} {report['orders_per_s']:6.1f}/s"
        f"  p95 {_figure(latency['p95_ms'])} ms  p99 {_figure(latency['p99_ms'])} ms"
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
