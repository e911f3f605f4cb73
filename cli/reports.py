"""`valerix report` and `valerix contracts`: what happened, and what was agreed."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from chassis.contracts.routes import RouteContracts
from chassis.contracts.schema import contract_of
from chassis.http.problems import ProblemDocument
from cli.ask import asked
from fleet.errors import CannotRun, Failed
from fleet.settings import load
from observatory.retrospective.kept import to_yaml
from observatory.retrospective.model import RetrospectiveReport
from observatory.retrospective.writer import BadPeriod, period_of
from topology import PROCESSES


def write_report(since: str, out: Path | None) -> None:
    """Let the dashboard write a report and keep it; print it as YAML, or write it to a file."""
    try:
        period_of(since)
    except BadPeriod as error:
        raise click.UsageError(f"--since {since!r} cannot be used: {error}") from None
    found = asked("dashboard", "POST", "/api/reports", {"since": since})
    text = to_yaml(msgspec.convert(found, RetrospectiveReport))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}; the dashboard has it") from None
    click.echo(out)


def list_contracts(name: str) -> None:
    """Print where each contract is used, or the JSON Schema of one."""
    used = _used()
    if name:
        found = [shape for shape in used if shape.__name__ == name]
        if not found:
            raise CannotRun(f"there is no contract {name}: valerix contracts lists them")
        click.echo(json.dumps(contract_of(found[0]).schema, indent=2))
        return
    for shape in sorted(used, key=lambda each: each.__name__):
        click.echo(f"{shape.__name__:24} {', '.join(dict.fromkeys(used[shape]))}")


def _used() -> dict[type, list[str]]:
    """Every contract with the operations that have it; composing a process does nothing else."""
    used: dict[type, list[str]] = {ProblemDocument: ["every refusal"]}
    for process in PROCESSES:
        composed: Any = import_module(f"{process.package}.app")
        for shape in getattr(composed, "OUTSIDE_CONTRACTS", ()):
            used.setdefault(shape, []).append(f"{process.key}: what is outside answers it")
        app = composed.create_app(load(process.key))
        contracts: dict[tuple[str, str], RouteContracts] = app.contracts
        for (method, path), each in contracts.items():
            found = {each.request, *each.answers.values()} - {ProblemDocument}
            for contract in filter(None, found):
                used.setdefault(contract, []).append(f"{process.key} {method} {path}")
    return used
