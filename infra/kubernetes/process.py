"""What one process of the topology needs on Kubernetes."""

from collections.abc import Iterator

from infra.kubernetes import sizes
from infra.kubernetes.objects import (
    SETTINGS,
    Object,
    account,
    apart,
    container,
    made,
    names,
    pod,
    ports,
    role,
    tokens,
)
from topology import LIT, Process

# The container's name in every pod, so that one patch fits all.
MAIN, GATE = "process", "schema"
# The one folder that a process writes to beside /tmp, as in the image.
_HOME = "/var/lib/valerix"


def objects(process: Process) -> Iterator[Object]:
    """Everything that carries its name, but the policies of the network."""
    labels = names(process.name, role(process))
    yield account(process.name, labels)
    yield made(
        "Service",
        process.name,
        labels,
        spec={
            "selector": labels,
            "ports": [
                {
                    "name": name,
                    "port": port,
                    "targetPort": name,
                    "appProtocol": name.removeprefix("door-"),
                }
                for name, port in ports(process)
            ],
        },
    )
    yield deployment(process)
    # With two or more, at least one answers while a node is emptied. With one, the node may still
    # be emptied: the process is away for as long as it takes to start elsewhere, and what waits for
    # it is done then. A pod that does not work is never a reason to keep a node.
    yield made(
        "PodDisruptionBudget",
        process.name,
        labels,
        api="policy/v1",
        spec={
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": labels},
        },
    )
    if process in LIT:
        yield _autoscaler(process, labels)
    if keeps_files(process):
        yield made(
            "PersistentVolumeClaim",
            process.name,
            labels,
            spec={
                "accessModes": ["ReadWriteOnce"],
                # 72 MiB of telemetry (VALERIX_TELEMETRY_DIR), a month of reports, the chain's head.
                "resources": {"requests": {"storage": "1Gi"}},
            },
        )


def keeps_files(process: Process) -> bool:
    """Whether it has a volume: what watches keeps telemetry, reports and the head of the chain."""
    return process.schema is None


def settings(process: Process) -> dict[str, str]:
    """The settings that it alone has; empty for all that do business."""
    if not keeps_files(process):
        return {}
    return {
        # Its own work is not part of the shop's traces.
        "VALERIX_OTLP_ENDPOINT": "",
        "VALERIX_PROOF_HEAD": f"{_HOME}/chain.head",
        "VALERIX_TELEMETRY_DIR": f"{_HOME}/telemetry",
    }


def deployment(process: Process) -> Object:
    """Its pods and how they are replaced."""
    labels = names(process.name, role(process))
    main = container(
        MAIN,
        ["run", process.key],
        sizes.resources(process),
        ports=[{"name": name, "containerPort": port} for name, port in ports(process)],
        lifecycle={"preStop": {"sleep": {"seconds": sizes.PRE_STOP_S}}},
        **_probes(),
    )
    main["env"] += tokens()
    gate = container(GATE, ["migrate", "wait"], sizes.ONCE)
    template = pod(
        process.name,
        [main],
        initContainers=[gate],
        terminationGracePeriodSeconds=sizes.grace_s(process),
        affinity=apart(labels),
    )
    if keeps_files(process):
        main["envFrom"].append({"configMapRef": {"name": f"{SETTINGS}-{process.key}"}})
        main["volumeMounts"].append({"name": "home", "mountPath": _HOME})
        claim = {"persistentVolumeClaim": {"claimName": process.name}}
        template["volumes"].append({"name": "home", **claim})
    spec: Object = {
        "selector": {"matchLabels": labels},
        "revisionHistoryLimit": 3,
        "strategy": _strategy(process),
        "template": {"metadata": {"labels": labels}, "spec": template},
    }
    if process not in LIT:  # else the autoscaler says how many
        spec = {"replicas": sizes.replicas(process)[0], **spec}
    return made("Deployment", process.name, labels, api="apps/v1", spec=spec)


def _probes() -> Object:
    """Startup and liveness ask only whether the process answers: a database that is away is no
    reason to kill anybody. Readiness asks the database, and whether its schema is new enough."""

    def ask(path: str, **rest: int) -> Object:
        return {"httpGet": {"path": path, "port": "http"}, **rest}

    return {
        # Imports take seconds, on a busy node many.
        "startupProbe": ask("/health/live", periodSeconds=1, timeoutSeconds=3, failureThreshold=60),
        "livenessProbe": ask("/health/live", periodSeconds=10, timeoutSeconds=3),
        # It answers within half a second (VALERIX_PROBE_DEADLINE_S), whatever the database does.
        "readinessProbe": ask(
            "/health/ready", periodSeconds=2, timeoutSeconds=2, failureThreshold=2
        ),
    }


def _strategy(process: Process) -> Object:
    # A volume for one: the old pod lets go of it before the new one begins.
    if keeps_files(process):
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def _autoscaler(process: Process, labels: dict[str, str]) -> Object:
    fewest, most = sizes.replicas(process)
    target = {"type": "Utilization", "averageUtilization": sizes.BUSY_PERCENT}
    # Of the process alone: what a mesh puts beside it has a share of its own.
    busy = {"name": "cpu", "container": MAIN, "target": target}
    return made(
        "HorizontalPodAutoscaler",
        process.name,
        labels,
        api="autoscaling/v2",
        spec={
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": process.name,
            },
            "minReplicas": fewest,
            "maxReplicas": most,
            "metrics": [{"type": "ContainerResource", "containerResource": busy}],
        },
    )
