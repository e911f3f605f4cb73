"""The panel of providers."""

from frontend.live_state import DashboardState
from frontend.providers import presenter
from frontend.providers.view_models import ProvidersView
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.poller import reason_of


def providers_panel(view: ProvidersView | Down) -> Panel:
    """Every account and its switches."""
    return Panel("providers/providers.html", (), lambda _: view)


async def providers_view(state: DashboardState) -> ProvidersView | Down:
    """The accounts as they are now."""
    try:
        return presenter.providers(await state.providers.providers())
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Payments go on without this page.")
