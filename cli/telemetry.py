"""`valerix trace`, `lines` and `metrics`: what the pages of traces, logs and charts find."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from chassis.http.query import with_query
from cli.ask import asked
from fleet.errors import Failed
from frontend.web.formatting import took


def list_traces(as_json: bool, *, attribute: Sequence[str], **filters: str) -> None:
    """Print the traces that fit, one a line: when, how long, how it ended, what it was."""
    wanted = " ".join(_quoted(each) for each in attribute)
    page = asked("dashboard", "GET", with_query("/api/traces", attribute=wanted, **filters))
    if as_json:
        _print(page)
        return
    for each in page["traces"]:
        status = "" if each["status"] is None else str(each["status"])
        failed = f"  {each['errors']} failed" if each["errors"] else ""
        click.echo(
            f"{each['trace_id']}  {each['at'][:19]}  {took(each['duration_ms']):>8}  {status:>3}"
            f"  {each['name']}{failed}"
        )
    if page["note"]:
        click.echo(f"not searched: {page['note']}", err=True)


def _quoted(pair: str) -> str:
    """As the search takes it: a shell has taken the quotes of a value away."""
    name, equals, value = pair.partition("=")
    return f'{name}="{value}"' if equals and any(each.isspace() for each in value) else pair


def show_trace(trace_id: str, out: Path | None) -> None:
    """Print a trace as OTLP in JSON, or write it to a file."""
    found = asked("dashboard", "GET", f"/api/traces/{quote(trace_id, safe='')}")
    if out is None:
        _print(found)
        return
    try:
        out.write_text(json.dumps(found), encoding="utf-8")
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}") from None
    click.echo(out)


def compare_traces(a: str, b: str, as_json: bool) -> None:
    """Print the spans of two traces, each with what it took in both."""
    found = asked("dashboard", "GET", with_query("/api/traces/compare", a=a, b=b))
    if as_json:
        _print(found)
        return
    for each in found["spans"]:
        left, right = (each[side]["took"] if each[side] else "-" for side in ("a", "b"))
        name = "  " * each["depth"] + each["name"]
        click.echo(f"{left:>10} {right:>10} {each['difference']:>10}  {each['service']:18} {name}")


def list_lines(as_json: bool, **filters: str) -> None:
    """Print the lines that fit, oldest first."""
    page = asked("dashboard", "GET", with_query("/api/logs", **filters))
    if as_json:
        _print(page)
        return
    for each in page["lines"]:
        fields = " ".join(f"{name}={value}" for name, value in each["attributes"].items())
        click.echo(f"{each['at'][:23]}  {each['level']:8} {each['service']:18} {each['message']}"
                   f"  {fields}".rstrip())  # fmt: skip


def list_metrics(as_json: bool, **filters: str) -> None:
    """Print the newest value of each series: what was counted, or shown."""
    found = asked("dashboard", "GET", with_query("/api/metrics", **filters))
    if as_json:
        _print(found)
        return
    if found["series"] is None:
        raise Failed("metrics are not sent to this dashboard: its collector passes them on")
    for each in found["series"]:
        labels = " ".join(f"{name}={value}" for name, value in each["labels"])
        value = each["points"][-1][1]
        click.echo(
            f"{each['service']:18} {each['name']} {labels}  {value:g} {each['unit']}".rstrip()
        )


def _print(document: Any) -> None:
    click.echo(json.dumps(document, indent=2))
