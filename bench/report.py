"""The figures as the table that the docs show."""

from typing import Any


def table(result: dict[str, Any]) -> str:
    """Markdown: throughput, growth, start-up and memory."""
    machine = result["machine"]
    head = (
        f"{machine['date']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" {machine['system']}, Python {machine['python']};"
        f" {result['rounds']} interleaved rounds of {result['orders']} orders, medians"
    )
    parts = [head, _throughput(result["at_16"])]
    if "growth" in result:
        parts.append(_growth(result["growth"]))
    parts += [_startup(result["startup"]), _memory(result["memory_mb"])]
    return "\n\n".join(parts)


def _throughput(found: dict[str, Any]) -> str:
    lines = [
        "| 16 clients | orders/s | p50 ms | p99 ms | CPU ms per order |",
        "|---|---|---|---|---|",
    ]
    for name in ("floor", "dark", "observed", "stock"):
        row = found[name]
        rest = [
            f"{row[k]:.1f}" if k in row else "" for k in ("p50_ms", "p99_ms", "cpu_ms_per_order")
        ]
        lines.append(f"| {name} | {row['orders_per_s']:.0f} | {' | '.join(rest)} |")
    speed = {name: found[name]["orders_per_s"] for name in found}
    lines += [
        "",
        (
            f"observed / dark {speed['observed'] / speed['dark']:.2f} (bar 0.80),"
            f" observed / stock {speed['observed'] / speed['stock']:.2f} (bar 1.8),"
            f" dark / floor {speed['dark'] / speed['floor']:.2f} (bar 0.45)"
        ),
    ]
    return "\n".join(lines)


def _growth(found: dict[str, Any]) -> str:
    lines = [
        "| clients | dark orders/s | p50 / p99 ms | observed orders/s | p50 / p99 ms |",
        "|---|---|---|---|---|",
    ]
    for count, row in found.items():
        cells = [
            f"{row[v]['orders_per_s']:.0f} | {row[v]['p50_ms']:.0f} / {row[v]['p99_ms']:.0f}"
            for v in ("dark", "observed")
        ]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _startup(found: dict[str, Any]) -> str:
    lines = ["| start-up, s | imports | until alive | until ready |", "|---|---|---|---|"]
    lines += [
        f"| {key} | {row['imports_s']:.2f} | {row['alive_s']:.2f} | {row['ready_s']:.2f} |"
        for key, row in found.items()
    ]
    return "\n".join(lines)


def _memory(found: dict[str, float]) -> str:
    lines = ["| after the load | resident MB |", "|---|---|"]
    lines += [f"| {key} | {value:.0f} |" for key, value in found.items()]
    return "\n".join(lines)
