"""Every act passes on the real shop, in its faster form; what it cannot do is refused before it
begins."""

import contextlib
import re
import tempfile
from pathlib import Path

import httpx
import pytest

from scenarios.loader import FOLDER, names, parse, read
from tests.scenarios.real_shop import ENDLESS, TOKEN, check, loose, with_restarts

pytestmark = pytest.mark.timeout(150)

# The others wait for lights, or for what settles late, or are a rush: what last-units shows is in
# tests/journeys/test_placing.py, what hot-wallet does in tests/services/wallet/test_at_once.py.
SHORT = {"stolen-key"}
# One that kills or restarts a process needs a whole `valerix up`: test_with_restarts.py. One with a
# twin starts a shop more.
PLAYED = sorted(set(names()) - set(with_restarts()))
WITH_TWIN = [name for name in PLAYED if "\ntwin:" in (FOLDER / f"{name}.yaml").read_text()]
ALONE = [
    pytest.param(
        name, marks=[pytest.mark.long, pytest.mark.timeout(400)] if name not in SHORT else []
    )
    for name in PLAYED
    if name not in WITH_TWIN
]


@pytest.mark.parametrize("name", ALONE)
def test_every_act_passes(fleet, name):
    code, output = check(fleet, read(FOLDER / f"{name}.yaml"))
    assert code == 0, output
    assert f"passed: {name}" in output
    assert loose(fleet) == []
    figures = dict(line.split()[:2] for line in output.splitlines() if line.startswith("    l"))
    assert figures["lost"] == "0"
    assert "    charged twice         0" in output


@pytest.fixture
def twin_home(monkeypatch):
    """A folder of its own for a twin; its name is short, because a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="valerix-act-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("VALERIX_HOME", folder)
        yield Path(folder)


def twin_processes(home: Path) -> list[str]:
    """Whatever runs with that folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"VALERIX_HOME={home}/twins".encode() in each.read_bytes():
                found.append((each.parent / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", WITH_TWIN)
def test_a_twin_loses_beside_ours_what_ours_does_not_and_is_gone(fleet, twin_home, name):
    code, output = check(fleet, read(FOLDER / f"{name}.yaml"))
    assert code == 0, output
    rows = {line[:28].strip(): line[28:].split() for line in output.splitlines()}
    assert rows["charged twice"][0] == "0"
    assert int(rows["charged twice"][1]) > 0
    assert rows["stuck"][0] == rows["charged without goods"][0] == rows["units leaked"][0] == "0"
    assert loose(fleet) == []
    assert twin_processes(twin_home) == []


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_act_that_misses_something_leaves_no_twin(fleet, twin_home):
    text = f"twin: naive\n{ENDLESS.replace('LIMIT', '1s')}"
    code, output = check(fleet, parse(text, "endless", "x.yaml"))
    assert code == 1, output
    assert "twin (unsafe)" in output
    assert twin_processes(twin_home) == []


def test_a_twin_runs_on_loopback_only(fleet):
    text = f"twin: naive\n{ENDLESS.replace('LIMIT', '1s')}"
    code, output = check(fleet, parse(text, "endless", "x.yaml"), host="0.0.0.0")  # noqa: S104
    assert code == 2
    assert "x.yaml: the twin loses money on purpose, so it runs on loopback only" in output


def test_a_missed_expectation_is_reported_and_the_shop_is_calm(fleet):
    code, output = check(fleet, parse(ENDLESS.replace("LIMIT", "1s"), "endless", "x.yaml"))
    assert code == 1, output
    missed = " ".join(output.split())  # a long line is folded
    assert "not within 1 s: at least 1001 orders confirmed (now: " in missed
    assert loose(fleet) == []


def test_a_wrong_operator_token_is_one_line(fleet):
    code, output = check(fleet, read(FOLDER / "last-units.yaml"), operator_token="x" * 16)
    assert code == 2
    assert re.fullmatch(
        r"  cannot be played: \S+ wants another operator token: "
        r"set VALERIX_OPERATOR_TOKEN to the one the shop was started with",
        output.splitlines()[-1],
    )


def test_a_service_that_does_not_answer_is_one_line(fleet):
    code, output = check(fleet, read(FOLDER / "last-units.yaml"), payment_url="http://127.0.0.1:1")
    assert code == 2
    assert "payment-service does not answer at http://127.0.0.1:1: start the shop with" in output


def test_no_database_is_one_line(fleet):
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    code, output = check(fleet, read(FOLDER / "last-units.yaml"), database_url=nowhere)
    assert code == 2
    assert "the database cannot be reached" in output


def test_an_unknown_product_is_reported_with_the_line_of_the_file(fleet):
    bad = parse(ENDLESS.replace("PROD-001", "PROD-999").replace("LIMIT", "9s"), "x", "x.yaml")
    code, output = check(fleet, bad)
    assert code == 2
    assert "x.yaml:8: the shop sells no PROD-999; there are: PROD-001, PROD-002, PROD-003" in output


PAYING = """\
title: T
teaches: x
steps:
  - title: a
    say: b
    do:
      - account: {name: alfa, mode: "500"}
      - pay: {merchant: m1, amount: 100, currency: USD, count: 2}
      - wait:
          until: {payments: {made: 2, open: 0, in_part: 0}, legs: {captured: 2}}
          limit: 20s
      - expect: {money_in_doubt: 0}
"""


def modes(fleet, bravo: str = "") -> dict[str, str]:
    """How each account answers; bravo as it is set here."""
    if bravo:
        path = fleet.url("acquirer") + "/accounts/bravo/mode"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        httpx.put(path, json={"mode": bravo}, headers=headers).raise_for_status()
    found = fleet.ask("GET", "acquirer", "/accounts")[1]["accounts"]
    return {each["name"]: each["mode"] for each in found}


@pytest.mark.long  # the client is tried in test_executor.py
def test_an_account_that_an_act_let_misbehave_answers_as_before(fleet):
    before = modes(fleet, bravo="declined")
    code, output = check(fleet, parse(PAYING, "paying", "x.yaml"))
    assert code == 0, output
    well = dict.fromkeys(("alfa", "charlie", "wallets"), "happy")
    assert modes(fleet) == before == {**well, "bravo": "declined"}
    modes(fleet, bravo="happy")
    assert "    payments              2   made meanwhile" in output


def test_an_unknown_merchant_or_account_is_reported_with_the_line_of_the_file(fleet):
    code, output = check(fleet, parse(PAYING.replace("m1", "m9"), "x", "x.yaml"))
    assert "x.yaml:8: there is no merchant m9; there are: m1, m2" in output, output
    assert code == 2
    code, output = check(fleet, parse(PAYING.replace("alfa", "zulu"), "x", "x.yaml"))
    expected = "x.yaml:7: acquirer has no account zulu; there are: alfa, bravo, charlie"
    assert (code, expected in output) == (2, True)


def test_a_killed_process_needs_a_valerix_up(fleet):
    path = FOLDER / "operators-slip.yaml"
    lines = path.read_text().splitlines()
    first = next(n for n, line in enumerate(lines, 1) if "restart:" in line or "kill:" in line)
    code, output = check(fleet, read(path))
    assert code == 2
    assert f"scenarios/operators-slip.yaml:{first}: only a shop" in output
    assert "started with `valerix up` on this machine" in output
