"""What the payment service runs with, beside what every process needs."""

from typing import Annotated, Literal

from msgspec import Meta

from chassis.settings import Address, Count, RpcSettings, Seconds, Share, why


class PaymentSettings(RpcSettings, frozen=True, kw_only=True):
    """The mock gateway's manners, and how charges in doubt are looked up."""

    payment_connector: Annotated[
        Literal["mock", "flaky"],
        why("`mock` answers well; `flaky` loses, delays and garbles by its shares."),
    ] = "mock"
    payment_stripe_accounts: Annotated[
        str,
        why(
            "`name=key,…`: the accounts that are paid through Stripe's official library; these are "
            "the acquirer's own, which processes with a service credential replace by keys of "
            "this shop. Empty: merchants have the mock alone."
        ),
    ] = "alfa=sk_test_alfa,bravo=sk_test_bravo,charlie=sk_test_charlie"
    payment_stripe_url: Annotated[
        str,
        why("Where these accounts' API is. Empty: at the acquirer. Never real money by default."),
    ] = ""
    wallet_api_key: Annotated[
        str,
        why(
            "Shown to the wallet service where a wallet pays; the default one is good on loopback "
            "alone: make another with `valerix keys create`."
        ),
    ] = "wallet-demo-key"
    payment_webhook_url: Annotated[
        Address,
        why(
            "Where these accounts reach this service, to send their events to. Empty: the acquirer "
            "sends them to VALERIX_PAYMENT_URL, and others none: payments are looked up then."
        ),
    ] = ""
    payment_webhook_poll_s: Annotated[
        Seconds, why("The longest an event waits to be worked off; each look is one statement.")
    ] = 0.25
    payment_webhook_check_s: Annotated[
        Seconds, why("An endpoint that somebody deleted is made again this soon.")
    ] = 300.0
    payment_reconcile_young_s: Annotated[
        Seconds,
        why("A line this young may belong to a payment that is still settled: an order's 15 min."),
    ] = 900.0
    payment_reconcile_poll_s: Annotated[
        Seconds,
        why(
            "How soon after midnight, and after a failure, a day's file is fetched; after each "
            "further failure twice as late, up to six hours."
        ),
    ] = 600.0
    payment_decline_rate: Annotated[
        Share, why("One card in ten is declined, so the failure path is always in view.")
    ] = 0.10
    payment_seed: Annotated[
        Annotated[int, Meta(ge=0, le=2**31)],
        why("0 draws a fresh seed at start; any other value repeats the same approvals."),
    ] = 0
    payment_gateway_fences: Annotated[
        bool, why("Whether the gateway refuses a charge that comes after its void.")
    ] = True
    payment_gateway_timeout_s: Annotated[
        Seconds, why("Leaves half a second of the caller's 2 s for our own commits.")
    ] = 1.5
    payment_flaky_shares: Annotated[
        str, why("About one call in five goes wrong, each in its own way.")
    ] = (
        "lost_request=0.05,lost_response=0.05,error_before=0.02,"
        "error_after=0.02,garbage=0.02,late=0.05"
    )
    payment_late_capture_s: Annotated[
        Seconds, why("Later than every deadline, so the capture comes after the answer.")
    ] = 3.0
    payment_probe_base_s: Annotated[
        Seconds, why("The first look at an unknown charge; a gateway rarely knows sooner.")
    ] = 1.0
    payment_probe_max_s: Annotated[
        Seconds, why("A charge in doubt is looked up at least twice a minute.")
    ] = 30.0
    reconcile_poll_s: Annotated[Seconds, why("The longest a due payment waits to be seen.")] = 0.5
    reconcile_batch: Annotated[Count, why("One claim's worth of repair.")] = 16
