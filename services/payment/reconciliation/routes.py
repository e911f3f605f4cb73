"""The endpoints of the reconciliation: run it, see its runs, and own its differences."""

import datetime as dt
from typing import Annotated

from litestar import get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

from chassis.http.json_body import Strict
from chassis.http.openapi import refused
from chassis.http.problems import Problem
from chassis.http.shop_identity import internal_guard
from services.payment import contract
from services.payment.context import PaymentContext
from services.payment.contract import BreakList, BreakState, BreakView, OwnBreak, RunList
from services.payment.reconciliation import store
from services.payment.reconciliation.run import Reconciliation

# More than a person reads at once.
_MOST_RUNS, _MOST_BREAKS = 100, 500
_BreakId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]


@post(
    "/reconciliations",
    guards=[internal_guard],
    status_code=200,
    summary="Fetch the accounts' settlement files of a UTC day and match them",
)
async def reconcile(
    state: State, date: Annotated[dt.date | None, QueryParameter()] = None
) -> RunList:
    """POST /reconciliations?date=2026-11-28: without a date, yesterday."""
    today = dt.datetime.now(dt.UTC).date()
    day = date or today - dt.timedelta(days=1)
    if day > today:
        raise Problem(
            422,
            contract.DAY_TO_COME,
            "That day has not begun in UTC; no account has a file of it",
            details={"date": day.isoformat(), "today": today.isoformat()},
        )
    reconciliation: Reconciliation = state["reconciliation"]
    return RunList(await reconciliation.of_day(day))


@get("/reconciliations", guards=[internal_guard], summary="The newest runs")
async def list_runs(state: State) -> RunList:
    """GET /reconciliations."""
    async with _context(state).database.connect() as connection:
        return RunList(await store.runs(connection, _MOST_RUNS))


@get(
    "/reconciliation-breaks",
    guards=[internal_guard],
    responses={400: refused("There is no such state")},
    summary="Where settlement files and our ledger differ",
)
async def list_breaks(
    state: State,
    break_state: Annotated[BreakState | None, QueryParameter(name="state")] = None,
) -> BreakList:
    """GET /reconciliation-breaks?state=open."""
    async with _context(state).database.connect() as connection:
        return BreakList(await store.breaks(connection, break_state, _MOST_BREAKS))


@post(
    "/reconciliation-breaks/{break_id:int}",
    guards=[internal_guard],
    dto=Strict[OwnBreak],
    return_dto=None,
    status_code=200,
    responses={
        404: refused("There is no such difference"),
        409: refused("It is resolved already"),
    },
    summary="Accept a difference, or resolve it, and say why",
)
async def own_break(break_id: _BreakId, data: JSONBody[OwnBreak], state: State) -> BreakView:
    """POST /reconciliation-breaks/{break_id}."""
    async with _context(state).database.connect() as connection:
        owned = await store.own(connection, break_id, data.state, data.note)
        found = owned or await store.find_break(connection, break_id)
    if found is None:
        raise Problem(
            404,
            contract.BREAK_NOT_FOUND,
            "There is no such difference",
            details={"id": break_id},
        )
    if owned is None:
        raise Problem(
            409,
            contract.BREAK_RESOLVED,
            "This difference is resolved, which is final",
            details={"id": break_id, "note": found.note},
        )
    return owned


ROUTES: list[BaseRouteHandler] = [reconcile, list_runs, list_breaks, own_break]


def _context(state: State) -> PaymentContext:
    context: PaymentContext = state["context"]
    return context
