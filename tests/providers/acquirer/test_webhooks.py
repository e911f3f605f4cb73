"""Events and webhooks: signed so that the official library accepts them, at least once."""

import pytest
import stripe

from tests.providers.acquirer.conftest import TOKEN

FLEET_KEYS = ("acquirer",)
FLEET_ENVIRON = {
    "VALERIX_OPERATOR_TOKEN": TOKEN,
    "VALERIX_ACQUIRER_WEBHOOK_POLL_S": "0.05",
    "VALERIX_ACQUIRER_WEBHOOK_BASE_S": "0.05",
}
PAID = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
ORDER = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.fixture
def secret(api, receiver):
    """Of an endpoint that wants everything, until the test is over."""
    endpoint = api.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    yield endpoint.secret
    api.webhook_endpoints.delete(endpoint.id)


def accepted(came, secret):
    body, signature = came
    return stripe.Webhook.construct_event(body, signature, secret)


def test_every_event_arrives_signed_with_the_endpoint_s_secret(api, receiver, secret):
    paid = api.payment_intents.create(PAID, {"idempotency_key": "the-key-of-this-payment"})
    came = [receiver.next() for _ in ORDER]
    # They are sent at the same time, so they come in any order.
    events = {(event := accepted(each, secret)).type: event for each in came}
    assert set(events) == set(ORDER)
    last = events["payment_intent.succeeded"]
    assert (last.data.object.id, last.data.object.status) == (paid.id, "succeeded")
    assert last.request.id == paid.last_response.request_id
    assert last.request.idempotency_key == "the-key-of-this-payment"
    assert api.events.retrieve(last.id) == last
    listed = api.events.list({"limit": 3})
    assert [each.type for each in listed.data] == ORDER[::-1]
    with pytest.raises(stripe.SignatureVerificationError):
        accepted(came[0], "whsec_of_another_endpoint")
    body, signature = came[0]
    with pytest.raises(stripe.SignatureVerificationError):
        accepted((body.replace(b"1000", b"1001"), signature), secret)


def test_an_event_is_sent_again_for_as_long_as_it_is_refused(api, receiver, secret):
    for status in (500, 404, 302):
        receiver.answers.put(status)
    api.payment_intents.create({"amount": 1000, "currency": "usd"})
    ids = {accepted(receiver.next(), secret).id for _ in range(4)}
    assert len(ids) == 1


def test_an_endpoint_gets_only_the_events_that_it_wants(api, receiver):
    wanted = {"url": receiver.url, "enabled_events": ["refund.created"], "description": "mine"}
    endpoint = api.webhook_endpoints.create(wanted)
    paid = api.payment_intents.create(PAID)
    refund = api.refunds.create({"payment_intent": paid.id, "amount": 1})
    event = accepted(receiver.next(), endpoint.secret)
    assert (event.type, event.data.object.id) == ("refund.created", refund.id)
    assert endpoint.id in [each.id for each in api.webhook_endpoints.list().data]
    # The secret is shown once.
    assert "secret" not in api.webhook_endpoints.retrieve(endpoint.id)
    assert api.webhook_endpoints.delete(endpoint.id).deleted


async def test_webhooks_come_twice_forged_or_never_as_the_operator_wants(
    api, receiver, secret, operator, tables
):
    operator("PUT", "/webhook-faults", {"duplicate": 1, "forge": 1})
    api.payment_intents.create({"amount": 1000, "currency": "usd"})
    forged, first, second = receiver.next(), receiver.next(), receiver.next()
    with pytest.raises(stripe.SignatureVerificationError):
        accepted(forged, secret)
    assert accepted(first, secret) == accepted(second, secret)
    operator("PUT", "/webhook-faults", {"lose": 1})
    api.payment_intents.create({"amount": 1001, "currency": "usd"})
    while not await tables.fetchval("SELECT count(*) FROM acquirer.deliveries WHERE state='LOST'"):
        pass
    assert api.events.list({"limit": 1}).data[0].data.object.amount == 1001
    assert receiver.came.empty()


async def test_webhooks_come_late_and_out_of_order_as_the_operator_wants(
    api, secret, operator, tables
):
    """When each is due stands in its row, so that a restart changes nothing about it."""
    assert secret
    operator("PUT", "/webhook-faults", {"delay_s": 600, "reorder": 1})
    for _ in range(5):
        api.payment_intents.create(PAID)
    due = await tables.fetch(
        "SELECT e.seq, d.next_attempt_at - d.created_at AS after FROM acquirer.deliveries d"
        " JOIN acquirer.events e ON e.id = d.event WHERE d.state = 'PENDING'"
        " ORDER BY d.next_attempt_at"
    )
    assert len(due) == 15
    assert all(600 <= row["after"].total_seconds() <= 603 for row in due)
    assert [row["seq"] for row in due] != sorted(row["seq"] for row in due)


def test_faults_that_cannot_be_are_refused(operator):
    assert operator("PUT", "/webhook-faults", {"lose": 1.5}).status_code == 400
    assert operator("GET", "/webhook-faults").json()["lose"] == 0
