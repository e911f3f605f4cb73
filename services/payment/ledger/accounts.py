"""The closed list of accounts."""

from typing import Literal

Account = Literal["gateway_clearing", "merchant"]

# What a positive balance of each says. The table's CHECK has the same names; tested equal.
ACCOUNTS: dict[Account, str] = {
    "gateway_clearing": "what providers took and hold for us",
    "merchant": "what the merchant is owed, as a negative balance",
}
