"""What the wallet service runs with, beside what every process needs."""

from typing import Annotated

from chassis.settings import Count, Seconds, Settings, why


class WalletSettings(Settings, frozen=True, kw_only=True):
    """Its account at the gateway, how many payments run at once, and how soon money is sealed."""

    wallet_gateway_key: Annotated[
        str,
        why(
            "The wallets' own account at the acquirer; a process with a service credential shows "
            "this shop's key in its place. Never real money by default."
        ),
    ] = "sk_test_wallets"
    wallet_gateway_url: Annotated[
        str, why("Where that account's API is. Empty: at the acquirer.")
    ] = ""
    wallet_gateway_timeout_s: Annotated[
        Seconds, why("Leaves half a second of a caller's 2 s for our own commits.")
    ] = 1.5
    wallet_default_key: Annotated[
        str, why("An API key that opens every wallet, on loopback alone. Empty: none.")
    ] = "wallet-demo-key"
    wallet_places: Annotated[
        Count,
        why("Payments under way at once: the gateway's share, well below max_in_flight."),
    ] = 64
    wallet_place_wait_s: Annotated[
        Seconds, why("Half of a caller's 2 s: past that the caller is better told at once.")
    ] = 1.0
    wallet_seal_every_s: Annotated[
        Seconds, why("Money that came in can be spent within a second; a look is one statement.")
    ] = 0.25
    wallet_lease_s: Annotated[
        Seconds, why("A payment that its request has not ended by then is found out by repair.")
    ] = 6.0
    wallet_probe_base_s: Annotated[
        Seconds, why("The first look at an unknown payment; a gateway rarely knows sooner.")
    ] = 1.0
    wallet_probe_max_s: Annotated[
        Seconds, why("A payment in doubt is looked up at least twice a minute.")
    ] = 30.0
    reconcile_poll_s: Annotated[Seconds, why("The longest a due payment waits to be seen.")] = 0.5
    reconcile_batch: Annotated[Count, why("One claim's worth of repair.")] = 16
