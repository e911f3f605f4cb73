"""What orders take, held against a simulation that shares no formula with it, and its refusals."""

import json

import msgspec
import pytest
from click import ClickException
from click.testing import CliRunner

from bench.capacity import knee, modelled, taken_by_one
from bench.queue_simulation import ProcessStep, Shop, knee_per_s
from bench.rates import Held, Rates
from cli.main import main
from observatory.capacity.plan import MEASURED, BadFigures, limits, plan, rate_of, read_figures
from topology import LIT

FIGURES = read_figures()


def one_machine() -> float:
    (limit,) = (each for each in limits(FIGURES) if each.is_one_machine)
    return limit.orders_per_s


def test_the_limit_of_one_machine_is_where_the_shop_bends_measured_and_simulated():
    measured = json.loads(MEASURED.read_text())["capacity"]
    shop = modelled(measured["per_order"], measured["idle"]["cores"], FIGURES.machine.cores)
    assert knee_per_s(shop) == pytest.approx(one_machine(), rel=0.2)
    assert measured["knee"]["measured_per_s"] == pytest.approx(one_machine(), rel=0.2)


def test_with_cores_enough_the_simulated_shop_bends_where_its_slowest_single_process_is_busy():
    order = [ProcessStep("order", 0.02), ProcessStep("postgres", 0.01)]
    assert knee_per_s(Shop(64, order, [ProcessStep("relay", 0.005)])) == pytest.approx(50, rel=0.1)


def held(per_s: float, cores: float, *, in_time: float = 1.0, behind_s: float = 0.2) -> Held:
    cpu = {"order-service": cores, "database": 0.5, "client": 0.0}
    return Held(per_s, in_time, 90.0, behind_s, cpu, {"commits": 100 - per_s})


def test_what_an_order_takes_is_read_at_the_highest_rate_that_the_shop_kept_up_with():
    late, behind = held(60, 9.0, in_time=0.9), held(50, 9.0, behind_s=4.0)
    idle = Rates({"order-service": 0.1, "database": 0.1, "client": 0.0}, {"commits": 70.0})
    busiest = knee([held(20, 0.4), held(40, 0.5), behind, late])
    per_order = taken_by_one(busiest, idle)
    assert per_order["cpu_ms"] == {"order-service": pytest.approx(10)}
    assert (per_order["database_cpu_ms"], per_order["commits"]) == (pytest.approx(10), 0)
    with pytest.raises(ClickException, match="kept up with no rate"):
        knee([behind, late])


def test_twice_the_orders_add_twice_of_everything_and_pass_what_they_exceed():
    plans = [plan(FIGURES, rate) for rate in (500.0, 1000.0, 1500.0)]
    taken = [
        [*(each.cores for each in found.processes), *(each.per_s for each in found.volumes),
         found.database_cores]
        for found in plans
    ]  # fmt: skip
    for one, two, three in zip(*taken, strict=True):
        assert three - two == pytest.approx(two - one)
        assert one > 0
    rates = [limit.orders_per_s for limit in plans[0].limits]
    assert rates == sorted(rates)
    assert not plans[0].first.is_one_machine


def test_replicas_are_never_busier_than_seven_tenths_and_never_fewer_than_two():
    lit = {process.name for process in LIT}
    for rate in (0.5, 60.0, 900.0):
        for need in plan(FIGURES, rate).processes:
            if need.process in lit:
                assert need.replicas >= 2
                assert need.busy <= 0.7
            else:
                assert need.replicas == 1


@pytest.mark.parametrize(
    ("typed", "message"),
    [("many", "a number, such as"), ("", "a number, such as"), ("0", "more than 0"),
     ("-5", "more than 0"), ("nan", "more than 0"), ("inf", "at most 1000000")],
)  # fmt: skip
def test_what_is_no_number_of_orders_is_refused(typed: str, message: str):
    result = CliRunner().invoke(main, ["capacity", "--orders-per-s", typed])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"not JSON", "no result of a benchmark"),
        (b'{"machine":{}}', "no result of a benchmark"),
        (b"\xff\xfe", "no result of a benchmark"),
        (MEASURED.read_bytes().replace(b'"client"', b'"shop"'), "of client"),
        (
            msgspec.json.encode(
                msgspec.structs.replace(
                    FIGURES,
                    capacity=msgspec.structs.replace(
                        FIGURES.capacity,
                        per_order=msgspec.structs.replace(
                            FIGURES.capacity.per_order, database_cpu_ms=0.0
                        ),
                    ),
                )
            ),
            "not above 0",
        ),
    ],
)
def test_a_file_without_figures_is_refused(tmp_path, content: bytes | None, message: str):
    path = tmp_path / "figures.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadFigures, match=message):
        read_figures(path)
    result = CliRunner().invoke(main, ["capacity", "--orders-per-s", "9", "--measured", str(path)])
    assert (result.exit_code, "Traceback" in result.output) == (2, False)


def test_the_command_says_the_same_as_a_table_and_as_json():
    as_json = CliRunner().invoke(main, ["capacity", "--orders-per-s", "250", "--json"])
    found, expected = json.loads(as_json.output), plan(FIGURES, rate_of("250"))
    assert found == json.loads(msgspec.json.encode(expected))
    table = CliRunner().invoke(main, ["capacity", "--orders-per-s", "250"]).output
    for each in (*expected.processes,):
        assert each.process in table
    for limit in expected.limits:
        assert limit.why in table
