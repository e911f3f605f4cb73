"""Guesses at the operator token are slowed down, each client's and all of them together."""

import pytest

from chassis.http.brake import Brake
from chassis.http.problems import Problem
from tests.chassis.bare import Bare
from tests.harness.problems import assert_problem

TOKEN = "correct-horse-battery"
BARE = {"operator_token": TOKEN}


class Hours:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def refusal(brake: Brake, address: str) -> Problem | None:
    """How the brake answers the next token of this client, if it does."""
    try:
        brake.check(address)
    except Problem as problem:
        return problem
    return None


def guesses(brake: Brake, address: str) -> int:
    """How many wrong tokens are looked at before the brake holds."""
    count = 0
    while (held := refusal(brake, address)) is None:
        brake.wrong(address)
        count += 1
    assert (held.status, held.code) == (429, "too-many-attempts")
    assert int(held.headers["Retry-After"]) >= 1
    return count


def test_a_client_has_ten_tries_and_then_one_every_six_seconds():
    brake = Brake(clock := Hours())
    assert guesses(brake, "10.0.0.1") == 10
    clock.now += 5.9
    assert guesses(brake, "10.0.0.1") == 0
    clock.now += 0.2
    assert guesses(brake, "10.0.0.1") == 1
    clock.now += 3600
    assert guesses(brake, "10.0.0.1") == 10


def test_one_customer_s_ipv6_network_is_one_client():
    brake = Brake(Hours())
    assert guesses(brake, "2001:db8:1:2::1") == 10
    assert guesses(brake, "2001:db8:1:2:ffff::2") == 0
    assert guesses(brake, "2001:db8:1:3::1") == 10
    assert guesses(brake, "::ffff:10.0.0.1") == 10
    assert guesses(brake, "10.0.0.1") == 0


def test_all_clients_together_have_fifty_tries():
    brake = Brake(clock := Hours())
    assert sum(guesses(brake, f"10.0.0.{n}") for n in range(100)) == 50
    clock.now += 60
    assert sum(guesses(brake, f"10.0.1.{n}") for n in range(100)) == 30


def test_who_was_right_before_is_not_shut_out_by_the_guesses_of_others():
    brake = Brake(Hours())
    brake.right("10.0.0.99")
    for n in range(60):
        guesses(brake, f"10.0.0.{n}")
    assert guesses(brake, "10.0.0.98") == 0
    assert guesses(brake, "10.0.0.99") == 10


def test_clients_are_not_remembered_without_end():
    brake = Brake(clock := Hours())
    for n in range(10_000):
        brake.check(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        clock.now += 1
    assert len(brake._clients) == 4096  # noqa: SLF001 - the bound itself


@pytest.mark.asyncio(loop_scope="module")
async def test_the_api_brakes_too(running_bare: Bare):
    door = running_bare.door
    for _ in range(20):  # who shows no token does not guess
        assert_problem(await door.delete("/gremlins"), 401, "token-needed")
    right, wrong = ({"Authorization": f"Bearer {each}"} for each in (TOKEN, TOKEN + "x"))
    assert (await door.delete("/gremlins", headers=right)).status_code == 200
    for _ in range(10):
        answer = await door.delete("/gremlins", headers=wrong)
        assert_problem(answer, 401, "bad-token")
    for headers in (wrong, right):
        answer = await door.delete("/gremlins", headers=headers)
        assert_problem(answer, 429, "too-many-attempts")
        assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert (await door.get("/gremlins")).status_code == 200
