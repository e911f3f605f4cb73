"""Restarting and killing a process: the running shop is asked, as `valerix restart` asks it."""

from pathlib import Path

from chassis.http.problems import Problem
from fleet.client import POSTGRES, ControlClient, RequestRefused, Verb
from frontend.processes.panels import known_key
from frontend.settings import DashboardSettings
from frontend.web.actions import Done, Form, number, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import Toast
from topology import LABELS

_LOCKED = "Restarting a process waits"
MOST_AWAY_S = 60


class ProcessActions:
    """What a visitor does to processes; `take_down` is the same for the API."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._control = ControlClient(Path(settings.control)) if settings.control else None

    async def take_down(self, verb: Verb, process: str, away_s: float, actor: str) -> None:
        """Return once the process is down; `Problem` 400, 404, 409 or 503 says why it is not."""
        if (key := known_key(process)) == POSTGRES and verb == "kill":
            raise Problem(400, "validation", "PostgreSQL is only ever stopped in order.")
        if self._control is None or not self._control.is_open:
            why = "Only a shop that `valerix up` runs on this machine can be asked."
            raise Problem(503, "no-fleet", why)
        try:
            await self._control.take_down(verb, key, away_s, actor)
        except RequestRefused as error:
            raise Problem(409, "restart-refused", f"The shop did not do it: {error}") from None

    async def restart(self, form: Form, visitor: Visitor) -> Done:
        """Restart or kill (`verb`) the `process`, which starts again after `away_s` seconds;
        answers once it is down."""
        operator_only(visitor, _LOCKED)
        key = known_key(form.get("process", ""))
        verb: Verb = "kill" if form.get("verb") == "kill" else "restart"
        away_s = number(form, "away_s", 0, MOST_AWAY_S, 0)
        label, url = LABELS.get(key, "PostgreSQL"), f"/processes/{key}"
        try:
            await self.take_down(verb, key, away_s, visitor.actor)
        except Problem as why:
            toast = Toast("failed", f"{label} was not stopped", why.detail, status=why.status)
            return Done(toast, url)
        back = f"It starts again in {away_s} s." if away_s else "It starts again at once."
        done = "was killed" if verb == "kill" else "ended in order"
        return Done(Toast("degraded", f"{label} {done}", f"{back} Watch the map."), url)
