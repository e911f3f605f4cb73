"""The make-believe providers: one verdict per key for ever, and faults that come as configured."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from chassis.settings import BadSetting, Settings
from fleet.settings import load
from services.payment.app import connector_of, create_app
from services.payment.connectors import AttemptRef, GatewayNotSent, GatewayUnknown
from services.payment.connectors.flaky import FAULTS, Flaky, parse_shares
from services.payment.connectors.mock import Mock
from services.payment.connectors.mock_store import MockStore
from services.payment.outcomes import Captured, Declined, NotFound, Refunded, Voided

MONEY = (100, "EUR")
KEY = AttemptRef("k", "o", *MONEY)


@pytest.fixture
async def store(payment_settings: Callable[..., Settings]) -> AsyncIterator[MockStore]:
    store = MockStore(payment_settings())
    yield store
    await store.close()


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


def test_the_shares_come_out_as_configured_and_a_seed_repeats_them():
    shares = parse_shares("lost_request=0.05,lost_response=0.1,garbage=0.2,late=0.05")

    def fates(seed: int) -> list[str]:
        flaky = Flaky(None, shares=shares, seed=seed, late_s=1.0)  # type: ignore[arg-type]
        return [flaky.next_fault() for _ in range(4000)]

    assert fates(3) == fates(3) != fates(4)
    counted = Counter(fates(3))
    for name in ("", *FAULTS):
        expected = shares.get(name, 0.0) if name else 1 - sum(shares.values())
        assert counted[name] / 4000 == pytest.approx(expected, abs=0.02)


def test_the_default_shares_can_be_used():
    settings = load("payment", {})
    assert sum(parse_shares(settings.payment_flaky_shares).values()) == pytest.approx(0.21)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("lost=0.1", "'lost' is not a fault; there are: not_sent, lost_request"),
        ("late", "'late' is not fault=share"),
        ("late=", "is not fault=share"),
        ("late=often", "is not fault=share"),
        ("late=1.5", "late must be between 0 and 1"),
        ("late=-0.1", "late must be between 0 and 1"),
        ("late=nan", "late must be between 0 and 1"),
        ("late=0.1,late=0.2", "late is given twice"),
        ("late=0.6,garbage=0.6", "add up to more than 1"),
    ],
)
def test_shares_that_cannot_be_used_are_explained_in_one_line(written: str, complaint: str):
    settings = load("payment", {"VALERIX_PAYMENT_CONNECTOR": "flaky"}, payment_flaky_shares=written)
    with pytest.raises(BadSetting, match="VALERIX_PAYMENT_FLAKY_SHARES cannot be used") as refused:
        create_app(settings)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("written", ["", " ", "late=0", " late = 0.5 , garbage=0.5 "])
def test_shares_are_read_leniently_where_they_are_clear(written: str):
    parse_shares(written)


def test_the_settings_choose_the_connector():
    assert connector_of(load("payment", {})).name == "mock"
    assert connector_of(load("payment", {"VALERIX_PAYMENT_CONNECTOR": "flaky"})).name == "flaky"
    loose = connector_of(
        load(
            "payment",
            {"VALERIX_PAYMENT_CONNECTOR": "flaky", "VALERIX_PAYMENT_GATEWAY_FENCES": "false"},
        )
    )
    assert not loose.can.fences
