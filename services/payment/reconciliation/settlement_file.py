"""Reads an account's settlement file: CSV, a line for each capture and refund of one UTC day."""

import csv
import io
from datetime import datetime
from typing import Literal

import msgspec

LineKind = Literal["capture", "refund"]

_COLUMNS = (
    "balance_transaction", "type", "source", "payment_intent", "amount_minor", "fee_minor",
    "net_minor", "currency", "created_at",
)  # fmt: skip
_KINDS: dict[str, LineKind] = {"charge": "capture", "refund": "refund"}


class BadFile(Exception):
    """The file cannot be read; the message says where and why."""


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of an account's money. The amount is positive, in minor units, for both kinds;
    the currency has capital letters."""

    line_id: str
    kind: LineKind
    intent: str
    amount_minor: int
    fee_minor: int
    currency: str
    booked_at: datetime


def read_file(raw: bytes) -> list[SettlementLine]:
    """The lines in their order. Raises `BadFile`: half a file is none."""
    try:
        rows = list(csv.reader(io.StringIO(raw.decode()), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"It is no CSV: {type(error).__name__}.") from None
    if not rows or tuple(rows[0]) != _COLUMNS:
        raise BadFile("Its first line has other columns than a settlement file.")
    return [_line(n, row) for n, row in enumerate(rows[1:], 2)]


def _line(n: int, row: list[str]) -> SettlementLine:
    try:
        name, type_, _, intent, amount, fee, net, currency, booked = row
        kind, minor, fee_minor = _KINDS[type_], int(amount), int(fee)
        booked_at = datetime.fromisoformat(booked)
        sign = 1 if kind == "capture" else -1
        fits = name and intent and sign * minor > 0 and int(net) == minor - fee_minor
        if not fits or booked_at.tzinfo is None or len(currency) != 3:
            raise ValueError
    except (ValueError, KeyError):
        raise BadFile(f"Its line {n} is no line of a settlement file.") from None
    return SettlementLine(
        line_id=name,
        kind=kind,
        intent=intent,
        amount_minor=abs(minor),
        fee_minor=fee_minor,
        currency=currency.upper(),
        booked_at=booked_at,
    )
