"""How much telemetry is kept and how large each piece may be: every limit with its reason."""

import sys

from msgspec import Struct

MIB = 1 << 20

# ---- the store ---------------------------------------------------------------------------------
# A laptop runs the whole shop beside this. Each of the four classes has a fifth: some 1 000
# orders' traces of 25 spans, which is three minutes at five orders a second. Where only some of
# them are slow, failed or bitten, those last for the quarter of an hour that the charts reach back.
# The last fifth is for the slowest of each hour, a day of them and more.
TRACES_BYTES = 96 * MIB
# A line takes some 1 500 bytes with all it can be found by, so this is twenty thousand of them.
LOGS_BYTES = 32 * MIB

# ---- one request of a sender -------------------------------------------------------------------
# As the collector's own receiver: its largest default batch, 8 192 spans of one or two kilobytes,
# is 8 to 16 MiB, and a batch sent plain is as long as one that was packed.
BODY_BYTES = 20 * MIB
# What a packed body may grow to: past this it is a bomb.
UNPACKED_BYTES = 20 * MIB
# Members of one gzip body. A packer makes one, one that appends a few; each costs a copy of the
# rest of the body.
GZIP_MEMBERS = 64
# All bodies in memory at once, packed and unpacked: two of the largest, or many usual ones.
BODIES_BYTES = 40 * MIB
# Larger ones are decoded one at a time: what a body becomes takes five times its size. A full batch
# of the SDKs is half of this, and never waits.
LARGE_BYTES = 1 * MIB
# A span or a line of log. A larger one is not telemetry; decoding it could cost 50 times its size.
ITEM_BYTES = 1 * MIB
# A collector's largest default batch is 8 192.
BATCH_ITEMS = 20_000
# Resources, scopes and items together. Two bytes can be an empty span: past this the body is not
# telemetry, and counting the rest of it would keep other senders waiting.
PIECES = 100_000
# Commas of a body in JSON, so its values are not many more. Each can cost 60 bytes while the body
# is taken apart; 8 192 spans of ten attributes have a third of this.
JSON_COMMAS = 1_000_000
# Requests being read at once; one more sender is asked to come back. Each process of the shop has
# two senders, of spans and of lines, and what wakes one wakes most: these are all, and some more.
REQUESTS_AT_ONCE = 32
# Time to send a whole body: a slow sender must not occupy one of those places.
BODY_S = 5.0

# ---- one span or line --------------------------------------------------------------------------
NAME_CHARS = 200
KEY_CHARS = 120
# Room for a SQL statement; a stack trace keeps its beginning.
VALUE_CHARS = 2_000
MESSAGE_CHARS = 2_000
ATTRIBUTES = 64
EVENTS = 32
LINKS = 16
# Nested values are shown as text: deeper or wider than this they are not readable.
NESTING = 4
WIDTH = 32
# Series of one metric in one request: more labels than this are a mistake of the sender.
METRIC_POINTS = 500
# A trace with more spans than this cannot be read as a waterfall.
SPANS_PER_TRACE = 1_000
# Services, routes, orders and gremlins by which one trace can be found.
KEYS_PER_TRACE = 64

# ---- time --------------------------------------------------------------------------------------
# Clocks of neighbours differ by milliseconds, and senders deliver every few seconds. What is
# further ahead or behind than this keeps its own time, and says so.
AHEAD_NS = 60 * 10**9
LATE_NS = 3600 * 10**9
# Further off than this, a clock was never set, or does not count in nanoseconds.
WRONG_NS = 30 * 24 * 3600 * 10**9


class LossCounts(Struct):
    """What was clipped, refused or evicted since the start: every loss is counted."""

    clipped: int = 0
    malformed: int = 0
    adjusted: int = 0
    duplicates: int = 0
    refused_requests: int = 0
    spans_over_trace: int = 0
    spans_evicted: int = 0
    traces_evicted: int = 0
    lines_evicted: int = 0


def _visible_forms() -> dict[int, str]:
    """Control characters as visible symbols; those that reverse text as a replacement character."""
    forms = {code: chr(0x2400 + code) for code in range(0x20)}
    forms[0x7F] = "\u2421"
    forms.update(dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029), "\ufffd"))
    forms.update(dict.fromkeys((0x200E, 0x200F, 0x061C, 0xFEFF), "\ufffd"))
    forms.update(dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"))
    forms.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
    return forms


_ONE_LINE = _visible_forms()
_SEVERAL_LINES = {code: text for code, text in _ONE_LINE.items() if code not in (0x09, 0x0A)}
# Names and short values repeat in every span: one string serves all of them while any is kept.
_SHARED_CHARS = 64


class Clipper:
    """Makes received text safe to keep: without control characters, clipped, and counted if so."""

    def __init__(self) -> None:
        self.clipped = 0

    def line(self, text: str, limit: int = NAME_CHARS) -> str:
        """One line: a line break in received text must not forge a second line."""
        return self._clip(text, limit, _ONE_LINE)

    def lines(self, text: str, limit: int = VALUE_CHARS) -> str:
        """Text that may hold line breaks and tabs, such as a stack trace."""
        return self._clip(text, limit, _SEVERAL_LINES)

    def count(self, found: int, limit: int) -> None:
        """Some of `found` things are left out because only `limit` are kept."""
        self.clipped += max(0, found - limit)

    def _clip(self, text: str, limit: int, forms: dict[int, str]) -> str:
        if len(text) > limit:
            self.clipped += 1
            text = text[: limit - 1] + "\u2026"
        if not text.isprintable():
            text = text.translate(forms)
        return sys.intern(text) if len(text) <= _SHARED_CHARS else text
