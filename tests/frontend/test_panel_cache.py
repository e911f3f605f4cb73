"""One rendering serves every spectator of the moment, and nobody gets another's token."""

from markupsafe import Markup

from frontend.web.panel_cache import PanelCache
from frontend.web.sessions import Visitor


def visitor(csrf: str, *, locked: bool = False) -> Visitor:
    return Visitor(id=csrf, csrf=csrf, guarded=locked, is_new=False)


def test_a_panel_is_rendered_once_a_moment_for_each_kind_of_visitor():
    rendered: list[str] = []

    def render(someone: Visitor) -> Markup:
        rendered.append("locked" if someone.locked else "open")
        return Markup("<input value='{}'>{}").format(someone.csrf, len(rendered))

    cache = PanelCache()
    assert cache.get("bar", (1, 10), visitor("aa"), render) == "<input value='aa'>1"
    assert cache.get("bar", (1, 10), visitor("bb"), render) == "<input value='bb'>1"
    assert cache.get("bar", (1, 10), visitor("cc", locked=True), render) == "<input value='cc'>2"
    assert cache.get("bar", (2, 10), visitor("bb"), render) == "<input value='bb'>3"
    assert cache.get("bar", (2, 11), visitor("aa"), render) == "<input value='aa'>4"
    assert rendered == ["open", "locked", "open", "open"]
