"""However an act is stopped, the shop is calm afterwards; a second act at once is refused."""

import asyncio
import signal
import subprocess

import pytest

from scenarios.lock import ScenarioLock
from tests.scenarios.real_shop import begin, command, loose, until_loose

pytestmark = pytest.mark.timeout(150)


def test_a_second_act_at_once_is_refused(fleet):
    async def hold() -> tuple[int, str]:
        async with ScenarioLock(fleet.database_url, "last-units", "the dashboard"):
            return await asyncio.to_thread(command, fleet, "check", "slow-inventory")

    code, output = asyncio.run(hold())
    assert code == 2
    assert "cannot be played: the act last-units is being played by the dashboard since" in output
    assert output.count("\n") == 2


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=[pytest.mark.long]),
        pytest.param(signal.SIGHUP, marks=[pytest.mark.long]),
    ],
)
def test_ctrl_c_leaves_a_calm_shop(fleet, tmp_path, number):
    with begin(fleet, tmp_path, "check", "--quick") as running:
        until_loose(fleet, running)
        running.send_signal(number)
        output, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"ends here: stopped by {number.name}" in output
    assert loose(fleet) == []


@pytest.mark.long
def test_an_act_whose_output_nobody_reads_any_more_ends_calm(fleet, tmp_path):
    with begin(fleet, tmp_path, "check", "--quick", stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.wait(60) == 2
        assert running.stderr.read() == ""
    assert loose(fleet) == []


@pytest.mark.long
def test_under_nohup_an_act_outlives_its_terminal(fleet, tmp_path):
    ignored = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with begin(fleet, tmp_path, "check", "--quick", **ignored) as running:
        until_loose(fleet, running)
        running.send_signal(signal.SIGHUP)
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=120)
    assert "ends here: stopped by SIGINT" in output


@pytest.mark.long
def test_enter_starts_the_next_step_and_a_closed_terminal_ends_the_act_calm(fleet, tmp_path):
    with begin(fleet, tmp_path, "play", stdin=subprocess.PIPE) as running:
        while "[Enter] a" not in running.stdout.readline():
            assert running.poll() is None
        assert loose(fleet) == [], "nothing happens before the first Enter"
        running.stdin.write("\n")
        running.stdin.flush()
        until_loose(fleet, running)
        running.stdin.close()
        output = running.stdout.read()
        assert running.wait(30) == 1
    assert "| b" in output, "the speaker's notes"
    assert "the terminal was closed" in output
    assert loose(fleet) == []


def test_play_without_a_keyboard_is_refused_with_the_alternative(fleet, tmp_path):
    with begin(fleet, tmp_path, "play", stdin=subprocess.DEVNULL) as running:
        output, _ = running.communicate(timeout=120)
    assert running.returncode == 2
    assert "there is no keyboard here: `valerix act check` needs none" in output


def test_the_acts_are_listed_and_shown(fleet):
    code, output = command(fleet, "list")
    assert code == 0
    assert "slow-inventory" in output
    code, output = command(fleet, "show", "last-units")
    assert code == 0
    assert "exactly 25 units of PROD-003 on the shelf" in output


@pytest.mark.long
def test_an_act_that_does_not_exist_is_refused_with_those_that_do(fleet):
    code, output = command(fleet, "show", "first-units")
    assert code == 2
    assert "there is no such act; there are: " in output
    assert "last-units" in output
