"""How much of a request its customer pays from a wallet, and from which."""

import msgspec
from msgspec import UNSET

from services.payment.process.contexts import BadField, WalletShare
from services.payment.process.messages import ExternalRequest

# The part of the amount that a wallet pays, in minor units; without it a wallet pays the whole.
WALLET_AMOUNT = "wallet_amount"
# The only wallets there are: those of the wallet service.
WALLET_TYPE = "valerix"


def wallet_share(request: ExternalRequest) -> WalletShare | None:
    """What the wallet pays; None where there is none. Raises `BadField`."""
    part, pointer = request.metadata.get(WALLET_AMOUNT), f"/metadata/{WALLET_AMOUNT}"
    details = request.payment_method
    if details is UNSET or details.wallet is UNSET:
        if part is not None:
            raise BadField(pointer, "says how much a wallet pays, and there is no wallet")
        return None
    if part is None and details.card is not UNSET:
        raise BadField(
            "/payment_method",
            f"has a card and a wallet; metadata.{WALLET_AMOUNT} says how much the wallet pays",
        )
    if details.wallet.wallet_type != WALLET_TYPE:
        raise BadField("/payment_method/wallet/wallet_type", f"must be {WALLET_TYPE!r}")
    if part is None:
        return WalletShare(details.wallet.wallet_id, request.amount)
    # A bool is an int to Python.
    most = request.amount - (details.card is not UNSET)
    if type(part) is not int or not 1 <= part <= most:
        raise BadField(pointer, f"must be 1 to {most} minor units, which the wallet pays")
    return WalletShare(details.wallet.wallet_id, part)


def meaning_of(request: ExternalRequest) -> dict[str, object]:
    """What the wallet adds to what a request means; nothing where there is none."""
    details = request.payment_method
    if details is UNSET or details.wallet is UNSET:
        return {}
    return {"wallet": msgspec.to_builtins(details.wallet)}
