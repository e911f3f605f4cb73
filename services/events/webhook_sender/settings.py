"""What the webhook sender runs with, beside what every consumer needs."""

from typing import Annotated, Literal

from msgspec import Meta

from chassis.messaging.settings import MessagingSettings
from chassis.settings import Count, Seconds, why

Days = Annotated[float, Meta(gt=0, le=2_592_000)]


class WebhookSenderSettings(MessagingSettings, frozen=True, kw_only=True):
    """How long it waits for a receiver, how often and how long it tries, and whom it may ask."""

    webhook_timeout_s: Annotated[
        Seconds,
        why("A receiver keeps the event and answers; who has not by then is asked again."),
    ] = 10.0
    webhook_places: Annotated[
        Count,
        why("Deliveries at once: a silent receiver holds a place for one timeout, never more."),
    ] = 16
    webhook_endpoint_places: Annotated[
        Count,
        why("Of these for one endpoint: a silent one leaves places to the others."),
    ] = 4
    webhook_batch: Annotated[Count, why("One claim's worth of deliveries.")] = 32
    webhook_poll_s: Annotated[Seconds, why("The longest that a due delivery waits to be seen.")] = (
        0.25
    )
    webhook_base_s: Annotated[
        Seconds,
        why("The first wait is up to this, then up to twice as long: a restart takes seconds."),
    ] = 5.0
    webhook_max_s: Annotated[
        Seconds,
        why("A receiver that is away for long is asked at least once an hour."),
    ] = 3600.0
    webhook_give_up_s: Annotated[
        Days,
        why("A day: a night's outage loses nothing; then a person looks, and replays."),
    ] = 86_400.0
    webhook_private_addresses: Annotated[
        Literal["auto", "allow", "refuse"],
        why(
            "Whether an endpoint may be on this machine or in a private network. Merchants choose "
            "the address, so it must not reach what only we can reach; `auto`: only while the "
            "process is not exposed, in a container too (VALERIX_PUBLISHED_ON)."
        ),
    ] = "auto"

    @property
    def allows_private_addresses(self) -> bool:
        """Whether a receiver may be where only this machine or its network reaches."""
        if self.webhook_private_addresses == "auto":
            return not self.is_exposed
        return self.webhook_private_addresses == "allow"
