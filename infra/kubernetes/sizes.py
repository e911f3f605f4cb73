"""How much of everything: measured, or computed from the settings that the processes run with."""

import math
from typing import NamedTuple

from chassis.settings import Settings, fields
from fleet.settings import shape_of
from topology import LIT, PROCESSES, Process

# After SIGTERM a process accepts nothing new, but for a moment the cluster still sends requests to
# it: it is taken out of its Service first.
PRE_STOP_S = 5
# What follows the last response: loops end, the last spans are sent (OTLP's own limit is 10 s).
_FAREWELL_S = 15
# Beside the pool of VALERIX_POOL_SIZE: repair, gauges, webhooks; the payment service has the most,
# eight, and one that listens. What has no such pool has four to six connections in all.
_SIDE_CONNECTIONS = 10
# A session of a person, of a migration, of the operator and its replicas.
_SPARE_CONNECTIONS = 40


class Resources(NamedTuple):
    """What a container is promised and what it may take, in thousandths of a core and MiB."""

    cpu_m: int
    memory_mib: int
    cpu_limit_m: int
    memory_limit_mib: int


# Measured on two busy cores in November 2026, RSS after 1 200 orders and 25 to 300 payments of
# merchants and wallets: services 81 to 123 MiB, background and acquirer 75 to 88 MiB, dashboard
# 177 MiB. Processor time: idle 7 to 16 thousandths of a core, dashboard 26; an order costs the
# services 3 to 11 ms each, the relay and each consumer 2 to 8 ms. A process is one event loop, so a
# limit of one core takes nothing from it. Its memory at twice what was seen is a leak.
_SERVICE = Resources(250, 128, 1000, 256)
# An agent of 84 MiB and an Envoy of 70 after 1 200 requests; two threads beside the agent's one.
_GATEWAY = Resources(250, 192, 2000, 384)
_BACKGROUND = Resources(100, 96, 1000, 192)
_WATCHER = Resources(100, 192, 1000, 384)
# `valerix migrate`: one short statement a second, or one transaction.
ONCE = Resources(50, 64, 1000, 192)

# Two, so that one may be moved while the other answers. Four of each do more than one database
# does (docs/benchmark.md): a fifth would only wait.
FEWEST, MOST = 2, 4
# Of 250 thousandths of a core: at 3 to 11 ms an order, some 15 to 50 orders a second each.
BUSY_PERCENT = 70


def resources(process: Process) -> Resources:
    """What one replica is given."""
    if process.schema is None:
        return _WATCHER
    if process.listens:
        return _GATEWAY
    return _SERVICE if process in LIT else _BACKGROUND


def replicas(process: Process) -> tuple[int, int]:
    """The fewest and the most replicas.

    Services are as many as their work needs. The relay leads or stands by, so two. A consumer takes
    events one at a time, whatever the number: one, and nothing is lost while it is replaced. What
    watches keeps files, and the world outside is one."""
    if process in LIT:
        return FEWEST, MOST
    stands_by = process.is_background and not process.takes_events
    return (2, 2) if stands_by else (1, 1)


def longest_deadline_s(shape: type[Settings]) -> float:
    """The longest that any work of this process may take before it gives up by itself.

    `order_deadline_s` is none of these: it is in the order's row, and any replica goes on with it.
    """
    defaults = {name: getattr(_defaults(shape), name) for name in fields(shape)}
    return max(
        float(value)
        for name, value in defaults.items()
        if name.endswith(("_timeout_s", "_budget_s", "_deadline_s")) and name != "order_deadline_s"
    )


def _defaults(shape: type[Settings]) -> Settings:
    return shape(service="")


def grace_s(process: Process) -> int:
    """terminationGracePeriodSeconds: out of the Service, the last requests, and the farewell.

    What is cut after `stop_grace_s` is repaired by any other replica; the deadline of work in
    progress is waited for all the same, since a repair costs more than a few seconds."""
    shape = shape_of(process.key)
    last_work_s = max(_defaults(shape).stop_grace_s, longest_deadline_s(shape))
    return PRE_STOP_S + math.ceil(last_work_s) + _FAREWELL_S


def connections() -> int:
    """max_connections of a database that must never refuse the shop: every replica that there may
    be, and one more of each while a new version takes over."""
    total = _SPARE_CONNECTIONS
    for process in PROCESSES:
        has_pool = process.schema is not None and not process.is_background
        pool = _defaults(shape_of(process.key)).pool_size if has_pool else 0
        total += (replicas(process)[1] + 1) * (pool + _SIDE_CONNECTIONS)
    return total
