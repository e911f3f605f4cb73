"""What may be added to the base, each by one line in a kustomization of one's own."""

from collections.abc import Callable, Iterator

import yaml

from chassis import VERSION
from infra.kubernetes import network, sizes, traffic
from infra.kubernetes.kustomize import Files, component, generator, patch
from infra.kubernetes.objects import (
    NAME,
    NAMESPACE,
    PART_OF,
    ROLE,
    SETTINGS,
    SHOP,
    Object,
    account,
    apart,
    container,
    made,
    names,
    of_secret,
    pod,
    tokens,
)
from infra.kubernetes.process import MAIN
from prometheus.__main__ import rules_files
from topology import LIT, PROCESSES, Process
from topology import SHOP as OURS

# Where the cluster keeps its telemetry, and how its stores are called there.
_MONITORING = "monitoring"
_PROMETHEUS = f"http://prometheus-operated.{_MONITORING}:9090"
_COLLECTOR_PORT = 4318
_STORES = {
    "VALERIX_PROMETHEUS_URL": _PROMETHEUS,
    "VALERIX_JAEGER_URL": f"http://jaeger.{_MONITORING}:16686",
    "VALERIX_LOKI_URL": f"http://loki.{_MONITORING}:3100",
}
# The API server, which operators' own pods ask who leads: by its Service, or behind it.
_API_PORTS = (443, 6443)
_LOAD = "load"


def files() -> dict[str, Files]:
    """The files of each component, by its folder."""
    making: dict[str, Callable[[], Files]] = {
        "cloudnativepg": _cloudnativepg,
        "gateway": traffic.gateway,
        "keda": _keda,
        "locust": _locust,
        "mesh": traffic.mesh,
        "observability": _observability,
        "rabbitmq": _rabbitmq,
        "tokens": traffic.tokens,
    }
    return {name: make() for name, make in making.items()}


