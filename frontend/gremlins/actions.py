"""What a visitor can do: every action has a plain form's address (/do) and htmx's (/actions)."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from chassis.faults.client import GremlinClient
from chassis.faults.contract import PutGremlin
from chassis.faults.kinds import KINDS, strength
from chassis.faults.routes import Calmed
from chassis.http.outbound import decode
from chassis.http.problems import Problem
from chassis.outcome import CallResult, Outcome
from frontend.live_state import Watch
from frontend.overview.page import new_order_key
from frontend.overview.view_models import Told
from frontend.settings import DashboardSettings
from frontend.web.responses import page, problem_page, see_other
from frontend.web.sessions import OPERATOR_COOKIE, Doorman, Visitor
from frontend.web.templating import render
from frontend.web.toasts import calmed_told, cancel_told, loose_told, order_told
from observatory.sources.down import Down
from services.order.client import OrderClient
from topology import NAMES

Form = Mapping[str, str]
_KINDS = {kind.kind: kind for kind in KINDS}
_KEY = re.compile(r"[!-~]{16,255}")
_WHOLE = re.compile(r"[0-9]{1,9}")
# Guessing a token of sixteen characters is hopeless; this keeps it from being cheap as well.
_WRONG_TOKEN_S = 0.5


class Done(Struct, frozen=True):
    """What came of an action. `url` is where a plain form goes next when there is no bad news."""

    told: Told
    url: str = "/"
    new_order_key: bool = False


class Hands:
    """The dashboard's hands: the services' own clients, and nothing else."""

    def __init__(
        self,
        settings: DashboardSettings,
        *,
        orders: OrderClient,
        gremlins: Mapping[str, GremlinClient],
        watch: Watch,
    ) -> None:
        self._orders = orders
        self._gremlins = gremlins
        self._watch = watch
        # An order answers within its budget even when two peers hang; a second more for the way.
        self._order_deadline_s = settings.request_budget_s + 1.0
        self._headers = {"X-Valerix-Actor": "dashboard"}
        if settings.operator_token:
            self._headers["Authorization"] = f"Bearer {settings.operator_token}"

    async def place_order(self, form: Form, _: Visitor) -> Done:
        """Order what the form says, under the form's own key."""
        key = form.get("key", "")
        if not _KEY.fullmatch(key):
            raise Problem(400, "validation", "The form's key is missing: load the page again.")
        product_id, quantity = form.get("product_id", ""), _number(form, "quantity", 1, 1000)
        if not product_id:
            raise Problem(400, "validation", "Choose what to order.")
        answer = await self._orders.place(
            product_id, quantity, key=key, deadline_s=self._order_deadline_s
        )
        shop = self._watch.shop.now()
        shelf = () if isinstance(shop, Down) else shop.products
        told = order_told(answer, {each.product_id: each.name for each in shelf})
        # While the answer is not known the key stays, so that trying again cannot order twice.
        final = told.title not in ("Not sure yet", "Already on its way")
        return Done(told, f"/orders/{told.order_id}" if told.order_id else "/", final)

    async def cancel_order(self, form: Form, _: Visitor) -> Done:
        """Cancel the order; the services undo what was done."""
        try:
            order_id = UUID(form.get("order_id", ""))
        except ValueError:
            raise Problem(400, "validation", "That is not an order's id.") from None
        told = cancel_told(await self._orders.cancel(order_id), str(order_id))
        return Done(told, f"/orders/{order_id}")

    async def switch_gremlin(self, form: Form, visitor: Visitor) -> Done:
        """Turn one switch of the board: "on:inventory:latency" or "off:inventory:latency"."""
        _operator_only(visitor)
        turn, _, rest = form.get("switch", "").partition(":")
        service, _, kind = rest.partition(":")
        if service not in NAMES or kind not in _KINDS or turn not in ("on", "off"):
            raise Problem(400, "validation", "There is no such switch.")
        if turn == "off":
            return Done(await self._call_off(service, kind), "/#panel-board")
        return Done(await self._let_loose(service, kind, form), "/#panel-board")

    async def _let_loose(self, service: str, kind: str, form: Form) -> Told:
        words = _KINDS[kind]
        delay_ms = 0
        if words.delay_ms:
            delay_ms = _number(form, f"delay_{kind}", 1, words.delay_max_ms, words.delay_ms)
        ttl_s = _number(form, "ttl_s", 1, 3600, 300)
        share = _number(form, "share", 1, 100, 100)
        command = PutGremlin(kind=kind, delay_ms=delay_ms, ttl_s=ttl_s, probability=share / 100)
        # Named after its kind, as the API's own shorthand names it: one switch, one gremlin.
        answer = await self._gremlins[service].put(kind, command, headers=self._headers)
        detail = strength(kind, delay_ms, 0, 503)
        if share < 100:
            detail = ", ".join(filter(None, (detail, f"{share} % of requests")))
        return loose_told(answer, kind, service, detail, ttl_s)

    async def _call_off(self, service: str, kind: str) -> Told:
        loose = self._watch.gremlins.now()
        if isinstance(loose, Down):
            raise Problem(503, "unknown", f"{loose.reason}: call everything off instead.")
        names = [each.name for each in loose if (each.service, each.kind) == (service, kind)]
        answers = [
            (service, _gone(await self._gremlins[service].remove(name, headers=self._headers)))
            for name in names
        ]
        return calmed_told(answers, len(answers))

    async def calm(self, _: Form, visitor: Visitor) -> Done:
        """Call every gremlin off, at every service at once."""
        _operator_only(visitor)
        answers = await asyncio.gather(
            *(client.calm(headers=self._headers) for client in self._gremlins.values())
        )
        counts = (decode(answer, Calmed) for answer in answers if answer.outcome is Outcome.OK)
        ended = sum(count.calmed for count in counts if count is not None)
        return Done(calmed_told(list(zip(self._gremlins, answers, strict=True)), ended), "/")


