"""The figures as the tables in docs/benchmark.md."""

from collections.abc import Callable, Iterable
from typing import Any

from bench.acquirer import CLIENTS
from bench.events import CONSUMERS
from bench.wallets import PAYEES
from topology import NAMES


def table(result: dict[str, Any]) -> str:
    """Markdown: a heading and a table for each part that was run, and the bars."""
    machine = result["machine"]
    head = (
        f"{machine['date']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" {machine['system']}, Python {machine['python']}; medians of {result['rounds']}"
        f" interleaved rounds of {result['orders']} orders"
    )
    parts = [show(result[name]) for name, show in _PARTS.items() if name in result]
    return "\n\n".join([head, *parts])


def _lines(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [tuple(head), *(tuple(row) for row in rows)]
    rule = "|---" * len(cells[0]) + "|"
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], rule, *lines[1:]])


def _compare(found: dict[str, Any]) -> str:
    own, whole = "services_ms_per_order", "cpu_ms_per_order"
    rows = [
        (
            name,
            f"{row['orders_per_s']:.0f}",
            *(f"{row[k]:.1f}" if k in row else "" for k in ("p50_ms", "p99_ms")),
            *(f"{row[k]:.2f}" if k in row else "" for k in (whole, own)),
        )
        for name, row in found.items()
    ]
    speed = {name: row["orders_per_s"] for name, row in found.items()}

    def added(name: str, key: str, dark: str = "dark") -> float:
        return float(found[name][key] - found[dark][key])

    ours, rival = (added("observed", own), added("observed", whole)), added("otel", own)
    ratios = [
        ("what telemetry adds to the services / the rival's", ours[0] / rival, "0.2"),
        ("the same with our dashboard", ours[1] / rival, ""),
        ("orders/s, observed / dark", speed["observed"] / speed["dark"], "0.78"),
        ("orders/s, observed / otel", speed["observed"] / speed["otel"], "2.0"),
        ("orders/s, dark / baseline", speed["dark"] / speed["baseline"], ""),
    ]
    if "dark, before" in found:
        then = [added("observed, before", key, "dark, before") for key in (own, whole)]
        ratios += [
            ("what telemetry adds to the services / before", ours[0] / then[0], "0.45"),
            ("the same with the dashboard", ours[1] / then[1], ""),
            ("orders/s, dark / baseline, before", speed["dark"] / speed["baseline, before"], "0.9"),
        ]
    head = ("16 clients", "orders/s", "p50 ms", "p99 ms", "CPU ms per order", "of the services")
    table = [(name, f"{ratio:.2f}", bar) for name, ratio, bar in ratios]
    return f"{_lines(head, rows)}\n\n{_lines(('ratio', 'is', 'bar'), table)}"


def _clients(found: dict[str, Any]) -> str:
    rows = [
        (
            count,
            *(
                cell
                for name in ("dark", "observed")
                for cell in (
                    f"{row[name]['orders_per_s']:.0f}",
                    f"{row[name]['p50_ms']:.0f} / {row[name]['p99_ms']:.0f}",
                    f"{row[name]['cpu_ms_per_order']:.1f}",
                )
            ),
        )
        for count, row in found.items()
    ]
    figures = ("orders/s", "p50 / p99 ms", "CPU ms an order, PostgreSQL included")
    head = ("clients", *(f"{name} {each}" for name in ("dark", "observed") for each in figures))
    return _lines(head, rows)


def _capacity(found: dict[str, Any]) -> str:
    levels, per_order, idle = found["levels"], found["per_order"], found["idle"]
    held = [
        (
            f"{each['offered_per_s']:.0f}",
            f"{each['in_time']:.1%}",
            f"{each['p99_ms']:.0f}",
            f"{each['behind_s']:.1f}",
            f"{sum(each['cores'].values()):.2f}",
            f"{each['counts']['commits'] / each['offered_per_s']:.0f}",
            "yes" if each["keeps_up"] else "no",
        )
        for each in levels
    ]
    head = (
        "orders/s", "confirmed within 1 s", "p99 ms", "s behind", "cores", "commits an order",
        "keeps up",
    )  # fmt: skip
    cpu_ms = per_order["cpu_ms"] | {
        name: per_order[f"{name}_cpu_ms"] for name in ("database", "client")
    }
    cpu = [(name, f"{ms:.2f}", f"{idle['cores'][name]:.3f}") for name, ms in cpu_ms.items()]
    counts = [
        (name.replace("_", " "), f"{per_order[name]:.1f}", f"{at_none:.1f}")
        for name, at_none in idle["counts"].items()
    ]
    rest = [
        (name.replace("_", " "), f"{per_order[name]:.1f}", "")
        for name in ("row_locked_ms", "telemetry_bytes")
    ]
    knee = ", ".join(f"{key.split('_')[0]} {value:.0f}" for key, value in found["knee"].items())
    return "\n\n".join(
        (
            _lines(head, held),
            _lines(("processor time", "ms an order", "cores of an idle shop"), cpu),
            _lines(("count", "an order", "a second of an idle shop"), counts + rest),
            f"knee, orders/s: {knee}",
        )
    )


