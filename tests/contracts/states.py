"""How a provider comes to be what a consumer's need is about: through its own routes, as a rule."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from chassis.http.shop_identity import SHOP_HEADER
from fleet.settings import load
from services.payment.client import charge_key
from services.payment.domain import gw_key
from tests.contracts.needs import payment, stripe
from tests.contracts.needs.acquirer import ACCOUNT
from tests.contracts.needs.order import AMOUNT, CURRENCY, PRODUCT, payment_of
from tests.harness.patience import ARRIVES_S
from tests.harness.running import RunningFleet

Given = Mapping[str, str]
_POOR = "pm_card_chargeDeclinedInsufficientFunds"
_API_KEY = load("payment", {}).wallet_api_key


class States:
    """The states of one running shop, by their names."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet
        (row,) = self._rows("SELECT id::text FROM public.shop")
        # What a process of the shop names itself with.
        self.shop_header = {SHOP_HEADER: row["id"]}
        self._makers: dict[str, Callable[[Given], object]] = {
            # A fresh shop has a hundred of each.
            "there is little stock": lambda _: None,
            "there is stock": lambda _: self._restock(),
            "the order gave its goods back": lambda given: self._ask(
                "inventory", "/inventory/release", order_id=given["order_id"]
            ),
            "the order holds goods": self._hold_goods,
            "the provider captures": lambda _: None,
            "the provider declines the payment": self._decline,
            "the payment was cancelled": lambda given: self._ask(
                "payment", f"/payments/{payment_of(given['order_id'])}/cancel", **given
            ),
            "the order is paid": self._pay_order,
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
            # A fresh shop has money in the wallets of alice, bob and carol.
            "there is money in the wallet": lambda _: None,
            "nothing is held": lambda _: None,
            "money is held in the wallet": lambda given: self._hold_money(given, ""),
            "held money was taken from the wallet": lambda given: self._hold_money(
                given, "", "/capture"
            ),
            "a hold was given back": lambda given: self._hold_money(given, "/void"),
        }

    def make(self, state: str, action: str, params: Given) -> Mapping[str, str]:
        """Bring it about, or end it; what the need has to be told of it."""
        if action == "teardown" or not state:
            return {}
        found = self._makers[state](params)
        return {name: str(each) for name, each in found.items()} if isinstance(found, dict) else {}

    def webhook_secret(self) -> str:
        """What the account signs its events with, once it has been asked to send them."""
        (row,) = self._await_rows("SELECT value FROM payments.secrets WHERE name = $1",
                                  f"webhook {ACCOUNT}")  # fmt: skip
        return bytes(row["value"]).decode()

    def _ask(
        self, key: str, path: str, *, method: str = "POST", headers: Given | None = None, **body: Any
    ) -> Any:
        response = httpx.request(
            method, self.fleet.url(key) + path, json=body, headers=headers, timeout=30
        )
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

    def _await_rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Rows that come about by themselves."""
        until = time.monotonic() + ARRIVES_S
        while not (found := self._rows(statement, *values)):
            assert time.monotonic() < until, f"nothing came of {statement}"
            time.sleep(0.05)
        return found

    # ---- goods

    def _restock(self) -> None:
        self._ask("inventory", "/inventory/restock", product_id=PRODUCT, quantity=10)

    def _hold_goods(self, given: Given) -> None:
        self._restock()
        self._ask("inventory", "/inventory/reserve", **given, product_id=PRODUCT, quantity=2)

    # ---- orders' payments

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

    def _stripe(self, given: Given, path: str, **form: object) -> Any:
        headers = {"Authorization": f"Bearer {given['api_key']}"}
        response = httpx.post(
            f"{self.fleet.url('acquirer')}/v1{path}", data=form, headers=headers, timeout=30
        )
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

    def _hold_money(self, given: Given, *steps: str) -> None:
        payment_id = given["payment_id"]
        key = gw_key(UUID(payment_id), 1, 1)
        headers = {"X-API-Key": _API_KEY, **self.shop_header}
        for step in steps:
            if step:
                self._ask("wallet", f"/holds/{key}{step}", headers=headers)
            else:
                self._ask("wallet", f"/holds/{key}", method="PUT", headers=headers, user_id=payment.USER,
                          amount=payment.AMOUNT, currency="EUR", reference=payment_id)  # fmt: skip
