"""How an amount in minor units is written, by currency (ISO 4217)."""

_DECIMALS = {"JPY": 0, "BHD": 3, "KWD": 3}


def decimals_of(currency: str) -> int:
    """How many digits follow the point; two for every currency that is not listed."""
    return _DECIMALS.get(currency, 2)


def plain_amount(minor: int, currency: str) -> str:
    """Minor units as plain text has them: 1250 EUR is "12.50 EUR", 12 JPY is "12 JPY"."""
    decimals = decimals_of(currency)
    return f"{minor / 10**decimals:.{decimals}f} {currency}"
