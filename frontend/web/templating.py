"""Turns views into HTML: one strict Jinja environment, and the addresses of static files."""

import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from frontend.web.formatting import (
    age,
    ago,
    at_clock,
    breakable,
    clock,
    coded,
    count,
    countdown,
    in_full,
    money,
    percent,
    short,
    signed,
    span,
    when,
    zone,
    zone_name,
)
from topology import LIT

STATIC = Path(__file__).resolve().parent / "static"
# Every template lies beside its page: "overview/lights.html", "web/layout.html".
TEMPLATES = STATIC.parent.parent
_FILTERS = (
    money,
    count,
    span,
    age,
    ago,
    when,
    clock,
    at_clock,
    countdown,
    short,
    breakable,
    coded,
    percent,
    in_full,
    signed,
)


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one environment: strict about names, and nothing from a service reaches a page raw."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update({each.__name__: each for each in _FILTERS})
    jinja.globals["asset"] = asset
    # Large in stage mode until somebody chooses: what customers come for, not where they come in.
    lit = [each for each in LIT if not each.listens]
    jinja.globals.update(zone=zone, zone_name=zone_name, notice="", lit=lit)
    return jinja


def render(template: str, **context: object) -> str:
    """The template with its context; a name it does not know is an error, not a blank."""
    return environment().get_template(template).render(**context)
