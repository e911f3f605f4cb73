"""What the relay runs with."""

from typing import Annotated

from chassis.messaging.settings import MessagingSettings
from chassis.settings import Seconds, why


class RelaySettings(MessagingSettings, frozen=True, kw_only=True):
    """The pace of the relay."""

    standby_poll_s: Annotated[
        Seconds, why("How long events wait at most when the leader is gone; one cheap query.")
    ] = 0.5
    redeliver_after_s: Annotated[
        Seconds,
        why(
            "An event that a broker confirmed and a consumer has not seen for this long was lost"
            " with its queue: it is published again, and with twice the pause each time after that,"
            " since the consumer may only be away."
        ),
    ] = 30.0
