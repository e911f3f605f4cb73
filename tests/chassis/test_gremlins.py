"""A gremlin's life: named, bounded, kept in the database, audited, and always ending."""

import asyncio
import time
from datetime import datetime
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry

from chassis.faults.client import GremlinClient
from chassis.faults.contract import PutGremlin
from chassis.faults.gremlins import Gremlins
from chassis.faults.routes import GremlinList
from chassis.http.outbound import Peer, decode
from chassis.outcome import Outcome
from frontend.gremlins.actions import GremlinActions
from frontend.query_results import ActiveGremlin
from tests.chassis.bare import NAME, Bare, run_bare
from tests.contracts.needs.pages import OPERATOR
from tests.harness.patience import LATE_S
from tests.harness.problems import assert_problem
from tests.harness.serving import settings_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _audit(bare: Bare) -> list[dict[str, object]]:
    events: list[dict[str, object]] = (await bare.door.get("/gremlins/audit")).json()["events"]
    return events


async def test_a_gremlin_shows_what_it_does_to_whom_and_how_long_still(bare: Bare):
    answer = await bare.door.put(
        "/gremlins/slow-shelf",
        json={"kind": "latency", "delay_ms": 5, "jitter_ms": 3, "probability": 0.5,
              "routes": ["/now"], "ttl_s": 60},
        headers={"X-Valerix-Actor": "ada"},
    )  # fmt: skip
    view = answer.json()
    started, expires = (datetime.fromisoformat(view.pop(k)) for k in ("started_at", "expires_at"))
    assert (expires - started).total_seconds() == 60
    assert 59 < view.pop("remaining_s") <= 60
    assert view == {
        "name": "slow-shelf", "kind": "latency", "service": NAME, "routes": ["/now"],
        "probability": 0.5, "delay_ms": 5, "jitter_ms": 3, "status": 503, "started_by": "ada",
        "bites": 0,
    }  # fmt: skip
    (listed,) = (await bare.door.get("/gremlins")).json()["gremlins"]
    assert listed["name"] == "slow-shelf"


async def test_without_a_time_it_lives_five_minutes_and_never_more_than_sixty(bare: Bare):
    view = await bare.let_loose("error")
    assert 299 < view["remaining_s"] <= 300
    view = await bare.let_loose("error", ttl_s=3600)
    assert 3599 < view["remaining_s"] <= 3600
    for ttl_s in (0, 3601):
        answer = await bare.door.put("/gremlins/g", json={"kind": "error", "ttl_s": ttl_s})
        assert_problem(answer, 400, "validation")


async def test_the_database_itself_refuses_a_gremlin_that_never_ends(bare: Bare):
    connection = await asyncpg.connect(bare.settings.database_url)
    try:
        for life in ("'61 minutes'", "'-1 second'", "'0'"):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(
                    "INSERT INTO orders.gremlins (name, kind, routes, probability, started_by,"
                    f" expires_at) VALUES ('g', 'error', '{{*}}', 1, 'x', now() + interval {life})"
                )
    finally:
        await connection.close()


async def test_a_kind_that_this_process_does_not_know_does_nothing(bare: Bare):
    connection = await asyncpg.connect(bare.settings.database_url)
    try:
        await connection.execute(
            "INSERT INTO orders.gremlins (name, kind, routes, probability, started_by, expires_at)"
            " VALUES ('later', 'meteor', '{*}', 1, 'x', now() + interval '1 minute')"
        )
        await bare.gremlins.refresh()
        assert (await bare.door.get("/gremlins")).json()["gremlins"] == []
        assert (await bare.door.get("/now")).status_code == 200
    finally:
        await bare.door.delete("/gremlins")
        await connection.close()


async def test_it_ends_by_itself_and_the_end_is_on_record(bare: Bare):
    await bare.let_loose("error", "/now", ttl_s=1)
    assert_problem(await bare.door.get("/now"), 503, "gremlin")
    await asyncio.sleep(1.1)
    assert (await bare.door.get("/now")).status_code == 200
    assert (await bare.door.get("/gremlins")).json()["gremlins"] == []
    for _ in range(50):
        newest = (await _audit(bare))[0]
        if newest["action"] == "expired":
            break
        await asyncio.sleep(0.05)
    assert (newest["action"], newest["name"], newest["actor"]) == ("expired", "error", "clock")


