"""`valerix payment`, `provider` and `policy`: what the pages about payments show and do."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import yaml

from chassis.http.query import with_query
from cli.ask import asked
from fleet.errors import Failed
from frontend.web.formatting import money


def list_payments(as_json: bool, **filters: str) -> None:
    """Print a page of payments, newest first."""
    page = asked("dashboard", "GET", with_query("/api/payments", **filters))
    if as_json:
        _print(page)
        return
    for each in page["payments"]:
        amount = _money(each["amount_minor"], each["currency"])
        name = each["request_id"] or each["order_id"] or "-"
        where = "+".join(each["providers"]) or "-"
        review = "  needs review" if each["needs_review"] else ""
        click.echo(
            f"{each['payment_id']}  {each['state']:14} {amount:>16}  {where}  {name}{review}"
        )
    for each in page["unpaid"]:
        click.echo(f"{each['request_id']}: {each['status']} without a payment: {each['detail']}")
    if not page["payments"] and not page["unpaid"]:
        click.echo("no payment fits")
    if page["next"]:
        click.echo(f"older: --before {page['next']}")


def show_payment(payment_id: str) -> None:
    """Print everything that is stored of a payment."""
    _print(asked("dashboard", "GET", f"/api/payments/{quote(payment_id, safe='')}"))


def list_providers(as_json: bool) -> None:
    """Print every account with its breaker, its mode and its last hour."""
    found = asked("dashboard", "GET", "/api/providers")
    if as_json:
        _print(found)
        return
    for each in found["providers"]:
        hour = each["hour"] or {}
        counts = ", ".join(
            f"{hour[name]} {name}" for name in ("captured", "declined", "unknown") if hour.get(name)
        )
        breaker = f"breaker {each['breaker']}" + (f" ({each['reason']})" if each["reason"] else "")
        mode = f"mode {each['mode']}" if each["mode"] else "no mode"
        click.echo(f"{each['account']:10} {breaker}; {mode}; {counts or 'nobody asked it'}")


def set_mode(account: str, mode: str) -> None:
    """Let an account of the acquirer misbehave, or behave again."""
    path = f"/accounts/{quote(account, safe='')}/mode"
    now = asked("acquirer", "PUT", path, {"mode": mode})
    click.echo(f"{now['name']}: {now['mode']}")


def list_policies(as_json: bool) -> None:
    """Print merchants with their version, then the versions."""
    found = asked("dashboard", "GET", "/api/policies")
    if as_json:
        _print(found)
        return
    for each in found["merchants"]:
        chain = ", ".join(each["chain"])
        click.echo(f"{each['merchant_id']}: {each['policy_version'] or 'no policy'} ({chain})")
    for each in found["versions"]:
        click.echo(f"\n{each['version']}\n{each['text'].rstrip()}")


def check_policy(file: Path) -> None:
    """Print what a text is; raises `Failed` where it is no policy, after its mistakes."""
    found = asked("payment", "POST", "/policies/check", {"text": _text(file)})
    for each in found["mistakes"]:
        click.echo(f"{file}:{each['line']}:{each['column']}: {each['message']}")
    if found["mistakes"]:
        raise Failed(f"{file} is not a policy")
    saved = "saved before" if found["saved"] else "not saved yet"
    click.echo(f"{len(found['rules'])} rules, version {found['version']}, {saved}")


def save_policy(file: Path) -> None:
    """Save a version, which never changes."""
    saved = asked("payment", "POST", "/policies", {"text": _text(file)})
    click.echo(saved["version"])


def give_policy(merchant: str, version: str) -> None:
    """Let a merchant's next payments be asked of a version."""
    path = f"/merchants/{quote(merchant, safe='')}/policy"
    given = asked("payment", "PUT", path, {"version": version})
    click.echo(f"{given['merchant_id']}: {given['version']}")


def what_if(file: Path | None, last: int, terms: Path | None, as_json: bool) -> None:
    """Print the payments that a draft, or other terms of accounts, would have changed, and what
    that comes to."""
    body: dict[str, Any] = {"last": last}
    if file is not None:
        body["text"] = _text(file)
    if terms is not None:
        body["terms"] = _mapping(terms)
    found = asked("payment", "POST", "/policies/what-if", body)
    if as_json:
        _print(found)
        return
    for each in found["changed"]:
        amount = _money(each["amount_minor"], each["currency"])
        ways = f"{_way(each['before'])} -> {_way(each['after'])}"
        name = each["payment_id"] or f"request {each['request_id']}"
        click.echo(f"{name:36} {amount:>16}  {ways}  {each['outcome']}: {each['why']}")
    click.echo(
        f"{len(found['changed'])} of {found['payments']} payments and {found['refused']} refused"
        f" requests change: {found['not_taken']} not"
        f" taken, of {found['unknown']} the outcome cannot be known"
    )
    if found["same_route"]:
        click.echo(f"{found['same_route']} go the same way at other fees or under other rules")
    for each in found["fees"]:
        before, after = (_money(each[name], each["currency"]) for name in _FEES)
        click.echo(f"fees in {each['currency']}: {before} -> {after}")
    if found["without_plan"]:
        click.echo(f"not known either: {found['without_plan']} requests without a payment")


_FEES = ("before_minor", "after_minor")


def _way(route: dict[str, Any]) -> str:
    way = "+".join(leg["account"] for leg in route["legs"]) or str(route["action"])
    further = dict.fromkeys(name for names in route["fallbacks"] for name in names)
    return f"{way}, then {', '.join(further)}" if further else way


def _money(minor: int | None, currency: str | None) -> str:
    return "-" if minor is None else money(minor, currency or "")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{file} cannot be read: {error}") from None


def _mapping(file: Path) -> dict[str, Any]:
    """What a YAML file says of names; what they may be is the service's to judge."""
    try:
        found = yaml.safe_load(_text(file))
    except yaml.YAMLError as error:
        raise Failed(f"{file} is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise Failed(f"{file} is no mapping of accounts to their terms")
    return {str(name): terms for name, terms in found.items()}


def _print(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
