"""`valerix traffic` and `valerix load`: asked of the running dashboard, which asks the fleet."""

from typing import Any

import click

from cli.ask import asked

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
