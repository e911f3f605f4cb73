"""Panels painted this second: two hundred spectators look at one shop, so one painting serves."""

import secrets
from collections.abc import Callable, Hashable

from markupsafe import Markup
from msgspec.structs import replace

from frontend.web.sessions import Visitor

# What differs from browser to browser is only this token; it cannot occur in anybody's data.
_STANDS_FOR_CSRF = secrets.token_hex(16)


class Painted:
    """Kept while nothing was nudged and the second has not ended."""

    def __init__(self) -> None:
        self._moment: Hashable = None
        self._kept: dict[Hashable, Markup] = {}

    def panel(
        self, name: str, moment: Hashable, visitor: Visitor, paint: Callable[[Visitor], Markup]
    ) -> Markup:
        """The panel for this visitor, painted at most once a moment for all of their kind."""
        if moment != self._moment:
            self._moment = moment
            self._kept.clear()
        key = (name, visitor.guarded, visitor.locked)
        if key not in self._kept:
            self._kept[key] = paint(replace(visitor, csrf=_STANDS_FOR_CSRF))
        return Markup(self._kept[key].replace(_STANDS_FOR_CSRF, visitor.csrf))  # noqa: S704 - hex
