"""The base: the namespace, the settings, the migrations, and every process of the topology."""

from chassis import VERSION
from fleet import migrate
from infra.kubernetes import network, process, sizes
from infra.kubernetes.kustomize import generator
from infra.kubernetes.objects import (
    NAMESPACE,
    PART_OF,
    SETTINGS,
    SHOP,
    Object,
    account,
    container,
    made,
    names,
    pod,
)
from topology import PROCESSES, SERVICES

MIGRATE = "migrate"


def files() -> dict[str, list[Object]]:
    """The objects of each file of the base."""
    found = {f"{each.name}.yaml": list(process.objects(each)) for each in PROCESSES}
    found["namespace.yaml"] = [_namespace()]
    found["migrate.yaml"] = _migration()
    found["network.yaml"] = list(network.objects())
    return found | {"kustomization.yaml": [_kustomization(sorted(found))]}


def shop_settings() -> dict[str, str]:
    """What every process is told."""
    watcher = next(each for each in PROCESSES if each.schema is None)
    addresses = {each.url_variable: f"http://{each.name}:{each.port}" for each in SERVICES}
    return addresses | {
        "VALERIX_ENVIRONMENT": "kubernetes",
        # The dashboard keeps traces and logs itself, until a collector is named.
        "VALERIX_OTLP_RECEIVER": f"http://{watcher.name}:{watcher.port}",
    }


def _namespace() -> Object:
    demands = {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
    }
    return made("Namespace", NAMESPACE, {PART_OF: SHOP, **demands})


def _migration() -> list[Object]:
    """A Job for each version of the shop and of its schema, since a Job is never changed. Pods of
    the shop wait for its result, not for the Job: `valerix migrate wait` asks the database. Pods of
    the version before go on meanwhile, on the new schema."""
    labels = names(MIGRATE, MIGRATE)
    name = f"{MIGRATE}-{VERSION}-{migrate.newest()}".replace(".", "-")
    spec = pod(MIGRATE, [container(MIGRATE, ["migrate", "up"], sizes.ONCE)])
    job = made(
        "Job",
        name,
        labels,
        api="batch/v1",
        spec={
            # The database may be younger than the Job: eight tries are within half an hour.
            "backoffLimit": 8,
            "activeDeadlineSeconds": 3600,
            # It may then be made again, should the image of the same version change.
            "ttlSecondsAfterFinished": 600,
            "template": {
                "metadata": {"labels": labels},
                "spec": spec | {"restartPolicy": "Never"},
            },
        },
    )
    return [account(MIGRATE, labels), job]


def _kustomization(resources: list[str]) -> Object:
    own = [
        generator(f"{SETTINGS}-{each.key}", values)
        for each in PROCESSES
        if (values := process.settings(each))
    ]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": resources,
        "configMapGenerator": [generator(SETTINGS, shop_settings()), *own],
        "generatorOptions": {"labels": {PART_OF: SHOP}},
    }
