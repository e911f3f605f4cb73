"""Each standard variable that docs/settings.md lists does what the table says."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.telemetry import recording
from chassis.telemetry.context import SERVER
from chassis.telemetry.otel_variables import OtelVariables
from fleet.run_dir import ROOT
from fleet.settings import load
from tests.chassis.telemetry.collector import Collector
from tests.harness import wire

pytestmark = pytest.mark.usefixtures("signals")
BASE = "OTEL_EXPORTER_OTLP"
# Key and certificate of localhost, signed by itself, for tests alone.
PEM = str(Path(__file__).with_name("localhost.pem"))
PAIR = Path(PEM).read_bytes()
SERVICE = "order-service"


async def send(monkeypatch: pytest.MonkeyPatch, **environ: str) -> None:
    """One span and one line of a process with this environment, from its start to its end."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    # The library's HTTP client lets these win over the standard's own variable.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    recording.start(load("order", log_level="WARNING"), service=SERVICE)
    with recording.span("work"):
        recording.logger.warning("a line")
    await asyncio.to_thread(recording.stop)
    for queue in vars(recording)["_queues"]():
        await asyncio.to_thread(queue.thread.join, 10)


@asynccontextmanager
async def listen_with_tls(protocol: str, collector: Collector) -> AsyncIterator[str]:
    """A collector that shows a certificate and asks for one."""
    if protocol == "grpc":
        credentials = grpc.ssl_server_credentials([(PAIR, PAIR)], PAIR, require_client_auth=True)
        with collector.over_grpc(credentials) as url:
            yield url
    else:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=PEM)
        context.load_cert_chain(PEM)
        context.verify_mode = ssl.CERT_REQUIRED

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await collector.handle(reader, writer)
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


def arrived(collector: Collector) -> tuple[int, int]:
    return len(collector.spans), len(collector.lines)


async def test_one_endpoint_gets_both_signals_each_at_its_own_path(monkeypatch):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        await send(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=f"{url}/in/")
    assert arrived(collector) == (1, 1)
    paths = {head.split()[1] for head in collector.heads}
    assert paths == {b"/in/v1/traces", b"/in/v1/logs"}


@pytest.mark.parametrize(
    ("signal", "path", "expected"),
    [("TRACES", "/any/v1/traces", (1, 0)), ("LOGS", "/any", (0, 1))],
)
async def test_a_signals_own_endpoint_is_taken_as_it_is_and_the_other_is_not_sent(
    monkeypatch, signal, path, expected
):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        await send(monkeypatch, **{f"{BASE}_{signal}_ENDPOINT": f"{url}{path}"})
    assert arrived(collector) == expected
    assert {head.split()[1].decode() for head in collector.heads} == {path}


@pytest.mark.parametrize("signal", ["", "_TRACES", "_LOGS"])
async def test_the_protocol_is_chosen_for_both_or_for_one(monkeypatch, signal):
    collector = Collector()
    expected = {"": (1, 1), "_TRACES": (1, 0), "_LOGS": (0, 1)}[signal]
    with collector.over_grpc() as url:
        endpoint = {f"{BASE}{signal}_ENDPOINT": url, f"{BASE}{signal}_PROTOCOL": "grpc"}
        await send(monkeypatch, **endpoint)
    assert arrived(collector) == expected


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("signal", ["", "_TRACES", "_LOGS"])
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("HEADERS", "api-key=k%20y", b"api-key: k y"),
        ("COMPRESSION", "gzip", b"content-encoding: gzip"),
    ],
)
async def test_headers_and_compression_go_with_every_request(
    monkeypatch, protocol, signal, name, value, shown
):
    collector = Collector()
    async with serving(protocol, collector) as url:
        variables = {f"{BASE}_ENDPOINT": url, f"{BASE}_PROTOCOL": protocol}
        await send(monkeypatch, **variables, **{f"{BASE}{signal}_{name}": value})
    assert arrived(collector) == (1, 1)
    # Over gRPC the transport itself unpacks a body and takes its header away.
    if (protocol, name) != ("grpc", "COMPRESSION"):
        marked = sum(shown in head for head in collector.heads)
        assert marked == (1 if signal else 2)


@asynccontextmanager
async def serving(protocol: str, collector: Collector) -> AsyncIterator[str]:
    if protocol == "grpc":
        with collector.over_grpc() as url:
            yield url
    else:
        async with wire.listen(collector.handle) as url:
            yield url


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("signal", ["", "_TRACES", "_LOGS"])
async def test_certificates_are_shown_and_checked(monkeypatch, protocol, signal):
    collector = Collector()
    names = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
    async with listen_with_tls(protocol, collector) as url:
        endpoint = url + {"": "", "_TRACES": "/v1/traces", "_LOGS": "/v1/logs"}[signal]
        variables = {f"{BASE}{signal}_ENDPOINT": endpoint, f"{BASE}_PROTOCOL": protocol}
        await send(monkeypatch, **variables, **{f"{BASE}{signal}_{name}": PEM for name in names})
    assert arrived(collector) == {"": (1, 1), "_TRACES": (1, 0), "_LOGS": (0, 1)}[signal]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_nobody_vouches_for_gets_nothing(monkeypatch, protocol):
    collector = Collector()
    async with listen_with_tls(protocol, collector) as url:
        variables = {f"{BASE}_ENDPOINT": url, f"{BASE}_PROTOCOL": protocol}
        await send(monkeypatch, **variables)
    assert arrived(collector) == (0, 0)
    assert recording.dropped() == 2


