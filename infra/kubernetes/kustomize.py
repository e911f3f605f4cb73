"""What kustomizations are made of: settings, components, and changes of the base's objects."""

from typing import Any

import yaml

from infra.kubernetes.objects import NAMESPACE, Object

Files = dict[str, list[Object]]


def generator(name: str, values: dict[str, str], **rest: str) -> Object:
    """A ConfigMap whose name ends in a hash of its values, so that a change restarts its pods."""
    return {"name": name, **rest, "literals": [f"{key}={value}" for key, value in values.items()]}


def component(**parts: Any) -> Object:
    """A component of these parts, as kustomize names them."""
    head = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    return {**head, "namespace": NAMESPACE, **parts}


def patch(kind: str, name: str, *operations: Object) -> Object:
    """A change of one object of the base, as RFC 6902 has it."""
    text = yaml.safe_dump(list(operations), sort_keys=False)
    return {"target": {"kind": kind, "name": name}, "patch": text}
