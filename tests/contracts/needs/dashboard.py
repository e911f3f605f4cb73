"""What the dashboard needs: of every process health, counters and gremlins, and of each what its
pages show and their forms do; acts are played from here as well."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from chassis.faults.client import GremlinClient
from chassis.faults.contract import PutGremlin
from chassis.http.outbound import decode
from chassis.outcome import Outcome
from frontend.gremlins.actions import GremlinActions
from frontend.orders.actions import OrderActions
from frontend.policies.drafts import PolicyDrafts
from frontend.providers.acquirer import AcquirerActions
from frontend.providers.queries import WebhookFaultRecord
from observatory.metrics.counter_window import REQUESTS
from observatory.sources.embedded_metrics import EmbeddedMetrics
from observatory.sources.health import Health, HealthProbe
from scenarios.accounts import Accounts
from services.inventory.client import InventoryClient
from services.inventory.contract import StockList, StockView
from services.order.client import OrderClient
from services.order.contract import OrderPaymentMethod, OrderWallet, PlaceOrder
from services.payment.client import MerchantClient, PolicyClient
from services.payment.contract import (
    PolicyCheck,
    PolicyMistake,
    PolicyRule,
    PolicyVersion,
    WhatIfResult,
)
from services.payment.policy import Policy, read_policy
from services.payment.process.messages import ExternalRequest
from tests.contracts.matching import match, of_state, shaped
from tests.contracts.need import DEADLINE_S, At, Need, id_of
from tests.contracts.needs import events, identity, wallets
from tests.contracts.needs.order import PRODUCT
from tests.contracts.needs.pages import ACTOR, NOW, OPERATOR, state_of

POLICY = "if amount >= 900000000 then deny"
_READ = read_policy(POLICY)
assert isinstance(_READ, Policy)
VERSION, MERCHANT = _READ.version, "m1"
_COUNTERS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


def needs_of(provider: str) -> Callable[[], Iterable[Need]]:
    """The needs of any process, and those of this one."""
    return lambda: [*_of_any(provider), *_OWN.get(provider, list)()]


# ---- every process


def _of_any(key: str) -> Iterator[Need]:
    async def health(at: At) -> Health:
        probe = HealthProbe({key: at.url})
        (found,) = await probe.read_all()
        await probe.close()
        return found

    # Of whatever it stands on: a gateway without its wheel says so, and gives the rest.
    found = match.each_value_matches({"database": "connected"}, rules=match.like("connected"))
    answer = {"status": match.like("healthy"), "dependencies": found}
    known = Health(key, (("database", True, "connected"),))
    yield Need("see its health", "", health, known, "GET", "/health", 200, answer)
    yield _counters(key)
    yield from _gremlins(key)


def _counters(key: str) -> Need:
    async def ask(at: At) -> bool:
        source = EmbeddedMetrics({key: at.url}, lambda _: None)
        await source.start()
        while source.newest_at(key) is None:
            await asyncio.sleep(0.01)
        await source.stop()
        return source.traffic(key) is not None

    line = f'{REQUESTS}{{method="GET",route="/x",status="200"}} 1.0'
    rule = {"match": "regex", "regex": rf"[\s\S]*{REQUESTS}\{{[^\n]*\}} \d[\s\S]*"}
    return Need(
        "read its counters", "it was asked something", ask, True, "GET", "/metrics", 200, line,
        headers={"Accept": "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"},
        text=_COUNTERS, rules={"$": {"matchers": [rule]}}, given={"provider": key},
    )  # fmt: skip


def _gremlins(key: str) -> Iterator[Need]:
    def actions(at: At) -> GremlinActions:
        return GremlinActions({key: GremlinClient(at.peer)}, state_of(at))

    async def let_loose(at: At) -> str:
        form = {"switch": f"on:{key}:latency", "delay_latency": "1", "ttl_s": "5"}
        return (await actions(at).switch(form, OPERATOR)).toast.state

    async def call_off(at: At) -> Outcome:
        return (await GremlinClient(at.peer).remove("latency", headers=ACTOR)).outcome

    async def calm(at: At) -> str:
        return (await actions(at).calm({}, OPERATOR)).toast.title

    command = msgspec.to_builtins(PutGremlin(kind="latency", delay_ms=1, ttl_s=5))
    path, loose = "/gremlins/latency", "a gremlin is loose"
    given = {"provider": key}
    yield Need("let a gremlin loose", "", let_loose, "gremlin", "PUT", path, 200, body=command,
               headers=ACTOR)  # fmt: skip
    yield Need("call a gremlin off", loose, call_off, Outcome.OK, "DELETE", path, 204, given=given,
               headers=ACTOR)  # fmt: skip
    yield Need("call every gremlin off", loose, calm, "1 gremlin called off", "DELETE", "/gremlins",
               200, {"calmed": match.int(1)}, given=given, headers=ACTOR)  # fmt: skip


# ---- orders and goods


def _of_order() -> Iterator[Need]:
    def place(
        what: str, state: str, quantity: int, status: int, answer: Any, known: object, *,
        wallet: str = "",
    ) -> Need:  # fmt: skip
        key = str(id_of(what))

        async def ask(at: At) -> object:
            form = {
                "key": key,
                "product_id": PRODUCT,
                "quantity": str(quantity),
                "wallet_id": wallet,
            }
            actions = OrderActions(at.settings, OrderClient(at.peer), state_of(at))
            toast = (await actions.place(form, OPERATOR)).toast
            return toast.state, bool(toast.order_id)

        method = OrderPaymentMethod(OrderWallet(wallet)) if wallet else msgspec.UNSET
        body = msgspec.to_builtins(PlaceOrder(PRODUCT, quantity, method))
        return Need(what, state, ask, known, "POST", "/orders", status, answer, body,
                    headers={"Idempotency-Key": key})  # fmt: skip

    order = {
        "order_id": match.uuid(str(id_of("order"))), "quantity": 1, "product_id": PRODUCT,
        "amount_minor": match.int(1999), "currency": match.like("EUR"),
    }  # fmt: skip
    refused = {"details": {"order_id": order["order_id"]}}
    yield place("order goods", "there is stock", 1, 201, order, ("good", True))
    yield place("order goods of which nobody knows", "goods are out of reach", 1, 202, order,
                ("degraded", True))  # fmt: skip
    yield place("order more than there is", "there is little stock", 1000, 409,
                {"code": "out-of-stock", **refused}, ("refused", True))  # fmt: skip
    yield place("order what a wallet cannot pay", "there is stock", 1, 402,
                {"code": "payment-declined", **refused}, ("refused", True),
                wallet="nobody")  # fmt: skip
    yield _cancel("cancel an order", "an order waits", 200, None, "refused")
    yield _cancel("cancel an order that is paid", "an order is paid", 409,
                  {"detail": match.like("It is too late")}, "failed")  # fmt: skip


def _cancel(what: str, state: str, status: int, answer: Any, known: str) -> Need:
    order_id = str(id_of(what))

    async def ask(at: At) -> str:
        actions = OrderActions(at.settings, OrderClient(at.peer), state_of(at))
        return (await actions.cancel({"order_id": order_id}, OPERATOR)).toast.state

    path = of_state("/orders/${order_id}/cancel", f"/orders/{order_id}/cancel")
    return Need(what, state, ask, known, "POST", path, status, answer)


def _of_inventory() -> Iterator[Need]:
    view = StockView(PRODUCT, 100, 0, 0, 100)

    async def stock(at: At) -> list[str]:
        found: StockList = decode(await InventoryClient(at.peer).stock(), StockList)
        return [each.product_id for each in found.products]

    async def restock(at: At) -> Outcome:
        return (await InventoryClient(at.peer).restock(PRODUCT, 5, headers=ACTOR)).outcome

    yield Need("see what is in stock", "", stock, [PRODUCT], "GET", "/inventory", 200,
               {"products": shaped([msgspec.to_builtins(view)])})  # fmt: skip
    yield Need("put goods on the shelf", "", restock, Outcome.OK, "POST", "/inventory/restock", 200,
               body={"product_id": PRODUCT, "quantity": 5}, headers=ACTOR)  # fmt: skip


# ---- payments


def _of_payment() -> Iterator[Need]:
    rule = PolicyRule(1, "amount >= 9", "deny", "deny")
    checked = PolicyCheck(VERSION, POLICY, [rule], [], False)
    yield _draft("check a policy", "check", "/policies/check", 200, checked, (VERSION, 0))
    mistakes = [PolicyMistake(1, 1, "syntax", "is no rule")]
    refused = PolicyCheck(None, None, [], mistakes, False)
    yield _draft("check what is no policy", "check", "/policies/check", 200, refused, (None, 1),
                 text="if")  # fmt: skip
    tried = WhatIfResult(
        version=VERSION, payments=1, refused=0, same_route=1, changed=[], unknown=0, not_taken=0,
        without_plan=0, fees=[],
    )  # fmt: skip
    yield _draft("try a policy", "what-if", "/policies/what-if", 200, tried, (VERSION, 0),
                 more={"last": 9, "terms": {}})  # fmt: skip
    saved = PolicyVersion(VERSION, POLICY, NOW)
    yield _draft("save a policy", "save", "/policies", 201, saved, (VERSION, 0), headers=ACTOR)
    yield _give()
    yield _pay()


def _draft(
    what: str, button: str, path: str, status: int, answer: msgspec.Struct, known: object, *,
    text: str = POLICY, more: Mapping[str, Any] = MappingProxyType({}),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Need:  # fmt: skip
    async def ask(at: At) -> tuple[str | None, int]:
        drafts = PolicyDrafts(PolicyClient(at.peer))
        draft = await drafts.ask({"what": button, "text": text, "last": "9"}, OPERATOR)
        found = draft.check or draft.what_if or draft.saved
        return found and found.version, len(draft.mistakes)

    return Need(what, "", ask, known, "POST", path, status, shaped(answer), {"text": text, **more},
                headers=headers)  # fmt: skip


def _give() -> Need:
    async def ask(at: At) -> str:
        drafts = PolicyDrafts(PolicyClient(at.peer))
        done = await drafts.give({"merchant": MERCHANT, "version": VERSION}, OPERATOR)
        return done.toast.state

    answer = {"merchant_id": MERCHANT, "version": VERSION}
    return Need("use a policy", "the policy is saved", ask, "good", "PUT",
                f"/merchants/{MERCHANT}/policy", 200, answer, {"version": VERSION},
                {"text": POLICY}, ACTOR)  # fmt: skip


def _pay() -> Need:
    """As an act's payers do."""
    asked = ExternalRequest(str(id_of("an act's payer")), MERCHANT, 100, "EUR")

    async def ask(at: At) -> tuple[Outcome, int]:
        found = await MerchantClient(at.peer).pay(
            MERCHANT, asked.request_id, 100, "EUR", {}, deadline_s=DEADLINE_S
        )
        return found.outcome, found.status

    return Need("pay a merchant", "", ask, (Outcome.OK, 200), "POST", "/process-payment", 200,
                body=msgspec.to_builtins(asked))  # fmt: skip


