"""Judges host names and addresses by how they are written: no DNS is asked."""

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import urlsplit

# A host name or an address as it stands in a Host header, with or without a port.
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{0,5})?", re.IGNORECASE)
# RFC 6052, section 2.1.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Browsers read a last label such as 1 or 0x7f as a number, and the whole as an IPv4 address.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


# Every request names its host, nearly always the same one.
@lru_cache(maxsize=256)
def host_of(authority: str) -> str | None:
    """The host in `host:port`, in small letters and without brackets; None if it is neither."""
    match = _AUTHORITY.fullmatch(authority)
    return match[1].strip("[]").lower().removesuffix(".") if match else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`, a name or an address without a port."""
    host = host.strip("[]").lower().removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_global_address(host: str) -> bool | None:
    """Whether everybody can reach this address: not loopback, private, link-local, multicast or
    reserved, nor an IPv4 address of those kinds inside of an IPv6 one. None if it is no address."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # Each leads to an IPv4 address by way of a gateway: none of them is a receiver's own.
        tunnels = address.sixtofour, address.teredo, address if address in _NAT64 else None
        if any(each is not None for each in tunnels):
            return False
        if address.ipv4_mapped is not None:
            return is_global_address(str(address.ipv4_mapped))
    return address.is_global and not address.is_multicast


def is_odd_address(host: str) -> bool:
    """Whether programs read this as an IPv4 address, though it is written as none: 127.1."""
    return _ends_in_number(host.rstrip(".").lower()) and is_global_address(host) is None


def network_of(address: str) -> str:
    """Whom a client's address stands for: itself, or of IPv6 the /64 that one customer is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket has none
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


@lru_cache(maxsize=256)
def is_public_name(host: str) -> bool:
    """Whether anybody's DNS may point `host` at this machine (DNS rebinding).

    An address cannot be pointed elsewhere, and a name without a dot, a container's for example,
    is nobody's to register."""
    if ":" in host or "." not in host or is_loopback(host):
        return False
    return not _ends_in_number(host)


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns, such as shop.example or *.shop.example, is this host."""
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def is_pattern(text: str) -> bool:
    """Whether this may stand in a list of hosts: a host, with * for any part, without a port."""
    return host_of(text.replace("*", "x")) == text.replace("*", "x").strip("[]").lower()


def is_http_url(value: str) -> bool:
    """Whether this is the address of a program that speaks HTTP."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, a bracket that is not closed
        return False


def is_database_url(value: str) -> bool:
    """Whether this is the address of a PostgreSQL."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("postgresql", "postgres") and parts.port != 0
    except ValueError:
        return False


def _ends_in_number(host: str) -> bool:
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
