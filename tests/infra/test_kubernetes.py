"""What is rendered for Kubernetes says what the topology, the settings and the code say."""

from typing import Any

import pytest

from chassis import VERSION
from fleet import migrate
from fleet.settings import load, shape_of
from infra.kubernetes import shop, sizes
from infra.kubernetes.__main__ import HOME, stale
from infra.kubernetes.objects import NAME, SHOP, names, role
from infra.kubernetes.process import GATE, MAIN, keeps_files
from infra.kubernetes.process import settings as own_settings
from infra.kubernetes.traffic import GATEWAY_NAMESPACE
from tests.infra.cluster import (
    Peer,
    every_component,
    may_connect,
    objects,
    of_kind,
    patched,
    pod_specs,
)
from tests.tidy.files import complain
from topology import LIT, PROCESSES, Process, find

SCHEMAS = "1.36"
OF_OPERATORS = {
    "gateway.networking.k8s.io/v1", "keda.sh/v1alpha1", "monitoring.coreos.com/v1",
    "networking.istio.io/v1", "postgresql.cnpg.io/v1", "rabbitmq.com/v1beta1",
    "security.istio.io/v1",
}  # fmt: skip
BASE = objects()
EVERY = [*BASE, *objects(*every_component())]
DEPLOYMENTS = of_kind(BASE, "Deployment")
OUTSIDE = Peer({}, "somewhere")


def listens(process: Process) -> list[int]:
    """Its ports: gRPC a thousand above HTTP."""
    return [process.port, process.port + 1000] if process.speaks_grpc else [process.port]


def spec_of(process: Process) -> Any:
    return DEPLOYMENTS[process.name]["spec"]["template"]["spec"]


def main_of(process: Process) -> Any:
    (container,) = spec_of(process)["containers"]
    return container


def peer(process: Process) -> Peer:
    return Peer(names(process.name, role(process)))


def test_the_files_are_rendered_from_the_topology():
    complain([str(path.relative_to(HOME)) for path in stale()], "run `make render`")


def test_every_process_has_all_that_a_process_needs_and_nothing_else_has():
    expected = {process.name for process in PROCESSES}
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert set(of_kind(BASE, kind)) == expected, kind
    assert set(of_kind(BASE, "ServiceAccount")) == expected | {"migrate"}
    for process in PROCESSES:
        labels = peer(process).labels
        deployment = DEPLOYMENTS[process.name]["spec"]
        assert deployment["selector"]["matchLabels"] == labels
        assert deployment["template"]["metadata"]["labels"] == labels
        service = of_kind(BASE, "Service")[process.name]["spec"]
        assert service["selector"] == labels
        doors = [port for _, port in process.listens]
        assert [port["port"] for port in service["ports"]] == [*listens(process), *doors]
        assert main_of(process)["args"] == ["run", process.key]
    images = {
        each["image"]
        for _, spec in pod_specs(EVERY)
        for each in (*spec["containers"], *spec.get("initContainers", ()))
    }
    assert images == {f"{SHOP}:{VERSION}", f"{SHOP}-load:{VERSION}"}


def test_no_secret_is_rendered_and_every_one_that_is_read_is_documented():
    assert not of_kind(EVERY, "Secret")
    read = {
        each["valueFrom"]["secretKeyRef"]["name"]
        for _, spec in pod_specs(EVERY)
        for container in (*spec["containers"], *spec.get("initContainers", ()))
        for each in container["env"]
        if "valueFrom" in each
    }
    text = (HOME.parent.parent / "docs/kubernetes.md").read_text(encoding="utf-8")
    complain(sorted(name for name in read if f"`{name}`" not in text), "name it in kubernetes.md")


def edges() -> set[tuple[str, str]]:
    """What the topology says: calls, events that were asked for, telemetry and keys."""
    found = {
        (process.key, other) for process in PROCESSES for other in process.calls + process.notifies
    }
    of_all = [each for each in PROCESSES if each.schema is None or each.publishes_keys]
    return found | {
        (each.key, other.key)
        for each in PROCESSES
        for other in of_all
        if each.schema and each is not other
    }


@pytest.mark.parametrize("added", [(), tuple(every_component())], ids=["base", "complete"])
def test_processes_connect_along_the_edges_of_the_topology_and_nowhere_else(added: tuple[str, ...]):
    policies = of_kind(patched(*added), "NetworkPolicy").values()
    ports = [port for process in PROCESSES for port in listens(process)]
    allowed = {
        (source.key, target.key, port)
        for source in PROCESSES
        for target in PROCESSES
        for port in ports
        if may_connect(policies, peer(source), peer(target), port)
    }
    assert allowed == {
        (source, target, port) for source, target in edges() for port in listens(find(target))
    }
    gate = Peer({}, GATEWAY_NAMESPACE)
    for process in PROCESSES:
        every = [*ports, *(port for each in PROCESSES for _, port in each.listens)]
        doors = [port for _, port in process.listens] or listens(process)
        for source, comes in ((OUTSIDE, not added), (gate, True)):
            found = [port for port in every if may_connect(policies, source, peer(process), port)]
            assert found == doors * (process.is_public and comes), process.name
        goes_out = [port for port in (80, 443, 5672, *ports) if
                    may_connect(policies, peer(process), OUTSIDE, port)]  # fmt: skip
        assert not goes_out, process.name


