"""Commands for a shop that runs in another terminal."""

from pathlib import Path

import httpx

from fleet import health, migrate
from tests.fleet.conftest import needs_embedded
from tests.fleet.shop import UpShop
from topology import PROCESSES, SERVICES

pytestmark = needs_embedded


def test_every_process_is_ready_when_the_shop_is_open(open_shop: UpShop):
    running = open_shop.home.running()
    assert running is not None
    assert set(running.urls) == {process.key for process in PROCESSES}
    for url in running.urls.values():
        assert health.obstacle(url) is None


def test_each_process_is_its_own_and_postgresql_is_one_more(open_shop: UpShop):
    for process in PROCESSES:
        assert open_shop.named(process.key).is_running()
    assert open_shop.named("-D").is_running()


def test_a_second_shop_on_the_same_folder_is_refused_in_one_line(open_shop: UpShop):
    refused = open_shop.command("up")
    assert refused.returncode == 2
    assert f"pid {open_shop.home.running().pid}" in refused.stderr
    assert "VALERIX_HOME" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_calm_reaches_every_service(open_shop: UpShop):
    calmed = open_shop.command("calm")
    assert calmed.returncode == 0, calmed.stderr
    assert calmed.stdout.count("called off") == len(SERVICES)


def test_a_signing_key_is_withdrawn_and_the_next_one_signs(open_shop: UpShop):
    keys = open_shop.command("signing-keys", "list").stdout
    stolen = next(line.split()[0] for line in keys.splitlines() if "SIGNING" in line)
    gone = open_shop.command("signing-keys", "withdraw", stolen, "--reason", "a stolen backup")
    assert gone.returncode == 0, gone.stderr
    states = {line.split()[0]: line.split()[1] for line in gone.stdout.splitlines()}
    assert states[stolen] == "WITHDRAWN"
    assert sorted(states.values()).count("SIGNING") == 1
    assert "by cli: a stolen backup" in gone.stdout
    for kid in ("x", "-h", "-xhr_"):
        unknown = open_shop.command("signing-keys", "withdraw", kid, "--reason", "y")
        assert (unknown.returncode, "404" in unknown.stderr) == (1, True)


def test_what_the_pages_of_payments_show_is_printed(open_shop: UpShop, tmp_path: Path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("if true then deny\n")
    bad.write_text("if true then allow\nif amuont > 1 then deny\n")
    checked = open_shop.command("policy", "check", str(bad))
    assert checked.returncode == 1
    assert f"{bad}:2:4: amuont is none of" in checked.stdout
    version = open_shop.command("policy", "save", str(good)).stdout.strip()
    assert (
        f"version {version}, saved before" in open_shop.command("policy", "check", str(good)).stdout
    )
    tried = open_shop.command("policy", "what-if", str(good))
    assert "0 of 0 payments and 0 refused requests change" in tried.stdout
    bad.write_text("nobody: {fee_basis_points: 200}\n")
    refused = open_shop.command("policy", "what-if", str(good), "--terms", str(bad))
    assert (refused.returncode, "nobody" in refused.stderr) == (1, True)
    bad.write_text("alfa: {fee_basis_points: 200, daily_capacity_minor: 5000}\n")
    alone = open_shop.command("policy", "what-if", "--terms", str(bad))
    assert "0 of 0 payments and 0 refused requests change" in alone.stdout, alone.stderr
    assert open_shop.command("policy", "what-if").returncode == 2
    assert open_shop.command("policy", "give", "m1", version).stdout == f"m1: {version}\n"
    assert version in open_shop.command("policy", "list").stdout
    assert open_shop.command("provider", "mode", "alfa", "500").stdout == "alfa: 500\n"
    assert "breaker closed; mode 500" in open_shop.command("provider", "list").stdout
    assert open_shop.command("provider", "mode", "alfa", "happy").returncode == 0
    assert open_shop.command("payment", "list").stdout == "no payment fits\n"
    nothing = open_shop.command("payment", "show", "00000000-0000-4000-8000-000000000000")
    assert (nothing.returncode, "answers 404" in nothing.stderr) == (1, True)
    no_id = open_shop.command("payment", "show", "nope")
    assert (no_id.returncode, "'nope' is not a valid UUID" in no_id.stderr) == (2, True)


def test_what_is_on_its_way_between_processes_is_printed(open_shop: UpShop):
    lag = open_shop.command("events", "lag")
    assert "postgres: position " in lag.stdout, lag.stderr
    assert "audit-consumer " in lag.stdout
    assert "metrics-consumer " in lag.stdout
    tail = open_shop.command("events", "tail", "--type", "order.eaten")
    assert (tail.returncode, "type must be one of" in tail.stderr) == (1, True), tail.stderr
    assert open_shop.command("events", "dead").stdout == "nothing is parked\n"
    nothing = "00000000-0000-4000-8000-000000000000"
    unknown = open_shop.command("events", "replay", "audit-consumer", nothing)
    assert (unknown.returncode, "answers 404" in unknown.stderr) == (1, True), unknown.stderr
    no_id = open_shop.command("events", "replay", "audit-consumer", "nope")
    assert (no_id.returncode, "'nope' is not a valid UUID" in no_id.stderr) == (2, True)
    proof = open_shop.command("events", "verify")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert "committed" in proof.stdout


def test_the_schema_is_not_taken_from_under_a_running_shop(open_shop: UpShop):
    refused = open_shop.command("migrate", "down")
    assert refused.returncode == 2
    assert "the shop is running" in refused.stderr
    assert open_shop.command("migrate", "version").stdout.startswith(migrate.newest())


def test_verify_and_migrate_ask_the_running_database(open_shop: UpShop):
    verdict = open_shop.command("verify")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert open_shop.command("migrate", "version").stdout.startswith(migrate.newest())


def test_the_dashboard_has_a_lower_priority_than_the_services(open_shop: UpShop):
    service, dashboard = open_shop.named("order").nice(), open_shop.named("dashboard").nice()
    assert dashboard == min(service + 5, 19)


def test_verify_proves_nothing_of_a_folder_where_no_shop_has_run(home: Path):
    refused = UpShop(home).command("verify")
    assert refused.returncode == 2
    assert f"no shop has run in {home}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not home.exists()


def test_following_events_goes_on_when_the_relay_is_back(open_shop: UpShop):
    following = open_shop.follow("events", "tail", "--follow")
    try:
        assert following.stdout is not None
        assert following.stdout.readline()
        restarted = open_shop.command("restart", "relay", "--kill")
        assert restarted.returncode == 0, restarted.stderr
        wallet = {"wallet": {"wallet_id": "alice"}}  # which the mock declines none of
        body = {"product_id": "PROD-001", "quantity": 1, "payment_method": wallet}
        order = httpx.post(open_shop.url("order", "/orders"), json=body).json()["order_id"]
        assert any(f"order/{order}#2  confirmed" in line for line in following.stdout)
    finally:
        following.kill()
        following.communicate()
