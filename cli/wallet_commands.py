"""The commands `valerix wallet` and `valerix keys`; wallets.py does what they say."""

import click

_API_KEY = click.option("--api-key", "key", default="", help="By default loopback's own.")
_ONCE = click.option("--once", default="", metavar="KEY", help="An Idempotency-Key, to ask again.")
_AMOUNT = click.argument("amount", type=click.IntRange(1))
# A negative amount is a wrong amount, and not an option that nobody knows.
_MAY_BE_WRONG = {"ignore_unknown_options": True}
_CURRENCY = click.argument("currency", default="EUR")


@click.group()
def wallet() -> None:
    """Money of users; amounts are minor units (docs/wallets.md)."""


@wallet.command("list")
@click.option("--limit", default=20, type=click.IntRange(1, 100))
@click.option("--cursor", default="", help="Where the next page begins.")
@_API_KEY
def wallet_list(limit: int, cursor: str, key: str) -> None:
    """Every wallet that the key opens, with what it can spend."""
    from cli.wallets import list_wallets

    list_wallets(limit, cursor, key)


@wallet.command("balance")
@click.argument("user")
@click.option("--at", default="", metavar="INSTANT", help="As 2026-11-28T12:00:00Z.")
@_API_KEY
def wallet_balance(user: str, at: str, key: str) -> None:
    """What USER can spend, now or at an instant."""
    from cli.wallets import show_balance

    show_balance(user, at, key)


@wallet.command("transactions")
@click.argument("user")
@click.option("--limit", default=20, type=click.IntRange(1, 100))
@click.option("--cursor", default="", help="Where an older page begins.")
@click.option("--json", "as_json", is_flag=True, help="For a script.")
@_API_KEY
def wallet_transactions(user: str, limit: int, cursor: str, as_json: bool, key: str) -> None:
    """USER's history, one a line, newest first."""
    from cli.wallets import list_transactions

    list_transactions(user, limit, cursor, as_json, key)


@wallet.command("pay", context_settings=_MAY_BE_WRONG)
@click.argument("user")
@click.argument("provider_id")
@_AMOUNT
@_CURRENCY
@click.option("--reference", default="", help="What the provider knows it by; made up if absent.")
@_ONCE
@_API_KEY
def wallet_pay(
    user: str, provider_id: str, amount: int, currency: str, reference: str, once: str, key: str
) -> None:
    """Pay PROVIDER_ID from USER's wallet."""
    from cli.wallets import pay

    pay(user, provider_id, amount, currency, reference, once, key)


@wallet.command("deposit", context_settings=_MAY_BE_WRONG)
@click.argument("user")
@_AMOUNT
@_CURRENCY
@_ONCE
@_API_KEY
def wallet_deposit(user: str, amount: int, currency: str, once: str, key: str) -> None:
    """Put money into USER's wallet; the first deposit opens it."""
    from cli.wallets import deposit

    deposit(user, amount, currency, once, key)


@wallet.command("transfer", context_settings=_MAY_BE_WRONG)
@click.argument("payer")
@click.argument("payee")
@_AMOUNT
@_CURRENCY
@_ONCE
@_API_KEY
def wallet_transfer(
    payer: str, payee: str, amount: int, currency: str, once: str, key: str
) -> None:
    """Move money from PAYER's wallet to PAYEE's."""
    from cli.wallets import transfer

    transfer(payer, payee, amount, currency, once, key)


@click.group()
def keys() -> None:
    """API keys of client applications of the wallets."""


@keys.command("list")
def keys_list() -> None:
    """Every key there ever was; nobody can read its secret."""
    from cli.wallets import list_keys

    list_keys()


@keys.command("create")
@click.argument("application")
@click.option("--user", default="", help="The one user whose wallet it opens; every one if absent.")
def keys_create(application: str, user: str) -> None:
    """Make a key for APPLICATION and print it, this once."""
    from cli.wallets import create_key

    create_key(application, user)


@keys.command("rotate")
@click.argument("key_id")
@click.option("--hours", default=24.0, type=click.FloatRange(0, 720), help="The old one's rest.")
def keys_rotate(key_id: str, hours: float) -> None:
    """Make the successor of KEY_ID and print it; the old key ends a day later."""
    from cli.wallets import rotate_key

    rotate_key(key_id, hours)


@keys.command("revoke")
@click.argument("key_id")
def keys_revoke(key_id: str) -> None:
    """Let KEY_ID open nothing, from now on."""
    from cli.wallets import revoke_key

    revoke_key(key_id)
