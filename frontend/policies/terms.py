"""A table of other terms as it is typed: what it says of each account, and what is wrong; pure.

A field that says what the account has now changes nothing, so that each payment keeps the terms
that it had then."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from frontend.policies.queries import PresentTerms
from frontend.web.actions import Form
from frontend.web.formatting import count
from services.payment.contract import MAX_AMOUNT_MINOR, ChangedTerms, WhatIfResult

DEFAULT_LAST, MOST_LAST = 200, 500
_PERCENT = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?")
_WHOLE = re.compile(r"[0-9]{1,16}")


class NoSuchValue(Exception):
    """What is typed in a field is none of its values."""


class TermsDraft(Struct, frozen=True):
    """What was typed, by the name of its field; without it the accounts' present terms. `errors`
    has the message of each field that is wrong, `problem` says why there is no answer."""

    present: tuple[PresentTerms, ...]
    typed: Mapping[str, str] = {}
    last: int = DEFAULT_LAST
    terms: dict[str, ChangedTerms] = {}
    errors: Mapping[str, str] = {}
    what_if: WhatIfResult | None = None
    problem: str = ""

    @property
    def was_asked(self) -> bool:
        """Whether somebody pressed the button."""
        return bool(self.typed)


def percent_of(raw: str) -> int:
    """A percentage as basis points: "1.5" is 150."""
    found = _PERCENT.fullmatch(raw.removesuffix("%"))
    points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else -1
    if not 0 <= points <= 10_000:
        raise NoSuchValue("A percentage from 0 to 100, with two decimals at most.")
    return points


def _whole(least: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        if not _WHOLE.fullmatch(raw) or not least <= int(raw) <= MAX_AMOUNT_MINOR:
            raise NoSuchValue(f"A whole number, {least} or more.")
        return int(raw)

    return read


def _capacity(raw: str) -> int | None:
    return _whole(0)(raw) if raw else None


def _maximum(raw: str) -> int | None:
    return _whole(1)(raw) if raw else MAX_AMOUNT_MINOR


def _of_maximum(minor: int) -> str:
    return "" if minor >= MAX_AMOUNT_MINOR else count(minor)


def _of_percent(points: int) -> str:
    return f"{points / 100:g}"


def _of_capacity(minor: int | None) -> str:
    return "" if minor is None else count(minor)


class TermsField(Struct, frozen=True):
    """One of the terms: how it is called, read and written."""

    name: str
    label: str
    read: Callable[[str], int | None]
    written: Callable[[Any], str] = count


FIELDS = (
    TermsField("fee_basis_points", "Fee, %", percent_of, _of_percent),
    TermsField("fee_fixed_minor", "Fixed fee", _whole(0)),
    TermsField("minimum_minor", "Minimum", _whole(1)),
    TermsField("maximum_minor", "Maximum", _maximum, _of_maximum),
    TermsField("daily_capacity_minor", "A day at most", _capacity, _of_capacity),
)


def named(account: str, field: str) -> str:
    """What an account's field is called in the form."""
    return f"{account}.{field}"


def read_terms(form: Form, present: Iterable[PresentTerms]) -> TermsDraft:
    """What the form says; `terms` has what is other than at present, where nothing is wrong."""
    accounts = tuple(present)
    typed = {name: value for name, value in form.items() if name != "csrf"} or {"last": ""}
    errors: dict[str, str] = {}
    terms = {}
    for each in accounts:
        now, changed = msgspec.structs.asdict(each), {}
        for field in FIELDS:
            name = named(each.account, field.name)
            try:
                value = field.read("".join(typed.get(name, field.written(now[field.name])).split()))
            except NoSuchValue as wrong:
                errors[name] = str(wrong)
                continue
            if value != now[field.name]:
                changed[field.name] = value
        whole = {**now, **changed}
        name = named(each.account, "maximum_minor")
        if whole["minimum_minor"] > whole["maximum_minor"] and name not in errors:
            errors[name] = "Must not be below the minimum."
        if changed:
            terms[each.account] = msgspec.convert(changed, ChangedTerms)
    last = "".join(typed.get("last", "").split()) or str(DEFAULT_LAST)
    if not _WHOLE.fullmatch(last) or not 1 <= int(last) <= MOST_LAST:
        errors["last"], last = f"A whole number from 1 to {MOST_LAST}.", str(DEFAULT_LAST)
    return TermsDraft(accounts, typed, int(last), {} if errors else terms, errors)
