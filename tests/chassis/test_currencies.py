"""Money in plain text."""

import pytest

from chassis.currencies import plain_amount


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(10000, "EUR", "100.00 EUR"), (5, "USD", "0.05 USD"), (12, "JPY", "12 JPY"),
     (1234, "KWD", "1.234 KWD")],
)  # fmt: skip
def test_an_amount_has_the_decimals_of_its_currency(minor, currency, text):
    assert plain_amount(minor, currency) == text
