"""`valerix wallet` and `valerix keys`: money of users, and who may ask for it."""

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import click

from chassis.http.query import with_query
from cli.ask import asked
from fleet.settings import load_as
from frontend.web.formatting import money
from services.wallet.settings import WalletSettings


def list_wallets(limit: int, cursor: str, key: str) -> None:
    """Print a page of the wallets, one line a user."""
    page = asked(
        "wallet", "GET", with_query("/wallets", limit=limit, cursor=cursor), headers=_shown(key)
    )
    for each in page["wallets"]:
        amounts = [money(one["available_minor"], one["currency"]) for one in each["balances"]]
        click.echo(f"{each['user_id']:24} {', '.join(amounts)}")
    _say_what_follows("more", page)


def show_balance(user: str, at: str, key: str) -> None:
    """Print one line a currency."""
    found = asked("wallet", "GET", with_query(f"{_of(user)}/balance", at=at), headers=_shown(key))
    for each in found["balances"]:
        currency = each["currency"]
        pending = [
            f"{money(each[name], currency)} {label}"
            for name, label in (("pending_out_minor", "held"), ("pending_in_minor", "coming in"))
            if each[name]
        ]
        more = f"  ({', '.join(pending)})" if pending else ""
        click.echo(f"{money(each['available_minor'], currency):>16}{more}")


def list_transactions(user: str, limit: int, cursor: str, as_json: bool, key: str) -> None:
    """Print a page of the history, newest first."""
    path = with_query(f"{_of(user)}/transactions", limit=limit, cursor=cursor)
    page = asked("wallet", "GET", path, headers=_shown(key))
    if as_json:
        click.echo(json.dumps(page, indent=2, ensure_ascii=False))
        return
    for each in page["transactions"]:
        click.echo(_line(each))
    _say_what_follows("older", page)


def pay(
    user: str, provider: str, amount: int, currency: str, reference: str, once: str, key: str
) -> None:
    """Pay a provider, and print how that ended."""
    body = {
        "provider_id": provider,
        "external_reference": reference or uuid4().hex,
        "amount": amount,
        "currency": currency,
    }
    _move(f"{_of(user)}/payments", body, once, key)


def deposit(user: str, amount: int, currency: str, once: str, key: str) -> None:
    """Put money in."""
    _move(f"{_of(user)}/deposits", {"amount": amount, "currency": currency}, once, key)


def transfer(payer: str, payee: str, amount: int, currency: str, once: str, key: str) -> None:
    """Move money between users."""
    body = {"from_user_id": payer, "to_user_id": payee, "amount": amount, "currency": currency}
    _move("/transfers", body, once, key)


def list_keys() -> None:
    """Print one line a key."""
    for each in asked("wallet", "GET", "/api-keys")["keys"]:
        whose = each["user_id"] or "every wallet"
        end = f"  until {each['ends_at']}" if each["ends_at"] else ""
        click.echo(f"{each['key_id']}  {each['application']:20} {whose}{end}")


def create_key(application: str, user: str) -> None:
    """Make a key and print it, this once."""
    body = {"application": application, "user_id": user or None}
    click.echo(asked("wallet", "POST", "/api-keys", body)["key"])


def rotate_key(key_id: str, hours: float) -> None:
    """Make its successor and print it."""
    path = f"/api-keys/{quote(key_id, safe='')}/rotate"
    click.echo(asked("wallet", "POST", path, {"in_s": hours * 3600})["key"])


def revoke_key(key_id: str) -> None:
    """Let it open nothing."""
    gone = asked("wallet", "POST", f"/api-keys/{quote(key_id, safe='')}/revoke")
    click.echo(f"{gone['key_id']} of {gone['application']} opens nothing any more")


def _move(path: str, body: dict[str, Any], once: str, key: str) -> None:
    headers = {**_shown(key), "Idempotency-Key": once or uuid4().hex}
    click.echo(_line(asked("wallet", "POST", path, body, headers=headers)))


def _say_what_follows(what: str, page: dict[str, Any]) -> None:
    if page["next"]:
        click.echo(f"{what}: --cursor {page['next']}")


def _of(user: str) -> str:
    return f"/wallets/{quote(user, safe='')}"


def _shown(key: str) -> dict[str, str]:
    return {"X-API-Key": key or load_as(WalletSettings, "wallet").wallet_default_key}


def _line(each: dict[str, Any]) -> str:
    currency, left = each["currency"], each["balance_after_minor"]
    after = "not sealed yet" if left is None else f"leaves {money(left, currency)}"
    about = " ".join(
        str(each[name])
        for name in ("provider_id", "external_reference", "counterparty", "reason")
        if each[name]
    )
    amount = money(each["amount_minor"], currency)
    return (
        f"{each['transaction_id']}  {each['kind']:12} {each['status']:13} {amount:>14}  "
        f"{after}  {about}".rstrip()
    )
