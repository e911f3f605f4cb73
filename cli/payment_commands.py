"""The commands `valerix payment`, `provider` and `policy`; payments.py does what they say."""

from pathlib import Path
from uuid import UUID

import click

_JSON = click.option("--json", "as_json", is_flag=True, help="For a script.")
_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def payment() -> None:
    """Payments of the running shop."""


@payment.command("list")
@click.option("--state", default="", help="PROCESSING, SUCCEEDED, FAILED, REFUNDED, …")
@click.option("--provider", default="", help="An account that was asked.")
@click.option("--merchant", default="")
@click.option("--review", is_flag=True, help="Only those that a person has to look at.")
@click.option("--search", default="", metavar="ID", help="A payment's id, an order's, a request's.")
@click.option("--before", default="", help="Where an older page begins.")
@_JSON
def payment_list(as_json: bool, review: bool, **filters: str) -> None:
    """The newest payments, one a line."""
    from cli.payments import list_payments

    list_payments(as_json, review="yes" if review else "", **filters)


@payment.command("show")
@click.argument("payment_id", type=click.UUID)
def payment_show(payment_id: UUID) -> None:
    """All that is stored of a payment: plan, attempts, decisions, ledger lines."""
    from cli.payments import show_payment

    show_payment(str(payment_id))


@click.group()
def provider() -> None:
    """Provider accounts of the running shop."""


@provider.command("list")
@_JSON
def provider_list(as_json: bool) -> None:
    """Every account: its breaker, its mode, its last hour."""
    from cli.payments import list_providers

    list_providers(as_json)


@provider.command("mode")
@click.argument("account")
@click.argument("mode")
def provider_mode(account: str, mode: str) -> None:
    """Let ACCOUNT of the acquirer misbehave: happy, latency, declined, 500, timeout, random."""
    from cli.payments import set_mode

    set_mode(account, mode)


@click.group()
def policy() -> None:
    """Merchants' rules for their payments (docs/policies.md)."""


@policy.command("list")
@_JSON
def policy_list(as_json: bool) -> None:
    """Who has which version, and every version."""
    from cli.payments import list_policies

    list_policies(as_json)


@policy.command("check")
@_FILE
def policy_check(file: Path) -> None:
    """Whether FILE is a policy.

    Every mistake as FILE:LINE:COLUMN. Exit code 1 where there is one.
    """
    from cli.payments import check_policy

    check_policy(file)


@policy.command("what-if")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option("--last", default=200, type=click.IntRange(1, 500), help="Of how many payments.")
@click.option(
    "--terms",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Other terms of accounts: a YAML file with lines as `alfa: {fee_basis_points: 200}`.",
)
@_JSON
def policy_what_if(file: Path | None, last: int, terms: Path | None, as_json: bool) -> None:
    """What FILE, or other terms of accounts, would have done with the last payments.

    Without FILE each payment has the policy that it had. It changes nothing.
    """
    if file is None and terms is None:
        raise click.UsageError("name a FILE, or other terms with --terms, or both")
    from cli.payments import what_if

    what_if(file, last, terms, as_json)


@policy.command("save")
@_FILE
def policy_save(file: Path) -> None:
    """Save FILE as a version, which never changes, and print the version."""
    from cli.payments import save_policy

    save_policy(file)


@policy.command("give")
@click.argument("merchant")
@click.argument("version")
def policy_give(merchant: str, version: str) -> None:
    """Ask VERSION about MERCHANT's next payments."""
    from cli.payments import give_policy

    give_policy(merchant, version)
