"""What every page needs depends on no page, so that a page can be added or taken away."""

import re

from frontend.web.templating import TEMPLATES

IMPORT = re.compile(r"^\s*(?:from|import) (frontend(?:\.\w+)*)", re.MULTILINE)
INCLUDED = re.compile(r'{% (?:from|extends|include) "([^"]+)"')


def test_web_imports_nothing_of_a_page():
    imported = {
        f"{path.name}: {name}"
        for path in (TEMPLATES / "web").glob("*.py")
        for name in IMPORT.findall(path.read_text())
        if not name.startswith(("frontend.web.", "frontend.settings"))
    }
    included = {
        f"{path.name}: {name}"
        for path in (TEMPLATES / "web").glob("*.html")
        for name in INCLUDED.findall(path.read_text())
        if not name.startswith("web/")
    }
    assert imported | included == set()
