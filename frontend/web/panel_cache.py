"""Panels rendered this second: two hundred spectators see one shop, so one rendering serves all."""

import secrets
from collections.abc import Callable, Hashable

from markupsafe import Markup
from msgspec.structs import replace

from frontend.web.formatting import zone
from frontend.web.sessions import Visitor

# What differs from browser to browser is only this token; it cannot occur in anybody's data.
_CSRF_PLACEHOLDER = secrets.token_hex(16)


class PanelCache:
    """Valid while nothing was nudged and the second has not ended."""

    def __init__(self) -> None:
        self._moment: Hashable = None
        self._kept: dict[Hashable, Markup] = {}

    def get(
        self, name: str, moment: Hashable, visitor: Visitor, render: Callable[[Visitor], Markup]
    ) -> Markup:
        """The panel for this visitor, rendered at most once a moment for all of their kind."""
        if moment != self._moment:
            self._moment = moment
            self._kept.clear()
        key = (name, visitor.guarded, visitor.locked, visitor.is_shopper, zone())
        if key not in self._kept:
            self._kept[key] = render(replace(visitor, csrf=_CSRF_PLACEHOLDER))
        return Markup(self._kept[key].replace(_CSRF_PLACEHOLDER, visitor.csrf))  # noqa: S704 - hex
