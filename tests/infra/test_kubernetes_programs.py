"""What other people's programs say of the objects: kustomize, kubeconform and kube-score.

Each is looked for on PATH and skipped where it is not; docs/kubernetes.md: how to get them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.kubernetes.__main__ import HOME
from infra.kubernetes.check import build
from tests.infra.test_kubernetes import SCHEMAS
from tests.tidy.files import complain

# What kube-score would have otherwise, and why we have not. For all objects:
_IGNORED = {
    "container-image-pull-policy": "A version's image is never changed, and one that was loaded"
    " into a node by hand, as `kind load` does, is in no registry.",
    "deployment-replicas": "One of what works as one (infra/kubernetes/sizes.py, replicas), and the"
    " relay's two are KEDA's to say.",
}
# For one:
_ACCEPTED = {
    ("dashboard", "deployment-strategy"): "Its volume is for one pod at a time.",
    ("locust", "pod-probes"): "A page that is slow under load is no reason to end the run.",
    ("locust-worker", "deployment-has-poddisruptionbudget"): "A generator may be taken away.",
    ("postgres", "networkpolicy-targets-pod"): "The pods are made by CloudNativePG.",
    ("rabbitmq", "networkpolicy-targets-pod"): "The pods are made by RabbitMQ's operator.",
}


def program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        pytest.skip(f"{name} is not on PATH: the objects were not given to it")
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with every component, as kustomize makes it."""
    text = build(HOME / "complete")
    if text is None:
        pytest.skip("neither kustomize nor kubectl is on PATH: nothing was built")
    file = tmp_path_factory.mktemp("built") / "complete.yaml"
    file.write_text(text)
    return file


@pytest.mark.long  # test_kubernetes.py gives each object to the same schemas
def test_kubeconform_finds_nothing(built: Path, tmp_path: Path):
    import kubernetes_validate  # here, as in test_kubernetes.py

    kubeconform = program("kubeconform")
    schemas = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    ours, theirs = f'"file://{tmp_path}/_definitions.json', '"/api/_definitions.json'
    kinds = {each["kind"].lower() for each in yaml.safe_load_all(built.read_text())}
    for file in (schemas / f"v{SCHEMAS}.0-local-strict").glob("*.json"):
        if file.name.split("-")[0] not in {*kinds, "_definitions.json"}:
            continue
        (tmp_path / file.name).write_text(file.read_text("utf-8").replace(theirs, ours), "utf-8")
    where = f"{tmp_path}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    command = [kubeconform, "-strict", "-output=json", "-summary", "-ignore-missing-schemas"]
    answer = subprocess.run(
        [*command, "-schema-location", where, built], capture_output=True, text=True, check=False
    )
    verdict = json.loads(answer.stdout)
    complain([f"{each['kind']} {each['name']}: {each['msg']}" for each in verdict["resources"]], "")
    assert answer.returncode == 0, answer.stderr
    assert verdict["summary"]["valid"] > verdict["summary"]["skipped"]


def test_kube_score_finds_only_what_has_its_reason(built: Path):
    command = [
        program("kube-score"),
        "score",
        "--output-format=json",
        f"--kubernetes-version=v{SCHEMAS}",
    ]
    ignored = [f"--ignore-test={each}" for each in _IGNORED]
    answer = subprocess.run(
        [*command, *ignored, built], capture_output=True, text=True, check=False
    )
    # Grades: 1 critical, 5 a warning, 7 almost, 10 all is well.
    found = {
        (each["object_meta"]["name"], check["check"]["id"])
        for each in json.loads(answer.stdout)
        for check in each["checks"]
        if not check["skipped"] and check["grade"] < 10
    }
    complain(sorted(" ".join(each) for each in found - set(_ACCEPTED)), "mend it, or give a reason")
    complain(sorted(" ".join(each) for each in set(_ACCEPTED) - found), "no longer needs a reason")
