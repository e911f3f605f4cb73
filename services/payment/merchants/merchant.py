"""A merchant as its payments are decided by."""

from typing import Any

import msgspec

from services.payment.planning import ProviderTerms


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """`method` is what a request without a payment method pays with; `accounts` are those of its
    chain, in its order, with what they charge and take now; `attributes` are its own values of the
    policy's variables. All of a request has `budget_ms` milliseconds."""

    merchant_id: str
    method: str
    accounts: tuple[ProviderTerms, ...]
    budget_ms: int
    policy_version: str | None
    policy_text: str | None
    attributes: dict[str, Any]
