"""Reads the parameters of one request strictly: what is missing, wrong or unknown is named.

They come as a form or a query string with nested brackets: `metadata[a]=b`, `expand[]=x`. The
bounds of metadata and texts are those that Stripe documents."""

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from providers.acquirer.domain import CURRENCIES, LARGEST_AMOUNT, Account
from providers.acquirer.errors import Refused

# A nested value is a dict of texts and dicts; one whose names are 0, 1, … is a list.
Form = dict[str, Any]
_NAME = re.compile(r"([^\[\]]{1,100})((?:\[[^\[\]]{0,100}\]){0,4})")
_PART = re.compile(r"\[([^\[\]]*)\]")
_FORM_TYPES = ("application/x-www-form-urlencoded", "")

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_LONGEST_TEXT = 500
_METADATA_KEYS, _METADATA_KEY, _METADATA_VALUE = 50, 40, 500
_EXPANSIONS = 20


def read_form(raw: bytes, content_type: str, *, most: int) -> Form:
    """The parameters of a body; raises `Refused` 400 for any other media type or encoding."""
    if content_type.partition(";")[0].strip().lower() not in _FORM_TYPES and raw:
        raise Refused(400, "Send the parameters as application/x-www-form-urlencoded.")
    return parse_form(raw, most=most)


def parse_form(raw: bytes, *, most: int) -> Form:
    """The parameters, nested; at most `most` of them. Raises `Refused` 400."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=most
        )
    except ValueError:
        what = f"at most {most}, in UTF-8, percent-encoded"
        raise Refused(400, f"The parameters cannot be read: {what}.") from None
    form: Form = {}
    for name, value in pairs:
        _put(form, name, value)
    return form


def _put(form: Form, name: str, value: str) -> None:
    found = _NAME.fullmatch(name)
    if found is None or "\x00" in name + value:
        raise Refused(400, f"Invalid parameter: {name[:100]!r}.", param=name[:100])
    path = [found[1], *_PART.findall(found[2])]
    inner = form
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            raise _twice(name)
    last = path[-1] or str(len(inner))
    if last in inner:
        raise _twice(name)
    inner[last] = value


def _twice(name: str) -> Refused:
    return Refused(400, f"The parameter {name[:100]} is given twice.", param=name[:100])


class Parameters:
    """The parameters that a request has, each read once; `finish` refuses what nobody read."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._read: set[str] = set()
        self._inner: list[Parameters] = []

    def has_inner(self, name: str) -> bool:
        """Whether there are parameters below a name."""
        return isinstance(self._form.get(name), dict)

    def text(self, name: str, *, choices: Collection[str] = (), most: int = _LONGEST_TEXT) -> str:
        """A text; "" where there is none."""
        self._read.add(name)
        value = self._form.get(name, "")
        if not isinstance(value, str):
            raise invalid(name, f"Invalid string: {name} takes one value.")
        if len(value) > most:
            raise invalid(name, f"Invalid string: {name} has at most {most} characters.")
        if value and choices and value not in choices:
            raise invalid(name, f"Invalid {name}: must be one of {', '.join(sorted(choices))}.")
        return value

    def needed(self, name: str, *, choices: Collection[str] = ()) -> str:
        """A text that must be there."""
        if not (value := self.text(name, choices=choices)):
            raise missing(name)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.text(name, most=100)
        if not value:
            return None
        if not _WHOLE.fullmatch(value):
            raise Refused(
                400, f"Invalid integer: {value[:40]}", code="parameter_invalid_integer", param=name
            )
        return int(value)

    def flag(self, name: str) -> bool:
        """true or false; false where there is none."""
        return self.text(name, choices=("true", "false")) == "true"

    def texts(self, name: str, *, most: int = _EXPANSIONS) -> list[str]:
        """A list of texts, written `name[]=x` or `name[0]=x`."""
        self._read.add(name)
        value = self._form.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise invalid(name, f"Invalid array: {name} takes a list of texts.")
        if len(value) > most:
            raise invalid(name, f"Invalid array: {name} has at most {most} entries.")
        return list(value.values())

    def nested(self, name: str) -> "Parameters":
        """The parameters below a name, to be read in their turn."""
        self._read.add(name)
        value = self._form.get(name, {})
        if not isinstance(value, dict):
            raise invalid(name, f"Invalid object: {name} has parameters of its own.")
        inner = Parameters({f"{name}[{key}]": each for key, each in value.items()})
        self._inner.append(inner)
        return inner

    def amount(self, name: str) -> int | None:
        """Whole minor units, 1 to 99999999."""
        amount = self.integer(name)
        if amount is not None and amount < 1:
            raise Refused(
                400, "This value must be greater than or equal to 1.",
                code="parameter_invalid_integer", param=name,
            )  # fmt: skip
        if amount is not None and amount > LARGEST_AMOUNT:
            raise too_large(name, "Amount must be no more than 999,999.99.")
        return amount

    def metadata(self) -> dict[str, str]:
        """Texts by name."""
        self._read.add("metadata")
        if (value := self._form.get("metadata", "")) == "":
            return {}
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise invalid("metadata", "Invalid metadata: it is texts by name.")
        if len(value) > _METADATA_KEYS:
            raise invalid("metadata", f"Metadata has at most {_METADATA_KEYS} keys.")
        for key, each in value.items():
            if len(key) > _METADATA_KEY or len(each) > _METADATA_VALUE:
                message = (
                    f"A key of metadata has at most {_METADATA_KEY} characters,"
                    f" a value {_METADATA_VALUE}."
                )
                raise invalid(f"metadata[{key[:_METADATA_KEY]}]", message)
        return dict(value)

    def finish(self) -> None:
        """Refuse a parameter that nobody has read."""
        for name in self._form:
            if name not in self._read:
                raise Refused(
                    400, f"Received unknown parameter: {name}",
                    code="parameter_unknown", param=name,
                )  # fmt: skip
        for inner in self._inner:
            inner.finish()


def invalid(name: str, message: str) -> Refused:
    """A parameter that does not fit."""
    return Refused(400, message, param=name)


def missing(name: str) -> Refused:
    """A parameter that must be there."""
    return Refused(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def too_large(name: str, message: str) -> Refused:
    """An amount past a limit."""
    return Refused(400, message, code="amount_too_large", param=name)


def money(given: Parameters, account: Account) -> tuple[int, str]:
    """The amount and the currency of a payment, within the account's limits."""
    amount = given.amount("amount")
    if amount is None:
        raise missing("amount")
    currency = given.needed("currency").lower()
    if currency not in CURRENCIES:
        supported = ", ".join(sorted(CURRENCIES))
        raise invalid(
            "currency", f"Invalid currency: {currency[:40]}. These are supported: {supported}"
        )
    if amount % (step := CURRENCIES[currency]):
        raise invalid("amount", f"Invalid amount: in {currency} it is a multiple of {step}.")
    if amount < account.minimum_minor:
        raise Refused(
            400, f"Amount must be at least {account.minimum_minor} minor units of {currency}.",
            code="amount_too_small", param="amount",
        )  # fmt: skip
    if amount > account.maximum_minor:
        message = f"Amount must be no more than {account.maximum_minor} minor units of {currency}."
        raise too_large("amount", message)
    return amount, currency
