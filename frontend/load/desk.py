"""Asking the running fleet for a load profile, within its bounds and in the audit log."""

import time
from pathlib import Path

from chassis.http.problems import Problem, invalid
from fleet.client import TAKEN_WITHIN_S, ControlClient, LoadRequest, LoadState, RequestRefused
from frontend.operations import Operations
from frontend.settings import DashboardSettings
from frontend.web.actions import Done, Form, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import Toast
from observatory.load_runs import LoadRuns
from scenarios import load_profiles
from scenarios.load_profiles import PROFILES, RATES, SCALES

_LOCKED = "Load waits"
_NO_FLEET = (
    "Only a shop that was started with `valerix up` runs load profiles: "
    "in containers, docker compose --profile load does (docs/load.md)."
)


class LoadDesk:
    """Starts and stops the one run that there may be. `runs` are those that left something."""

    def __init__(self, settings: DashboardSettings, operations: Operations) -> None:
        self._settings, self._operations = settings, operations
        folder = settings.load_reports
        self.runs = LoadRuns(Path(folder) if folder else None)
        self._control = ControlClient(Path(settings.control)) if settings.control else None

    @property
    def obstacle(self) -> str:
        """Why no profile can be started, now; empty where one can."""
        if self._control is None or not self._control.is_open:
            return _NO_FLEET
        # The fleet runs it with the Python that runs this.
        return "" if load_profiles.is_installed() else load_profiles.NOT_INSTALLED

    def state(self) -> LoadState | None:
        """The profile that the fleet runs, or ran last; None while it ran none."""
        return self._control.load_state() if self._control is not None else None

    @property
    def is_on(self) -> bool:
        """Whether the fleet runs one."""
        state = self.state()
        return state is not None and state.state != "ended"

    async def start(self, profile: str, scale: float, rate: float, actor: str) -> None:
        """Start a profile; `Problem` 400, 404, 409 or 503 says why it does not run."""
        if profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise Problem(404, "profile-not-found", f"There is no such profile; there are: {known}")
        if not SCALES[0] <= scale <= SCALES[1]:
            raise invalid("/scale", f"must be a number from {SCALES[0]:g} to {SCALES[1]:g}")
        if rate and not RATES[0] <= rate <= RATES[1]:
            raise invalid("/rate", f"must be 0 or a number from {RATES[0]:g} to {RATES[1]:g}")
        length_s, longest_s = PROFILES[profile].duration_s(scale), self._settings.load_longest_s
        if length_s > longest_s:
            raise invalid(
                "/scale", f"would take {length_s:.0f} s, and {longest_s:.0f} s is the longest"
            )
        if self.is_on:
            raise Problem(409, "load-on", "A load profile is running already: one at a time.")
        detail = f"{profile}, scale {scale:g}" + (f", {rate:g}/s" if rate else "")
        await self._ask("start", actor, detail, profile=profile, scale=scale, rate=rate)

    async def stop(self, actor: str) -> None:
        """Stop the run; `Problem` 409 where there is none. A second time is at once."""
        if not self.is_on:
            raise Problem(409, "load-off", "No load profile is running.")
        await self._ask("stop", actor, "")

    async def _ask(self, verb: str, actor: str, detail: str, **what: object) -> None:
        if self._control is None or not self._control.is_open:
            raise Problem(503, "no-fleet", _NO_FLEET)
        action = "started" if verb == "start" else "stopped"
        line = await self._operations.write("load", action, actor, detail)  # type: ignore[arg-type]
        until = time.time() + TAKEN_WITHIN_S
        try:
            await self._control.ask_load(LoadRequest(verb, actor, until, **what))  # type: ignore[arg-type]
        except RequestRefused as why:
            await self._operations.write("load", "refused", actor, str(why), line)
            raise Problem(409, "load-refused", f"The shop did not do it: {why}") from None

    async def turn(self, form: Form, visitor: Visitor) -> Done:
        """What the page's button says."""
        operator_only(visitor, _LOCKED)
        if form.get("turn") == "off":
            await self.stop(visitor.actor)
            toast = Toast("good", "Stopping", "It is judged by what it has measured.")
            return Done(toast, "/load")
        if form.get("turn") != "on":
            raise Problem(400, "validation", "There is no such button.")
        profile = form.get("profile", "")
        await self.start(profile, _number(form, "scale", 1.0), _number(form, "rate", 0.0),
                         visitor.actor)  # fmt: skip
        return Done(Toast("good", f"{profile} is started", "Its figures show below."), "/load")


def _number(form: Form, field: str, usual: float) -> float:
    try:
        return float(form.get(field, "").strip() or usual)
    except ValueError:
        raise Problem(400, "validation", f"{field} must be a number.") from None
