"""What the acquirer needs: that an account's events are taken at the address that it was given."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from providers.acquirer.domain import AccountEvent
from providers.acquirer.views import view
from providers.acquirer.webhooks import bring
from tests.contracts.matching import match
from tests.contracts.need import DEADLINE_S, At, Need

ACCOUNT = "bravo"
_AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
_INTENT = {"id": "pi_of_nobody", "object": "payment_intent", "metadata": {}}


def of_payment() -> Iterator[Need]:
    """Only that it is answered 2xx: then it is delivered."""
    path = f"/webhooks/{ACCOUNT}"
    event = view(
        AccountEvent(
            seq=1, id="evt_1", account=ACCOUNT, type="payment_intent.succeeded", object=_INTENT,
            api_version="2026-08-27", request_id="req_1", idempotency_key=None, created_at=_AT,
        )
    )  # fmt: skip

    async def ask(at: At) -> str:
        payload = msgspec.json.encode(event)
        return await bring(at.peer, path, payload, "whsec", at_s=1, deadline_s=DEADLINE_S)

    # Whoever asks in the acquirer's name signs with the account's own secret, and the time of day.
    signed = {"Stripe-Signature": match.regex("t=1,v1=0", regex="t=[0-9]+,v1=[0-9a-f]+")}
    yield Need("take an event", "the account's events are awaited", ask, "200", "POST", path, 200,
               body=event, headers=signed)  # fmt: skip