async def test_every_change_is_on_record_with_who_did_it(bare: Bare):
    ada, bob = {"X-Valerix-Actor": "ada"}, {"X-Valerix-Actor": "b\tö\xffb" + "x" * 200}
    await bare.door.put("/gremlins/g", json={"kind": "error"}, headers=ada)
    await bare.door.put(
        "/gremlins/g",
        json={"kind": "refuse"},
        headers=[(k, v.encode("latin-1")) for k, v in bob.items()],  # type: ignore[arg-type]
    )
    await bare.door.delete("/gremlins/g")
    await bare.door.put("/gremlins/h", json={"kind": "hang"}, headers=ada)
    await bare.door.delete("/gremlins", headers=ada)
    newest = (await _audit(bare))[:5]
    recorded = [(event["action"], event["name"], event["kind"]) for event in newest]
    assert recorded == [
        ("calmed", "h", "hang"), ("started", "h", "hang"), ("calmed", "g", "refuse"),
        ("changed", "g", "refuse"), ("started", "g", "error"),
    ]  # fmt: skip
    assert [event["actor"] for event in newest[:3]] == ["ada", "ada", "api"]
    actor = str(newest[3]["actor"])
    assert len(actor) <= 80
    assert actor.isprintable()
    assert newest[4]["detail"] == {
        "kind": "error", "probability": 1.0, "routes": ["*"], "delay_ms": 0, "jitter_ms": 0,
        "status": 503, "ttl_s": 300.0,
    }  # fmt: skip


async def test_calm_ends_all_of_them_and_says_how_many(bare: Bare):
    for kind in ("error", "hang", "refuse"):
        await bare.let_loose(kind, "/now")
    assert (await bare.door.delete("/gremlins")).json() == {"calmed": 3}
    assert (await bare.door.delete("/gremlins")).json() == {"calmed": 0}
    assert (await bare.door.get("/now")).status_code == 200


async def test_the_shorthand_is_a_gremlin_like_any_other(bare: Bare):
    answer = await bare.door.post("/gremlin/latency", json={"enabled": True, "delay_ms": 7})
    (view,) = answer.json()["gremlins"]
    assert (view["name"], view["kind"], view["delay_ms"]) == ("latency", "latency", 7)
    answer = await bare.door.post("/gremlin/latency", json={"enabled": False})
    assert answer.json()["gremlins"] == []
    answer = await bare.door.post("/gremlin/latency", json={"enabled": False})
    assert answer.status_code == 200


async def test_a_route_nobody_serves_is_refused_with_those_that_are(bare: Bare):
    for route in ("/nope", "/metrics", "/health/live", "POST /nope", "/things/1"):
        answer = await bare.door.put("/gremlins/g", json={"kind": "error", "routes": [route]})
        problem = assert_problem(answer, 400, "validation")
        assert problem["details"][0]["pointer"] == "/routes"
        assert "/things/{thing_id}" in problem["detail"]


async def test_every_worker_agrees_within_a_second_and_a_restart_forgets_nothing(bare: Bare):
    await bare.let_loose("error", "/now", ttl_s=30)
    begun = time.monotonic()
    settings = settings_of("order", bare.settings.database_url)
    async with run_bare(settings) as second:
        while (await second.door.get("/now")).status_code != 503:
            assert time.monotonic() - begun < 1 + LATE_S
            await asyncio.sleep(0.02)
        (view,) = (await second.door.get("/gremlins")).json()["gremlins"]
        # The deadline is the one that was set, not a fresh one.
        assert view["remaining_s"] <= 30 - (time.monotonic() - begun) + 0.5
        await bare.door.delete("/gremlins")
        calmed = time.monotonic()
        while (await second.door.get("/now")).status_code == 503:
            assert time.monotonic() - calmed < 1 + LATE_S
            await asyncio.sleep(0.02)


async def test_it_bites_its_share_of_the_requests(bare: Bare):
    await bare.let_loose("error", "/now", probability=0.3)
    bitten = sum(bool(bare.gremlins.biting("GET", "/now")) for _ in range(5000))
    # Eight standard deviations: 0.3 * 5000 = 1500, give or take 32.
    assert 1240 < bitten < 1760


async def test_without_any_gremlin_nothing_is_asked_of_the_request(bare: Bare):
    assert bare.gremlins.active == ()
    assert bare.database.before_statement is None


async def test_it_stays_in_force_and_still_ends_while_the_database_is_gone(bare: Bare):
    await bare.let_loose("error", "/now", ttl_s=1)
    lonely = Gremlins(NAME, "orders", bare.settings, CollectorRegistry())
    lonely.known_routes = bare.gremlins.known_routes
    await lonely.refresh()
    await lonely.close()
    assert lonely.biting("GET", "/now")
    await asyncio.sleep(1.05)
    assert not lonely.biting("GET", "/now")
    assert not lonely.is_loose("error")
    assert lonely.views() == []


