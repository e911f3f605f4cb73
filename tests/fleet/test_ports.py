"""The ports that tests, benchmarks and load runs draw for themselves."""

import subprocess
import sys

from fleet.ports import free_port


def test_no_port_is_given_twice_and_none_is_one_of_the_systems_own() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768


def test_a_port_that_was_given_and_is_not_yet_listened_on_is_given_to_no_other_process() -> None:
    ours = {free_port() for _ in range(50)}
    many = "from fleet.ports import free_port; print(*[free_port() for _ in range(5_000)])"
    theirs = subprocess.run([sys.executable, "-c", many], capture_output=True, check=True).stdout
    assert ours.isdisjoint(map(int, theirs.split()))
