"""What the webhook sender is asked and answers on the wire, and what a merchant receives."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from msgspec import Meta, Struct, field

EventType = Literal["payment.created", "payment.completed", "payment.failed", "refund.created"]
DeliveryState = Literal["WAITING", "SENT", "DEAD"]
LONGEST_URL = 2000
# A look at endpoints must not read every delivery there ever was.
MOST_COUNTED = 1000
MERCHANT_NOT_FOUND = "merchant-not-found"
ENDPOINT_NOT_FOUND = "endpoint-not-found"
DELIVERY_NOT_FOUND = "delivery-not-found"
ENDPOINT_DISABLED = "endpoint-disabled"


class WebhookMessage(Struct, frozen=True, kw_only=True):
    """The body of a webhook: `type` and `timestamp` of the event, and its `data` as the events'
    contract has it."""

    type: str
    timestamp: datetime
    data: dict[str, Any]


class AddEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /endpoints. Without `types` it gets every event of the merchant's payments."""

    merchant_id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
    url: Annotated[str, Meta(min_length=8, max_length=LONGEST_URL)]
    types: Annotated[list[EventType], Meta(min_length=1, max_length=4)] = field(
        default_factory=lambda: list(get_args(EventType))
    )


class EndpointView(Struct, frozen=True, kw_only=True):
    """An endpoint without its secret, and how many deliveries to it are in each state: 1000 means
    as many or more."""

    endpoint_id: UUID
    merchant_id: str
    url: str
    types: list[str]
    created_at: datetime
    disabled_at: datetime | None
    disabled_because: str | None
    waiting: int
    sent: int
    dead: int


class SecretEndpoint(Struct, frozen=True):
    """A new endpoint with the secret that signs its messages, which is shown this once."""

    endpoint_id: UUID
    merchant_id: str
    url: str
    types: list[str]
    secret: str


class EndpointList(Struct, frozen=True):
    """Newest first, at most 200."""

    endpoints: list[EndpointView]


class DeliveryView(Struct, frozen=True, kw_only=True):
    """One event on its way to one endpoint; `event_id` is the receiver's `webhook-id`."""

    delivery_id: int
    endpoint_id: UUID
    merchant_id: str
    url: str
    is_disabled: bool
    event_id: UUID
    payment_id: UUID
    type: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_reason: str | None
    created_at: datetime
    ended_at: datetime | None
    trace_id: str | None


class DeliveryPage(Struct, frozen=True):
    """Newest first; `next` is the cursor of the page after, null on the last."""

    deliveries: list[DeliveryView]
    next: str | None
