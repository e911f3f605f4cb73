"""What may be shown of a value that somebody sent: its form, and nothing that it says."""

import re
from typing import Any

# A card's number has twelve digits and more.
_LONGEST_NUMBER = 11
_LONGEST_TEXT = 60


def masked(value: Any, *, is_bounded: bool = False) -> str:
    """Letters become `a` or `A`, digits `9`, so that no card, key, name or address is kept: the
    text `sk_test_4x` is `"aa_aaaa_9a"`. A number stays where the schema says how large it may be
    (`is_bounded`) and it is short; of a container its size is said."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            text = str(value)
            digits = sum(each.isdigit() for each in text)
            stays = is_bounded and digits <= _LONGEST_NUMBER
            return text if stays else re.sub(r"\d", "9", text)[:_LONGEST_TEXT]
        case str():
            more = "…" if len(value) > _LONGEST_TEXT else ""
            return f'"{"".join(map(_character, value[:_LONGEST_TEXT]))}{more}"'
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
    return type(value).__name__


def _character(each: str) -> str:
    if each.isdigit():
        return "9"
    if each.isalpha():
        return "A" if each.isupper() else "a"
    return each if each.isascii() and each.isprintable() else "?"
