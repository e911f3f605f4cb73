"""One painting serves every spectator of the moment, and nobody gets another's token."""

from markupsafe import Markup

from frontend.web.panel_cache import Painted
from frontend.web.sessions import Visitor


def visitor(csrf: str, *, locked: bool = False) -> Visitor:
    return Visitor(id=csrf, csrf=csrf, guarded=locked, locked=locked, is_new=False)


def test_a_panel_is_painted_once_a_moment_for_each_kind_of_visitor():
    painted: list[str] = []

    def paint(someone: Visitor) -> Markup:
        painted.append("locked" if someone.locked else "open")
        return Markup("<input value='{}'>{}").format(someone.csrf, len(painted))

    kept = Painted()
    assert kept.panel("bar", (1, 10), visitor("aa"), paint) == "<input value='aa'>1"
    assert kept.panel("bar", (1, 10), visitor("bb"), paint) == "<input value='bb'>1"
    assert kept.panel("bar", (1, 10), visitor("cc", locked=True), paint) == "<input value='cc'>2"
    assert kept.panel("bar", (2, 10), visitor("bb"), paint) == "<input value='bb'>3"
    assert kept.panel("bar", (2, 11), visitor("aa"), paint) == "<input value='aa'>4"
    assert painted == ["open", "locked", "open", "open"]
