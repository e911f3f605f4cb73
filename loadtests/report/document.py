"""The report as one JSON document, for whoever compares runs."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from loadtests.histogram import Histogram
from loadtests.judge import Judgement
from loadtests.light import light_times
from loadtests.outcomes import OUTCOMES, WORK
from proof.render import plain_value

_QUANTILES = (("p50_ms", 0.5), ("p90_ms", 0.9), ("p95_ms", 0.95), ("p99_ms", 0.99))


def document(judgement: Judgement) -> str:
    """Everything the page tells, as figures."""
    plan, ran, measures = judgement.plan, judgement.ran, judgement.measures
    return msgspec.json.format(msgspec.json.encode({
        "profile": plan.profile, "scale": plan.scale, "rate": plan.rate, "seed": plan.seed,
        "workers": plan.workers, "loop": ran.loop, "complete": ran.complete,
        "began": datetime.fromtimestamp(ran.began_s, UTC),
        "seconds": round(ran.ended_s - ran.began_s, 3),
        "answer": judgement.verdict.answer, "exit_code": judgement.verdict.exit_code,
        "headline": judgement.verdict.headline, "parts": judgement.verdict.parts,
        "notes": [*judgement.verdict.notes, judgement.verdict.loop], "thresholds": judgement.checks,
        "requests": measures.tally(), "orders": measures.orders,
        "light": light_times(measures.timeline),
        "orders_per_s": rate(judgement), "degraded_percent": degraded_percent(judgement),
        "latency": {outcome: figures(measures.of(WORK, outcome)) for outcome in OUTCOMES}
        | {"all": figures(measures.of(WORK))},
        "by_name": {name: {o: figures(h) for o, h in found.items()}
                    for name, found in sorted(measures.names.items())},
        "answers": dict(sorted(measures.answers.items())),
        "settled": figures(measures.settled), "left_open": measures.left_open,
        "compensations": measures.compensations, "lost_answers": measures.lost_answers,
        "retries": measures.retries, "replays": measures.replays,
        "due": measures.due, "not_begun": measures.not_begun,
        "levels": judgement.levels, "knee": judgement.knee,
        "slowest": sorted(measures.slowest, reverse=True), "proof": _proof(judgement),
        "clients": judgement.clients, "gremlins": judgement.windows,
        "generator": _generator(judgement), "machine": judgement.machine,
        "delivery": judgement.delivery,
    })).decode()  # fmt: skip


def figures(histogram: Histogram) -> dict[str, float | int | None]:
    """The usual figures of one histogram."""
    found: dict[str, float | int | None] = {"count": histogram.count}
    for name, share in _QUANTILES:
        value = histogram.quantile(share)
        found[name] = None if value is None else round(value, 1)
    return found | {"max_ms": round(histogram.max_ms, 1)}


def rate(judgement: Judgement) -> float:
    """Requests that change something and were answered well or honestly, a second."""
    work, ran = judgement.measures.of(WORK), judgement.ran
    failed = judgement.measures.of(WORK, "failed").count
    return round((work.count - failed) / max(ran.ended_s - ran.began_s, 0.001), 2)


def degraded_percent(judgement: Judgement) -> float | None:
    """Orders that were accepted without a decision, of all orders."""
    orders = judgement.measures.orders
    whole = sum(orders.values())
    return round(100 * orders.get("degraded", 0) / whole, 2) if whole else None


def _proof(judgement: Judgement) -> dict[str, Any] | None:
    if judgement.proof is None:
        return None
    return {
        "state": judgement.proof.state,
        "gremlins_loose": judgement.proof.gremlins_loose,
        "invariants": [
            {
                "id": finding.invariant.id, "title": finding.invariant.title,
                "state": finding.state, "total": finding.total, "reason": finding.reason,
                "rows": [{k: plain_value(v) for k, v in row.items()} for row in finding.rows],
            }
            for finding in judgement.proof.findings
        ],
    }  # fmt: skip


def _generator(judgement: Judgement) -> dict[str, float]:
    usage = judgement.measures.usage
    samples = max(usage.samples, 1)
    return {
        "mean_percent_of_a_core": round(usage.sum_percent / samples, 1),
        "peak_percent_of_a_core": round(usage.peak_percent, 1),
        "machine_percent": round(usage.machine_sum_percent / samples, 1),
        "late_p95_ms": round(usage.late.quantile(0.95) or 0.0, 1),
        "peak_rss_mb": round(usage.peak_rss_mb, 1),
    }