async def test_it_bites_from_the_answer_on_whether_or_not_anybody_looks_for_changes(bare: Bare):
    alone = Gremlins(NAME, "orders", bare.settings, CollectorRegistry())
    alone.known_routes = bare.gremlins.known_routes
    await alone.put("here", PutGremlin(kind="error", routes=["/now"]), "ada")
    assert alone.biting("GET", "/now")
    await alone.close()


async def test_another_process_moves_them_through_the_client(bare: Bare):
    peer = Peer("bare-service", bare.url, bare.settings)
    client = GremlinClient(peer)
    try:
        put = await client.put("g", PutGremlin(kind="error", routes=["/now"]))
        assert put.outcome is Outcome.OK
        (view,) = decode(await client.list(), GremlinList).gremlins
        assert view.name == "g"
        assert (await client.remove("g")).status == 204
        assert (await client.remove("g")).code == "gremlin-not-found"
        assert (await client.calm()).outcome is Outcome.OK
        assert (await client.audit()).outcome is Outcome.OK
    finally:
        await peer.close()


async def test_no_more_than_fifty_are_loose_on_a_service_and_the_next_is_refused(bare: Bare):
    command = {"kind": "error", "probability": 0.001, "ttl_s": 60}
    places = asyncio.Semaphore(4)  # as many as wait for a database connection without being shed

    async def put(n: int) -> httpx.Response:
        async with places:
            return await bare.door.put(f"/gremlins/g{n}", json=command)

    answers = await asyncio.gather(*map(put, range(60)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 10
    for answer in refused:
        assert "end one first" in assert_problem(answer, 409, "too-many-gremlins")["detail"]
    (loose := (await bare.door.get("/gremlins")).json()["gremlins"]).sort(key=str)
    assert len(loose) == 50
    one = loose[0]["name"]
    # Changing one is not one more; and where one has ended there is a place.
    assert (await bare.door.put(f"/gremlins/{one}", json=command)).status_code == 200
    assert (await bare.door.put("/gremlins/another", json=command)).status_code == 409
    assert (await bare.door.delete(f"/gremlins/{one}")).status_code == 204
    assert (await bare.door.put("/gremlins/another", json=command)).status_code == 200


async def test_gremlins_that_ended_long_ago_leave_no_series(bare: Bare):
    for n in range(105):
        path = f"/gremlins/once-{n}"
        answer = await bare.door.put(
            path, json={"kind": "error", "routes": ["GET /things/{thing_id}"]}
        )
        assert answer.status_code == 200
        if n in (0, 104):
            assert (await bare.door.get("/things/7")).status_code == 503
        assert (await bare.door.delete(path)).status_code == 204
    text = (await bare.door.get("/metrics")).text
    shown = {line for line in text.splitlines() if line.startswith("valerix_gremlin_active{")}
    assert len(shown) == 100
    assert sum("once-104" in line for line in text.splitlines()) == 2
    assert 'once-0"' not in text


async def test_a_calm_that_was_not_answered_ends_later_what_was_on_at_the_click_alone(bare: Bare):
    peer, nobody = (
        Peer("bare-service", url, bare.settings) for url in (bare.url, "http://127.0.0.1:1")
    )
    old = await bare.let_loose("error")
    again = await bare.let_loose("latency", delay_ms=1)
    fields = ("name", "kind", "probability", "delay_ms", "jitter_ms", "status", "started_by")
    on = tuple(
        ActiveGremlin(
            "inventory",
            **{name: view[name] for name in fields},
            started_at=datetime.fromisoformat(view["started_at"]),
            expires_at=datetime.fromisoformat(view["expires_at"]),
        )
        for view in (old, again)
    )
    clients = {"inventory": GremlinClient(nobody)}
    tries: list[float] = []

    async def answer_the_second_time(after_s: float) -> None:
        tries.append(after_s)
        if len(tries) == 2:
            # After the click an operator has let one loose anew, and another one.
            await bare.let_loose("latency", delay_ms=1)
            await bare.let_loose("lost_response")
            clients["inventory"] = GremlinClient(peer)

    state = SimpleNamespace(gremlins=SimpleNamespace(now=lambda: on))
    actions = GremlinActions(clients, state, sleep=answer_the_second_time)  # type: ignore[arg-type]
    try:
        toast = (await actions.calm({}, OPERATOR)).toast
        assert "goes on trying" in toast.detail
        await actions.settled()
        assert len(tries) == 2
        listed = (await bare.door.get("/gremlins")).json()["gremlins"]
        assert {each["name"] for each in listed} == {"latency", "lost_response"}
    finally:
        await actions.close()
        await peer.close()
        await nobody.close()
