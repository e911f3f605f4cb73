"""One process of a twin: `python -m twins.run NAME KEY`, the shop's own with functions replaced."""

import logging
import sys
from typing import Any

import click
import msgspec

from chassis.http import health
from fleet.run import run_process
from fleet.settings import load
from twins.loopback import demand_loopback
from twins.twin import Twin, find


def mark(twin: Twin) -> None:
    """Every log line of this process, and its health, say which twin it is."""
    plain = logging.getLogRecordFactory()

    def marked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        line = plain(*args, **kwargs)
        line.twin = twin.name
        return line

    logging.setLogRecordFactory(marked)
    for name in ("HealthView", "ReadyView"):
        shape: type[msgspec.Struct] = getattr(health, name)
        field = ("twin", str, twin.name)
        setattr(health, name, msgspec.defstruct(name, [field], bases=(shape,), frozen=True))


@click.command()
@click.argument("name")
@click.argument("key")
def main(name: str, key: str) -> None:
    """Serve until a signal."""
    twin = find(name)
    demand_loopback({key: load(key)})
    mark(twin)
    for each in twin.replaced:
        each.apply()
    sys.exit(run_process(key))


if __name__ == "__main__":
    main()
