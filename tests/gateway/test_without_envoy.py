"""Where no Envoy is installed the agent runs all the same, and says what is missing."""

import os

import httpx
import pytest

from fleet.gateway import program
from tests.harness.serving import create_service, serve, settings_of


def test_envoy_is_found():
    assert program.find_envoy("/of/somebody") == "/of/somebody"
    assert os.access(str(program.find_envoy()), os.X_OK)


async def test_the_agent_is_ready_and_its_dot_is_amber(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(program, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "/nowhere")
    settings = settings_of("gateway", database_url)
    async with (
        serve(create_service("gateway", settings), settings) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.get("/health/ready")).status_code == 200
        health = (await client.get("/health")).json()
        assert health["status"] == "degraded"
        assert health["dependencies"] == {"envoy": "not installed"}
        assert (await client.delete("/gremlins")).json() == {"calmed": 0}
        away = await client.get("/metrics/envoy")
        assert (away.status_code, away.json()["code"]) == (503, "envoy-away")
