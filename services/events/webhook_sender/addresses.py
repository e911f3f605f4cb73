"""Where a merchant's address may lead: what only this machine or its network reaches is refused.

An address that is written as one is judged here; what a name leads to is judged when it is looked
up for the very connection, so that it cannot change in between."""

import socket
from urllib.parse import urlsplit

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

from chassis.addresses import is_global_address, is_http_url, is_loopback, is_odd_address

_ADDRESS = "must be http(s)://host, in printable ASCII, without a user name, a password or a #part"
_ODD = "must be a name, or an address in full, such as 192.0.2.7"
_PRIVATE = "leads to this machine or to a private network"


def fault_of(url: str, *, allows_private: bool) -> str:
    """What is wrong with an endpoint's address; empty if nothing is."""
    is_plain = url.isascii() and url.isprintable() and not set(" \\#") & set(url)
    if not is_plain or not is_http_url(url):
        return _ADDRESS
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return _ADDRESS
    if allows_private:
        return ""
    host = parts.hostname or ""
    if is_odd_address(host):
        return _ODD
    is_private = is_loopback(host) or is_global_address(host) is False
    return _PRIVATE if is_private else ""


class PublicResolver(ThreadedResolver):
    """Looks names up as the system does, and refuses one that leads to a private address."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name; raises `OSError` where one of them is not public."""
        found = await super().resolve(host, port, family)
        if not all(is_global_address(each["host"]) for each in found):
            raise OSError(_PRIVATE)
        return found
