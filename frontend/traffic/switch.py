"""Turning steady traffic on and off within its bounds, in the audit log; for page and API alike."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from chassis.http.outbound import Peer
from chassis.http.problems import Problem, invalid
from frontend.operations import Operations
from frontend.settings import DashboardSettings
from frontend.traffic.presenter import MIXES, shown_mix
from frontend.web.actions import Done, Form, number, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import Toast
from scenarios.steady_traffic import AlreadyOn, SteadyTraffic, TrafficMix, TrafficOrder

LEAST_PER_S = 0.1
_LOCKED = "Traffic waits"
_USUAL_MINUTES = 60


class TrafficSwitch:
    """The one switch of this shop."""

    def __init__(
        self,
        settings: DashboardSettings,
        peers: Mapping[str, Peer],
        operations: Operations,
        *,
        resting: Callable[[], bool] = lambda: False,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """As `SteadyTraffic`; `changed` is called when it was turned."""
        self._settings, self._operations, self._changed = settings, operations, changed
        self.traffic = SteadyTraffic(
            settings,
            peers,
            entrance=settings.traffic_entrance,
            resting=resting,
            over=self._note_end,
        )
        self._line: int | None = None

    @property
    def most_per_s(self) -> float:
        """The highest rate."""
        return self._settings.traffic_most_per_s

    async def start(self, rate: float, mix: TrafficMix, minutes: int, actor: str) -> TrafficOrder:
        """Turn it on; `Problem` 400 for what is out of bounds, 409 while it is on."""
        most, longest = self.most_per_s, self._settings.traffic_most_min
        if not LEAST_PER_S <= rate <= most:
            raise invalid("/rate", f"must be a number from {LEAST_PER_S:g} to {most:g} a second")
        if not 1 <= minutes <= longest:
            raise invalid("/minutes", f"must be a whole number from 1 to {longest}")
        if mix.is_empty:
            raise invalid("/mix", "needs a weight above 0: nobody would come")
        line = None
        if self.traffic.order is None:
            detail = f"{rate:g}/s, {shown_mix(mix)}, for {minutes} min"
            line = await self._operations.write("traffic", "started", actor, detail)
        try:
            order = self.traffic.start(rate, mix, timedelta(minutes=minutes), actor)
        except AlreadyOn:
            raise Problem(
                409, "traffic-on", "Steady traffic is on already: stop it first to change it."
            ) from None
        self._line = line
        self._changed()
        return order

    async def stop(self, actor: str) -> TrafficOrder:
        """Turn it off; `Problem` 409 while it is off."""
        line = self._line
        # Whoever takes it away writes its end: of two that stop it at once, one.
        order = await self.traffic.stop()
        self._changed()
        if order is None:
            raise Problem(409, "traffic-off", "Steady traffic is off already.")
        await self._operations.write("traffic", "stopped", actor, "", line)
        return order

    async def _note_end(self, order: TrafficOrder) -> None:
        self._changed()
        await self._operations.write("traffic", "expired", order.actor, "", self._line)

    async def turn(self, form: Form, visitor: Visitor) -> Done:
        """What the page's button says."""
        operator_only(visitor, _LOCKED)
        if form.get("turn") == "off":
            await self.stop(visitor.actor)
            return Done(Toast("good", "Traffic is off", "What is under way is cut off."))
        if form.get("turn") != "on" or form.get("mix", "all") not in MIXES:
            raise Problem(400, "validation", "There is no such switch or mix.")
        label, mix = MIXES[form.get("mix", "all")]
        rate = number(form, "rate", 1, int(self.most_per_s))
        minutes = number(form, "minutes", 1, self._settings.traffic_most_min, _USUAL_MINUTES)
        await self.start(rate, mix, minutes, visitor.actor)
        return Done(Toast("good", "Traffic is on", f"{rate} a second: {label}; for {minutes} min."))
