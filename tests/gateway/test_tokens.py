"""Tokens and gRPC at a real Envoy: who gets in, with which role, and what is refused with 401.

The topology here has an identity service and a process that speaks gRPC, whatever the shop's own
has; keys and answers come from a small server of the test's."""

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from chassis.http.metrics import HttpMetrics
from fleet.gateway import configuration, doors
from fleet.gateway.access_log import AccessLog
from fleet.gateway.envoy import Envoy
from fleet.gateway.faults import GatewayGremlins
from fleet.gateway.program import find_envoy
from fleet.gateway.settings import GatewaySettings
from fleet.ports import free_port
from fleet.settings import load_as
from tests.harness.serving import knock
from topology import Door, Process, find

joserfc = pytest.importorskip("joserfc", reason="comes with the identity service")

ISSUER = "http://localhost:5005"
OPERATORS, ANYBODYS = "/inventory/restock", "/inventory"
IDENTITY = Process(
    key="identity",
    name="identity-service",
    label="Identity",
    package="services.identity",
    port=5005,
    schema="identity",
    calls=(),
    colour=("#000000", "#ffffff"),
    doors=(Door("POST", "/login"), Door("GET", "/.well-known/jwks.json")),
    prefix="/auth",
)
_BEHIND = (find("inventory"), IDENTITY)


