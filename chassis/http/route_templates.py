"""The routes of an app, looked up without it: the template of a path, and what is allowed there."""

import re
from collections.abc import Collection, Mapping

from chassis.faults.gremlins import EXEMPT


class Routes:
    """The route templates of an app with their methods, so that a path can be named before the
    framework routes it."""

    def __init__(self, routes: Mapping[str, Collection[str]]) -> None:
        self.known = frozenset(t for t in routes if not EXEMPT.fullmatch(t))
        self._plain = frozenset(t for t in routes if "{" not in t)
        self._patterns = [
            (re.compile(re.sub(r"\\\{[^/]*\\\}", "[^/]+", re.escape(t))), t)
            for t in routes
            if "{" in t
        ]
        self._methods = {t: _listed(methods) for t, methods in routes.items()}

    def template(self, path: str) -> str:
        """The template of `path`, or "unmatched"."""
        if path in self._plain:
            return path
        for pattern, template in self._patterns:
            if pattern.fullmatch(path):
                return template
        return "unmatched"

    def allowed(self, path: str) -> bytes:
        """The `Allow` header of `path`; empty where nothing is."""
        return self._methods.get(self.template(path), b"")


def _listed(methods: Collection[str]) -> bytes:
    # HEAD is served wherever GET is.
    return ", ".join(sorted({*methods, *({"HEAD"} if "GET" in methods else ())})).encode()
