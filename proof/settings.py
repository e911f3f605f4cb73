"""What the proof runs with: how often it judges, and the bounds the services promise to keep."""

from typing import Annotated

from chassis.settings import Seconds, Settings, why


class ProofSettings(Settings, frozen=True, kw_only=True):
    """The bounds repeat the services' own, because the auditor shares no code with the services.
    Both read the same variables, and a test compares the defaults."""

    proof_interval_s: Annotated[
        Seconds, why("Fresh enough to watch a recovery, cheap enough to run all day.")
    ] = 5.0
    proof_seal_interval_s: Annotated[
        Seconds,
        why("Until it is sealed, a line can be altered unseen; a link takes milliseconds."),
    ] = 10.0
    proof_scrub_round_s: Annotated[
        Seconds,
        why("All of history is read again within ten minutes, or as fast as a fifth of the time."),
    ] = 600.0
    proof_head: Annotated[
        str,
        why("A file that keeps the head of the chain outside the database; `valerix up` names it."),
    ] = ""
    order_deadline_s: Annotated[Seconds, why("As the order service has it.")] = 900
    order_lease_s: Annotated[Seconds, why("As the order service has it.")] = 6.0
    reconcile_backoff_max_s: Annotated[Seconds, why("As the order service has it.")] = 10.0
    payment_probe_max_s: Annotated[Seconds, why("As the payment service has it.")] = 30.0
    payment_gateway_fences: Annotated[bool, why("As the payment service has it.")] = True