def complete() -> Object:
    """The base with every component: what is checked, and an example of a kustomization."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": ["../base"],
        "components": [f"../components/{name}" for name in sorted(files())],
    }


# -- PostgreSQL ----------------------------------------------------------------------------------


def _cloudnativepg() -> Files:
    """Three instances by the operator CloudNativePG. It makes the secret that the base reads."""
    cluster = "postgres"
    own = {"cnpg.io/cluster": cluster}
    peers = {"podSelector": {"matchLabels": own}}
    shop = {"podSelector": {"matchLabels": {PART_OF: SHOP}}}
    operator = network.of_namespace("cnpg-system")
    database = made(
        "Cluster",
        cluster,
        api="postgresql.cnpg.io/v1",
        spec={
            "instances": 3,
            "storage": {"size": "10Gi"},
            "bootstrap": {"initdb": {"database": SHOP, "owner": SHOP}},
            "postgresql": {
                "parameters": {"max_connections": str(sizes.connections())},
                # Nothing that was acknowledged is lost with one instance.
                "synchronous": {"method": "any", "number": 1},
            },
            # Not measured. A session takes some 3 MiB at most, and all of them may be open.
            "resources": {
                "requests": {"cpu": "1", "memory": "4Gi"},
                "limits": {"cpu": "2", "memory": "4Gi"},
            },
        },
    )
    policy = network.policy(
        cluster,
        own,
        ingress=[
            {"from": [shop], "ports": network.tcp(network.POSTGRES_PORT)},
            {"from": [peers, operator], "ports": network.tcp(network.POSTGRES_PORT, 8000)},
        ],
        egress=[
            {"to": [peers], "ports": network.tcp(network.POSTGRES_PORT, 8000)},
            {"ports": network.tcp(*_API_PORTS)},
        ],
    )
    # `bootstrap` runs in pods of Jobs, which carry the cluster's label too.
    narrowed = {"op": "add", "path": "/spec/egress/0/to", "value": [peers]}
    patches = [patch("NetworkPolicy", "database", narrowed)]
    return {
        "postgres.yaml": [database, policy],
        "kustomization.yaml": [component(resources=["postgres.yaml"], patches=patches)],
    }


# -- RabbitMQ ------------------------------------------------------------------------------------


def _rabbitmq() -> Files:
    """Three nodes by the RabbitMQ cluster operator, and its address for whoever takes part."""
    broker, amqp, among = "rabbitmq", 5672, (4369, 25672)
    own = {NAME: broker}
    taking_part = {"podSelector": {"matchLabels": {PART_OF: SHOP, ROLE: "background"}}}
    peers = {"podSelector": {"matchLabels": own}}
    cluster = made(
        "RabbitmqCluster",
        broker,
        api="rabbitmq.com/v1beta1",
        spec={
            "replicas": 3,
            "persistence": {"storage": "10Gi"},
            "resources": {
                "requests": {"cpu": "250m", "memory": "512Mi"},
                "limits": {"cpu": "1", "memory": "512Mi"},
            },
        },
    )
    policies = [
        network.policy(
            broker,
            own,
            ingress=[
                {"from": [taking_part], "ports": network.tcp(amqp)},
                {"from": [peers], "ports": network.tcp(*among)},
                {"from": [network.of_namespace(_MONITORING)], "ports": network.tcp(15692)},
            ],
            egress=[
                {"to": [peers], "ports": network.tcp(*among)},
                {"ports": network.tcp(*_API_PORTS)},
            ],
        ),
        network.policy(
            "events",
            {PART_OF: SHOP, ROLE: "background"},
            egress=[{"to": [peers], "ports": network.tcp(amqp)}],
        ),
    ]
    patches = [
        patch("Deployment", each.name, *_with_address(broker, amqp))
        for each in OURS
        if each.is_background
    ]
    return {
        "rabbitmq.yaml": [cluster, *policies],
        "kustomization.yaml": [component(resources=["rabbitmq.yaml"], patches=patches)],
    }


def _with_address(broker: str, port: int) -> list[Object]:
    """Additions to a process's environment: where the broker is.

    The secret has no address that all versions of the operator write, but a user and a password."""
    secret, path = f"{broker}-default-user", "/spec/template/spec/containers/0/env/-"
    address = f"amqp://$(BROKER_USER):$(BROKER_PASSWORD)@{broker}:{port}/"
    variables = [
        of_secret("BROKER_USER", secret, "username"),
        of_secret("BROKER_PASSWORD", secret, "password"),
        {"name": "VALERIX_AMQP_URL", "value": address},
    ]
    return [{"op": "add", "path": path, "value": each} for each in variables]


# -- KEDA ----------------------------------------------------------------------------------------


def _keda() -> Files:
    """A further replica of what moves events, while events wait.

    It is a standby, not speed: one relay leads, and a consumer takes events one at a time. What it
    buys is that a leader that dies under a backlog is replaced within half a second."""
    background = [each for each in PROCESSES if each.is_background]
    drop = {"op": "remove", "path": "/spec/replicas"}
    patches = [patch("Deployment", each.name, drop) for each in background]
    return {
        "scaled.yaml": [_scaled(each) for each in background],
        "kustomization.yaml": [component(resources=["scaled.yaml"], patches=patches)],
    }


def _scaled(process: Process) -> Object:
    fewest, _ = sizes.replicas(process)
    # 500 events are ten seconds of fifty orders a second at an event each.
    query = (
        f'max(valerix_consumer_lag{{consumer="{process.name}"}})'
        if process.takes_events
        else "max(valerix_outbox_unpublished)"
    )
    trigger = {"serverAddress": _PROMETHEUS, "query": query, "threshold": "500"}
    return made(
        "ScaledObject",
        process.name,
        api="keda.sh/v1alpha1",
        spec={
            "scaleTargetRef": {"name": process.name},
            "minReplicaCount": fewest,
            "maxReplicaCount": fewest + 1,
            # A Prometheus that is away changes nothing.
            "fallback": {"failureThreshold": 3, "replicas": fewest},
            "triggers": [{"type": "prometheus", "metadata": trigger}],
        },
    )


# -- observability -------------------------------------------------------------------------------


def _observability() -> Files:
    """Scraping, rules and OTLP, where the Prometheus operator, a collector, Jaeger and Loki are.

    With more than one replica of a service the dashboard needs it: what it scrapes by itself is
    whichever replica answers."""
    scraped = sorted({each.port for each in PROCESSES})
    monitoring = network.of_namespace(_MONITORING)
    stores = sorted(int(url.rpartition(":")[2]) for url in _STORES.values())
    policies = [
        network.policy(
            "scraping",
            {PART_OF: SHOP},
            ingress=[{"from": [monitoring], "ports": network.tcp(*scraped)}],
        ),
        network.policy(
            "telemetry",
            {PART_OF: SHOP},
            egress=[{"to": [monitoring], "ports": network.tcp(_COLLECTOR_PORT)}],
        ),
        network.policy(
            "stores",
            {PART_OF: SHOP, ROLE: "watcher"},
            egress=[{"to": [monitoring], "ports": network.tcp(*stores)}],
        ),
    ]
    collector = f"http://otel-collector.{_MONITORING}:{_COLLECTOR_PORT}"
    own = [
        generator(f"{SETTINGS}-{each.key}", _STORES, behavior="merge")
        for each in PROCESSES
        if each.schema is None
    ]
    shop = generator(SETTINGS, {"VALERIX_OTLP_ENDPOINT": collector}, behavior="merge")
    return {
        "scraping.yaml": list(_monitors()),
        "rules.yaml": [_rules()],
        "network.yaml": policies,
        "kustomization.yaml": [
            component(
                resources=["network.yaml", "rules.yaml", "scraping.yaml"],
                configMapGenerator=[shop, *own],
            )
        ],
    }


def _monitors() -> Iterator[Object]:
    selector = {
        "matchLabels": {PART_OF: SHOP},
        "matchExpressions": [{"key": ROLE, "operator": "NotIn", "values": [_LOAD, "migrate"]}],
    }
    yield _monitor(SHOP, selector)
    for each in PROCESSES:
        for labels in each.targets:
            if page := labels.get("__metrics_path__"):
                yield _monitor(each.name, {"matchLabels": {NAME: each.name}}, path=page)


def _monitor(name: str, selector: Object, *, path: str = "") -> Object:
    """Every replica by itself, with the labels that rules and dashboards know; `path` is that of
    another page than /metrics."""
    label = NAME.replace(".", "_").replace("/", "_")
    relabelings = [
        {"sourceLabels": [f"__meta_kubernetes_pod_label_{label}"], "targetLabel": "service"},
        {"targetLabel": "job", "replacement": "shop"},
    ]
    endpoint = {
        "port": "http",
        **({"path": path} if path else {}),
        "interval": "2s",
        "scrapeTimeout": "2s",
        "honorLabels": True,
        "relabelings": relabelings,
    }
    spec = {"selector": selector, "podMetricsEndpoints": [endpoint]}
    return made("PodMonitor", name, api="monitoring.coreos.com/v1", spec=spec)


def _rules() -> Object:
    groups = [group for text in rules_files().values() for group in yaml.safe_load(text)["groups"]]
    return made("PrometheusRule", SHOP, api="monitoring.coreos.com/v1", spec={"groups": groups})


# -- load ----------------------------------------------------------------------------------------

_LOCUST, _WORKER = "locust", "locust-worker"
_WEB, _BUS = 8089, 5557
_VISITED = "http://localhost:8080"
_REPORTS = "/var/lib/valerix"
_MASTER_SIZE = sizes.Resources(250, 192, 1000, 384)
_WORKER_SIZE = sizes.Resources(500, 128, 1000, 256)


def _locust() -> Files:
    """The load generator's page, and workers beside it, as the stack's containers have them."""
    targets = [network.pods(each) for each in LIT]
    target_ports = network.tcp(*(each.port for each in LIT))
    generators = [network.named(_LOCUST), network.named(_WORKER)]
    bus = network.tcp(_BUS)
    policies = [
        network.policy(
            "load",
            {PART_OF: SHOP, ROLE: "service"},
            ingress=[{"from": [network.in_role(_LOAD)], "ports": target_ports}],
        ),
        network.policy(
            "generators",
            {PART_OF: SHOP, ROLE: _LOAD},
            egress=[
                {"to": targets, "ports": target_ports},
                {"to": [network.named(_LOCUST)], "ports": bus},
            ],
        ),
        network.policy(
            _LOCUST, names(_LOCUST, _LOAD), ingress=[{"from": generators[1:], "ports": bus}]
        ),
    ]
    objects = [*_master(), *_workers(), *policies]
    return {
        "locust.yaml": objects,
        "kustomization.yaml": [component(resources=["locust.yaml"])],
    }


def _master() -> list[Object]:
    labels = names(_LOCUST, _LOAD)
    listening = [("web", _WEB), ("bus", _BUS)]
    page = {"path": "/", "port": "web"}
    main = container(
        MAIN,
        ["web", "--web-host=0.0.0.0", f"--listen=0.0.0.0:{_BUS}"],
        _MASTER_SIZE,
        image=f"{SHOP}-load:{VERSION}",
        ports=[{"name": name, "containerPort": port} for name, port in listening],
        readinessProbe={"httpGet": page, "periodSeconds": 5, "timeoutSeconds": 3},
    )
    # It restocks, and a report's links are opened where somebody forwards the dashboard to.
    main["env"] += [*tokens(), {"name": "VALERIX_DASHBOARD_URL", "value": _VISITED}]
    main["volumeMounts"].append({"name": "reports", "mountPath": _REPORTS})
    # The clients receive their last responses, then the run gets its verdict.
    spec = pod(_LOCUST, [main], terminationGracePeriodSeconds=60)
    spec["volumes"].append({"name": "reports", "emptyDir": {"sizeLimit": "128Mi"}})
    service: Object = {
        "selector": labels,
        "ports": [{"name": name, "port": port, "targetPort": name} for name, port in listening],
    }
    return [
        account(_LOCUST, labels),
        made("Service", _LOCUST, labels, spec=service),
        _generator(_LOCUST, 1, spec),
    ]


def _workers() -> list[Object]:
    """Two processes that send: more by `replicas`, at most one for each core."""
    alive = "import os, sys, time; sys.exit(time.time() - os.path.getmtime('/tmp/alive') > 10)"
    main = container(
        MAIN,
        ["worker", f"{_LOCUST}:{_BUS}", "--alive=/tmp/alive"],
        _WORKER_SIZE,
        image=f"{SHOP}-load:{VERSION}",
        command=["python", "-m", "loadtests.generator.process"],
        readinessProbe={
            "exec": {"command": ["python", "-c", alive]},
            "periodSeconds": 5,
            "timeoutSeconds": 3,
        },
    )
    spec = pod(
        _WORKER, [main], terminationGracePeriodSeconds=30, affinity=apart(names(_WORKER, _LOAD))
    )
    return [account(_WORKER, names(_WORKER, _LOAD)), _generator(_WORKER, 2, spec)]


def _generator(name: str, replicas: int, spec: Object) -> Object:
    """A Deployment of the load. It is thrown away after a run, and a node is emptied without it."""
    labels = names(name, _LOAD)
    return made(
        "Deployment",
        name,
        labels,
        api="apps/v1",
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    )
