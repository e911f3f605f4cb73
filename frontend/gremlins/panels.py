"""The panels of gremlins: the bar on every page, the switches, the audit log."""

import asyncio
from datetime import datetime

from frontend.gremlins import presenter
from frontend.gremlins.view_models import AuditView
from frontend.live_state import DashboardState
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.poller import reason_of
from topology import find


def gremlin_panels(state: DashboardState) -> list[Panel]:
    """What is loose now, and the switches."""

    def bar(now: datetime) -> object:
        active = state.gremlins.now()
        return active if isinstance(active, Down) else presenter.bar(active, now)

    return [
        Panel("gremlins/bar.html", ("gremlins",), bar),
        Panel(
            "gremlins/board.html",
            ("gremlins",),
            lambda now: presenter.board(state.gremlins.now(), now),
        ),
    ]


def faults_panel(state: DashboardState, key: str) -> Panel:
    """The switches of one process."""
    return Panel(
        "gremlins/faults.html",
        ("gremlins",),
        lambda now: presenter.board(state.gremlins.now(), now, (find(key),)),
        f"/panels/faults/{key}",
    )


def audit_panel(view: AuditView | Down) -> Panel:
    """The audit log."""
    return Panel("gremlins/audit.html", ("gremlins",), lambda _: view)


async def audit_view(state: DashboardState) -> AuditView | Down:
    """The audit log as it is now."""
    try:
        gremlins, operations = await asyncio.gather(
            state.live.timeline.audit(), state.operations.newest()
        )
        return presenter.audit(gremlins, operations)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Gremlins still run out by themselves.")
