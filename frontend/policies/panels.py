"""The panels of policies: who has which, the versions, and a draft's result."""

from frontend.live_state import DashboardState
from frontend.policies import presenter
from frontend.policies.drafts import Draft
from frontend.policies.terms import TermsDraft
from frontend.policies.view_models import PoliciesView
from frontend.web.formatting import utc_now
from frontend.web.panels import Panel
from observatory.sources.down import Down
from observatory.sources.poller import reason_of


def merchants_panel(view: PoliciesView | Down) -> Panel:
    """Merchants with their chain and their policy."""
    return Panel("policies/merchants.html", (), lambda _: view)


def versions_panel(view: PoliciesView | Down) -> Panel:
    """Every version with its text."""
    return Panel("policies/versions.html", (), lambda _: view)


def draft_panel(draft: Draft) -> Panel:
    """What came of a draft; it asks for nothing by itself."""
    return Panel("policies/draft.html", (), lambda _: presenter.draft(draft))


def terms_panel(draft: TermsDraft | Down) -> Panel:
    """The form with other terms and what came of it; it asks for nothing by itself."""
    view = draft if isinstance(draft, Down) else presenter.terms(draft)
    return Panel("policies/terms.html", (), lambda _: view)


async def present_terms(state: DashboardState) -> TermsDraft | Down:
    """The form with what accounts charge and take now."""
    try:
        return TermsDraft(await state.policies.terms())
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Payments keep their terms.")


async def policies_view(state: DashboardState) -> PoliciesView | Down:
    """Merchants and versions as they are now."""
    try:
        return presenter.policies(await state.policies.policies())
    except Exception as error:  # noqa: BLE001 - a panel never fails
        return Down(reason_of(error), utc_now(), "Payments are still asked of their policies.")
