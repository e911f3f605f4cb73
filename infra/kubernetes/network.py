"""Who may talk to whom: nobody, but along the edges of the topology, and to what all need."""

from collections.abc import Iterator
from typing import Any

from infra.kubernetes.objects import (
    NAME,
    PART_OF,
    ROLE,
    SHOP,
    Object,
    inner_ports,
    made,
    names,
    public_ports,
    role,
)
from topology import PROCESSES, SERVICES, Process, find

POSTGRES_PORT = 5432


def edges() -> set[tuple[Process, Process]]:
    """Who opens connections to whom: calls, events that were asked for, and telemetry, which all
    send to what watches, and the keys of tokens, which all fetch."""
    found = {(each, find(key)) for each in PROCESSES for key in (*each.calls, *each.notifies)}
    of_all = [each for each in PROCESSES if each.schema is None or each.publishes_keys]
    return found | {(each, other) for each in SERVICES for other in of_all if other is not each}


def objects() -> Iterator[Object]:
    """The base's policies. They add up: what none allows is refused."""
    yield policy("default-deny", {}, ingress=[], egress=[])
    kube_system = of_namespace("kube-system")
    dns = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    yield policy(
        "name-service",
        {},
        egress=[{"to": [{**kube_system, **dns}], "ports": tcp(53, udp=True)}],
    )
    # Whichever database the secret names; the component `cloudnativepg` narrows it to its own.
    yield policy("database", {PART_OF: SHOP}, egress=[{"ports": tcp(POSTGRES_PORT)}])
    for process in PROCESSES:
        yield of_process(process)


def of_process(process: Process) -> Object:
    """Who may come to it, and where it may go."""
    its_ports = tcp(*(port for _, port in inner_ports(process)))
    callers = [each for each in PROCESSES if (each, process) in edges()]
    # Customers and visitors come from anywhere, by the first rule, which the component `gateway`
    # narrows. A rule whose `from` is empty would let everybody in.
    public = tcp(*(port for _, port in public_ports(process)))
    ingress: list[Object] = [{"ports": public}] if public else []
    if callers:
        ingress.append({"from": [pods(each) for each in callers], "ports": its_ports})
    egress = [
        {"to": [pods(each)], "ports": tcp(*(port for _, port in inner_ports(each)))}
        for each in PROCESSES
        if (process, each) in edges()
    ]
    selected = names(process.name, role(process))
    return policy(process.name, selected, ingress=ingress, egress=egress)


def policy(name: str, selects: dict[str, str], **rules: Any) -> Object:
    """A policy about the pods with these labels, all of them if there are none; `rules` are
    `ingress` and `egress`, and only the given ones are limited by it."""
    types = [each.capitalize() for each in rules]
    selector = {"matchLabels": selects} if selects else {}
    return made(
        "NetworkPolicy",
        name,
        api="networking.k8s.io/v1",
        spec={"podSelector": selector, "policyTypes": types, **rules},
    )


def pods(process: Process) -> Object:
    """The peer: this process's pods."""
    return {"podSelector": {"matchLabels": names(process.name, role(process))}}


def named(name: str) -> Object:
    """The peer: pods of the shop by their name alone."""
    return {"podSelector": {"matchLabels": {NAME: name, PART_OF: SHOP}}}


def in_role(role: str) -> Object:
    """The peer: pods of the shop by what they are for."""
    return {"podSelector": {"matchLabels": {PART_OF: SHOP, ROLE: role}}}


def of_namespace(name: str) -> Object:
    """The peer: a whole namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def tcp(*numbers: int, udp: bool = False) -> list[Object]:
    """Ports, by TCP and if asked by UDP too."""
    protocols = ("UDP", "TCP") if udp else ("TCP",)
    return [{"protocol": each, "port": number} for number in numbers for each in protocols]
