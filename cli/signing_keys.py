"""`valerix signing-keys`: the keys that identity signs tokens with, and the end of a stolen one."""

from typing import Any
from urllib.parse import quote

import click

from cli.ask import asked


def list_keys() -> None:
    """Print one line a key; those that were withdrawn last."""
    _print(asked("identity", "GET", "/signing-keys"))


def rotate() -> None:
    """Let the next one sign, and print what there is then."""
    _print(asked("identity", "POST", "/signing-keys/rotate"))


def withdraw(kid: str, reason: str) -> None:
    """Let a key open nothing, and print what there is then."""
    _print(asked("identity", "POST", f"/signing-keys/{quote(kid, safe='')}/withdraw",
                 {"reason": reason}))  # fmt: skip


def _print(found: dict[str, Any]) -> None:
    for each in found["keys"]:
        click.echo(f"{each['kid']}  {each['state']:9}  {_since(each)}")
    for each in found["withdrawn"]:
        why = f"by {each['withdrawn_by']}: {each['withdrawn_because']}"
        click.echo(f"{each['kid']}  WITHDRAWN  since {_at(each['withdrawn_at'])} {why}")


def _since(key: dict[str, Any]) -> str:
    match key["state"]:
        case "NEXT":
            return f"may sign from {_at(key['signs_at'])}"
        case "SIGNING":
            return f"since {_at(key['signing_since'])}"
        case _:
            return f"published until {_at(key['gone_at'])}"


def _at(instant: str) -> str:
    return f"{instant[:19]}Z"