def _decisions(found: dict[str, float]) -> str:
    rows = [
        ("policy, plan and route over three accounts (bar 0.50)", f"{found['decision_ms']:.3f}"),
        ("a whole payment, in the payment service", f"{found['payment_ms']:.2f}"),
        ("the one of the other", f"{found['decision_ms'] / found['payment_ms']:.3f}"),
    ]
    return _lines(("a merchant's payment", "CPU ms"), rows)


def _acquirer(found: dict[str, Any]) -> str:
    shown = {"payments/s": "per_s", "p50 ms": "p50_ms", "CPU ms of the server": "cpu_ms"}
    ours, other = found["acquirer"], found["localstripe"]
    rows = [
        (
            f"{what}, {count} at once",
            f"{ours[f'{count} {key}']:.1f}",
            f"{other[f'{count} {key}']:.1f}",
            f"{ours[f'{count} {key}'] / other[f'{count} {key}']:.2f}",
        )
        for count in CLIENTS
        for what, key in shown.items()
    ]
    return _lines(("create and confirm", "acquirer", "localstripe", "ratio"), rows)


def _replicas(found: dict[str, float]) -> str:
    rows = [(name, f"{found[name]:.0f}") for name in ("one", "two")]
    return _lines(("order-services", "orders/s at 16 clients"), rows)


def _collectors(found: dict[str, Any]) -> str:
    rows = [
        (
            kind,
            f"{dark:.0f}",
            f"{sending:.0f}",
            f"{sending / dark:.2f}",
            f"{dropped}",
        )
        for kind, dark, sending, dropped in (
            (kind, *(row[name]["orders_per_s"] for name in ("dark", "sending")), row["dropped"])
            for kind, row in found.items()
        )
    ]
    head = ("collector", "telemetry off, orders/s", "sending to it, orders/s", "ratio", "dropped")
    return _lines(head, rows)


def _exporters(found: dict[str, Any]) -> str:
    keys = ("services_cpu_ms", "others_cpu_ms", "dashboard_cpu_ms")
    rows = [
        (
            name,
            *(f"{row[key]:.2f}" for key in keys),
            " / ".join(f"{row['resident_mb'][key]:.0f}" for key in NAMES),
        )
        for name, row in found.items()
    ]
    more = found["official"]["services_cpu_ms"] - found["own"]["services_cpu_ms"]
    head = ("exporter", "CPU ms per order, services on its way", "other processes", "dashboard",
            f"MB: {', '.join(NAMES)}")  # fmt: skip
    return _lines(head, rows) + (
        f"\n\nthe official one costs {more / found['own']['services_cpu_ms']:.2f} of an order more"
        " (bar 0.10: below it, the own one goes)"
    )


def _transports(found: dict[str, dict[str, float]]) -> str:
    rows = [
        (
            name,
            f"{row['caller_us']:.0f}",
            f"{row['service_us']:.0f}",
            f"{row['caller_us'] + row['service_us']:.0f}",
            f"{row['calls_per_s']:.0f}",
        )
        for name, row in found.items()
    ]
    head = ("a call, 16 at once", "CPU us of the caller", "of the service", "together", "calls/s")
    return _lines(head, rows)


def _events(found: dict[str, Any]) -> str:
    shown = {
        "relay, events/s (bar 2 000)": "relay",
        **{f"{consumer}, events/s": consumer for consumer in CONSUMERS},
        "events/s while orders come": "events_per_s",
        "committed to consumed, p50 ms": "p50_ms",
        "committed to consumed, p99 ms (bar 250)": "p99_ms",
    }
    rows = [
        (what, *(f"{row[key]:,.0f}".replace(",", " ") for row in found.values()))
        for what, key in shown.items()
    ]
    return _lines(("events", *found), rows)


def _wallets(found: dict[str, dict[str, float]]) -> str:
    against = [name for name in ("floor", "pgledger") if name in found]
    rows = [
        (
            name,
            *(f"{row[payee]:.0f}" for payee in PAYEES),
            *(f"{row[payee] / found[other][payee]:.2f}" for other in against for payee in PAYEES),
        )
        for name, row in found.items()
    ]
    ratios = [f"{payee} / {other}" for other in against for payee in PAYEES]
    over_http, debit = found["over HTTP"], found["debit"]
    asked = ", ".join(f"{payee} {over_http[payee] / debit[payee]:.2f}" for payee in PAYEES)
    return _lines(("16 clients, debits/s", "cold payees", "one hot payee", *ratios), rows) + (
        "\n\nbars against pgledger: debit 2 with cold payees, 3 with a hot one;"
        f" over HTTP / debit: {asked}"
    )


