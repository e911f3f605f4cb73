"""`make kube-check` gives the objects to a real kube-apiserver with an etcd, both found on PATH.

The server knows no nodes and runs nothing: it says what it would refuse. Definitions of operators'
objects are read from the folder that is given; what no definition is there for is named."""

import contextlib
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from fleet.ports import free_port
from infra.kubernetes.__main__ import HOME
from infra.kubernetes.objects import NAMESPACE, Object

_PROGRAMS = ("etcd", "kube-apiserver", "kubectl", "openssl")
_READY_WITHIN_S = 120
_STOP_WITHIN_S = 20


def build(folder: Path) -> str | None:
    """What kustomize makes of a folder; None where neither it nor kubectl is on PATH."""
    if kustomize := shutil.which("kustomize"):
        command = [kustomize, "build"]
    elif kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize"]
    else:
        return None
    return _run([*command, str(folder)])


def _run(command: list[str], given: str | None = None) -> str:
    """What it printed; its complaint as one error if it failed."""
    ran = subprocess.run(command, input=given, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise click.ClickException(f"{Path(command[0]).name} failed:\n{ran.stderr.strip()}")
    return ran.stdout + ran.stderr


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def _cluster(home: Path) -> Iterator[list[str]]:
    """The kubectl command for a cluster that has just begun, and has nothing but its API."""
    clients, peers, port = (free_port() for _ in range(3))
    store = f"http://127.0.0.1:{clients}"
    etcd = ["etcd", f"--data-dir={home / 'etcd'}", "--unsafe-no-fsync"]
    etcd += [f"--listen-client-urls={store}", f"--advertise-client-urls={store}"]
    etcd += [f"--listen-peer-urls=http://127.0.0.1:{peers}"]
    key, tokens, token = home / "key.pem", home / "tokens.csv", secrets.token_hex()
    _run(["openssl", "genrsa", "-out", str(key), "2048"])
    tokens.write_text(f"{token},check,check,system:masters\n")
    server = ["kube-apiserver", f"--etcd-servers={store}", f"--secure-port={port}"]
    server += ["--bind-address=127.0.0.1", f"--cert-dir={home / 'certificates'}"]
    server += ["--service-account-issuer=https://kubernetes.default.svc"]
    server += [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"]
    server += ["--service-cluster-ip-range=10.0.0.0/16", f"--token-auth-file={tokens}"]
    server += ["--authorization-mode=RBAC"]
    kubectl = ["kubectl", f"--server=https://127.0.0.1:{port}", f"--token={token}"]
    kubectl += ["--insecure-skip-tls-verify", "--kubeconfig=/dev/null"]
    log = home / "api.log"
    with _running(etcd, home / "etcd.log"), _running(server, log) as process:
        end = time.monotonic() + _READY_WITHIN_S
        while not _is_ready(kubectl):
            if process.poll() is not None or time.monotonic() > end:
                seen = log.read_text()[-2000:]
                raise click.ClickException(f"kube-apiserver is not ready:\n{seen}")
            time.sleep(0.5)
        yield kubectl


def _is_ready(kubectl: list[str]) -> bool:
    ask = [*kubectl, "get", "--raw", "/readyz"]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0  # noqa: S603


def _pods(objects: list[Object]) -> Iterator[Object]:
    """One pod of each template. No controller makes them here, and a pod is what is refused where
    its namespace demands the restricted standard; a Deployment is only warned of."""
    for each in objects:
        if each["kind"] in ("Deployment", "Job"):
            template = each["spec"]["template"]
            named = {"name": each["metadata"]["name"], "namespace": NAMESPACE}
            metadata = template["metadata"] | named
            yield {**template, "apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def _give(kubectl: list[str], objects: list[Any]) -> list[str]:
    """Apply them on the server; its answers, one line an object."""
    command = [*kubectl, "apply", "--server-side", "-f", "-"]
    return _run(command, yaml.safe_dump_all(objects)).splitlines()


@click.command()
@click.option(
    "--definitions",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of CustomResourceDefinitions.",
)
def main(definitions: Path | None) -> None:
    """Give the base and all components to a real kube-apiserver."""
    if missing := [name for name in _PROGRAMS if shutil.which(name) is None]:
        raise click.UsageError(f"not on PATH: {', '.join(missing)} (docs/kubernetes.md)")
    objects = [each for each in yaml.safe_load_all(build(HOME / "complete") or "") if each]
    with tempfile.TemporaryDirectory() as home, _cluster(Path(home)) as kubectl:
        click.echo(_run([*kubectl, "version"]).partition("WARNING")[0].strip())
        if definitions:
            _run([*kubectl, "create", "-f", str(definitions)])
            _run([*kubectl, "wait", "--for=condition=Established", "crd", "--all"])
        known = set(_run([*kubectl, "api-resources", "--no-headers"]).split())
        taken = [each for each in objects if {each["apiVersion"], each["kind"]} <= known]
        # Not a dry run: pods are judged by what their namespace demands, and want their accounts.
        answers = _give(kubectl, taken) + _give(kubectl, list(_pods(objects)))
    for each in objects:
        if each not in taken:
            click.echo(f"not asked, no definition: {each['kind']} {each['metadata']['name']}")
    warnings = [line for line in answers if line.startswith("Warning")]
    click.echo("\n".join([*warnings, f"{len(answers) - len(warnings)} objects are accepted"]))
    if warnings:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
