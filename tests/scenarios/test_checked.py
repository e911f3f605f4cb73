"""Every act shows on the real shop what it says, in its hastened form; and what it cannot do, it
says before it begins."""

import pytest

from scenarios.loader import FOLDER, parse, read
from tests.scenarios.at_hand import ENDLESS, FLEET, check, loose

FLEET_ENVIRON, FLEET_KEYS = FLEET
pytestmark = pytest.mark.timeout(150)

# The one with a killed service needs a whole `valerix up`: test_slip.py.
HERE = ["slow-inventory", "schroedingers-warehouse", "payment-brown-out", "last-units"]


@pytest.mark.parametrize("name", HERE)
def test_every_act_shows_what_it_says(fleet, name):
    code, said = check(fleet, read(FOLDER / f"{name}.yaml"))
    assert code == 0, said
    assert f"passed: {name}" in said
    assert loose(fleet) == []
    figures = dict(line.split()[:2] for line in said.splitlines() if line.startswith("    l"))
    assert figures["lost"] == "0"
    assert "    charged twice         0" in said


def test_what_does_not_show_is_said_and_the_shop_is_calm(fleet):
    code, said = check(fleet, parse(ENDLESS.replace("LIMIT", "1s"), "endless", "x.yaml"))
    assert code == 1
    missed = " ".join(said.split())  # a long line is folded
    assert "not within 1 s: at least 1001 orders confirmed (now: " in missed
    assert loose(fleet) == []


def test_a_wrong_operator_token_is_one_line(fleet):
    code, said = check(fleet, read(FOLDER / "last-units.yaml"), operator_token="x" * 16)
    assert code == 2
    assert (
        said.splitlines()[-1]
        == (
            "  cannot be played: inventory-service wants another operator token: "
            "set VALERIX_OPERATOR_TOKEN to the one the shop was started with"
        )
        or "order-service wants another operator token" in said
    )


def test_a_service_that_is_not_there_is_one_line(fleet):
    code, said = check(fleet, read(FOLDER / "last-units.yaml"), payment_url="http://127.0.0.1:1")
    assert code == 2
    assert "payment-service does not answer at http://127.0.0.1:1: start the shop with" in said


def test_no_database_is_one_line(fleet):
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    code, said = check(fleet, read(FOLDER / "last-units.yaml"), database_url=nowhere)
    assert code == 2
    assert "the database cannot be reached" in said


def test_a_product_nobody_sells_is_the_line_of_the_file(fleet):
    bad = parse(ENDLESS.replace("PROD-001", "PROD-999").replace("LIMIT", "9s"), "x", "x.yaml")
    code, said = check(fleet, bad)
    assert code == 2
    assert "x.yaml:8: the shop sells no PROD-999; there are: PROD-001, PROD-002, PROD-003" in said


def test_a_killed_process_needs_a_valerix_up(fleet):
    path = FOLDER / "operators-slip.yaml"
    lines = path.read_text().splitlines()
    first = next(n for n, line in enumerate(lines, 1) if "restart:" in line or "kill:" in line)
    code, said = check(fleet, read(path))
    assert code == 2
    assert f"scenarios/operators-slip.yaml:{first}: only a shop" in said
    assert "started with `valerix up` on this machine" in said
