"""Lets the acquirer misbehave, over HTTP: the shop meets a provider on the wire alone."""

from typing import Literal
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from chassis.http.outbound import Peer
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.live_state import DashboardState
from frontend.providers.queries import WebhookFaultRecord
from frontend.web.actions import Done, Form, number, operator_only
from frontend.web.sessions import Visitor
from frontend.web.toasts import Toast, failure_toast, toast_of

_LOCKED = "The acquirer's switches wait"
AccountMode = Literal["happy", "latency", "declined", "500", "timeout", "random"]
# What happens to a write in each mode, as docs/acquirer.md has it.
MODES: dict[AccountMode, str] = {
    "happy": "works",
    "latency": "waits three seconds, then works",
    "declined": "declines every card",
    "500": "works, then answers 500",
    "timeout": "works, then says nothing",
    "random": "meets any of these, half of the time",
}
# A switch of a webhook fault is this share of deliveries, or this many seconds, or nothing.
FAULTS: dict[str, tuple[str, float]] = {
    "duplicate": ("half of them come twice", 0.5),
    "reorder": ("half of them come out of order", 0.5),
    "delay_s": ("all of them come 10 s late", 10.0),
    "forge": ("before a quarter comes a forged one", 0.25),
    "lose": ("a quarter is lost", 0.25),
}


class SetAccountMode(Struct, frozen=True):
    """PUT /accounts/{name}/mode."""

    mode: str


class AcquirerActions:
    """What a visitor does to the acquirer."""

    def __init__(self, peer: Peer, state: DashboardState) -> None:
        self._peer, self._state = peer, state

    async def set_mode(self, form: Form, visitor: Visitor) -> Done:
        """Let one account misbehave, or behave again."""
        operator_only(visitor, _LOCKED)
        account, mode = form.get("account", ""), form.get("mode", "")
        if mode not in MODES or not account.isalpha():
            raise Problem(400, "validation", "There is no such account or mode.")
        found = await self._peer.call(
            "PUT",
            f"/accounts/{quote(account, safe='')}/mode",
            SetAccountMode(mode),
            route="/accounts/{name}/mode",
            headers=visitor.operator_headers,
        )
        what = MODES[mode]
        return Done(_mode_toast(found, account, mode, what), "/providers")

    async def set_fault(self, form: Form, visitor: Visitor) -> Done:
        """Turn one fault of webhooks on or off; the others stay."""
        operator_only(visitor, _LOCKED)
        name, on = form.get("fault", ""), number(form, "on", 0, 1)
        if name not in FAULTS:
            raise Problem(400, "validation", "There is no such fault.")
        what, value = FAULTS[name]
        before = (await self._state.providers.providers()).webhook_faults
        wanted: WebhookFaultRecord = replace(before, **{name: value if on else 0.0})
        found = await self.put_faults(wanted, visitor)
        if found.outcome is not Outcome.OK:
            return Done(failure_toast(found, "Webhooks travel as before"), "/providers")
        if on:
            return Done(
                toast_of(found, "gremlin", "Webhooks travel badly", f"{what}."), "/providers"
            )
        return Done(toast_of(found, "good", "That fault is over"), "/providers")

    async def put_faults(self, wanted: WebhookFaultRecord, visitor: Visitor) -> CallResult:
        """Let webhooks travel so from now on."""
        return await self._peer.call(
            "PUT",
            "/webhook-faults",
            wanted,
            route="/webhook-faults",
            headers=visitor.operator_headers,
        )


def _mode_toast(found: CallResult, account: str, mode: str, what: str) -> Toast:
    if found.outcome is not Outcome.OK:
        return failure_toast(found, f"{account} stays as it was")
    if mode == "happy":
        return toast_of(found, "good", f"{account} works again")
    until = "It stays so until it is happy again."
    return toast_of(found, "gremlin", f"{account}: {mode}", f"It {what}. {until}")
