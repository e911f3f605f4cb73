"""The only list of the shop's processes: data alone; everything that names them reads it here.

Settings, addresses, scrape targets, containers, dashboards, gremlin targets, acts and tests derive
from it, or are rendered from it and compared. A new process is one more line, its package and its
migration (docs/processes.md)."""

from typing import NamedTuple


class Process(NamedTuple):
    """One operating system process.

    `name` is what it is called in health, metrics, traces and containers; `label` what a visitor
    reads. `package` holds `app.py` with `create_app` and `settings.py`. `schema` is what it owns in
    the database: a process without one watches and does no business. `calls` are the keys of the
    processes it sends requests to. `colour` is its own in charts and spans, on light and on dark
    ground. `nice` is how far it stands back when the processor is short (nice(2), 0 to 19).
    `is_public`: customers or visitors come to it, so it alone may be published beyond a machine.
    `is_outside`: it stands for the world outside and is no part of the shop. It is watched and
    bitten as the others are, and has no light: the shop promises nothing in its name.
    `takes_events`: events are delivered to it, so a gremlin may lose them on their way.
    `notifies` are the keys of processes that asked it to send them events, at addresses they gave.
    `is_background`: no customer's request goes through it. It is shown small, with how far behind
    it is in place of a light: it has no answer time that anybody waits for."""

    key: str
    name: str
    label: str
    package: str
    port: int
    schema: str | None
    calls: tuple[str, ...]
    colour: tuple[str, str]
    nice: int = 0
    is_public: bool = False
    is_outside: bool = False
    takes_events: bool = False
    notifies: tuple[str, ...] = ()
    is_background: bool = False

    @property
    def port_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_PORT"

    @property
    def url_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_URL"


# Those that do business: watched and bitten by gremlins.
SERVICES = (
    Process(
        key="order",
        name="order-service",
        label="Orders",
        package="services.order",
        port=5001,
        schema="orders",
        calls=("inventory", "payment"),
        colour=("#2c64b8", "#7fb0f5"),
        is_public=True,
    ),
    Process(
        key="inventory",
        name="inventory-service",
        label="Inventory",
        package="services.inventory",
        port=5002,
        schema="inventory",
        calls=(),
        colour=("#a3386f", "#e293bb"),
    ),
    Process(
        key="payment",
        name="payment-service",
        label="Payments",
        package="services.payment",
        port=5003,
        schema="payments",
        calls=("acquirer", "wallet"),
        colour=("#5d6b12", "#b9c56a"),
    ),
    Process(
        key="wallet",
        name="wallet-service",
        label="Wallets",
        package="services.wallet",
        port=5004,
        schema="wallets",
        calls=("acquirer",),
        colour=("#0b6e63", "#6cc9bb"),
    ),
    Process(
        key="identity",
        name="identity-service",
        label="Identity",
        package="services.identity",
        port=5005,
        schema="identity",
        calls=(),
        colour=("#8c2f2f", "#e79a93"),
        is_public=True,
    ),
    Process(
        key="relay",
        name="event-relay",
        label="Relay",
        package="services.events.relay",
        port=5006,
        schema="events",
        calls=(),
        colour=("#0f7173", "#6cc9c4"),
        is_background=True,
    ),
    Process(
        key="metrics_consumer",
        name="metrics-consumer",
        label="Business metrics",
        package="services.events.metrics_consumer",
        port=5007,
        schema="metrics",
        calls=(),
        colour=("#8a5a1c", "#e0b06a"),
        takes_events=True,
        is_background=True,
    ),
    Process(
        key="audit_consumer",
        name="audit-consumer",
        label="Audit log",
        package="services.events.audit_consumer",
        port=5008,
        schema="audit",
        calls=(),
        colour=("#56606b", "#aeb8c4"),
        takes_events=True,
        is_background=True,
    ),
    Process(
        key="webhook_sender",
        name="webhook-sender",
        label="Webhooks",
        package="services.events.webhook_sender",
        port=5009,
        schema="webhooks",
        calls=(),
        colour=("#7d4a2a", "#d9a184"),
        takes_events=True,
        is_background=True,
    ),
    Process(
        key="acquirer",
        name="acquirer",
        label="Acquirer",
        package="providers.acquirer",
        port=5010,
        schema="acquirer",
        calls=(),
        colour=("#6a4fb3", "#b7a3ee"),
        notifies=("payment",),
        is_outside=True,
    ),
)
# The shop's own, and of these the ones that customers wait for: each has a light.
SHOP = tuple(process for process in SERVICES if not process.is_outside)
LIT = tuple(process for process in SHOP if not process.is_background)
PROCESSES = (
    *SERVICES,
    Process(
        key="dashboard",
        name="dashboard",
        label="Dashboard",
        package="frontend",
        port=8080,
        schema=None,
        calls=tuple(process.key for process in SERVICES),
        colour=("#12201e", "#e9f0ef"),
        # Two hundred open pages must not cost an order: under full load the dashboard gets a third
        # of what a service gets (kernel weights 335 and 1024), and whatever nobody else wants.
        nice=5,
        is_public=True,
    ),
)
KEYS = tuple(process.key for process in PROCESSES)
NAMES = {process.key: process.name for process in SERVICES}
LABELS = {process.key: process.label for process in SERVICES}


def find(key: str) -> Process:
    """The process of this key; `KeyError` with the keys there are."""
    for process in PROCESSES:
        if process.key == key:
            return process
    raise KeyError(f"no process is called {key!r}; there are: {', '.join(KEYS)}")
