"""A payments for each test: the composed service on a database of its own."""

from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from chassis.settings import Settings
from tests.services.payment.payment_service import GATEWAY_TIMEOUT_S, Replica, open_replica


@pytest.fixture
def payment_settings(settings_for: Callable[..., Settings]) -> Callable[..., Settings]:
    """Settings of a provider that approves everything, quickly; override to make it worse."""

    def build(**overrides: object) -> Settings:
        calm: dict[str, object] = {
            "payment_decline_rate": 0.0,
            "payment_stripe_accounts": "",  # the acquirer is asked where a test has started one
            "payment_gateway_timeout_s": GATEWAY_TIMEOUT_S,
            "payment_probe_base_s": 0.01,
            "payment_probe_max_s": 0.05,
            "pool_wait_s": 20.0,  # forty at once on a busy machine are not turned away
        }
        return settings_for("payment", **{**calm, **overrides})

    return build


@pytest.fixture
async def payments(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """A provider that approves, and fences."""
    async with open_replica(payment_settings(), connection) as payments:
        yield payments


@pytest.fixture
async def declining(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """A provider that declines everything."""
    settings = payment_settings(payment_decline_rate=1.0)
    async with open_replica(settings, connection) as payments:
        yield payments


@pytest.fixture
async def unfenced(
    payment_settings: Callable[..., Settings], connection: asyncpg.Connection
) -> AsyncIterator[Replica]:
    """A provider that cannot fence: a void is no promise about a charge that comes later."""
    settings = payment_settings(payment_gateway_fences=False)
    async with open_replica(settings, connection) as payments:
        yield payments
