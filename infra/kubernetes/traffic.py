"""How requests come in, by the Gateway API, how they travel between pods, by Istio's mesh, and
which tokens its sidecars believe."""

import re
from collections.abc import Iterator

import yaml

from chassis.identity.keys import PATH as KEYS_PATH
from fleet.settings import load
from infra.kubernetes import network, sizes
from infra.kubernetes.kustomize import Files, component, generator, patch
from infra.kubernetes.objects import (
    NAME,
    NAMESPACE,
    PART_OF,
    SETTINGS,
    SHOP,
    Object,
    inner_ports,
    made,
    public_ports,
)
from topology import LIT, PROCESSES, Process, find

# A name to be replaced by one's own.
DOMAIN = f"{SHOP}.example"
# Where the cluster keeps its Gateway, how it is called, and its listener that ends TLS.
GATEWAY_NAMESPACE, _LISTENER = "gateway", "https"
_ROUTES = {"http": "HTTPRoute", "grpc": "GRPCRoute"}
# Where istiod signs the pods' certificates and says what they are to do.
_ISTIO, _ISTIOD_PORT = "istio-system", 15012
# A sidecar believes the keys that it has for five minutes, and looks at no new one meanwhile.
_SIDECAR_KEEPS_KEYS_S = 300
# What is no part of the mesh: its protocol or its operator has TLS of its own.
_AMQP_PORT = 5672


def gateway() -> Files:
    """Routes from a Gateway of the cluster to what customers and visitors come to, and to nothing
    else. Its pods are then the only ones outside that may come."""
    public = [each for each in PROCESSES if each.is_public]
    routes = [
        _route(each, protocol, port) for each in public for protocol, port in public_ports(each)
    ]
    own = [network.of_namespace(GATEWAY_NAMESPACE)]
    narrowed = {"op": "add", "path": "/spec/ingress/0/from", "value": own}
    # The name that customers type stays in the request, and pages of other names are refused.
    named = generator(SETTINGS, {"VALERIX_ALLOWED_HOSTS": f"*.{DOMAIN}"}, behavior="merge")
    return {
        "routes.yaml": routes,
        "kustomization.yaml": [
            component(
                resources=["routes.yaml"],
                configMapGenerator=[named],
                patches=[patch("NetworkPolicy", each.name, narrowed) for each in public],
            )
        ],
    }


def _route(process: Process, protocol: str, port: int) -> Object:
    """Everything that is asked of one name. An HTTPRoute and a GRPCRoute may not share one."""
    kind = _ROUTES[protocol]
    name = process.key if protocol == "http" else f"{process.key}-{protocol}"
    parent = {"name": SHOP, "namespace": GATEWAY_NAMESPACE, "sectionName": _LISTENER}
    return made(
        kind,
        name,
        api="gateway.networking.k8s.io/v1",
        spec={
            "parentRefs": [parent],
            "hostnames": [f"{name}.{DOMAIN}"],
            "rules": [{"backendRefs": [{"name": process.name, "port": port}]}],
        },
    )


def mesh() -> Files:
    """Mutual TLS between all pods of the shop by Istio's sidecars, a replica that does not answer
    left alone for a while, and no request repeated by a proxy."""
    strict = made(
        "PeerAuthentication",
        SHOP,
        api="security.istio.io/v1",
        spec={"mtls": {"mode": "STRICT"}},
    )
    to_istiod = network.policy(
        "mesh",
        {PART_OF: SHOP},
        egress=[{"to": [network.of_namespace(_ISTIO)], "ports": network.tcp(_ISTIOD_PORT)}],
    )
    objects = [each for process in PROCESSES for each in _in_mesh(process)]
    sidecar = {"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(_sidecar())}
    return {
        "mesh.yaml": [strict, to_istiod, *objects],
        "kustomization.yaml": [component(resources=["mesh.yaml"], patches=[sidecar])],
    }


def _sidecar() -> Object:
    """What all Deployments' pods say to Istio. A Job has no sidecar: it asks only the database."""
    outside = f"{network.POSTGRES_PORT},{_AMQP_PORT}"
    annotations = {
        # It starts before `migrate wait` and stops after the process.
        "sidecar.istio.io/nativeSidecar": "true",
        "traffic.sidecar.istio.io/excludeOutboundPorts": outside,
    }
    metadata = {"labels": {"sidecar.istio.io/inject": "true"}, "annotations": annotations}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": {"template": {"metadata": metadata}},
    }


