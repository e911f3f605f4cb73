"""What playing an act needs: the proof's settings, and where processes are restarted."""

from typing import Annotated

from chassis.settings import why
from proof.settings import ProofSettings


class ScenarioSettings(ProofSettings, frozen=True, kw_only=True):
    """An act is judged by the proof while it is played."""

    control: Annotated[
        str, why("Where `valerix up` is asked to restart a process; it sets this itself.")
    ] = ""
