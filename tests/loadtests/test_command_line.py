"""Bad options are refused in one clear line, before anything starts."""

import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loadtests.__main__ import main
from loadtests.run import workers_for
from loadtests.target import find_target
from tests.loadtests.arranged import plan_of

CLOSED = "http://127.0.0.1:1"
BAD_OPTIONS = {
    "a profile that does not exist": (
        ["--profile", "lod"],
        "no profile is called 'lod'; there are",
    ),
    "a scale that is no number": (["--scale", "fast"], "SCALE=fast is not a number"),
    "a scale of nothing": (["--scale", "0"], "SCALE=0"),
    "an endless scale": (["--scale", "inf"], "SCALE=inf"),
    "a scale that is not a number at all": (["--scale", "nan"], "SCALE=nan"),
    "a rate of nothing": (["--rate", "0"], "RATE=0"),
    "a rate below nothing": (["--rate", "-5"], "RATE=-5"),
    "half a worker": (["--workers", "0.5"], "WORKERS=0.5 is not a whole number"),
    "workers below nothing": (["--workers", "-1"], "WORKERS=-1"),
    "a threshold that is none": (["--errors", "500"], "--errors=500"),
    "a shop that does not run": (["--order-url", CLOSED], "start it with make up"),
    "an address that is none": (["--order-url", "shop"], "shop is not an address"),
    "another protocol": (["--host", "ftp://127.0.0.1:5001"], "is not an address"),
    "a port that is none": (["--order-url", "http://127.0.0.1:99999"], "is not an address"),
}


@pytest.fixture(autouse=True)
def no_shop_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home in which nothing runs and nothing was ever reported."""
    monkeypatch.setenv("VALERIX_HOME", str(tmp_path / "home"))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_bad_option_is_one_line_and_exit_code_2(tmp_path: Path):
    wrong = {}
    for name, (options, expected) in BAD_OPTIONS.items():
        result = invoke("run", *options)
        lines = result.output.strip().splitlines()
        if result.exit_code != 2 or len(lines) != 1 or expected not in result.output:
            wrong[name] = result.output
    assert wrong == {}
    assert not (tmp_path / "home").exists(), "nothing was begun"


def test_another_program_on_the_port_is_not_a_ready_shop():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = invoke("run", "--order-url", f"http://127.0.0.1:{other.getsockname()[1]}")
    assert result.exit_code == 2
    assert "no shop is ready" in result.output


def test_a_taken_port_of_the_page_is_named_with_its_holder():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = invoke("web", "--web-port", str(port))
    assert result.exit_code == 2
    assert re.search(rf"port {port} for Locust's page is taken.*--web-port", result.output)


def test_more_workers_than_cores_are_a_note_and_not_more_processes():
    started, note = workers_for(10_000)
    assert started < 10_000
    assert f"10000 workers asked for, {started} started" in note
    assert workers_for(1) == (1, "")


def test_a_database_is_used_only_if_it_belongs_to_the_shop(monkeypatch: pytest.MonkeyPatch):
    """An address given by hand says nothing about a database; asking some other one proves
    nothing."""
    assert find_target({"order": CLOSED}).database_url is None
    monkeypatch.setenv("VALERIX_DATABASE_URL", "postgresql://somewhere/valerix")
    assert find_target({"order": CLOSED}).database_url == "postgresql://somewhere/valerix"


def test_the_other_services_are_looked_for_beside_the_order_service(
    monkeypatch: pytest.MonkeyPatch,
):
    urls = find_target({"order": "http://localhost:5001/"}).urls
    assert urls["order"] == "http://localhost:5001"
    assert urls["inventory"] == "http://localhost:5002"
    assert find_target({}).urls["order"] == "http://127.0.0.1:5001"
    monkeypatch.setenv("VALERIX_ORDER_PORT", "6001")
    assert find_target({}).urls["order"] == "http://127.0.0.1:6001"


def test_every_key_of_two_runs_differs():
    from loadtests.plan import new_tag

    assert new_tag() != new_tag()
    # What the shop demands of a key.
    assert 16 <= len(f"{new_tag()}-0-0001-000001") <= 255
    assert plan_of().tag