def test_only_what_needs_the_database_the_broker_and_the_stores_reaches_them():
    bare, full = (
        of_kind(each, "NetworkPolicy").values() for each in (BASE, patched(*every_component()))
    )
    stranger = Peer({NAME: "stranger"})
    broker, monitoring = Peer({NAME: "rabbitmq"}), Peer({}, "monitoring")
    assert not may_connect(bare, stranger, OUTSIDE, 5432)
    for process in PROCESSES:
        assert may_connect(bare, peer(process), OUTSIDE, 5432)
        assert not may_connect(full, peer(process), OUTSIDE, 5432)
        assert may_connect(full, peer(process), broker, 5672) == process.is_background
        assert may_connect(full, monitoring, peer(process), process.port)
        assert may_connect(full, peer(process), monitoring, 4318)
        assert may_connect(full, peer(process), monitoring, 9090) == keeps_files(process)


def test_whoever_is_waited_for_goes_on_while_a_node_is_emptied():
    scalers = of_kind(BASE, "HorizontalPodAutoscaler")
    assert set(scalers) == {process.name for process in LIT}
    for process in PROCESSES:
        budget = of_kind(BASE, "PodDisruptionBudget")[process.name]["spec"]
        deployment = DEPLOYMENTS[process.name]["spec"]
        if process in LIT:
            fewest = scalers[process.name]["spec"]["minReplicas"]
            assert "replicas" not in deployment, "the autoscaler's number would be overwritten"
        else:
            fewest = deployment["replicas"]
        stands_by = process.is_background and not process.takes_events
        left = fewest - budget["maxUnavailable"]
        assert left == (1 if process in LIT or stands_by else 0), process.name
        if fewest > 1:
            assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_nothing_is_scaled_by_two():
    scaled = [
        each["spec"]["scaleTargetRef"]["name"]
        for each in EVERY
        if each["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
    ]
    assert len(scaled) == len(set(scaled))


def test_a_stop_takes_longer_than_any_work_that_is_in_progress():
    for process in PROCESSES:
        spec, settings = spec_of(process), load(process.key, {})
        pause_s = main_of(process)["lifecycle"]["preStop"]["sleep"]["seconds"]
        longest_s = max(
            settings.stop_grace_s,
            settings.request_budget_s,
            settings.peer_deadline_s,
            sizes.longest_deadline_s(shape_of(process.key)),
        )
        assert spec["terminationGracePeriodSeconds"] > pause_s + longest_s


def test_a_probe_waits_longer_than_its_answer_may_take():
    for process in PROCESSES:
        main, settings = main_of(process), load(process.key, {})
        assert main["livenessProbe"]["httpGet"]["path"] == "/health/live"
        assert main["startupProbe"]["httpGet"]["path"] == "/health/live"
        assert main["readinessProbe"]["httpGet"]["path"] == "/health/ready"
        assert main["readinessProbe"]["timeoutSeconds"] > settings.probe_deadline_s


def test_every_pod_keeps_to_the_restricted_standard():
    for name, spec in pod_specs(EVERY):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for each in (*spec["containers"], *spec.get("initContainers", ())):
            security = each["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= set(each["resources"]["limits"]), name
            assert "/tmp" in [mount["mountPath"] for mount in each["volumeMounts"]], name  # noqa: S108


def test_the_shop_waits_for_the_migration_of_its_own_version():
    (job,) = of_kind(BASE, "Job")
    assert job == f"migrate-{VERSION}-{migrate.newest()}".replace(".", "-")
    for process in PROCESSES:
        (gate,) = spec_of(process)["initContainers"]
        assert (gate["name"], gate["args"]) == (GATE, ["migrate", "wait"])
        assert main_of(process)["name"] == MAIN


def test_the_settings_are_settings():
    common = shop.shop_settings()
    for process in PROCESSES:
        environ = common | own_settings(process)
        settings = load(process.key, environ)
        for other in PROCESSES:
            if other.schema is not None:
                assert settings.urls[other.key] == f"http://{other.name}:{other.port}"


def test_every_object_fits_the_schema_of_kubernetes():
    """No field is unknown and none is of the wrong type. Operators' have their own."""
    # Here: it builds parsers for a second and a half, and every worker collects this file.
    import kubernetes_validate

    for each in EVERY:
        if each["apiVersion"] not in OF_OPERATORS:
            kubernetes_validate.validate(each, SCHEMAS, strict=True)
