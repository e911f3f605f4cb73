"""What the wallet service needs: its account at the gateway, which takes what a wallet pays."""

from collections.abc import Iterator

from fleet.settings import load
from tests.contracts.need import Need
from tests.contracts.needs.stripe import Account


def of_acquirer() -> Iterator[Need]:
    """To take money once, and to find out what became of it."""
    settings = load("wallet", {})
    yield from Account("wallets", settings.wallet_gateway_key).takes()
