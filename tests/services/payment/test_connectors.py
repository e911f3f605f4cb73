"""The make-believe providers: one verdict per key for ever, and faults that come as configured."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
import pytest_asyncio

from chassis.settings import Settings
from gateways import (
    AttemptRef,
    Captured,
    Declined,
    GatewayNotSent,
    GatewayUnknown,
    NotFound,
    Refunded,
    Voided,
)
from services.payment.connectors.flaky import Flaky
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONEY = (100, "EUR")
KEY = AttemptRef("k", "o", *MONEY)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_store(payment_settings: Callable[..., Settings]) -> AsyncIterator[MockStore]:
    store = MockStore(payment_settings())
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def store(open_store: MockStore, connection: asyncpg.Connection) -> MockStore:
    """A provider's record with nothing in it."""
    return open_store


def _mock(
    store: MockStore, *, decline_rate: float = 0.0, seed: int = 1, fences: bool = True
) -> Mock:
    return Mock(store, decline_rate=decline_rate, seed=seed, fences=fences)


async def test_a_key_is_charged_once_however_often_it_comes(store: MockStore):
    mock = _mock(store)
    results = await asyncio.gather(*(mock.authorise(KEY, capture=True) for _ in range(20)))
    assert set(results) == {Captured(*MONEY)}
    assert len(await mock.captures(None, 10)) == 1


async def test_the_first_verdict_under_a_key_stands(store: MockStore):
    assert isinstance(await _mock(store, decline_rate=1.0).authorise(KEY, capture=True), Declined)
    assert isinstance(await _mock(store, decline_rate=0.0).authorise(KEY, capture=True), Declined)


async def test_what_a_key_has_become_can_be_looked_up(store: MockStore):
    mock = _mock(store)
    assert await mock.find_out(KEY) == NotFound()
    await mock.authorise(KEY, capture=True)
    assert await mock.find_out(KEY) == Captured(*MONEY)
    assert await mock.refund(KEY) == Refunded(*MONEY)
    assert await mock.refund(KEY) == Refunded(*MONEY)
    assert await mock.find_out(KEY) == Refunded(*MONEY)
    assert await mock.authorise(KEY, capture=True) == Refunded(*MONEY)
    assert await mock.captures(None, 10) == []


async def test_a_void_of_an_unknown_key_fences_it(store: MockStore):
    mock = _mock(store)
    assert await mock.void(KEY) == Voided()
    assert await mock.authorise(KEY, capture=True) == Voided()
    assert await mock.refund(KEY) == Voided()


async def test_without_fences_a_charge_after_the_void_is_captured(store: MockStore):
    mock = _mock(store, fences=False)
    assert await mock.void(KEY) == Voided()
    assert await mock.authorise(KEY, capture=True) == Captured(*MONEY)


@pytest.mark.parametrize("fences", [True, False])
async def test_a_void_that_is_too_late_says_so(store: MockStore, fences: bool):
    mock = _mock(store, fences=fences)
    await mock.authorise(KEY, capture=True)
    assert await mock.void(KEY) == Captured(*MONEY)
    assert await mock.find_out(KEY) == Captured(*MONEY)


async def test_a_seed_gives_every_key_the_same_verdict_in_every_run(store: MockStore):
    keys = [f"ord_{n}:1" for n in range(400)]
    one, same, other = (
        [_mock(store, decline_rate=0.1, seed=seed).verdict(key, *MONEY) for key in keys]
        for seed in (7, 7, 8)
    )
    assert one == same != other
    declined = sum(isinstance(verdict, Declined) for verdict in one)
    assert 20 <= declined <= 60
    assert len({verdict.code for verdict in one if isinstance(verdict, Declined)}) > 1


async def test_a_seed_gives_the_same_faults_in_every_run(store: MockStore):
    shares = {"lost_response": 0.5}
    first, again, other = (
        [flaky.next_fault() for _ in range(50)]
        for flaky in (
            Flaky(_mock(store), shares=shares, seed=seed, late_s=1.0) for seed in (7, 7, 8)
        )
    )
    assert first == again != other


async def test_without_a_seed_a_run_differs_from_the_last(store: MockStore):
    keys = [str(n) for n in range(200)]
    one, other = (
        [_mock(store, decline_rate=0.5, seed=0).verdict(key, *MONEY) for key in keys]
        for _ in range(2)
    )
    assert one != other


async def test_a_store_that_cannot_be_reached_was_not_asked(
    payment_settings: Callable[..., Settings],
):
    store = MockStore(payment_settings(database_url="postgresql://nobody@127.0.0.1:1/nowhere"))
    with pytest.raises(GatewayNotSent):
        await _mock(store).authorise(KEY, capture=True)
    await store.close()


@pytest.mark.parametrize(
    ("fault", "raises", "landed"),
    [
        ("not_sent", GatewayNotSent, False),
        ("lost_request", GatewayUnknown, False),
        ("lost_response", GatewayUnknown, True),
        ("error_before", GatewayUnknown, False),
        ("error_after", GatewayUnknown, True),
        ("garbage", GatewayUnknown, True),
        ("late", GatewayUnknown, False),
    ],
)
async def test_each_fault_does_what_it_says(
    store: MockStore, fault: str, raises: type[Exception], landed: bool
):
    flaky = Flaky(_mock(store), shares={fault: 1.0}, seed=1, late_s=1.0, silence_s=0.01)
    with pytest.raises(raises):
        await flaky.authorise(KEY, capture=True)
    assert (await _mock(store).find_out(KEY) == Captured(*MONEY)) is landed
    if fault == "late":
        async with asyncio.timeout(10):
            while await _mock(store).find_out(KEY) != Captured(*MONEY):
                await asyncio.sleep(0.02)


async def test_what_will_not_answer_keeps_its_caller_waiting(store: MockStore):
    flaky = Flaky(_mock(store), shares={"lost_response": 1.0}, seed=1, late_s=1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await flaky.refund(KEY)
