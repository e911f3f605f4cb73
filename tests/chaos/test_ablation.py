"""Every guard is load-bearing: its scene breaks a promise without it and none with it."""

import logging
from contextlib import nullcontext

import asyncpg
import pytest

from tests.chaos.ablations import (
    GUARDS,
    PATIENT,
    Guard,
    a_cancel_overtakes_the_answer_to_the_charge,
    blind_writes,
)
from tests.chaos.scripted import ScriptedShop

# Those whose scene is a fault between orders and payments.
ON_THE_WAY = {"tombstone on cancelling an unknown payment", "compare-and-set on the version"}


@pytest.fixture(autouse=True)
def quiet():
    """The scenes are made of faults; their log lines say nothing a failing test does not."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def named(guard: Guard) -> str:
    return guard.name


@pytest.mark.parametrize("guard", GUARDS, ids=named)
async def test_without_the_guard_a_promise_breaks(
    database_url: str, connection: asyncpg.Connection, guard: Guard
):
    with guard.off():
        shop = ScriptedShop(database_url, connection, guarded=False, **guard.timing)
        async with shop.open():
            await guard.scene(shop)
    assert guard.breaks <= shop.broken


@pytest.mark.parametrize(
    "guard",
    [GUARDS[0], *(pytest.param(guard, marks=[pytest.mark.long]) for guard in GUARDS[1:])],
    ids=named,
)
async def test_with_the_guard_the_same_scene_breaks_nothing(
    database_url: str, connection: asyncpg.Connection, guard: Guard
):
    async with ScriptedShop(database_url, connection, **guard.timing).open() as shop:
        await guard.scene(shop)
    assert shop.broken == guard.scene_breaks


@pytest.mark.parametrize("guard", [g for g in GUARDS if g.name in ON_THE_WAY], ids=named)
@pytest.mark.parametrize("guarded", [True, False])
async def test_what_happens_on_the_way_to_payments_is_the_same_over_grpc(
    database_url: str, connection: asyncpg.Connection, guard: Guard, guarded: bool
):
    with nullcontext() if guarded else guard.off():
        shop = ScriptedShop(
            database_url, connection, guarded=guarded, transport="grpc", **guard.timing
        )
        async with shop.open():
            await guard.scene(shop)
    assert guard.scene_breaks == shop.broken if guarded else guard.breaks <= shop.broken


async def test_a_lost_race_is_refused_by_the_database_even_without_compare_and_set(
    database_url: str, connection: asyncpg.Connection
):
    with blind_writes():
        async with ScriptedShop(database_url, connection, **PATIENT).open() as shop:
            await a_cancel_overtakes_the_answer_to_the_charge(shop)
    assert shop.broken == set()
