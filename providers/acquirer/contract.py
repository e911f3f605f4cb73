"""What the shop may ask of the acquirer beside Stripe's API: its accounts and how it misbehaves."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Mode = Literal["happy", "timeout", "500", "declined", "latency", "random"]
Chance = Annotated[float, Meta(ge=0, le=1)]


class AccountView(msgspec.Struct, frozen=True):
    """An account without its key: fees in basis points and minor units, limits in minor units."""

    name: str
    id: str
    fee_basis_points: int
    fee_fixed_minor: int
    minimum_minor: int
    maximum_minor: int
    daily_capacity_minor: int
    decline_rate: float
    latency_ms: int
    mode: Mode
    mode_since: datetime


class AccountList(msgspec.Struct, frozen=True):
    """All accounts by name."""

    accounts: list[AccountView]


class SetMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let an account misbehave: `500` does the work and answers that it failed, `timeout` does it
    and answers nobody, `random` is any of the others for half of the requests."""

    mode: Mode


class WebhookFaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How badly webhooks travel: shares of deliveries that come twice, are held back until later
    ones have passed, have a forged one before them, or never come; and seconds that all wait."""

    duplicate: Chance = 0.0
    delay_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    reorder: Chance = 0.0
    forge: Chance = 0.0
    lose: Chance = 0.0
