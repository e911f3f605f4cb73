"""How a provider comes to be what a consumer's need is about: through its own routes, as a rule."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import httpx

from services.payment.client import charge_key
from services.payment.domain import gw_key
from tests.contracts.needs.order import AMOUNT, CURRENCY, PRODUCT, payment_of
from tests.harness.running import RunningFleet

Given = Mapping[str, str]


class States:
    """The states of one running shop, by their names."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.fleet = fleet
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
        }

    def make(self, state: str, action: str, params: Given) -> Mapping[str, str]:
        """Bring it about, or end it; what the need has to be told of it."""
        if action == "teardown" or not state:
            return {}
        found = self._makers[state](params)
        return {name: str(each) for name, each in found.items()} if isinstance(found, dict) else {}

    def webhook_secret(self) -> str:
        raise NotImplementedError

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

    # ---- goods

    def _restock(self) -> None:
        self._ask("inventory", "/inventory/restock", product_id=PRODUCT, quantity=10)

    def _hold_goods(self, given: Given) -> None:
        self._restock()
        self._ask("inventory", "/inventory/reserve", **given, product_id=PRODUCT, quantity=2)

    # ---- orders' payments

    def _pay_order(self, given: Given) -> None:
        key = {"Idempotency-Key": charge_key(given["order_id"])}  # type: ignore[arg-type]
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