@pytest.mark.parametrize("signal", ["", "_TRACES", "_LOGS"])
async def test_a_silent_collector_is_given_the_timeout(monkeypatch, signal):
    loop = asyncio.get_running_loop()
    async with wire.listen(wire.silence) as url:
        begun = loop.time()
        own = f"{BASE}{signal}_ENDPOINT"
        await send(monkeypatch, **{own: url, f"{BASE}{signal}_TIMEOUT": "0.2"})
        # The other names give it two seconds.
        assert loop.time() - begun < 2
    assert recording.dropped() == (1 if signal else 2)


async def test_the_process_is_named_as_the_environment_says(monkeypatch):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        await send(
            monkeypatch,
            VALERIX_OTLP_ENDPOINT=url,
            OTEL_SERVICE_NAME="shop",
            OTEL_RESOURCE_ATTRIBUTES="service.name=no,team=a%20b,deployment.environment.name=x",
        )
    for batch in (*collector.traces, *collector.logs):
        for group in (*batch.get("resourceSpans", ()), *batch.get("resourceLogs", ())):
            pairs = group["resource"]["attributes"]
            named = {pair["key"]: pair["value"].get("stringValue") for pair in pairs}
            assert named["service.name"] == "shop"
            assert named["team"] == "a b"
            assert named["deployment.environment.name"] == "x"


@pytest.mark.parametrize(
    ("sampler", "ratio", "kept"),
    [("always_off", "", 0), ("parentbased_traceidratio", "0", 0), ("traceidratio", "1", 1)],
)
async def test_the_sampler_decides_which_traces_are_sent(monkeypatch, sampler, ratio, kept):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        variables = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": ratio}
        await send(monkeypatch, VALERIX_OTLP_ENDPOINT=url, **variables)
    # The line is a warning, so it is sent without its trace.
    assert arrived(collector) == (kept, 1)


def test_the_sampler_is_asked_where_a_trace_enters_and_inside_the_parent_decides(monkeypatch):
    monkeypatch.setattr(recording, "_is_sampled", lambda _id, parent: parent is not True)
    assert not recording.begin("x", SERVER, f"00-{'a' * 32}-{'b' * 16}-01").sampled
    with recording.span("outer") as outer:
        assert outer.sampled
        outer.sampled = False
        with recording.span("inner") as inner:
            assert not inner.sampled


async def test_disabled_sends_nothing(monkeypatch):
    collector = Collector()
    async with wire.listen(collector.handle) as url:
        await send(monkeypatch, OTEL_SDK_DISABLED="TRUE", VALERIX_OTLP_ENDPOINT=url)
    assert arrived(collector) == (0, 0)
    assert not recording.is_on()


# ---- who wins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["here", ""])
async def test_the_shops_own_variable_wins_over_the_standard_one_and_the_receiver(
    monkeypatch, named
):
    own, other = Collector(), Collector()
    async with wire.listen(own.handle) as here, wire.listen(other.handle) as elsewhere:
        await send(
            monkeypatch,
            VALERIX_OTLP_ENDPOINT=here if named else "",
            OTEL_EXPORTER_OTLP_ENDPOINT=elsewhere,
            VALERIX_OTLP_RECEIVER=elsewhere,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )
    assert arrived(own) == ((1, 1) if named else (0, 0))
    assert arrived(other) == (0, 0)


async def test_the_receiver_gets_the_signal_for_which_nobody_named_another(monkeypatch):
    receiver, other = Collector(), Collector()
    async with wire.listen(receiver.handle) as here, wire.listen(other.handle) as elsewhere:
        await send(
            monkeypatch,
            VALERIX_OTLP_RECEIVER=here,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{elsewhere}/v1/traces",
        )
    assert arrived(receiver) == (0, 1)
    assert arrived(other) == (1, 0)


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "traces_protocol"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp", "traces_protocol"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "udp", "logs_protocol"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "sampler"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "sampler_ratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "half", "sampler_ratio"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", "resource_attributes"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,=2", "resource_attributes"),
    ],
)
def test_a_value_that_is_not_known_is_mentioned_and_ignored(variable, value, field):
    variables = OtelVariables.of({variable: value})
    (warning,) = variables.warnings
    assert warning.startswith(f"{variable}={value!r} is ignored: ")
    assert getattr(variables, field) == getattr(OtelVariables(), field)


def test_the_documented_variables_are_those_that_are_tested():
    documented = set(_names((ROOT / "docs/settings.md").read_text()))
    tested = set(_names(Path(__file__).read_text()))
    for name in ("ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION"):
        tested |= {f"{BASE}{signal}_{name}" for signal in ("", "_TRACES", "_LOGS")}
    for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        tested |= {f"{BASE}{signal}_{name}" for signal in ("", "_TRACES", "_LOGS")}
    assert documented == tested


def _names(text: str) -> list[Any]:
    return [name for name in re.findall(r"\bOTEL_[A-Z_]+[A-Z]\b", text) if name != BASE]
