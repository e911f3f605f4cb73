"""Routes lead where customers may go, and the mesh repeats nothing."""

from chassis.http.origin import OriginCheck
from fleet.settings import load, load_as
from infra.kubernetes import shop, sizes
from infra.kubernetes.objects import NAME, NAMESPACE, SETTINGS
from services.identity.settings import IdentitySettings
from tests.infra.cluster import every_component, objects, of_kind
from tests.infra.test_kubernetes import listens
from topology import LIT, PROCESSES, find

PUBLIC = [each for each in PROCESSES if each.is_public]
ROUTES = objects("gateway")
MESH = objects("mesh")
TOKENS = objects("tokens")


def test_routes_lead_to_every_public_port_and_to_nothing_else():
    found = {
        (each["kind"], backend["name"], backend["port"])
        for each in ROUTES
        for rule in each["spec"]["rules"]
        for backend in rule["backendRefs"]
    }
    kinds = {"http": "HTTPRoute", "grpc": "GRPCRoute"}
    own = {(kinds["http"], each.name, each.port) for each in PUBLIC if not each.listens}
    doors = {(kinds[how], each.name, port) for each in PUBLIC for how, port in each.listens}
    assert found == own | doors


def test_no_two_routes_share_a_name_and_the_process_answers_to_it():
    names = [name for each in ROUTES for name in each["spec"]["hostnames"]]
    assert len(names) == len(set(names)), "the Gateway API refuses one of them"
    (kustomization,) = every_component()["gateway"]["kustomization.yaml"]
    (own,) = kustomization["configMapGenerator"]
    assert (own["name"], own["behavior"]) == (SETTINGS, "merge")
    environ = shop.shop_settings() | dict(each.split("=", 1) for each in own["literals"])
    for process in PUBLIC:
        check = OriginCheck(load(process.key, environ))
        assert check.refusal("GET", {b"host": names[0].encode()}) is None
        assert check.refusal("GET", {b"host": b"elsewhere.example"}) is not None


def test_no_proxy_repeats_a_request():
    """Whether one may be sent again only its caller knows (R2)."""
    routes = {
        (each["metadata"]["name"], match["port"]): route
        for each in of_kind(MESH, "VirtualService").values()
        for route in each["spec"]["http"]
        for match in route["match"]
    }
    assert set(routes) == {(each.name, port) for each in PROCESSES for port in listens(each)}
    for (name, port), route in routes.items():
        assert route["retries"] == {"attempts": 0}, name
        (where,) = route["route"]
        assert where["destination"] == {"host": name, "port": {"number": port}}


def test_a_replica_is_left_alone_only_where_another_remains_and_only_for_silence():
    rules = of_kind(MESH, "DestinationRule")
    assert set(rules) == {each.name for each in PROCESSES if sizes.replicas(each)[0] > 1}
    for name, rule in rules.items():
        policy = rule["spec"]["trafficPolicy"]
        outliers = policy["outlierDetection"]
        assert rule["spec"]["host"] == name
        assert set(policy) == {"outlierDetection"}, "a limit's refusal reads as unknown"
        assert outliers["maxEjectionPercent"] <= 50
        assert outliers["splitExternalLocalOriginErrors"] is True
        assert outliers["consecutive5xxErrors"] == outliers["consecutiveGatewayErrors"] == 0


def test_nothing_is_sent_between_pods_in_plain_text():
    (strict,) = of_kind(MESH, "PeerAuthentication").values()
    assert strict["spec"] == {"mtls": {"mode": "STRICT"}}


def test_a_sidecar_believes_the_tokens_that_its_process_believes():
    rules = {
        name: each["spec"]["jwtRules"]
        for name, each in of_kind(TOKENS, "RequestAuthentication").items()
    }
    identity, gateway = find("identity"), find("gateway")
    assert set(rules) == {each.name for each in LIT if each not in (identity, gateway)}
    (kustomization,) = every_component()["tokens"]["kustomization.yaml"]
    (own,) = kustomization["configMapGenerator"]
    environ = shop.shop_settings() | dict(each.split("=", 1) for each in own["literals"])
    for name, (rule,) in rules.items():
        assert rule == {
            "issuer": load("identity", environ).identity_issuer,
            "audiences": [name],
            "jwksUri": f"http://{identity.name}.{NAMESPACE}.svc.cluster.local:{identity.port}"
            "/.well-known/jwks.json",
            "forwardOriginalToken": True,
        }
    # Five minutes is Istio's, and no setting: a key that signs earlier would be refused.
    assert load_as(IdentitySettings, "identity", environ).identity_key_lead_s > 300


def test_a_request_from_the_gateway_needs_a_token_wherever_no_other_credential_does():
    policies = of_kind(TOKENS, "AuthorizationPolicy")
    assert set(policies) == set(of_kind(TOKENS, "RequestAuthentication"))
    for name, policy in policies.items():
        (process,) = (each for each in PROCESSES if each.name == name)
        (rule,) = policy["spec"]["rules"]
        assert policy["spec"]["selector"] == {"matchLabels": {NAME: name}}
        assert policy["spec"]["action"] == "DENY"
        assert rule["from"] == [
            {
                "source": {
                    "serviceAccounts": [f"{NAMESPACE}/gateway-service"],
                    "notRequestPrincipals": ["*"],
                }
            }
        ]
        spared = {
            tuple(path.replace("{*}", "{}").split("/"))
            for to in rule.get("to", ())
            for path in to["operation"]["notPaths"]
        }
        assert spared == {
            tuple("{}" if part.startswith("{") else part for part in door.path.split("/"))
            for door in process.doors
            if door.is_signed or door.takes_key
        }
