"""The panels of load: the run that is on or the choice of one, and the runs before."""

import asyncio

from frontend.load import presenter
from frontend.load.desk import LoadDesk
from frontend.load.view_models import LoadView, RunsView
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.poller import reason_of

_STILL = "Reports stay in their folder."


def load_panel(view: LoadView | Down) -> Panel:
    """The run, or the choice of one; the figures of a run are a second old."""
    return Panel("load/load.html", ("load", "metrics"), lambda _: view)


def runs_panel(view: RunsView | Down) -> Panel:
    """The list of runs."""
    return Panel("load/runs.html", ("load",), lambda _: view)


async def load_view(desk: LoadDesk) -> LoadView | Down:
    """What runs now."""
    try:
        reports = await asyncio.to_thread(desk.runs.reports)
        progress = await asyncio.to_thread(desk.runs.current)
        return presenter.load(desk.state(), progress, reports, obstacle=desk.obstacle)
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), _STILL)


async def runs_view(desk: LoadDesk) -> RunsView | Down:
    """Those that left a report."""
    try:
        return presenter.runs(await asyncio.to_thread(desk.runs.reports))
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), _STILL)
