"""What a reader of the events asks wrongly is refused with its reason; pages are clamped."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from tests.harness.serving import create_service, knock, serve, settings_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
_EVENTS = 203
_NOTHING = UUID(int=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def readers(
    module_database: str, eyes: asyncpg.Connection
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Relay and audit log over a few hundred events, by the first part of their paths."""
    await eyes.execute(
        "INSERT INTO orders.outbox (aggregate, aggregate_id, aggregate_seq, type, payload)"
        " SELECT 'order', 'o', n, 'order.created', '{}' FROM generate_series(1, $1 ::int) n",
        _EVENTS,
    )
    relay, audit = (settings_of(key, module_database) for key in ("relay", "audit_consumer"))
    async with (
        serve(create_service("relay", relay), relay) as relay_url,
        serve(create_service("audit_consumer", audit), audit) as audit_url,
        knock(relay_url) as events,
        knock(audit_url) as lines,
    ):
        yield {"events": events, "audit": lines}


CURSORS = {
    "events": ["", "%00", "nope", "e30x", "WzFd", "eyJvcmRlcnMiOi0xfQ", "é"],
    "audit": ["", "%00", "nope", "-1", "9" * 19, "1.5", "٣"],
}


@pytest.mark.parametrize(
    ("room", "cursor"), [(room, each) for room, cursors in CURSORS.items() for each in cursors]
)
async def test_a_cursor_that_was_not_given_out_is_refused(readers, room: str, cursor: str):
    answer = await readers[room].get(f"/{room}?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation")
    assert [each["pointer"] for each in answer.json()["details"]] == ["/cursor"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/events?type=%00", "/type"),
        ("/events?aggregate=%00", "/aggregate"),
        ("/events/verify?aggregate_id=%00", "/aggregate_id"),
        ("/events?limit=many", "/limit"),
        ("/events?type=order.odd", "/type"),
        ("/audit?type=%00", "/type"),
        ("/audit?type=order.odd", "/type"),
        ("/audit?aggregate_id=%00", "/aggregate_id"),
        ("/audit?event_id=nope", "/event_id"),
        ("/audit?limit=many", "/limit"),
    ],
)
async def test_a_filter_that_nothing_can_match_is_refused(readers, path: str, pointer: str):
    answer = await readers[path.split("?")[0].split("/")[1]].get(path)
    assert answer.status_code == 400, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["details"]]


@pytest.mark.parametrize(("limit", "length"), [(10**9, 200), (3, 3)])
async def test_a_limit_that_is_too_large_is_the_largest(readers, limit: int, length: int):
    page = (await readers["events"].get(f"/events?limit={limit}")).json()
    assert len(page["events"]) == length


async def test_the_pages_together_are_all_events_once(readers):
    found, cursor = [], ""
    while cursor is not None:
        page = (
            await readers["events"].get(
                f"/events?aggregate_id=o&limit=100{cursor and '&cursor=' + cursor}"
            )
        ).json()
        found += [each["aggregate_seq"] for each in page["events"]]
        cursor = page["next"]
    assert found == list(range(_EVENTS, 0, -1))


async def test_a_page_is_in_the_one_order_whatever_the_outboxes_clocks_say(
    readers, eyes: asyncpg.Connection
):
    for seq, (room, ago_s) in enumerate((("orders", 0), ("payments", 3600)), start=1):
        await eyes.execute(
            f"INSERT INTO {room}.outbox (aggregate, aggregate_id, aggregate_seq, type, payload, at)"
            " VALUES ('order', 'late', $1, 'order.created', '{}',"
            " now() - make_interval(secs => $2 ::int))",
            seq, ago_s,
        )  # fmt: skip
        listed = [(seq, None)]
        while (seq, None) in listed:
            page = (await readers["events"].get("/events?aggregate_id=late")).json()
            listed = [(each["aggregate_seq"], each["position"]) for each in page["events"]]
    assert [seq for seq, _ in listed] == [2, 1]
    assert listed[0][1] > listed[1][1]


@pytest.mark.parametrize(
    "path",
    [f"/events/parked/{each}/replay" for each in (f"audit-consumer/{_NOTHING}", f"%00/{_NOTHING}")],
)
async def test_what_is_not_parked_cannot_be_replayed(readers, path: str):
    answer = await readers["events"].post(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-parked")


async def test_what_is_to_be_tried_again_is_answered_as_it_is_then(
    readers, eyes: asyncpg.Connection
):
    await eyes.execute(
        "INSERT INTO events.parked (consumer, event_id, kind, reason, aggregate, aggregate_id,"
        " aggregate_seq, type, message) VALUES ('metrics-consumer', $1, 'failed', 'no room',"
        " 'order', 'o', 1, 'order.created', '{}')",
        _NOTHING,
    )
    again = await readers["events"].post(f"/events/parked/metrics-consumer/{_NOTHING}/replay")
    listed = (await readers["events"].get("/events/parked")).json()
    assert (again.status_code, listed) == (202, {"parked": [again.json()]})
    assert again.json()["retry_at"]


async def test_an_id_that_is_none_is_no_path(readers):
    assert (
        await readers["events"].post("/events/parked/audit-consumer/x/replay")
    ).status_code == 404


async def test_an_aggregate_without_events_is_whole(readers):
    proof = (await readers["events"].get("/events/verify?aggregate=order&aggregate_id=none")).json()
    assert (proof["is_gapless"], proof["committed"]) == (True, 0)
