"""From what one order takes to replicas, database cores, volumes and limits; pure but for reading
the figures.

The utilization law alone (Denning and Buzen, 1978): a resource is busy for the orders a second
times what each of them takes of it, beside what it always does, and the smallest of the rates at
which one is busy all the time is the limit. How long an order waits below that is not computed."""

import math
from pathlib import Path

import msgspec
from msgspec import Struct

from topology import LIT, PROCESSES

MEASURED = Path(__file__).with_name("measured.json")
# Above this share of a processor waits grow quickly; on Kubernetes a replica is added at it.
BUSY = 0.7
# One may be moved while the other answers.
_FEWEST = 2
_MOST_ORDERS_PER_S = 1_000_000.0
_SIZES = ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"))
_COUNTS = {
    "commits": ("commits", "/s"),
    "flushes": ("flushes of the WAL", "/s"),
    "wal_bytes": ("WAL", "B/s"),
    "events": ("events", "/s"),
    "event_bytes": ("events through the broker", "B/s"),
}
_BY_HAND = 'make bench ARGS="--only capacity --json FILE"'


class BadFigures(Exception):
    """The file holds no figures that anything can be computed from; the text says why."""


class BadRate(Exception):
    """It is no number of orders a second; the text says what it must be."""


class Machine(Struct, frozen=True):
    """Where and when the figures were measured."""

    cores: int
    memory_gib: int
    system: str
    python: str
    date: str


class PerOrder(Struct, frozen=True):
    """What one good order takes at the knee, beyond what the shop takes with no order.

    `cpu_ms`: milliseconds of processor time by process; `row_locked_ms`: how long it locks the row
    of its product's stock, both times together; the rest counts and bytes."""

    cpu_ms: dict[str, float]
    client_cpu_ms: float
    database_cpu_ms: float
    row_locked_ms: float
    commits: float
    flushes: float
    wal_bytes: float
    events: float
    event_bytes: float
    telemetry_bytes: float


class KneeFigures(Struct, frozen=True):
    """Orders a second where more clients bring no more, as measured and as simulated."""

    measured_per_s: float
    simulated_per_s: float


class IdleShop(Struct, frozen=True):
    """What each second takes with no order: cores by process, with `client` and `database` among
    them, and counts under the names that `PerOrder` has."""

    cores: dict[str, float]
    counts: dict[str, float]


class Measured(Struct, frozen=True):
    """The part `capacity` of `make bench`."""

    per_order: PerOrder
    idle: IdleShop
    knee: KneeFigures


class MeasuredFigures(Struct, frozen=True):
    """What this module reads of a benchmark's JSON."""

    machine: Machine
    capacity: Measured


class ProcessNeed(Struct, frozen=True):
    """One process: replicas, how many cores all of them use, and how busy that makes each."""

    process: str
    replicas: int
    cores: float
    busy: float


class Volume(Struct, frozen=True):
    """So much a second; `what` says of what, `unit` is "/s" or "B/s"."""

    what: str
    per_s: float
    unit: str


class Limit(Struct, frozen=True):
    """What is busy all the time at so many orders a second, and why there is no more of it.
    `is_one_machine`: it holds only where everything stands on the machine that was measured."""

    what: str
    orders_per_s: float
    why: str
    is_one_machine: bool = False


class CapacityPlan(Struct, frozen=True):
    """`limits` begin with the one that comes first; of the processes `without_figures` an order
    took nothing when the figures were made."""

    orders_per_s: float
    measured: Machine
    knee: KneeFigures
    processes: tuple[ProcessNeed, ...]
    without_figures: tuple[str, ...]
    database_cores: float
    volumes: tuple[Volume, ...]
    limits: tuple[Limit, ...]

    @property
    def first(self) -> Limit:
        """The limit that comes first once there are machines enough."""
        return next(limit for limit in self.limits if not limit.is_one_machine)


def rate_of(text: str) -> float:
    """Orders a second as somebody typed it; `BadRate` for anything else."""
    try:
        rate = float(text)
    except ValueError:
        raise BadRate("it must be a number, such as 250 or 0.5") from None
    # Written so that NaN is refused, too.
    if not 0 < rate <= _MOST_ORDERS_PER_S:
        raise BadRate(f"it must be more than 0 and at most {_MOST_ORDERS_PER_S:.0f}")
    return rate


