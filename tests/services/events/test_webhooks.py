"""What happened to a merchant's payment is brought to its endpoints, signed, at least once."""

import asyncio
import json
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from chassis.messaging.consumer import Consumer
from chassis.messaging.envelope import read
from proof.evaluate import evaluate
from services.events.webhook_sender import sender as sending
from services.events.webhook_sender import store
from services.events.webhook_sender.metrics import WebhookMetrics
from services.events.webhook_sender.sender import WebhookSender
from tests.harness.readme import lines, program, typed
from tests.harness.receiver import Receiver, receiver
from tests.harness.serving import create_service, knock, serve, settings_of
from tests.services.events.scene import Scene
from tests.services.events.test_ablation import Died
from tests.services.events.webhook_shop import SENDER, Shop

_BRISK = {"webhook_timeout_s": 0.5, "webhook_poll_s": 3600.0}


@pytest_asyncio.fixture
async def shop(scene: Scene, database_url: str) -> AsyncIterator[Shop]:
    await scene.start(SENDER)
    settings = settings_of("webhook_sender", database_url, **_BRISK)
    async with (
        receiver() as to,
        serve(create_service("webhook_sender", settings), settings) as url,
        knock(url) as http,
    ):
        made = Shop(scene, http, to, settings)
        yield made
        await made.sender.close()


@pytest_asyncio.fixture
async def alone(scene: Scene, database_url: str) -> AsyncIterator[Shop]:
    """Without the process: its consumer takes no event that the test does not let it take."""
    await scene.start(SENDER)
    settings = settings_of("webhook_sender", database_url, **_BRISK)
    async with knock("http://127.0.0.1:9") as nobody:
        yield Shop(scene, nobody, Receiver(), settings)


_THEIRS = {"merchant_id": "m1", "url": "http://x.y/", "secret": "whsec_x"}


async def test_an_event_is_brought_signed_to_each_endpoint_that_wants_it(shop: Shop):
    first = await shop.add()
    second = await shop.add(types=["payment.failed"])
    await shop.add("m2")
    payment = await shop.pay()
    await shop.pay(end="FAILED")
    await shop.take()
    await shop.send()

    for message in shop.to.messages:
        read = [Webhook(each["secret"]) for each in (first, second)]
        found = [_is_signed(message, webhook) for webhook in read]
        assert any(found)
    types = sorted(json.loads(message.body)["type"] for message in shop.to.messages)
    assert types == ["payment.completed"] + 2 * ["payment.created"] + 2 * ["payment.failed"]
    done = next(m for m in shop.to.messages if b"payment.completed" in m.body)
    assert json.loads(done.body)["data"] == {
        "payment_id": str(payment),
        "order_id": None,
        "owner": "anonymous",
        "amount_minor": 100,
        "currency": "EUR",
        "merchant_id": "m1",
    }
    assert {each[0] for each in await shop.states()} == {"SENT"}


def _is_signed(message: Any, webhook: Webhook) -> bool:
    try:
        webhook.verify(message.body, message.headers)
    except Exception:  # noqa: BLE001 - the library's own, of several kinds
        return False
    return True


