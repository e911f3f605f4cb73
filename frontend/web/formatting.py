"""Numbers, times and identifiers as a reader writes them; most of them are filters of templates."""

import re
from contextvars import ContextVar
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

from chassis.currencies import decimals_of

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF", "JPY": "¥"}
_AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,3}))?")
_UUID_LENGTH = 36
THIN = "\u202f"
_UTC = ZoneInfo("UTC")
_zone_now: ContextVar[ZoneInfo] = ContextVar("zone", default=_UTC)


def choose_zone(name: str) -> None:
    """The zone of every time on this request's page; UTC for a name that is no zone."""
    try:
        _zone_now.set(ZoneInfo(name) if name else _UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        _zone_now.set(_UTC)


def zone() -> str:
    """The name of the zone of this request's times."""
    return _zone_now.get().key


def in_zone(moment: datetime) -> datetime:
    """The moment as this request's page shows it."""
    return moment.astimezone(_zone_now.get())


def read_in_zone(written: str) -> datetime:
    """An instant as ISO 8601 has it, in the zone of this request's page where it names none; raises
    `ValueError`."""
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=_zone_now.get())


def zone_name() -> str:
    """The zone's short name now: UTC, CET."""
    return in_zone(utc_now()).strftime("%Z")


def utc_now() -> datetime:
    """The wall clock, for ages on the page."""
    return datetime.now(UTC)


def money(minor: int, currency: str) -> str:
    """Minor units as a reader writes them: 9999 EUR is "99.99 €"."""
    decimals = decimals_of(currency)
    amount = f"{minor / 10**decimals:,.{decimals}f}".replace(",", THIN)
    return f"{amount}{THIN}{_SYMBOLS.get(currency, currency)}".rstrip()


def signed(minor: int, currency: str) -> str:
    """Money that came in or went out, with its sign."""
    return f"{'+' if minor > 0 else '−' if minor else ''}{money(abs(minor), currency)}"  # noqa: RUF001


def minor_units(text: str, currency: str) -> int | None:
    """What a reader wrote, in minor units: "12.50" EUR is 1250; None for what is no amount."""
    decimals = decimals_of(currency)
    if not (found := _AMOUNT.fullmatch(text.strip())) or len(found[2] or "") > decimals:
        return None
    return int(found[1] + (found[2] or "").ljust(decimals, "0"))


def example_amount(currency: str) -> str:
    """An amount as a reader writes it, with the currency's own decimals: 12.50 EUR, 12 JPY."""
    return f"{12.5:.{decimals_of(currency)}f}"


def in_full(moment: datetime) -> str:
    """The whole of a moment, as one says it."""
    local = in_zone(moment)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S %Z}"


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
    return in_zone(moment).strftime("%d %b")


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in one word or two."""
    seconds = (now - moment).total_seconds()
    if seconds < 1.5:
        return "now"
    return age(moment, now) + (" ago" if seconds < 86_400 else "")


def when(moment: datetime) -> str:
    """The absolute time, for a hover."""
    return in_zone(moment).strftime("%Y-%m-%d %H:%M:%S %Z")


def clock(moment: datetime) -> str:
    """The time of day to the second."""
    return in_zone(moment).strftime("%H:%M:%S")


def at_clock(seconds: float) -> str:
    """Seconds since the epoch as the time of day."""
    return clock(datetime.fromtimestamp(seconds, UTC))


def countdown(seconds: int) -> str:
    """Minutes and seconds left."""
    return f"{seconds // 60}:{seconds % 60:02d}"


def short(identifier: str) -> str:
    """Enough of an id to distinguish it from its neighbours: the end of one of ours, which begins
    with the time, and the beginning of another."""
    return identifier[-8:] if len(identifier) == _UUID_LENGTH else identifier[:8]


def breakable(name: str) -> Markup:
    """A route's name that may go to the next line after a slash rather than inside a word."""
    return Markup("/<wbr>").join(name.split("/"))


def coded(text: str) -> Markup:
    """A sentence whose commands stand in `backticks`, with each of them as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


def percent(share: float) -> str:
    """0.25 as "25 %"."""
    return f"{share * 100:.0f}{THIN}%"


def took(milliseconds: float) -> str:
    """A length of time with the digits that matter: 0.42 ms, 12.3 ms, 480 ms, 2.01 s, 53 min."""
    if milliseconds < 10:
        return f"{milliseconds:.2f}{THIN}ms"
    if milliseconds < 100:
        return f"{milliseconds:.1f}{THIN}ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}{THIN}ms"
    return (
        f"{milliseconds / 1000:.2f}{THIN}s" if milliseconds < 120_000 else span(round(milliseconds))
    )


def cut(text: str, most: int) -> str:
    """The beginning of a long text, with a sign that there was more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def share(part: float) -> str:
    """0.125 as "12.5%", for an attribute of an SVG element."""
    return f"{100 * min(max(part, 0.0), 1.0):.3f}".rstrip("0").rstrip(".") + "%"
