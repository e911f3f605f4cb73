"""Inventory's gauges, read from the database now and then, never on a request's way."""

from prometheus_client import CollectorRegistry, Gauge

from chassis.database.pace import PollPace
from chassis.database.pool import Database
from services.inventory import store

# Prometheus scrapes every two seconds; twice that is fresh enough for stock.
_EVERY_S = 2.0


class StockGauges:
    """valerix_stock_units{product,state}: bounded by the catalogue."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._units = Gauge(
            "valerix_stock_units", "Units by state.", ("product", "state"), registry=registry
        )

    async def run(self) -> None:
        """Refresh for ever."""
        pace = PollPace(self._database, _EVERY_S)
        while True:
            await self.refresh()
            await pace.wait()

    async def refresh(self) -> None:
        """Read the stock once."""
        async with self._database.connect() as connection:
            products = await store.list_stock(connection)
        for product in products:
            for state in ("stock", "reserved", "sold"):
                self._units.labels(product.product_id, state).set(getattr(product, state))
