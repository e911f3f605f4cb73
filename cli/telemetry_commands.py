"""The commands `valerix trace`, `lines` and `metrics`; telemetry.py does what they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="For a script.")
_SINCE = click.option("--since", default="", help="15m, 2h, 1d, or a moment: 2026-11-28T14:30Z.")
_UNTIL = click.option("--until", default="", help="The same; without it, now.")
_SERVICE = click.option("--service", default="", help="order, inventory-service, …")
Command = Callable[..., Any]


def _time(command: Command) -> Command:
    return _SINCE(_UNTIL(command))


@click.group()
def trace() -> None:
    """Traces that the running shop keeps."""


@trace.command("list")
@click.option("--kind", default="", help="recent, slowest, failed or bitten.")
@_SERVICE
@click.option("--route", default="")
@click.option("--outcome", default="", help="2xx, 4xx, 5xx, cut or none.")
@click.option("--gremlin", default="", help="The name of one that bit.")
@click.option("--order", default="", help="An order's id.")
@click.option("--trace", default="", help="A trace's id, or its beginning.")
@click.option("--name", default="", help="A part of a span's name.")
@click.option("--attribute", default=(), multiple=True, metavar="KEY=VALUE", help="Of some span.")
@click.option("--min", "least", default="", help="The shortest: 250ms, 1.5s, 2m.")
@_time
@_JSON
def trace_list(as_json: bool, least: str, attribute: tuple[str, ...], **filters: str) -> None:
    """The newest traces, or the slowest, one a line."""
    from cli.telemetry import list_traces

    list_traces(as_json, min=least, attribute=attribute, **filters)


@trace.command("show")
@click.argument("trace_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write it there; else it is printed.")  # fmt: skip
def trace_show(trace_id: str, out: Path | None) -> None:
    """One trace as OpenTelemetry writes it, in JSON."""
    from cli.telemetry import show_trace

    show_trace(trace_id, out)


@trace.command("compare")
@click.argument("a")
@click.argument("b")
@_JSON
def trace_compare(a: str, b: str, as_json: bool) -> None:
    """What took longer in trace B than in trace A, span by span."""
    from cli.telemetry import compare_traces

    compare_traces(a, b, as_json)


@click.command()
@_SERVICE
@click.option("--name", default="", help="A part of a metric's name.")
@_JSON
def metrics(as_json: bool, service: str, name: str) -> None:
    """Metrics that programs sent to the running shop over OTLP, the newest value of each."""
    from cli.telemetry import list_metrics

    list_metrics(as_json, service=service, name=name)


@click.command()
@_SERVICE
@click.option("--level", default="", help="INFO, WARNING or ERROR, and above.")
@click.option("--text", default="", help='Words, "a phrase", status=503.')
@click.option("--trace", default="", help="A trace's whole id.")
@click.option("--around", default="", metavar="AT_NS", help="The lines around that moment.")
@_time
@_JSON
def lines(as_json: bool, **filters: str) -> None:
    """Find lines of log of all services, as the page Logs does.

    `valerix logs` shows the files that the processes write.
    """
    from cli.telemetry import list_lines

    list_lines(as_json, **filters)
