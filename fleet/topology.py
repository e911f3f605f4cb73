"""The one table of the processes that make up the shop."""

import msgspec


class Process(msgspec.Struct, frozen=True):
    """One operating system process. `schema` is the room it owns in the database, if any;
    `nice` is how far it stands back when the processor is short (nice(2), 0 to 19)."""

    key: str
    name: str
    module: str
    port: int
    schema: str | None
    nice: int = 0

    @property
    def port_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_PORT"

    @property
    def url_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_URL"


PROCESSES = (
    Process("inventory", "inventory-service", "services.inventory.app", 5002, "inventory"),
    Process("payment", "payment-service", "services.payment.app", 5003, "payments"),
    Process("order", "order-service", "services.order.app", 5001, "orders"),
    # Two hundred open pages must not cost an order: under full load the glass gets a third of what
    # a service gets (kernel weights 335 and 1024), and whatever nobody else wants.
    Process("dashboard", "dashboard", "frontend.app", 8080, None, nice=5),
)
KEYS = tuple(process.key for process in PROCESSES)
# The ones that carry gremlins: everything but the page that shows them.
SERVICES = tuple(process for process in PROCESSES if process.schema is not None)


def find(key: str) -> Process:
    """The process called `key`; a KeyError names the ones there are."""
    for process in PROCESSES:
        if process.key == key:
            return process
    raise KeyError(f"no process is called {key!r}; there are: {', '.join(KEYS)}")
