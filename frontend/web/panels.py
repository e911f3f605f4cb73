"""Panels: one template, one URL, one DOM id, one view each; a panel never fails or waits."""

from collections.abc import Callable, Iterable
from datetime import datetime

from markupsafe import Markup
from msgspec import Struct

from chassis.http.problems import Problem
from chassis.identity.caller import ROLE_MISSING
from frontend.web.panel_cache import PanelCache
from frontend.web.sessions import Visitor
from frontend.web.sse import Hub
from frontend.web.templating import render
from observatory.sources.down import Down


class Panel(Struct, frozen=True):
    """`view` is what the template is given now: data or `Down`. `topics` are the nudges that make a
    browser fetch the panel; it asks every five seconds anyway."""

    template: str
    topics: tuple[str, ...]
    view: Callable[[datetime], object]
    own_url: str = ""
    # Whether it shows nothing but what a shopper may see.
    for_shoppers: bool = False

    @property
    def name(self) -> str:
        """What its DOM id and its URL are made of: "lights" for "overview/lights.html"."""
        return self.template.rpartition("/")[2].removesuffix(".html")

    @property
    def url(self) -> str:
        """Where the panel fetches itself."""
        return self.own_url or f"/panels/{self.name}"

    @property
    def trigger(self) -> str:
        """The value of hx-trigger."""
        return ", ".join([*(f"nudge-{topic} from:body" for topic in self.topics), "every 5s"])


def render_panel(panel: Panel, visitor: Visitor, now: datetime) -> Markup:
    """The panel as HTML: the same bytes in the page's first paint and from its own URL."""
    view = panel.view(now)
    html = render(
        panel.template,
        panel=panel,
        view=view,
        is_down=isinstance(view, Down),
        visitor=visitor,
        now=now,
    )
    return Markup(html.strip())  # noqa: S704 - the template has escaped what it was given


class Panels:
    """The panels that every page may show by their name: all but those whose URL holds an id."""

    def __init__(self, panels: Iterable[Panel], hub: Hub) -> None:
        self.by_name = {panel.name: panel for panel in panels}
        self._hub = hub
        self._cache = PanelCache()

    def render(self, panel: Panel | str, visitor: Visitor, now: datetime) -> Markup:
        """A panel; one that is given by its name is rendered once a moment for all visitors."""
        if isinstance(panel, Panel):
            return render_panel(panel, visitor, now)
        if panel not in self.by_name:
            raise Problem(404, "not-found", "There is no such panel")
        if visitor.is_shopper and not self.by_name[panel].for_shoppers:
            raise Problem(403, ROLE_MISSING, "This panel is for the operators of the shop")
        moment = (self._hub.nudges, int(now.timestamp()))
        return self._cache.get(
            panel, moment, visitor, lambda anyone: render_panel(self.by_name[panel], anyone, now)
        )
