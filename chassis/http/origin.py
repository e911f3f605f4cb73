"""Keeps pages of other sites out: what they may ask for, and under which names we answer."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from chassis.addresses import host_of, is_listed, is_public_name
from chassis.http.problems import Problem
from chassis.settings import Settings

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OUR_PAGES = frozenset({b"", b"same-origin", b"none"})


class OriginCheck:
    """Compares what a browser says of a request with our own names. No browser lets a page forge
    `Origin`, `Sec-Fetch-Site` or `Host`; a client that sends neither of the first two is no page.
    """

    def __init__(self, settings: Settings) -> None:
        own = urlsplit(settings.urls.get(settings.service, "")).hostname or ""
        named = (each.strip().lower() for each in settings.allowed_hosts.split(","))
        self._names = frozenset(each for each in (own, *named) if each)

    def refusal(self, method: str, headers: Mapping[bytes, bytes]) -> Problem | None:
        """Why this request is not served, or None; `headers` by their names in small letters."""
        host = headers.get(b"host", b"").decode("latin-1")
        if host and not self._is_ours(host):
            return Problem(
                403,
                "foreign-host",
                "This is not a name of the shop: use localhost or an address, "
                "or add the name to VALERIX_ALLOWED_HOSTS",
            )
        # A page of another site may link to us and may not make anything happen.
        if method not in _SAFE and not _is_own_page(host, headers):
            return Problem(403, "cross-site", "Another site's page may not change the shop")
        return None

    def _is_ours(self, authority: str) -> bool:
        host = host_of(authority)
        return host is not None and (not is_public_name(host) or is_listed(host, self._names))


def _is_own_page(host: str, headers: Mapping[bytes, bytes]) -> bool:
    if headers.get(b"sec-fetch-site", b"") not in _OUR_PAGES:
        return False
    origin = headers.get(b"origin")
    # Behind a proxy that ends TLS the page's scheme is not ours.
    ours = (f"http://{host}", f"https://{host}")
    return origin is None or origin.decode("latin-1").lower() in {each.lower() for each in ours}