async def test_the_receiver_of_the_readme_takes_what_is_signed_and_nothing_else(
    shop: Shop, tmp_path: Path
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    [line] = lines("Webhooks", 5009)
    made = await typed({5009: shop.http}, line.replace("8088", port))
    assert made.status_code == 201, made.text
    program_file = tmp_path / "hooks.py"
    program_file.write_text(program("Webhooks").replace("8088", port))
    receiving = await asyncio.create_subprocess_exec(
        sys.executable, program_file, made.json()["secret"], stdout=PIPE, stderr=DEVNULL
    )
    try:
        payment = await shop.pay()
        await shop.take()
        async with asyncio.timeout(60):
            while {each[0] for each in await shop.states()} != {"SENT"}:
                await shop.send()
        assert receiving.stdout is not None
        assert str(payment).encode() in await receiving.stdout.readline()
        forged = {**dict.fromkeys(("webhook-id", "webhook-signature"), "v1,x"),
                  "webhook-timestamp": str(int(time.time()))}  # fmt: skip
        with pytest.raises(httpx.RemoteProtocolError):
            await shop.http.post(made.json()["url"], headers=forged, content=b"{}")
    finally:
        receiving.kill()
        await receiving.communicate()


async def test_an_endpoint_gets_what_happens_while_it_is_there(shop: Shop):
    await shop.pay()
    made = await shop.add()
    during = await shop.pay()
    removed = await shop.http.delete(f"/endpoints/{made['endpoint_id']}")
    assert removed.status_code == 204
    await shop.pay()
    await shop.take()
    await shop.send()
    found = await shop.deliveries()
    assert {each["payment_id"] for each in found} == {str(during)}
    assert [(each["state"], each["last_reason"]) for each in found] == 2 * [
        ("DEAD", "it was removed")
    ]
    assert shop.to.messages == []


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("500", 500, "answered 500"),
        ("302 Location: /elsewhere", 302, "answered 302"),
        ("silence", None, "timeout"),
        ("endless", None, "timeout"),
    ],
)
async def test_what_is_not_accepted_is_sent_again_under_its_id(
    shop: Shop, answer: str, status: int | None, reason: str
):
    await shop.add(types=["payment.created"])
    await shop.pay()
    await shop.take()
    shop.to.answers = [answer]
    await shop.send()
    assert await shop.states() == [("WAITING", 1, status, reason)]
    await shop.send()
    assert await shop.states() == [("SENT", 2, 204, "accepted")]
    first, second = shop.to.messages
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_a_silent_endpoint_with_a_backlog_leaves_places_to_others(shop: Shop):
    """Sixteen places, of which four for one endpoint: what others wait for is sent meanwhile."""
    await shop.add(types=["payment.created"])
    for _ in range(20):
        await shop.pay()
    async with receiver() as other:
        await shop.add("m2", url=other.url, types=["payment.created"])
        await shop.pay("m2")
        await shop.take()
        shop.to.answers = ["silence"] * 20
        sending_on = asyncio.create_task(shop.sender.run())
        async with asyncio.timeout(60):
            while not (other.messages and shop.to.messages):
                await asyncio.sleep(0.01)
        sending_on.cancel()
        await asyncio.gather(sending_on, return_exceptions=True)
    assert len(shop.to.messages) <= 8  # a second round, where this machine is slow


async def test_the_oldest_is_sent_first_and_no_endpoint_before_another_has_its_turn(shop: Shop):
    for _ in range(2):
        await shop.add(types=["payment.created"])
    for _ in range(6):
        await shop.pay()
    await shop.take()
    await shop.wire.execute(
        "UPDATE webhooks.deliveries SET next_attempt_at = now() - delivery_id * interval '1 second'"
    )
    async with shop.scene.database.connect() as connection:
        first = await store.claim(connection, 4, {}, places=4, lease_s=60)
        rest = await store.claim(connection, 9, {first[0].endpoint_id: 3}, places=4, lease_s=60)
    # Two of each endpoint, which are the oldest of all.
    assert {each.delivery_id for each in first} == {9, 10, 11, 12}
    assert len({each.endpoint_id for each in first}) == 2
    there = [each.endpoint_id for each in rest]
    assert (there.count(first[0].endpoint_id), len(there)) == (1, 5)