def _operator_only(visitor: Visitor) -> None:
    if visitor.locked:
        raise Problem(
            401, "operator-token-needed", "Gremlins wait for the operator: unlock them first."
        )


def _gone(answer: CallResult) -> CallResult:
    """One that ended by itself meanwhile is as gone as one that was called off."""
    return CallResult(Outcome.OK, trace_id=answer.trace_id) if answer.status == 404 else answer


def _number(form: Form, field: str, least: int, most: int, default: int | None = None) -> int:
    raw = form.get(field, "").strip()
    if not raw and default is not None:
        return default
    if not _WHOLE.fullmatch(raw) or not least <= int(raw) <= most:
        raise Problem(400, "validation", f"{field} must be a whole number from {least} to {most}.")
    return int(raw)


def action_routes(hands: Hands, watch: Watch, doorman: Doorman) -> list[HTTPRouteHandler]:
    """POST /do/{action} answers with a page, POST /actions/{action} with a toast."""
    actions: dict[str, Callable[[Form, Visitor], Awaitable[Done]]] = {
        "order": hands.place_order,
        "cancel": hands.cancel_order,
        "gremlin": hands.switch_gremlin,
        "calm": hands.calm,
    }

    async def act(name: str, request: Request[Any, Any, Any]) -> tuple[Done, Visitor]:
        form = {key: str(value) for key, value in (await request.form()).items()}
        visitor = doorman.check(request, form.get("csrf", ""))
        if name not in actions:
            raise Problem(404, "not-found", "There is no such action.")
        done = await actions[name](form, visitor)
        await watch.look_again()
        return done, visitor

    @post("/do/{name:str}", status_code=200, include_in_schema=False)
    async def do_plainly(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[str]:
        done, visitor = await act(name, request)
        if done.told.status < 400 or done.told.order_id:
            return see_other(done.url, doorman, visitor)
        return page(problem_page(done.told), doorman, visitor, status=done.told.status)

    @post("/actions/{name:str}", status_code=200, include_in_schema=False)
    async def do_here(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[str]:
        try:
            done, visitor = await act(name, request)
        except Problem as problem:
            visitor = doorman.welcome(request)
            done = Done(Told("failed", "That did not work", problem.detail))
        html = render(
            "panels/toast.html",
            told=done.told,
            order_key=new_order_key() if done.new_order_key else None,
        )
        return page(html, doorman, visitor)

    return [do_plainly, do_here]


def sign_in_routes(doorman: Doorman) -> list[HTTPRouteHandler]:
    """POST /operator/sign-in and /operator/sign-out; plain forms, with a whole page behind them."""

    @post("/operator/sign-in", status_code=200, include_in_schema=False)
    async def sign_in(request: Request[Any, Any, Any]) -> Response[str]:
        form = await request.form()
        visitor = doorman.check(request, str(form.get("csrf", "")))
        if not doorman.is_token(str(form.get("token", ""))):
            await asyncio.sleep(_WRONG_TOKEN_S)
            why = "Gremlins stay locked. Everything else on these pages is open to you."
            told = Told("refused", "That is not the operator's token", why)
            return page(problem_page(told, again=visitor), doorman, visitor, status=401)
        cookies = (doorman.operator_cookie(visitor),)
        return see_other(own_page(form.get("back")), doorman, visitor, cookies=cookies)

    @post("/operator/sign-out", status_code=200, include_in_schema=False)
    async def sign_out(request: Request[Any, Any, Any]) -> Response[str]:
        form = await request.form()
        visitor = doorman.check(request, str(form.get("csrf", "")))
        answer = see_other("/", doorman, visitor)
        answer.delete_cookie(OPERATOR_COOKIE)
        return answer

    return [sign_in, sign_out]


def own_page(path: object) -> str:
    """Only to one of our own pages: a form field must not send anyone elsewhere."""
    text = str(path or "/")
    return quote(text, safe="/#-") if re.fullmatch(r"/(?!/)[\w/#-]*", text) else "/"
