"""The settings of the make-believe providers: which one is asked, and how often it fails."""

from collections import Counter

import pytest

from chassis.settings import BadSetting
from fleet.settings import load
from services.payment.app import connector_of, create_app
from services.payment.connectors.flaky import FAULTS, Flaky, parse_shares


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
