"""A rule as a value, and as the YAML that Prometheus reads."""

import json
from collections.abc import Iterator

from msgspec import Struct


class RecordingRule(Struct, frozen=True):
    """A recording rule."""

    record: str
    expr: str
    labels: dict[str, str] = {}


class AlertingRule(Struct, frozen=True):
    """An alerting rule. `numbers` says what was measured, `not_affected` what still works, `action`
    what to do; `dashboard` is a path below Grafana's address, valid wherever Grafana runs."""

    alert: str
    expr: str
    severity: str
    summary: str
    numbers: str
    not_affected: str
    action: str
    dashboard: str
    wait: str = ""
    labels: dict[str, str] = {}


class RuleGroup(Struct, frozen=True):
    """Rules that are evaluated in order; an empty `interval` is the global one."""

    name: str
    rules: tuple[RecordingRule | AlertingRule, ...]
    interval: str = ""


def render(groups: tuple[RuleGroup, ...], about: str) -> str:
    """A rules file. Text is quoted as JSON, which is valid YAML; expressions are block scalars."""
    lines = [
        f"# {about}",
        "# Rendered by `python -m prometheus` from prometheus/*.py: make changes there.",
        "groups:",
        *(line for group in groups for line in _group(group)),
    ]
    return "\n".join(lines) + "\n"


def _group(group: RuleGroup) -> Iterator[str]:
    yield f"  - name: {group.name}"
    if group.interval:
        yield f"    interval: {group.interval}"
    yield "    rules:"
    for rule in group.rules:
        yield from _record(rule) if isinstance(rule, RecordingRule) else _alert(rule)


def _record(rule: RecordingRule) -> Iterator[str]:
    yield f"      - record: {rule.record}"
    yield from _expr(rule.expr)
    yield from _table("labels", rule.labels)


def _alert(rule: AlertingRule) -> Iterator[str]:
    yield f"      - alert: {rule.alert}"
    yield from _expr(rule.expr)
    if rule.wait:
        yield f"        for: {rule.wait}"
    yield from _table("labels", {"severity": rule.severity} | rule.labels)
    yield from _table(
        "annotations",
        {
            "summary": rule.summary,
            "numbers": rule.numbers,
            "not_affected": rule.not_affected,
            "action": rule.action,
            "dashboard": rule.dashboard,
        },
    )


def _expr(expr: str) -> Iterator[str]:
    yield "        expr: |-"
    for line in expr.splitlines():
        yield f"          {line}"


def _table(name: str, values: dict[str, str]) -> Iterator[str]:
    if values:
        yield f"        {name}:"
    for key, value in values.items():
        yield f"          {key}: {json.dumps(value, ensure_ascii=False)}"
