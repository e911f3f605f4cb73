"""Turns views into HTML: one strict Jinja environment, its filters, the static files' addresses."""

import hashlib
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
TEMPLATES = HERE.parent / "templates"
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF", "JPY": "¥"}
# ISO 4217: every other currency of the shop has two decimals.
_DECIMALS = {"JPY": 0, "BHD": 3, "KWD": 3}
THIN = "\u202f"


def money(minor: int, currency: str) -> str:
    """Minor units as a reader writes them: 9999 EUR is "99.99 €"."""
    decimals = _DECIMALS.get(currency, 2)
    amount = f"{minor / 10**decimals:,.{decimals}f}".replace(",", THIN)
    return f"{amount}{THIN}{_SYMBOLS.get(currency, currency)}".rstrip()


def count(number: float) -> str:
    """12345 as "12 345", with a space too thin to break at."""
    return f"{number:,.0f}".replace(",", THIN)


def span(milliseconds: int | None) -> str:
    """A length of time with two or three digits that matter."""
    if milliseconds is None:
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds}{THIN}ms"
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.2f}{THIN}s"
    if seconds < 120:
        return f"{seconds:.0f}{THIN}s"
    return f"{seconds / 60:.0f}{THIN}min" if seconds < 7200 else f"{seconds / 3600:.0f}{THIN}h"


def age(moment: datetime, now: datetime) -> str:
    """How old something is, short enough for a column."""
    seconds = max(0.0, (now - moment).total_seconds())
    if seconds < 60:
        return f"{seconds:.0f}{THIN}s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}{THIN}min"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f}{THIN}h"
    return moment.strftime("%d %b")


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in one word or two."""
    seconds = (now - moment).total_seconds()
    if seconds < 1.5:
        return "now"
    return age(moment, now) + (" ago" if seconds < 86_400 else "")


def when(moment: datetime) -> str:
    """The absolute time, for a hover."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(moment: datetime) -> str:
    """The time of day to the second."""
    return moment.strftime("%H:%M:%S")


def countdown(seconds: int) -> str:
    """Minutes and seconds left."""
    return f"{seconds // 60}:{seconds % 60:02d}"


def short(identifier: str) -> str:
    """Enough of an id to tell it from its neighbours."""
    return identifier[:8]


def percent(share: float) -> str:
    """0.25 as "25 %"."""
    return f"{share * 100:.0f}{THIN}%"


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one environment: strict about names, and nothing from a service reaches a page raw."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for paint in (money, count, span, age, ago, when, clock, countdown, short, percent):
        made.filters[paint.__name__] = paint
    made.globals["asset"] = asset
    return made


def render(template: str, **context: object) -> str:
    """The template with its context; a name it does not know is an error, not a blank."""
    return environment().get_template(template).render(**context)
