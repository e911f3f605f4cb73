"""What the wallet service announces: the `data` of its events, written by trigger with each entry.

Routing keys `wallet.debited` and `wallet.credited`; the aggregate is the wallet's account, and
`version` counts its events."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from services.wallet.contract import Kind


class WalletMoved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sealed entry. The amount is positive; which way it went is the event's type."""

    account_id: UUID
    user_id: str
    transaction_id: UUID
    kind: Kind
    amount_minor: Annotated[int, Meta(ge=1)]
    currency: str
    balance_minor: Annotated[int, Meta(ge=0)]
    version: Annotated[int, Meta(ge=1)]
    at: datetime
