"""Makes a JSON answer wrong and leaves it well formed: one value is another or of another kind."""

from typing import Any

import msgspec


def with_one_wrong_value(body: bytes, *, breaks: bool) -> bytes:
    """The JSON text with its first whole number (an amount, a quantity) one higher, or with
    `breaks` written as a text, which breaks the contract. Where there is none, its first text (an
    id) with another last character, or in a list. What is not JSON stays as it is."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    for wanted, wrong in (
        (_is_whole, str if breaks else _one_higher),
        (_is_text, _in_a_list if breaks else _another_end),
    ):
        changed, found = _changed(value, wanted, wrong)
        if found:
            return msgspec.json.encode(changed)
    return body


def _changed(value: Any, wanted: Any, wrong: Any) -> tuple[Any, bool]:
    """The value with the first that is `wanted` made wrong, depth first; and whether one was."""
    if wanted(value):
        return wrong(value), True
    places: list[Any] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        places = list(range(len(value)))
    for key in places:
        changed, found = _changed(value[key], wanted, wrong)
        if found:
            copy = value.copy()
            copy[key] = changed
            return copy, True
    return value, False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_higher(value: int) -> int:
    return value + 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _another_end(value: str) -> str:
    return value[:-1] + ("0" if value[-1] != "0" else "1")


def _in_a_list(value: str) -> list[str]:
    return [value]
