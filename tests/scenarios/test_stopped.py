"""Whoever stops an act, and however, leaves a calm shop; two acts at once are one too many."""

import asyncio
import signal
import subprocess

import pytest

from scenarios.lock import ScenarioLock
from tests.scenarios.at_hand import FLEET, begin, command, loose, until_loose

FLEET_ENVIRON, FLEET_KEYS = FLEET
pytestmark = pytest.mark.timeout(150)


def test_two_at_once_are_one_too_many(fleet):
    async def hold() -> tuple[int, str]:
        async with ScenarioLock(fleet.database_url, "last-units", "the dashboard"):
            return await asyncio.to_thread(command, fleet, "check", "slow-inventory")

    code, said = asyncio.run(hold())
    assert code == 2
    assert "cannot be played: the act last-units is being played by the dashboard since" in said
    assert said.count("\n") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_leaves_a_calm_shop(fleet, tmp_path, number):
    with begin(fleet, tmp_path, "check", "--quick") as running:
        until_loose(fleet, running)
        running.send_signal(number)
        said, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert f"ends here: stopped by {number.name}" in said
    assert loose(fleet) == []


def test_at_a_terminal_enter_goes_on_and_a_closed_one_ends_calm(fleet, tmp_path):
    with begin(fleet, tmp_path, "play", stdin=subprocess.PIPE) as running:
        while "[Enter] a" not in running.stdout.readline():
            assert running.poll() is None
        assert loose(fleet) == [], "nothing happens before the first Enter"
        running.stdin.write("\n")
        running.stdin.flush()
        until_loose(fleet, running)
        running.stdin.close()
        said = running.stdout.read()
        assert running.wait(30) == 1
    assert "| b" in said, "the speaker's notes"
    assert "the terminal was closed" in said
    assert loose(fleet) == []


def test_without_a_keyboard_play_says_what_to_use(fleet, tmp_path):
    with begin(fleet, tmp_path, "play", stdin=subprocess.DEVNULL) as running:
        said, _ = running.communicate(timeout=30)
    assert running.returncode == 2
    assert "there is no keyboard here: `valerix act check` needs none" in said


def test_the_list_and_what_is_in_an_act(fleet):
    code, said = command(fleet, "list")
    assert code == 0
    assert "slow-inventory" in said
    code, said = command(fleet, "show", "last-units")
    assert code == 0
    assert "exactly 25 units of PROD-003 on the shelf" in said
    code, said = command(fleet, "show", "first-units")
    assert code == 2
    assert "there is no such act; there are: last-units" in said