def _spectators(found: dict[str, Any]) -> str:
    count = found["spectators"]
    rows = [
        ("orders/s, nobody watching", f"{found['alone_per_s']:.0f}"),
        (f"orders/s, {count} watching", f"{found['watched_per_s']:.0f}"),
        ("order p99, nobody watching", f"{found['alone_p99_ms']:.0f} ms"),
        (f"order p99, {count} watching", f"{found['watched_p99_ms']:.0f} ms"),
        (
            f"overview, server time p99 over {found['overview_answers']:.0f} pages",
            f"below {found['overview_p99_below_s'] * 1000:.0f} ms",
        ),
        ("the dashboard's share of one core", f"{found['dashboard_busy']:.2f}"),
        ("receiver, spans/s", f"{found['receiver']['spans_per_s']:.0f}"),
        ("a panel's p99 meanwhile", f"{found['receiver']['page_p99_ms']:.0f} ms"),
    ]
    held = found["memory_mb"]
    memory = [(key, f"{value:.0f}") for key, value in held.items()]
    memory.append(("together (bar 600)", f"{sum(held.values()):.0f}"))
    return f"{_lines(('watched', ''), rows)}\n\n{_lines(('after all this', 'resident MB'), memory)}"


def _order_cost(found: dict[str, Any]) -> str:
    columns = [(part, name) for part, by_name in found.items() for name in by_name]
    keys = dict.fromkeys(key for part, name in columns for key in found[part][name])
    rows = [
        (key.replace("_", " "), *(f"{found[part][name].get(key, 0):.1f}" for part, name in columns))
        for key in keys
    ]
    return _lines(("of an order", *(f"{part}, {name}" for part, name in columns)), rows)


def _growth(found: dict[str, Any]) -> str:
    names = list(next(iter(found["ms"].values())))
    rows = [
        (f"{int(size):,}".replace(",", " "), *(f"{row[name]:.2f}" for name in names))
        for size, row in found["ms"].items()
    ]
    plans = [
        f"{name}:\n\n```\n" + "\n".join(plan) + "\n```" for name, plan in found["plans"].items()
    ]
    return "\n\n".join([_lines(("orders kept, ms", *names), rows), *plans])


def _startup(found: dict[str, Any]) -> str:
    keys = ("imports_s", "alive_s", "ready_s")
    rows = [(name, *(f"{row[key]:.2f}" for key in keys)) for name, row in found.items()]
    return _lines(("start-up, s", "imports", "until alive", "until ready"), rows)


def _idle(found: dict[str, Any]) -> str:
    cpu = sorted(found["cpu_percent"].items(), key=lambda each: -each[1])
    rows = [("transactions / s (bar 5)", f"{found['transactions_per_s']:.1f}")]
    rows += [(f"{name}, % of a core", f"{value:.2f}") for name, value in cpu]
    return _lines((f"a shop at rest, for {found['seconds']:.0f} s", ""), rows)


def _start(found: dict[str, Any]) -> str:
    memory = found["memory_mb"]
    beside = {"postgres", "envoy"}
    python = sum(size for name, size in memory.items() if name not in beside)
    rows = [(f"until {name}, s", f"{value:.1f}") for name, value in found["seconds"].items()]
    rows += [(f"{name}, MB", f"{size:.0f}") for name, size in memory.items()]
    rows += [("Python together, MB (bar 300)", f"{python:.0f}")]
    return _lines(("`valerix up`, its database there", ""), rows)


def _soak(found: dict[str, Any]) -> str:
    def counts(key: str) -> str:
        return ", ".join(f"{what}: {count}" for what, count in found[key].items()) or "none"

    rows = [
        ("payments / s", f"{found['payments'] / found['seconds']:.0f}"),
        ("answers", counts("answers")),
        ("asked again", counts("asked again")),
        ("killed", counts("killed")),
        *((key, str(found[key])) for key in ("lost", "extra", "paid too much", "pending")),
        ("the least that is available in a wallet", str(found["least"])),
        ("exit code of the proof", str(found["proof"])),
    ]
    return _lines((f"{found['payments']} payments, seed {found['seed']}", ""), rows)


_PARTS: dict[str, Callable[[Any], str]] = {
    "compare": _compare,
    "clients": _clients,
    "order-cost": _order_cost,
    "capacity": _capacity,
    "decisions": _decisions,
    "acquirer": _acquirer,
    "replicas": _replicas,
    "collectors": _collectors,
    "exporters": _exporters,
    "transports": _transports,
    "events": _events,
    "wallets": _wallets,
    "spectators": _spectators,
    "growth": _growth,
    "startup": _startup,
    "start": _start,
    "idle": _idle,
    "soak": _soak,
}
