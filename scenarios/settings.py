"""What playing an act needs: the proof's settings, where processes are restarted, a wallet key."""

from typing import Annotated

from chassis.settings import why
from proof.settings import ProofSettings


class ScenarioSettings(ProofSettings, frozen=True, kw_only=True):
    """An act is judged by the proof while it is played."""

    control: Annotated[
        str, why("Where `valerix up` is asked to restart a process; it sets this itself.")
    ] = ""
    wallet_api_key: Annotated[
        str,
        why(
            "Shown to the wallet service by the dashboard and by acts; the default one is good on "
            "loopback alone: make another with `valerix keys create`."
        ),
    ] = "wallet-demo-key"
