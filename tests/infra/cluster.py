"""What a cluster would make of the rendered objects: which pods may open which connections."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import yaml

from infra.kubernetes import components, shop
from infra.kubernetes.objects import NAMESPACE, Object

Labels = Mapping[str, str]


class Peer(NamedTuple):
    """One end of a connection: a pod of the namespace, or what is outside of it."""

    labels: Labels
    namespace: str = NAMESPACE


# Rendered once: nobody changes what it gives.
every_component = cache(components.files)


def objects(*names: str) -> list[Object]:
    """The objects of the base, or of these components, without kustomizations."""
    files = [every_component()[name] for name in names] if names else [shop.files()]
    return [
        each
        for its_files in files
        for name, found in its_files.items()
        if name != "kustomization.yaml"
        for each in found
    ]


def patched(*names: str) -> list[Object]:
    """The base with these components: their objects, and their changes of the base's policies."""
    found = copy.deepcopy([*objects(), *(objects(*names) if names else ())])
    policies = of_kind(found, "NetworkPolicy")
    for name in names:
        (kustomization,) = every_component()[name]["kustomization.yaml"]
        for each in kustomization.get("patches", ()):
            if each["target"]["kind"] == "NetworkPolicy":
                for operation in yaml.safe_load(each["patch"]):
                    _add(policies[each["target"]["name"]], **operation)
    return found


def _add(changed: Any, op: str, path: str, value: Object) -> None:
    """RFC 6902, as far as the patches of policies go: a member of an object."""
    assert op == "add"
    *way, member = path.split("/")[1:]
    for step in way:
        changed = changed[int(step) if isinstance(changed, list) else step]
    changed[member] = value


def of_kind(found: Iterable[Object], kind: str) -> dict[str, Object]:
    """Those of a kind, by their name."""
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def pod_specs(found: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """The pods that are described, each with the name of what describes it."""
    for each in found:
        if each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def may_connect(policies: Iterable[Object], source: Peer, target: Peer, port: int) -> bool:
    """As Kubernetes has it: the source's egress and the target's ingress must both allow it; a pod
    that no policy of a direction selects may do anything there."""
    policies = list(policies)
    return _allows(policies, "Egress", source, target, port) and _allows(
        policies, "Ingress", target, source, port
    )


def _allows(policies: list[Object], way: str, own: Peer, other: Peer, port: int) -> bool:
    if own.namespace != NAMESPACE:
        return True
    about = [
        each["spec"]
        for each in policies
        if way in each["spec"]["policyTypes"] and _selects(each["spec"]["podSelector"], own.labels)
    ]
    peers = "from" if way == "Ingress" else "to"
    rules = [rule for spec in about for rule in spec.get(way.lower(), [])]
    return not about or any(
        _names_port(rule, port) and _names_peer(rule.get(peers), other) for rule in rules
    )


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    assert set(selector) <= {"matchLabels"}, "this reader knows no other selectors"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _names_port(rule: Object, port: int) -> bool:
    return "ports" not in rule or any(
        each["port"] == port and each["protocol"] == "TCP" for each in rule["ports"]
    )


def _names_peer(peers: list[Object] | None, other: Peer) -> bool:
    if peers is None:
        return True
    return any(
        _selects(peer.get("podSelector", {}), other.labels)
        and (
            _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
            if "namespaceSelector" in peer
            else other.namespace == NAMESPACE
        )
        for peer in peers
    )
