"""The command `valerix signing-keys`; signing_keys.py does what it says."""

import click


@click.group("signing-keys")
def signing_keys() -> None:
    """Keys that identity signs tokens with (docs/identity.md)."""


@signing_keys.command("list")
def signing_keys_list() -> None:
    """Every key that is published or was withdrawn."""
    from cli.signing_keys import list_keys

    list_keys()


@signing_keys.command("rotate")
def signing_keys_rotate() -> None:
    """Let the next key sign now, or as soon as everybody has it."""
    from cli.signing_keys import rotate

    rotate()


# The id of a key may begin with a dash, and have an h in it, which is no question for help.
@signing_keys.command(
    "withdraw",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("kid")
@click.option("--reason", required=True, help="For the audit log: how it was lost, say.")
def signing_keys_withdraw(kid: str, reason: str) -> None:
    """Let the stolen key KID open nothing any more; the next one signs at once."""
    from cli.signing_keys import withdraw

    withdraw(kid, reason)