def read_figures(path: Path = MEASURED) -> MeasuredFigures:
    """The figures of a benchmark's JSON file; `BadFigures` where there are none."""
    try:
        figures = msgspec.json.decode(path.read_bytes(), type=MeasuredFigures)
    except OSError as error:
        raise BadFigures(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadFigures(
            f"{path} is no result of a benchmark with the part capacity ({error}): {_BY_HAND}"
        ) from None
    each, idle = figures.capacity.per_order, figures.capacity.idle
    missing = [name for name in ("client", "database") if name not in idle.cores]
    missing += [name for name in _COUNTS if name not in idle.counts]
    if missing:
        raise BadFigures(f"{path} has no figures of {', '.join(missing)}: {_BY_HAND}")
    if not _touched(figures):
        raise BadFigures(f"{path} has no figures of a process of the shop: {_BY_HAND}")
    if min(each.database_cpu_ms, each.row_locked_ms) <= 0:
        raise BadFigures(f"{path} has a time that is not above 0: measure it again: {_BY_HAND}")
    return figures


def plan(figures: MeasuredFigures, orders_per_s: float) -> CapacityPlan:
    """What so many orders a second need, by the figures."""
    measured, each, idle = figures.capacity, figures.capacity.per_order, figures.capacity.idle
    needs = tuple(
        _need(name, idle.cores[name] + each.cpu_ms[name] * orders_per_s / 1000, grows=grows)
        for name, grows in _touched(figures).items()
    )
    volumes = [
        Volume(what, idle.counts[name] + getattr(each, name) * orders_per_s, unit)
        for name, (what, unit) in _COUNTS.items()
    ]
    volumes.append(Volume("telemetry sent", each.telemetry_bytes * orders_per_s, "B/s"))
    database = idle.cores["database"] + each.database_cpu_ms * orders_per_s / 1000
    without = tuple(name for name in _business() if name not in _touched(figures))
    return CapacityPlan(
        orders_per_s, figures.machine, measured.knee, needs, without, database / BUSY,
        tuple(volumes), limits(figures),
    )  # fmt: skip


def shown_volume(volume: Volume) -> str:
    """`3.2 MB/s`, `1250/s`."""
    if volume.unit == "B/s":
        for size, name in _SIZES:
            if volume.per_s >= size:
                return f"{volume.per_s / size:.1f} {name}"
    return f"{volume.per_s:.0f} {volume.unit}".replace(" /s", "/s")


def limits(figures: MeasuredFigures) -> tuple[Limit, ...]:
    """Every limit, the one that comes first before the others."""
    cores, each, idle = figures.machine.cores, figures.capacity.per_order, figures.capacity.idle
    every_ms = sum(each.cpu_ms.values()) + each.client_cpu_ms + each.database_cpu_ms
    always = sum(idle.cores.values())
    found = [
        Limit(
            f"one machine of {cores} cores", (cores - always) * 1000 / every_ms,
            f"an idle shop takes {always:.2f} cores, an order and its client {every_ms:.1f} ms",
            is_one_machine=True,
        ),
        Limit(
            "one product", 1000 / each.row_locked_ms,
            f"an order locks its product's row of stock for {each.row_locked_ms:.1f} ms",
        ),
    ]  # fmt: skip
    found += [
        Limit(
            name, (1 - idle.cores[name]) * 1000 / each.cpu_ms[name],
            f"one works at a time, for {each.cpu_ms[name]:.1f} ms an order",
        )
        for name, grows in _touched(figures).items()
        if not grows
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda limit: limit.orders_per_s))


def _business() -> dict[str, bool]:
    """The processes that an order may touch; whether more replicas of it do more orders. One relay
    leads, a consumer takes events one at a time, and the dashboard keeps files."""
    lit = {process.name: True for process in LIT if process.key != "wallet"}
    rest = [each for each in PROCESSES if each not in LIT and not each.is_outside]
    return lit | {process.name: False for process in rest}


def _touched(figures: MeasuredFigures) -> dict[str, bool]:
    """Those of them that an order took something of when the figures were made."""
    each, idle = figures.capacity.per_order.cpu_ms, figures.capacity.idle.cores
    return {
        name: grows
        for name, grows in _business().items()
        if each.get(name, 0.0) > 0 and name in idle
    }


def _need(name: str, cores: float, *, grows: bool) -> ProcessNeed:
    replicas = max(_FEWEST, math.ceil(cores / BUSY)) if grows else 1
    return ProcessNeed(name, replicas, cores, cores / replicas)