def _in_mesh(process: Process) -> Iterator[Object]:
    routes = [
        {
            "match": [{"port": port}],
            # Istio's default repeats twice what was reset or refused. Only callers know whether a
            # request may be repeated: an order without an Idempotency-Key would be placed again.
            "retries": {"attempts": 0},
            "route": [{"destination": {"host": process.name, "port": {"number": port}}}],
        }
        for _, port in inner_ports(process)
    ]
    yield made(
        "VirtualService",
        process.name,
        api="networking.istio.io/v1",
        spec={"hosts": [process.name], "http": routes},
    )
    if sizes.replicas(process)[1] > 1:
        yield made(
            "DestinationRule",
            process.name,
            api="networking.istio.io/v1",
            spec={"host": process.name, "trafficPolicy": {"outlierDetection": _outliers()}},
        )


def _outliers() -> Object:
    """A replica that five times in a row could not be reached, reset or was silent is left out for
    ten seconds, and half of them stay whatever happens.

    An answer never counts, whatever its status: a replica that is full refuses with 503, and would
    hand its load to the other one. There is no limit of connections: a proxy that refuses does not
    say that nothing was executed, and the callers' own bulkheads do (docs/protocol.md, O2)."""
    return {
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailures": 5,
        "consecutive5xxErrors": 0,
        "consecutiveGatewayErrors": 0,
        "interval": "1s",
        "baseEjectionTime": "10s",
        "maxEjectionPercent": 50,
    }


def tokens() -> Files:
    """A token is looked at by a service's sidecar too, for that service alone. What comes from the
    gateway without one is refused where the gateway asks for one.

    Left out are the gateway, whose own Envoy does it and answers in the shop's words, and who
    publishes the keys, which may not ask itself for them."""
    checked = [each for each in LIT if not each.publishes_keys and not each.listens]
    lead = {"VALERIX_IDENTITY_KEY_LEAD_S": str(2 * _SIDECAR_KEEPS_KEYS_S)}
    return {
        "tokens.yaml": [each for process in checked for each in _tokens_of(process)],
        "kustomization.yaml": [
            component(
                resources=["tokens.yaml"],
                configMapGenerator=[generator(SETTINGS, lead, behavior="merge")],
            )
        ],
    }


def _tokens_of(process: Process) -> Iterator[Object]:
    (publisher,) = (each for each in PROCESSES if each.publishes_keys)
    # The whole name: Istio looks it up as it is written, and sends the sidecar through the mesh.
    where = f"http://{publisher.name}.{NAMESPACE}.svc.cluster.local:{publisher.port}{KEYS_PATH}"
    rule = {
        "issuer": load(publisher.key, {}).identity_issuer,
        "audiences": [process.name],
        "jwksUri": where,
        # The process looks at it again: at its type, and at what is there twice.
        "forwardOriginalToken": True,
    }
    selector = {"matchLabels": {NAME: process.name}}
    api = "security.istio.io/v1"
    yield made(
        "RequestAuthentication",
        process.name,
        api=api,
        spec={"selector": selector, "jwtRules": [rule]},
    )
    customers = {
        "serviceAccounts": [f"{NAMESPACE}/{find('gateway').name}"],
        "notRequestPrincipals": ["*"],
    }
    without: Object = {"from": [{"source": customers}]}
    # Another credential does there: a provider's signature, or a wallet's key.
    if others := sorted({door.path for door in process.doors if door.is_signed or door.takes_key}):
        paths = [re.sub(r"\{\w+\}", "{*}", path) for path in others]
        without["to"] = [{"operation": {"notPaths": paths}}]
    yield made(
        "AuthorizationPolicy",
        process.name,
        api=api,
        spec={"selector": selector, "action": "DENY", "rules": [without]},
    )
