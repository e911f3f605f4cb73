"""What the acquirer runs with, beside what every process needs."""

from typing import Annotated

from msgspec import Meta

from chassis.settings import Count, Seconds, Settings, Share, why

Long = Annotated[float, Meta(gt=0, le=2_592_000)]


class AcquirerSettings(Settings, frozen=True, kw_only=True):
    """How long it remembers, how it misbehaves, and how it delivers webhooks."""

    acquirer_api_version: Annotated[
        str, why("The version whose shapes the answers have: that of the library in the tests.")
    ] = "2026-10-28.endive"
    acquirer_form_fields: Annotated[
        Count, why("Fifty keys of metadata and every other parameter are fewer than a hundred.")
    ] = 100
    # -- idempotency
    acquirer_key_ttl_s: Annotated[
        Long, why("24 h, as Stripe documents: later the same key is a new request.")
    ] = 86_400.0
    acquirer_key_purge_s: Annotated[
        Seconds, why("An expired key counts no longer at once; this only frees its room.")
    ] = 600.0
    acquirer_hold_s: Annotated[
        Long,
        why("Seven days, as Stripe: an older authorisation cannot be captured."),
    ] = 604_800.0
    # -- modes
    acquirer_silence_s: Annotated[
        Seconds,
        why("The mode `timeout`: longer than the official client's 80 s: nobody sees an answer."),
    ] = 120.0
    acquirer_slow_s: Annotated[
        Seconds, why("The mode `latency`: past a caller's usual 2 s, well under its patience.")
    ] = 3.0
    acquirer_random_share: Annotated[
        Share, why("The mode `random`: half the requests go wrong, each way as often.")
    ] = 0.5
    # -- webhooks
    acquirer_webhook_timeout_s: Annotated[
        Seconds, why("Who has not answered by then is asked again; a receiver commits and answers.")
    ] = 10.0
    acquirer_webhook_poll_s: Annotated[
        Seconds, why("The longest a due event waits to be seen.")
    ] = 0.25
    acquirer_webhook_batch: Annotated[Count, why("One claim's worth of deliveries.")] = 32
    acquirer_webhook_places: Annotated[
        Count, why("Deliveries at once: endpoints that are silent delay others by a timeout.")
    ] = 8
    acquirer_webhook_base_s: Annotated[
        Seconds, why("A receiver that restarts is back within seconds.")
    ] = 1.0
    acquirer_webhook_max_s: Annotated[
        Seconds, why("A receiver that is away for long is asked once an hour.")
    ] = 3600.0
    acquirer_webhook_give_up_s: Annotated[
        Long, why("Three days, as Stripe: a weekend's outage loses nothing.")
    ] = 259_200.0
    acquirer_webhook_reorder_s: Annotated[
        Seconds, why("An event that is held back for up to this long is overtaken by later ones.")
    ] = 2.0
