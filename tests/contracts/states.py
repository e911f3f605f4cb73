"""How a provider comes to be what a consumer's need is about: through its own routes, as a rule."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg

from chassis.http.shop_identity import SHOP_HEADER
from fleet.settings import load
from services.payment.client import charge_key
from services.payment.domain import gw_key
from tests.contracts.need import id_of
from tests.contracts.needs import events, identity, payment, stripe
from tests.contracts.needs.acquirer import ACCOUNT
from tests.contracts.needs.order import AMOUNT, CURRENCY, PRODUCT, payment_of
from tests.harness.patience import ARRIVES_S
from tests.harness.running import RunningFleet
from tests.harness.serving import ask

Given = Mapping[str, str]
Maker = Callable[[Given], object]
# Ended afterwards: others want goods again.
_OUT_OF_REACH = ("goods are out of reach", "an order waits")
_POOR = "pm_card_chargeDeclinedInsufficientFunds"
_API_KEY = load("payment", {}).wallet_api_key


def _nothing(_: Given) -> None:
    """It is so from the start."""


class States:
    """The states of one running shop, by their names."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet
        (row,) = self._rows("SELECT id::text FROM public.shop")
        # What a process of the shop names itself with.
        self.shop_header = {SHOP_HEADER: row["id"]}
        self._makers: dict[str, Maker] = {
            **self._of_goods(), **self._of_orders(), **self._of_accounts(), **self._of_wallets(),
            **self._of_people(), **self._of_any(),
        }  # fmt: skip

    def make(self, state: str, action: str, params: Given) -> Mapping[str, str]:
        """Bring it about, or end it; what the need has to be told of it."""
        if action == "teardown":
            if state in _OUT_OF_REACH:
                self._ask("inventory", "/gremlins", method="DELETE")
            return {}
        found = self._makers[state](params) if state else None
        return {name: str(each) for name, each in found.items()} if isinstance(found, dict) else {}

    def webhook_secret(self) -> str:
        """What the account signs its events with, once it has been asked to send them."""
        secret = "SELECT value FROM payments.secrets WHERE name = $1"
        (row,) = self._await(lambda: self._rows(secret, f"webhook {ACCOUNT}"))
        return bytes(row["value"]).decode()

    def _ask(
        self,
        key: str,
        path: str,
        *,
        method: str = "POST",
        headers: Given | None = None,
        **body: Any,
    ) -> Any:
        response = ask(method, self.fleet.url(key) + path, json=body or None, headers=headers)
        response.raise_for_status()
        return response.json() if response.content else None

    def _rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Where no route makes it."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.fleet.database_url)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close()

        return asyncio.run(run())

    def _await(self, look: Callable[[], Any]) -> Any:
        """What comes about by itself."""
        until = time.monotonic() + ARRIVES_S
        while not (found := look()):
            assert time.monotonic() < until, "it has not come about"
            time.sleep(0.05)
        return found

    # ---- goods

    def _of_goods(self) -> dict[str, Maker]:
        return {
            # A fresh shop has a hundred of each.
            "there is little stock": _nothing,
            "there is stock": self._restock,
            "the order gave its goods back": lambda given: self._ask(
                "inventory", "/inventory/release", order_id=given["order_id"]
            ),
            "the order holds goods": self._hold_goods,
        }

    def _restock(self, _: Given = MappingProxyType({})) -> None:
        self._ask("inventory", "/inventory/restock", product_id=PRODUCT, quantity=10)

    def _hold_goods(self, given: Given) -> None:
        self._restock()
        self._ask("inventory", "/inventory/reserve", **given, product_id=PRODUCT, quantity=2)

    # ---- orders and their payments

    def _of_orders(self) -> dict[str, Maker]:
        return {
            "the provider captures": _nothing,
            "the provider declines the payment": self._decline,
            "the payment was cancelled": lambda given: self._ask(
                "payment", f"/payments/{payment_of(given['order_id'])}/cancel", **given
            ),
            "the order is paid": self._pay_order,
            "an order is paid": lambda _: self._order(),
            "goods are out of reach": lambda _: self._put_out_of_reach(),
            "an order waits": self._waiting_order,
            "the policy is saved": lambda given: self._ask("payment", "/policies", **given),
        }

    def _order(self) -> dict[str, str]:
        self._restock()
        order = self._ask("order", "/orders", product_id=PRODUCT, quantity=1)
        return {"order_id": order["order_id"]}

    def _put_out_of_reach(self) -> None:
        self._ask("inventory", "/gremlins/error", method="PUT", kind="error",
                  routes=["/inventory/reserve"])  # fmt: skip

    def _waiting_order(self, _: Given) -> dict[str, str]:
        self._put_out_of_reach()
        return self._order()

    def _pay_order(self, given: Given) -> None:
        key = {"Idempotency-Key": charge_key(UUID(given["order_id"]))}
        self._ask("payment", "/payments", headers=key, **given, amount_minor=AMOUNT,
                  currency=CURRENCY, payment_id=str(payment_of(given["order_id"])))  # fmt: skip

    def _decline(self, given: Given) -> None:
        # The first request under a key decides at the gateway: this is one.
        payment_id = payment_of(given["order_id"])
        self._rows(
            "INSERT INTO gateway.charges"
            " (gw_key, provider, payment_ref, amount_minor, currency, state, decline_code)"
            " VALUES ($1, 'mock', $2, $3, $4, 'DECLINED', 'card_declined') ON CONFLICT DO NOTHING",
            gw_key(payment_id, 1, 1), str(payment_id), AMOUNT, CURRENCY,
        )  # fmt: skip

    # ---- an account behind Stripe's API

    def _of_accounts(self) -> dict[str, Maker]:
        return {
            "the account's events are awaited": lambda _: self.webhook_secret(),
            "events are sent somewhere": self._send_events,
            "a payment has begun": self._begin,
            "a payment has begun with a poor card": lambda given: self._begin(given, card=_POOR),
            "a payment was taken": lambda given: self._begin(given, "confirm"),
            "a payment is held": lambda given: self._begin(given, "confirm", capture="manual"),
            "a payment was cancelled": lambda given: self._begin(given, "cancel"),
            "a payment was given back": self._give_back,
            "a declined payment was cancelled": lambda given: self._begin(
                given, "confirm", "cancel", card=_POOR
            ),
        }

    def _stripe(self, given: Given, path: str, **form: object) -> Any:
        headers = {"Authorization": f"Bearer {given['api_key']}"}
        url = f"{self.fleet.url('acquirer')}/v1{path}"
        response = ask("POST", url, data=form, headers=headers)
        assert response.status_code in (200, 402), response.text
        return response.json()

    def _begin(
        self, given: Given, *steps: str, card: str = "pm_card_visa", capture: str = "automatic"
    ) -> dict[str, str]:
        intent = self._stripe(
            given, "/payment_intents", amount=stripe.AMOUNT, currency="eur", payment_method=card,
            capture_method=capture, **{"metadata[attempt]": given["attempt"]},
        )["id"]  # fmt: skip
        for step in steps:
            self._stripe(given, f"/payment_intents/{intent}/{step}")
        return {"intent": intent}

    def _give_back(self, given: Given) -> dict[str, str]:
        taken = self._begin(given, "confirm")
        self._stripe(given, "/refunds", payment_intent=taken["intent"])
        return taken

    def _send_events(self, given: Given) -> dict[str, str]:
        made = self._stripe(
            given, "/webhook_endpoints", url=payment.HOOK, **{"enabled_events[0]": "charge.failed"}
        )
        return {"endpoint": made["id"]}

    # ---- wallets

    def _of_wallets(self) -> dict[str, Maker]:
        return {
            # A fresh shop has money in the wallets of alice, bob and carol.
            "there is money in the wallet": _nothing,
            "a wallet was opened": self._open_wallet,
            "nothing is held": _nothing,
            "money is held in the wallet": lambda given: self._hold_money(given, ""),
            "held money was taken from the wallet": lambda given: self._hold_money(
                given, "", "/capture"
            ),
            "a hold was given back": lambda given: self._hold_money(given, "/void"),
        }

    def _open_wallet(self, given: Given) -> None:
        path = f"/wallets/{given['user']}/deposits"
        headers = {"X-API-Key": _API_KEY, "Idempotency-Key": str(id_of("the first deposit"))}
        self._ask("wallet", path, headers=headers, amount=2000, currency="EUR")
        # Only what is sealed has a balance after it.
        path = f"/wallets/{given['user']}/transactions"
        self._await(
            lambda: self._ask("wallet", path, method="GET", headers=headers)["transactions"][0][
                "balance_after_minor"
            ]
        )

    def _hold_money(self, given: Given, *steps: str) -> None:
        payment_id = given["payment_id"]
        key = gw_key(UUID(payment_id), 1, 1)
        headers = {"X-API-Key": _API_KEY, **self.shop_header}
        for step in steps:
            if step:
                self._ask("wallet", f"/holds/{key}{step}", headers=headers)
            else:
                self._ask("wallet", f"/holds/{key}", method="PUT", headers=headers,
                          user_id=payment.USER, amount=payment.AMOUNT, currency="EUR",
                          reference=payment_id)  # fmt: skip

    # ---- people

    def _of_people(self) -> dict[str, Maker]:
        return {
            "somebody has logged in": self._log_in,
            "it was shown before": lambda given: self._log_in(given, "SPENT"),
        }

    def _log_in(self, given: Given, state: str = "LIVE") -> None:
        # Makes the users; its own refresh token is nobody's to choose.
        self._ask("identity", "/login", **identity.KNOWN)
        self._rows(
            "WITH family AS (INSERT INTO identity.families (family_id, user_id, ends_at)"
            " VALUES (gen_random_uuid(), $1, now() + interval '1 hour') RETURNING family_id)"
            " INSERT INTO identity.refresh_tokens (token_id, family_id, digest, state, ended_at)"
            " SELECT gen_random_uuid(), family_id, sha256($2 ::text::bytea), $3 ::text,"
            " CASE $3 ::text WHEN 'SPENT' THEN now() END FROM family",
            identity.USER, given["refresh_token"], state,
        )  # fmt: skip

    # ---- events, and what every process has

    def _of_any(self) -> dict[str, Maker]:
        return {
            "it was asked something": lambda given: self._ask(
                given["provider"], "/gremlins", method="GET"
            ),
            "a gremlin is loose": lambda given: self._ask(
                given["provider"], "/gremlins/latency", method="PUT", kind="latency", delay_ms=1
            ),
            "events were published": lambda _: self._await_published(),
            "events were written down": lambda _: self._await_written(),
            "an event was put aside": lambda _: self._put_aside(),
            "a webhook is dead": lambda _: self._kill_webhook(),
        }

    def _await_published(self) -> None:
        order = f"/orders/{self._order()['order_id']}"

        def is_done() -> bool:
            seen = self._ask("order", order, method="GET")
            return seen["stock_committed"] or seen["status"] == "FAILED"

        # The last event of an order is that its goods are sold, a moment after the others.
        self._await(is_done)
        self._await(self._is_all_published)

    def _is_all_published(self) -> bool:
        """Also a moment later: what an order has asked of others goes on when it has failed."""
        for _ in range(6):
            if self._ask("relay", "/events/lag", method="GET")["unpublished"]:
                return False
            time.sleep(0.2)
        return True

    def _await_written(self) -> None:
        path = f"/audit?aggregate_id={self._order()['order_id']}"
        self._await(lambda: self._ask("audit_consumer", path, method="GET")["lines"])

    def _put_aside(self) -> None:
        self._rows(
            "INSERT INTO events.parked (consumer, event_id, kind, reason, aggregate, aggregate_id,"
            " aggregate_seq, type, message) VALUES ($1, $2, 'failed', 'is no event', '', '', 0, '',"
            " $3) ON CONFLICT DO NOTHING",
            events.CONSUMER, events.PARKED, events.NO_EVENT,
        )  # fmt: skip

    def _kill_webhook(self) -> dict[str, str]:
        # Nobody listens there.
        url = "http://127.0.0.1:9/hooks"
        endpoint = self._ask("webhook_sender", "/endpoints", merchant_id="m1", url=url)
        (row,) = self._rows(
            "INSERT INTO webhooks.deliveries (endpoint_id, event_id, payment_id, type, body, state,"
            " attempts, last_status, last_reason, ended_at) VALUES ($1, gen_random_uuid(),"
            " gen_random_uuid(), 'payment.failed', '{}', 'DEAD', 31, 500, 'no', now())"
            " RETURNING delivery_id",
            UUID(endpoint["endpoint_id"]),
        )
        return {"delivery_id": row["delivery_id"]}