async def test_a_receiver_that_asks_for_a_pause_gets_it(shop: Shop):
    await shop.add(types=["payment.created"])
    await shop.pay()
    await shop.take()
    now = [0.0]
    shop.sender._clock = lambda: now[0]  # noqa: SLF001 - time goes on when the test says so
    shop.to.answers = ["429 Retry-After: 120"]
    await shop.send()
    due_in = "SELECT extract(epoch FROM next_attempt_at - now()) FROM webhooks.deliveries"
    assert 60 < await shop.wire.fetchval(due_in) <= 120
    # Nor does anything else go there meanwhile.
    await shop.pay()
    await shop.take()
    await shop.send()
    assert len(shop.to.messages) == 1
    now[0] = 121.0
    await shop.send()
    assert len(shop.to.messages) == 3


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Sun, 29 Nov 2026 00:02:00 GMT", 120.0),
        ("Sat, 28 Nov 2026 00:00:00 GMT", 0.0),
        ("9" * 30, 999_999_999.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
async def test_a_pause_is_so_many_seconds_or_until_a_date(asked: str, seconds: float):
    assert sending.pause_of(asked, datetime(2026, 11, 29, tzinfo=UTC)) == seconds


async def test_an_endpoint_is_shown_with_what_became_of_its_deliveries(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.add(types=["payment.created"])
    for _ in range(3):
        await shop.pay()
    await shop.take()
    # Not tried again at once: one pause in a hundred is short enough for that.
    shop.sender._chance = SimpleNamespace(random=lambda: 0.9)  # noqa: SLF001
    shop.to.answers = ["204", "500"]
    await shop.send()
    counted = await shop.http.get("/endpoints")
    [shown] = counted.json()["endpoints"]
    assert (shown["sent"], shown["waiting"], shown["dead"]) == (2, 1, 0)
    assert (shown["failing"], shown["failing_because"]) == (1, "answered 500")
    monkeypatch.setattr(store, "MOST_COUNTED", 1)
    [shown] = (await shop.http.get("/endpoints")).json()["endpoints"]
    assert (shown["sent"], shown["waiting"], shown["dead"]) == (1, 1, 0)


async def test_a_delivery_is_dead_after_a_day_and_can_be_replayed(shop: Shop):
    await shop.add(types=["payment.created"])
    await shop.pay()
    await shop.take()
    await shop.wire.execute(
        "UPDATE webhooks.deliveries SET tried_since = now() - interval '24 hours'"
    )
    shop.to.answers = ["503"]
    await shop.send()
    assert await shop.states() == [("DEAD", 1, 503, "answered 503")]
    await shop.send()
    assert len(shop.to.messages) == 1

    dead = (await shop.deliveries())[0]["delivery_id"]
    for _ in range(2):
        again = await shop.http.post(f"/deliveries/{dead}/replay")
        assert (again.status_code, [again.json()]) == (202, await shop.deliveries())
        assert (again.json()["state"], again.json()["attempts"]) == ("WAITING", 0)
    await shop.send()
    assert await shop.states() == [("SENT", 1, 204, "accepted")]
    ids = {message.headers["webhook-id"] for message in shop.to.messages}
    assert len(ids) == 1


async def test_a_receiver_that_is_gone_is_asked_no_more(shop: Shop):
    await shop.add()
    await shop.pay()
    await shop.take()
    shop.to.answers = ["410", "410"]
    await shop.send()
    found = await shop.deliveries()
    assert {each["state"] for each in found} == {"DEAD"}
    assert all(each["is_disabled"] for each in found)
    again = await shop.http.post(f"/deliveries/{found[0]['delivery_id']}/replay")
    assert (again.status_code, again.json()["code"]) == (409, "endpoint-disabled")
    await shop.pay()
    await shop.take()
    assert len(await shop.deliveries()) == len(found)


async def test_an_orders_payment_is_no_merchants(shop: Shop):
    await shop.add()
    await shop.wire.execute(
        "INSERT INTO payments.payments (payment_id, order_id, amount_minor, currency, state)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), 5, 'EUR', 'PROCESSING')"
    )
    await shop.take()
    assert await shop.deliveries() == []
    merchant = "SELECT payload ? 'merchant_id' FROM payments.outbox"
    assert await shop.wire.fetchval(merchant) is True


# ---- the guards are needed -----------------------------------------------------------------------


async def _unkept(database_url: str) -> list[str]:
    """What E6 finds."""
    wire = await asyncpg.connect(database_url)
    report = await evaluate(wire)
    await wire.close()
    [found] = [each for each in report.findings if each.invariant.id == "E6"]
    return [row["what"] for row in found.rows]


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_effect_before_inbox(
    alone: Shop, database_url: str, is_guarded: bool, monkeypatch: pytest.MonkeyPatch
):
    """Without one transaction for both, a process that dies between them leaves an effect alone."""
    async with alone.scene.database.begin() as tx:
        await store.add_endpoint(tx, types=["payment.created"], **_THEIRS)
    await alone.pay()

    async def dies(*_: object, **__: object) -> None:
        raise Died

    async def effect_alone(_: Consumer, batch: Any) -> None:
        async with alone.scene.database.begin() as tx:
            await store.open_deliveries(tx, [read(each.body) for each in batch])
        raise Died

    consumer = alone.scene.consumers[SENDER]
    if is_guarded:
        monkeypatch.setattr(consumer._inbox, "take", dies)  # noqa: SLF001
    else:
        monkeypatch.setattr(Consumer, "_take_all", effect_alone)
    with pytest.raises(Died):
        await alone.take()
    assert await _unkept(database_url) == ([] if is_guarded else ["a delivery of nothing"])


@pytest.mark.parametrize("is_guarded", [True, False])
async def test_an_endpoint_made_while_events_are_taken(
    alone: Shop, database_url: str, is_guarded: bool, monkeypatch: pytest.MonkeyPatch
):
    """Without the inbox's lock an event could be taken after an endpoint's time and before its
    commit: it would never get the event."""
    if not is_guarded:
        monkeypatch.setattr(store.INBOX, "register", AsyncMock())
    async with alone.scene.database.begin() as tx:
        await store.add_endpoint(tx, types=["payment.created"], **_THEIRS)
        await alone.pay()
        taking = asyncio.create_task(alone.take())
        await asyncio.wait([taking], timeout=None if not is_guarded else 0.3)
        assert taking.done() is not is_guarded
    await taking
    assert await _unkept(database_url) == ([] if is_guarded else ["no delivery"])


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/hooks",
        "example.com/hooks",
        "http://",
        "http://exa mple.com",
        "http://user:secret@example.com/hooks",
        "http://example.com/#part",
        "http://example.com\\@inside/",
        "http://example.com:99999/",
        "http://bücher.example/",
        "http://" + "x" * 2000,
    ],
)
async def test_an_address_that_is_none_is_refused(shop: Shop, url: str):
    answer = await shop.http.post("/endpoints", json={"merchant_id": "m1", "url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation")
    assert [each["pointer"] for each in answer.json()["details"]] == ["/url"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"merchant_id": "nobody"}, 404, "merchant-not-found"),
        ({"merchant_id": "M 1"}, 400, "validation"),
        ({"types": ["order.created"]}, 400, "validation"),
        ({"types": []}, 400, "validation"),
        ({"secret": "whsec_mine"}, 400, "validation"),
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused(shop: Shop, change, status: int, code: str):
    body = {"merchant_id": "m1", "url": "http://example.com/hooks", **change}
    answer = await shop.http.post("/endpoints", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("DELETE", f"/endpoints/{UUID(int=0)}", 404, "endpoint-not-found"),
        ("POST", "/deliveries/7/replay", 404, "delivery-not-found"),
        ("POST", f"/deliveries/{10**30}/replay", 404, "delivery-not-found"),
        ("GET", "/deliveries?cursor=nope", 400, "validation"),
        ("GET", "/deliveries?state=LOST", 400, "validation"),
        ("GET", "/endpoints?merchant_id=%00", 400, "validation"),
    ],
)
async def test_what_is_not_there_is_not_found(
    shop: Shop, method: str, path: str, status: int, code: str
):
    answer = await shop.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