def _of_acquirer() -> Iterator[Need]:
    async def modes(at: At) -> dict[str, str]:
        return await Accounts(at.peer, ACTOR).modes()

    async def set_mode(at: At) -> str:
        actions = AcquirerActions(at.peer, state_of(at))
        form = {"account": "alfa", "mode": "happy"}
        return (await actions.set_mode(form, OPERATOR)).toast.state

    async def set_faults(at: At) -> Outcome:
        actions = AcquirerActions(at.peer, state_of(at))
        return (await actions.put_faults(WebhookFaultRecord(delay_s=0.5), OPERATOR)).outcome

    accounts = shaped([{"name": "alfa", "mode": "happy"}])
    yield Need("see how accounts answer", "", modes, {"alfa": "happy"}, "GET", "/accounts", 200,
               {"accounts": accounts})  # fmt: skip
    yield Need("let an account answer well", "", set_mode, "good", "PUT", "/accounts/alfa/mode",
               200, body={"mode": "happy"}, headers=ACTOR)  # fmt: skip
    faults = msgspec.to_builtins(WebhookFaultRecord(delay_s=0.5))
    yield Need("let events come late", "", set_faults, Outcome.OK, "PUT", "/webhook-faults", 200,
               body=faults, headers=ACTOR)  # fmt: skip


_OWN: Mapping[str, Callable[[], Iterable[Need]]] = {
    "order": _of_order,
    "inventory": _of_inventory,
    "payment": _of_payment,
    "wallet": wallets.of_wallet,
    "identity": identity.of_identity,
    "relay": events.of_relay,
    "audit_consumer": events.of_audit_consumer,
    "webhook_sender": events.of_webhook_sender,
    "acquirer": _of_acquirer,
}
