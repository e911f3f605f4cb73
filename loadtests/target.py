"""Which shop is meant: its addresses, its database, and what an operator may do there."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import msgspec

from chassis.settings import BadSetting
from fleet.errors import CannotRun
from fleet.health import obstacle
from fleet.run_dir import Running, find_run_directory
from fleet.settings import load, load_as
from proof.settings import ProofSettings
from topology import KEYS, find


class Target(msgspec.Struct, frozen=True):
    """A shop to be loaded. `database_url` is None where it is not known which one is behind it:
    asking some other database would prove nothing."""

    urls: dict[str, str]
    operator_token: str
    settings: ProofSettings
    database_url: str | None

    @property
    def headers(self) -> dict[str, str]:
        """What an operator's request carries."""
        actor = {"X-Valerix-Actor": "load", "Content-Type": "application/json"}
        token = self.operator_token
        return actor | ({"Authorization": f"Bearer {token}"} if token else {})


def find_target(given: Mapping[str, str | None]) -> Target:
    """The shop: the addresses given by hand, else VALERIX_<KEY>_URL, else the one that runs from
    VALERIX_HOME, else the ports of its settings. Raises `CannotRun` for what is not an address."""
    try:
        return _find(given)
    except BadSetting as error:
        raise CannotRun(str(error)) from None


def _find(given: Mapping[str, str | None]) -> Target:
    running = find_run_directory().running()
    settings = load_as(ProofSettings, "dashboard")
    named = {key: given.get(key) or os.environ.get(find(key).url_variable) for key in KEYS}
    order_url = _address("order", named["order"] or (running.urls["order"] if running else ""))
    same = running if running and _same(order_url, running.urls["order"]) else None
    urls = {
        key: _address(key, named[key] or (same.urls[key] if same else ""), beside=order_url)
        for key in KEYS
    } | {"order": order_url}
    database_url = os.environ.get("VALERIX_DATABASE_URL") or _database(same)
    return Target(urls, settings.operator_token, settings, database_url)


def demand_open(target: Target, *, inventory: bool) -> None:
    """Raise one line when the shop does not answer or cannot do its work."""
    needed = ["order"]
    if inventory:
        needed.append("inventory")
    for key in needed:
        url = target.urls[key]
        if why := obstacle(url):
            hint = "start it with make up, or say where it is with --order-url"
            raise CannotRun(f"no shop is ready at {url} ({why}): {hint}")


def _database(same: Running | None) -> str | None:
    return same.database_url if same else None


def _same(one: str, other: str) -> bool:
    alike = {"localhost": "127.0.0.1"}
    a, b = urlsplit(one), urlsplit(other)
    return (alike.get(a.hostname or "", a.hostname), a.port) == (
        alike.get(b.hostname or "", b.hostname),
        b.port,
    )


def _address(key: str, url: str, *, beside: str = "") -> str:
    """`url`, or the port that the settings give `key`, beside the order service."""
    if not url:
        port = load(key).port
        host = urlsplit(beside).hostname or "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}"
    parts = urlsplit(url)
    try:
        good = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise CannotRun(f"{url} is not an address: write http://HOST:PORT")
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))