@pytest.fixture
def with_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the topology had an identity service, and orders over gRPC."""
    monkeypatch.setattr(doors, "IDENTITY", IDENTITY)
    monkeypatch.setattr(doors, "_BEHIND", _BEHIND)
    monkeypatch.setattr(doors, "UPSTREAMS", ("inventory", "identity", "dashboard"))
    monkeypatch.setattr(doors, "GRPC", (find("order")._replace(speaks_grpc=True),))


def settings_for(behind: int, **environ: str) -> GatewaySettings:
    """All processes at one port; tokens from identity."""
    found = load_as(
        GatewaySettings,
        "gateway",
        {
            "VALERIX_GATEWAY_HTTP_PORT": str(free_port()),
            "VALERIX_GATEWAY_GRPC_PORT": str(free_port()),
            **environ,
        },
    )
    urls = dict.fromkeys((*found.urls, "identity"), f"http://127.0.0.1:{behind}")
    return msgspec.structs.replace(found, urls=urls)


def test_with_identity_and_grpc_the_configuration_is_valid(with_identity: None, tmp_path: Path):
    program, path = find_envoy(), tmp_path / "envoy.yaml"
    text = configuration.written(settings_for(5999), str(tmp_path / "admin"))
    path.write_text(text)
    made = yaml.safe_load(text)["static_resources"]
    assert [each["name"] for each in made["listeners"]] == ["http", "grpc"]
    assert "order_grpc" in [each["name"] for each in made["clusters"]]
    checked = subprocess.run(
        [str(program), "--mode", "validate", "--config-path", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


class Behind:
    """Answers everything; knows which keys there are."""

    def __init__(self) -> None:
        from joserfc.jwk import ECKey

        self.key = ECKey.generate_key("P-256", {"kid": "good", "use": "sig", "alg": "ES256"})
        self.other = ECKey.generate_key("P-256", {"kid": "good"})
        self.requests: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                self.requests.append(f"{method} {path}")
                keys = {"keys": [self.key.as_dict(private=False)]}
                body = json.dumps(keys if "jwks" in path else {"path": path}).encode()
                top = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
                writer.write(top + body)
        writer.close()

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        from joserfc import jwt

        now = int(time.time())
        usual = {
            "iss": ISSUER,
            "sub": "alice",
            "aud": ["gateway", "inventory-service"],
            "exp": now + 300,
            "iat": now,
            "nbf": now,
            "roles": ["shopper"],
        }
        claimed = {name: value for name, value in (usual | claims).items() if value is not None}
        head = {"alg": "ES256", "typ": "at+jwt", "kid": "good"} | (header or {})
        signing = self.other if claims.pop("forged", False) else self.key
        claimed.pop("forged", None)
        return jwt.encode(head, claimed, signing)


@pytest.fixture
async def behind() -> AsyncIterator[tuple[Behind, int]]:
    behind = Behind()
    server = await asyncio.start_server(behind.answer, "127.0.0.1", 0)
    yield behind, server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def gate(
    with_identity: None, behind: tuple[Behind, int]
) -> AsyncIterator[Callable[..., Any]]:
    """Starts an Envoy with these settings; a client of it."""
    running: list[tuple[Envoy, asyncio.Task[None], httpx.AsyncClient]] = []

    async def start(**environ: str) -> httpx.AsyncClient:
        settings = settings_for(behind[1], **environ)
        registry = CollectorRegistry()
        log = AccessLog(
            frozenset(),
            HttpMetrics("gateway-service", registry),
            GatewayGremlins("gateway-service", "edge", settings, registry),
        )
        envoy = Envoy(settings, log)
        task = asyncio.create_task(envoy.run())
        client = knock(f"http://127.0.0.1:{settings.gateway_http_port}")
        running.append((envoy, task, client))
        async with asyncio.timeout(30):
            while True:
                with suppress(httpx.HTTPError):
                    await client.get("/nothing")
                    return client
                await asyncio.sleep(0.05)

    yield start
    for envoy, task, client in running:
        await client.aclose()
        await envoy.stop()
        await task


def shown(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _unsigned(behind: Behind) -> str:
    _, body, _ = behind.token().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "good"}).encode())
    return f"{none.decode().rstrip('=')}.{body}."


def _by_public_key(behind: Behind) -> str:
    """HS256 with the published key for a secret."""
    from joserfc import jwt
    from joserfc.jwk import OctKey

    public = json.dumps(behind.key.as_dict(private=False)).encode()
    claims = {"iss": ISSUER, "aud": "gateway", "exp": int(time.time()) + 300, "sub": "mallory"}
    return jwt.encode({"alg": "HS256", "kid": "good"}, claims, OctKey.import_key(public))


BAD: dict[str, Callable[[Behind], str]] = {
    "garbage": lambda _: "no-token-at-all",
    "alg none": _unsigned,
    "HS256 with the public key": _by_public_key,
    "another key of the same name": lambda it: it.token(forged=True),
    "an unknown key": lambda it: it.token({"kid": "unknown"}),
    "a key traversal": lambda it: it.token({"kid": "../../dev/null"}),
    "over": lambda it: it.token(exp=int(time.time()) - 60),
    "not yet": lambda it: it.token(nbf=int(time.time()) + 600),
    "without an end": lambda it: it.token(exp=None),
    "an end that is text": lambda it: it.token(exp="tomorrow"),
    "another issuer": lambda it: it.token(iss="http://elsewhere"),
    "without an issuer": lambda it: it.token(iss=None),
    "for somebody else": lambda it: it.token(aud=["order-service"]),
    "for nobody": lambda it: it.token(aud=None),
    "cut short": lambda it: it.token()[:-8],
}


async def test_tokens_at_the_gateway(gate: Callable[..., Any], behind: tuple[Behind, int]):
    """One Envoy, every case; B180 to B184 stand in docs/protocol.md."""
    client, it = await gate(), behind[0]
    assert (await client.get(ANYBODYS)).status_code == 200, "anonymous on loopback"
    assert (await client.get(ANYBODYS, headers=shown(it.token()))).status_code == 200
    found = {
        name: await client.get(ANYBODYS, headers=shown(made(it))) for name, made in BAD.items()
    }
    assert {name: each.status_code for name, each in found.items()} == dict.fromkeys(BAD, 401)
    assert {each.json()["code"] for each in found.values()} == {"bad-token"}
    assert all("WWW-Authenticate" in each.headers for each in found.values())
    # A role is asked for where an operator works, of whoever shows a token.
    as_shopper = await client.post(OPERATORS, headers=shown(it.token()))
    assert as_shopper.status_code == 403, as_shopper.text
    assert as_shopper.json()["code"] == "role-missing"
    as_operator = shown(it.token(roles=["shopper", "operator"]))
    assert (await client.post(OPERATORS, headers=as_operator)).status_code == 200
    # Identity does not see its prefix, and a bad token keeps nobody from logging in.
    logged_in = await client.post("/auth/login", headers=shown("garbage"))
    assert logged_in.json() == {"path": "/login"}


async def test_off_loopback_a_token_is_demanded(
    gate: Callable[..., Any], behind: tuple[Behind, int]
):
    client = await gate(
        VALERIX_PUBLISHED_ON="192.0.2.1", VALERIX_OPERATOR_TOKEN="an-operator-of-this-shop"
    )
    without = await client.get(ANYBODYS)
    assert (without.status_code, without.json()["code"]) == (401, "token-needed")
    assert (await client.get(ANYBODYS, headers=shown(behind[0].token()))).status_code == 200
    assert (await client.post("/auth/login")).status_code == 200
