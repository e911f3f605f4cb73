"""The page of policies, its draft, and the same as JSON."""

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from chassis.http.problems import Problem
from frontend.live_state import DashboardState
from frontend.policies.drafts import Draft, PolicyDrafts
from frontend.policies.panels import (
    draft_panel,
    merchants_panel,
    policies_view,
    present_terms,
    terms_panel,
    versions_panel,
)
from frontend.policies.queries import Policies
from frontend.policies.terms import TermsDraft
from frontend.policies.view_models import PoliciesView
from frontend.web.actions import read_form
from frontend.web.filters import field
from frontend.web.pages import HttpRequest, Pages
from frontend.web.responses import leave_untraced
from observatory.sources.down import Down


def policy_routes(
    pages: Pages, state: DashboardState, drafts: PolicyDrafts
) -> list[HTTPRouteHandler]:
    """GET /policies with its panels, and POST /policies/draft, which a browser with a script asks
    as /panels/draft."""

    @get("/policies", summary="Policies", include_in_schema=False)
    async def show_policies(request: HttpRequest) -> Response[str]:
        return await _whole(pages, state, request)

    @get("/panels/merchants", summary="Who has which policy", include_in_schema=False)
    async def show_merchants(request: HttpRequest) -> Response[str]:
        return pages.panel(request, merchants_panel(await policies_view(state)))

    @get("/panels/versions", summary="Versions of policies", include_in_schema=False)
    async def show_versions(request: HttpRequest) -> Response[str]:
        return pages.panel(request, versions_panel(await policies_view(state)))

    @post("/policies/draft", status_code=200, include_in_schema=False)
    async def ask_by_form(request: HttpRequest) -> Response[str]:
        form, visitor = await read_form(request, pages.sessions)
        return await _whole(pages, state, request, await drafts.ask(form, visitor))

    @post("/panels/draft", status_code=200, include_in_schema=False)
    async def ask_in_place(request: HttpRequest) -> Response[str]:
        try:
            form, visitor = await read_form(request, pages.sessions)
            draft = await drafts.ask(form, visitor)
        except Problem as problem:
            draft = Draft("", problem=problem.detail)
        return pages.panel(request, draft_panel(draft))

    return [show_policies, show_merchants, show_versions, ask_by_form, ask_in_place]


def terms_routes(
    pages: Pages, state: DashboardState, drafts: PolicyDrafts
) -> list[HTTPRouteHandler]:
    """POST /policies/terms, which a browser with a script asks as /panels/terms."""

    async def tried(request: HttpRequest) -> TermsDraft | Down:
        form, _ = await read_form(request, pages.sessions)
        draft = await present_terms(state)
        return draft if isinstance(draft, Down) else await drafts.try_terms(form, draft.present)

    @post("/policies/terms", status_code=200, include_in_schema=False)
    async def try_by_form(request: HttpRequest) -> Response[str]:
        return await _whole(pages, state, request, terms=await tried(request))

    @post("/panels/terms", status_code=200, include_in_schema=False)
    async def try_in_place(request: HttpRequest) -> Response[str]:
        try:
            terms = await tried(request)
        except Problem as problem:
            terms = await present_terms(state)
            if not isinstance(terms, Down):
                terms = replace(terms, problem=problem.detail)
        return pages.panel(request, terms_panel(terms))

    return [try_by_form, try_in_place]


def policy_api(state: DashboardState) -> list[HTTPRouteHandler]:
    """What the page of policies shows, as JSON."""

    @get("/api/policies", summary="Merchants and policies", before_request=leave_untraced)
    async def list_policies() -> Policies:
        """GET /api/policies."""
        return await state.policies.policies()

    return [list_policies]


async def _whole(
    pages: Pages,
    state: DashboardState,
    request: HttpRequest,
    draft: Draft | None = None,
    terms: TermsDraft | Down | None = None,
) -> Response[str]:
    """The page, with what came of a draft or of other terms."""
    view = await policies_view(state)
    if draft is None:
        draft = Draft(_begun_with(view, field(request, "version")))
    return pages.page(
        request,
        "policies/page.html",
        merchants=merchants_panel(view),
        versions=versions_panel(view),
        draft=draft_panel(draft),
        terms=terms_panel(terms or await present_terms(state)),
        text=draft.text,
        last=draft.last,
    )


def _begun_with(view: PoliciesView | Down, version: str) -> str:
    """The text of the version that was asked for, or of the first merchant's."""
    if isinstance(view, Down):
        return ""
    texts = {each.version: each.text for each in view.versions}
    first = next((each.policy_version for each in view.merchants if each.policy_version), "")
    return texts.get(version) or texts.get(first, "")
