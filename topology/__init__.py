"""The only list of the shop's processes: data alone; everything that names them reads it here.

Settings, addresses, scrape targets, containers, dashboards, gremlin targets, acts and tests derive
from it, or are rendered from it and compared. A new process is one more line, its package and its
migration (docs/processes.md)."""

from typing import NamedTuple

# How far above the HTTP port of a process its gRPC port is.
GRPC_ABOVE = 1000


class Door(NamedTuple):
    """Something that customers may ask of a process through the gateway. `path` is written as the
    process itself writes it; a part in braces is any one segment. `for_operator`: who shows a token
    there must have that role. `is_signed`: whoever comes there proves by a signature who it is.
    `takes_key`: an API key does in place of a token."""

    method: str
    path: str
    for_operator: bool = False
    is_signed: bool = False
    takes_key: bool = False


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
    it is in place of a light: it has no answer time that anybody waits for.
    `doors` are all that the gateway lets customers ask of it, below `prefix`, which it does not see
    itself. `speaks_grpc`: its proto is served too, over gRPC, a thousand ports above.
    `listens` are the ports, by protocol, of a process that customers come to elsewhere than at its
    own `port`, which is then for the shop alone. `gremlin_kinds` are the kinds of gremlins that can
    bite it, where not all can. `publishes_keys`: every process fetches from it the keys that tokens
    are signed with."""

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
    doors: tuple[Door, ...] = ()
    prefix: str = ""
    speaks_grpc: bool = False
    listens: tuple[tuple[str, int], ...] = ()
    gremlin_kinds: tuple[str, ...] = ()
    publishes_keys: bool = False

    @property
    def port_variables(self) -> tuple[str, ...]:
        """The variables of all ports it may listen on."""
        others = (f"VALERIX_{self.key}_{name}_PORT".upper() for name, _ in self.listens)
        return (self.port_variable, *others)

    @property
    def targets(self) -> tuple[dict[str, str], ...]:
        """The labels of each page of metrics that Prometheus finds at its port: /metrics, and what
        the gateway's agent shows of the Envoy that it runs."""
        envoy = "/metrics/envoy"
        other = {"service": self.name, "page": envoy, "__metrics_path__": envoy}
        return ({"service": self.name}, *((other,) if self.listens else ()))

    @property
    def port_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_PORT"

    @property
    def url_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_URL"

    @property
    def grpc_port(self) -> int:
        return self.port + GRPC_ABOVE

    @property
    def grpc_port_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_GRPC_PORT"

    @property
    def grpc_url_variable(self) -> str:
        return f"VALERIX_{self.key.upper()}_GRPC_URL"


# What stands behind the gateway: watched and bitten by gremlins, as it is itself.
_BEHIND = (
    Process(
        key="order",
        name="order-service",
        label="Orders",
        package="services.order",
        port=5001,
        schema="orders",
        calls=("inventory", "payment"),
        colour=("#2c64b8", "#7fb0f5"),
        speaks_grpc=True,
        doors=(
            Door("POST", "/orders"),
            Door("GET", "/orders"),
            Door("GET", "/orders/{order_id}"),
            Door("GET", "/orders/{order_id}/history"),
            Door("POST", "/orders/{order_id}/cancel"),
        ),
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
        doors=(
            Door("GET", "/inventory"),
            Door("GET", "/inventory/{product_id}"),
            Door("POST", "/inventory/restock", for_operator=True),
        ),
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
        speaks_grpc=True,
        doors=(
            Door("POST", "/process-payment"),
            Door("GET", "/payments"),
            Door("GET", "/payments/{payment_id}"),
            Door("POST", "/webhooks/{provider}", is_signed=True),
        ),
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
        doors=(
            Door("GET", "/wallets", takes_key=True),
            Door("GET", "/wallets/{user_id}/balance", takes_key=True),
            Door("POST", "/wallets/{user_id}/payments", takes_key=True),
            Door("POST", "/wallets/{user_id}/deposits", takes_key=True),
            Door("GET", "/wallets/{user_id}/transactions", takes_key=True),
            Door("GET", "/wallets/{user_id}/transactions/{transaction_id}", takes_key=True),
            Door("POST", "/transfers", takes_key=True),
        ),
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
        prefix="/auth",
        doors=(
            Door("POST", "/login"),
            Door("POST", "/oauth2/token"),
            Door("POST", "/oauth2/revoke"),
            Door("GET", "/.well-known/jwks.json"),
            Door("GET", "/.well-known/oauth-authorization-server"),
        ),
        publishes_keys=True,
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
SERVICES = (
    # An agent that runs Envoy: `port` is the agent's, customers come to Envoy's.
    Process(
        key="gateway",
        name="gateway-service",
        label="Gateway",
        package="fleet.gateway",
        port=5011,
        schema="edge",
        calls=tuple(process.key for process in _BEHIND if process.doors),
        colour=("#7a4a8f", "#c9a0dc"),
        is_public=True,
        listens=(("http", 8000), ("grpc", 9080)),
        gremlin_kinds=("latency", "error"),
    ),
    *_BEHIND,
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
SPEAKS_GRPC = tuple(process for process in PROCESSES if process.speaks_grpc)
KEYS = tuple(process.key for process in PROCESSES)
NAMES = {process.key: process.name for process in SERVICES}
LABELS = {process.key: process.label for process in SERVICES}


def find(key: str) -> Process:
    """The process of this key; `KeyError` with the keys there are."""
    for process in PROCESSES:
        if process.key == key:
            return process
    raise KeyError(f"no process is called {key!r}; there are: {', '.join(KEYS)}")