# ---- where a message may go ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "169.254.169.254", "[::ffff:10.0.0.1]",
     "[64:ff9b::a00:1]", "[fe80::1]", "192.168.0.1", "224.0.0.1", "127.1", "2130706433", "0x7f.1"],
)  # fmt: skip
async def test_a_private_address_is_refused_where_merchants_are_strangers(
    scene: Scene, database_url: str, host: str
):
    settings = settings_of("webhook_sender", database_url, webhook_private_addresses="refuse")
    async with (
        serve(create_service("webhook_sender", settings), settings) as url,
        knock(url) as http,
    ):
        body = {"merchant_id": "m1", "url": f"http://{host}:5003/"}
        answer = await http.post("/endpoints", json=body)
    assert (answer.status_code, answer.json()["details"][0]["pointer"]) == (400, "/url")


async def test_a_name_that_leads_to_a_private_address_is_not_asked(
    shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    # As a name that does not look like what it leads to.
    monkeypatch.setattr(sending, "fault_of", lambda *_, **__: "")
    port = shop.to.url.split(":")[-1]
    await shop.add(url=f"http://localhost:{port}", types=["payment.created"])
    await shop.pay()
    await shop.take()
    refusing = settings_of("webhook_sender", database_url, webhook_private_addresses="refuse")
    sender = WebhookSender(shop.scene.database, refusing, WebhookMetrics(CollectorRegistry()))
    await sender.run_once()
    await sender.close()
    assert await shop.states() == [("WAITING", 1, None, "connect-failed")]
    assert shop.to.messages == []
    await shop.send()
    assert len(shop.to.messages) == 1


async def test_an_endpoint_stays_as_it_was_made(shop: Shop):
    await shop.add()
    for change in (
        "UPDATE webhooks.endpoints SET url = 'http://x.y/'",
        "DELETE FROM webhooks.endpoints",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await shop.wire.execute(change)
