"""What every object has in common: its names, its labels, and how it is written down."""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from chassis import VERSION
from infra.kubernetes.sizes import Resources
from topology import LIT, Process

Object = dict[str, Any]

SHOP = "valerix"
NAMESPACE = SHOP
_LABEL = "app.kubernetes.io"
NAME, PART_OF, ROLE = f"{_LABEL}/name", f"{_LABEL}/part-of", f"{_LABEL}/component"
_HEAD = "# rendered by `python -m infra.kubernetes` from topology/: make changes there\n"
# A user without a name, as in the image (infra/Dockerfile).
_USER = 10001
# The shop's settings that all processes have, and the secrets that somebody has to make.
SETTINGS = "shop"
DATABASE_SECRET, TOKENS_SECRET = "postgres-app", "valerix-tokens"


def role(process: Process) -> str:
    """What kind of process it is, for selectors: customers wait for a `service`."""
    if process.is_outside:
        return "outside"
    if process.schema is None:
        return "watcher"
    return "service" if process in LIT else "background"


def names(name: str, role: str) -> dict[str, str]:
    """The labels that select it; they never change."""
    return {NAME: name, PART_OF: SHOP, ROLE: role}


def made(
    kind: str, name: str, labels: dict[str, str] | None = None, *, api: str = "v1", **rest: Any
) -> Object:
    """An object; `labels` as of `names`."""
    metadata: Object = {"name": name, "labels": labels or {PART_OF: SHOP}}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def of_secret(variable: str, secret: str, key: str) -> Object:
    """An environment variable whose value is in a secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def ports(process: Process) -> list[tuple[str, int]]:
    """Every port it listens on, by its name: what Services, containers and policies are made of."""
    grpc = [("grpc", process.grpc_port)] if process.speaks_grpc else []
    return [("http", process.port), *grpc]


def pod_security() -> Object:
    """What the `restricted` standard asks of a pod, and the group that may write to its volumes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "runAsGroup": _USER,
        "fsGroup": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container(name: str, args: Sequence[str], size: Resources, **rest: Any) -> Object:
    """A container of the shop's image that knows the database and writes to /tmp alone."""
    base: Object = {
        "name": name,
        "image": f"{SHOP}:{VERSION}",
        "imagePullPolicy": "IfNotPresent",
        "args": list(args),
        "envFrom": [{"configMapRef": {"name": SETTINGS}}],
        "env": [of_secret("VALERIX_DATABASE_URL", DATABASE_SECRET, "uri")],
        "resources": quantities(size),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - an empty one, its own
    }
    return base | rest


def tokens() -> list[Object]:
    """What guards gremlins and internal routes: a process that listens must have both."""
    return [
        of_secret(f"VALERIX_{which.upper()}_TOKEN", TOKENS_SECRET, f"{which}-token")
        for which in ("operator", "service")
    ]


def quantities(size: Resources) -> Object:
    """The same in Kubernetes' words. Files: /tmp and what the container wrote to its log."""
    return {
        "requests": {
            "cpu": f"{size.cpu_m}m",
            "memory": f"{size.memory_mib}Mi",
            "ephemeral-storage": "64Mi",
        },
        "limits": {
            "cpu": f"{size.cpu_limit_m}m",
            "memory": f"{size.memory_limit_mib}Mi",
            "ephemeral-storage": "256Mi",
        },
    }


def pod(name: str, containers: list[Object], **rest: Any) -> Object:
    """A pod's spec: no token of the cluster, no addresses of others in its environment."""
    base: Object = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
        "containers": containers,
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    return base | rest


def apart(labels: dict[str, str]) -> Object:
    """An affinity: two of a kind on two nodes, where there are two."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {NAME: labels[NAME]}},
    }
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def account(name: str, labels: dict[str, str]) -> Object:
    """Who it is in the cluster: nobody who may ask for anything."""
    return made("ServiceAccount", name, labels, automountServiceAccountToken=False)


class _Plain(yaml.SafeDumper):  # type: ignore[misc] # untyped
    """Lists indented below their key, text of many lines as a block, no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def written(objects: Iterable[Object]) -> str:
    """A file of these objects."""
    text: str = yaml.dump_all(
        objects, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True, explicit_start=True
    )
    return _HEAD + text
