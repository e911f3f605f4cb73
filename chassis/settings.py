"""The one place that reads the environment: every knob with its default, bounds and reason."""

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from chassis.settings_docs import REASONS

_PREFIX = "VALERIX_"
# Read by the command line and by the tests, not by a process.
_OF_OTHERS = ("VALERIX_HOME", "VALERIX_CHROMIUM", "VALERIX_CHAOS_ORDERS", "VALERIX_CHAOS_SEED")
_ADDRESSES = ("order_url", "inventory_url", "payment_url")
_MAY_BE_EMPTY = (
    "otlp_endpoint", "prometheus_url", "jaeger_url", "loki_url", "grafana_link", "jaeger_link",
)  # fmt: skip
SERVICES = ("order", "inventory", "payment", "dashboard")
PORTS = {"order": 5001, "inventory": 5002, "payment": 5003, "dashboard": 8080}

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Port = Annotated[int, Meta(ge=0, le=65_535)]


class BadSetting(Exception):
    """An environment variable that cannot be used; the message is one line for a human."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one process runs with. Field `x_y` is read from `VALERIX_X_Y`, or first from
    `VALERIX_<SERVICE>_X_Y`, so that one service can differ from the others."""

    service: Literal["order", "inventory", "payment", "dashboard"]
    # -- where it listens
    host: str = "127.0.0.1"
    published_on: str = ""
    port: Port = 0
    operator_token: str = ""
    # -- where the others are
    database_url: str = "postgresql://valerix@127.0.0.1:5432/valerix"
    order_url: str = "http://127.0.0.1:5001"
    inventory_url: str = "http://127.0.0.1:5002"
    payment_url: str = "http://127.0.0.1:5003"
    # -- signals
    telemetry: Literal["on", "off"] = "on"
    otlp_endpoint: str = ""
    otlp_headers: str = ""
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    environment: str = "laptop"
    # -- bounds of the front door
    max_in_flight: Count = 256
    body_limit_bytes: Count = 65_536
    body_timeout_s: Seconds = 5.0
    keep_alive_s: Seconds = 75.0
    stop_grace_s: Seconds = 5.0
    # -- bounds of the database
    pool_size: Count = 12
    pool_wait_s: Seconds = 1.0
    statement_timeout_s: Seconds = 5.0
    lock_timeout_s: Seconds = 2.0
    idle_transaction_timeout_s: Seconds = 10.0
    # -- bounds of outgoing calls
    peer_deadline_s: Seconds = 2.0
    request_budget_s: Seconds = 5.0
    peer_connections: Count = 128
    peer_wait_s: Seconds = 0.25
    repair_connections: Count = 16
    probe_deadline_s: Seconds = 0.5
    # -- gremlins
    gremlin_poll_s: Seconds = 0.5
    gremlin_default_ttl_s: Seconds = 300
    # -- orders
    order_deadline_s: Seconds = 900
    order_lease_s: Seconds = 6.0
    reconcile_poll_s: Seconds = 0.5
    reconcile_batch: Count = 16
    reconcile_backoff_s: Seconds = 0.25
    reconcile_backoff_max_s: Seconds = 10.0
    idempotency_ttl_s: Annotated[float, Meta(gt=0, le=604_800)] = 86_400
    # -- payments
    payment_connector: Literal["mock", "flaky"] = "mock"
    payment_decline_rate: Share = 0.10
    payment_seed: Annotated[int, Meta(ge=0, le=2**31)] = 0
    payment_gateway_fences: bool = True
    payment_gateway_timeout_s: Seconds = 1.5
    payment_flaky_shares: str = (
        "lost_request=0.05,lost_response=0.05,error_before=0.02,"
        "error_after=0.02,garbage=0.02,late=0.05"
    )
    payment_late_capture_s: Seconds = 3.0
    payment_probe_base_s: Seconds = 1.0
    payment_probe_max_s: Seconds = 30.0
    # -- the dashboard
    proof_interval_s: Seconds = 5.0
    control: str = ""
    act_patience_s: Seconds = 90.0
    prometheus_url: str = ""
    jaeger_url: str = ""
    loki_url: str = ""
    grafana_link: str = ""
    jaeger_link: str = ""


def load(service: str, environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings of `service` ("order", …); raises `BadSetting` with one clear line."""
    environ = os.environ if environ is None else environ
    if service not in SERVICES:
        raise BadSetting(f"no service is called {service!r}; there are: {', '.join(SERVICES)}")
    values: dict[str, object] = {"service": service}
    names: dict[str, str] = {}
    for field in Settings.__struct_fields__[1:]:
        own, general = f"{_PREFIX}{service}_{field}".upper(), f"{_PREFIX}{field}".upper()
        name = own if own in environ else general
        if name in environ:
            values[field], names[field] = environ[name].strip(), name
    values.setdefault("port", PORTS[service])
    values.update(overrides)
    for field, value in values.items():
        _check(field, value, names.get(field, field), service)
    settings = msgspec.convert(values, Settings, strict=False)
    if settings.port == 0:
        settings = msgspec.structs.replace(settings, port=PORTS[service])
    return _safe(settings)


def _check(field: str, value: object, name: str, service: str) -> None:
    try:
        msgspec.convert({"service": service, field: value}, Settings, strict=False)
    except msgspec.ValidationError as error:
        why = str(error).split(" - at ")[0]
        raise BadSetting(f"{name}={value!r} cannot be used: {why}") from None


def _safe(settings: Settings) -> Settings:
    name = "PUBLISHED_ON" if settings.published_on else "HOST"
    reached_at = settings.published_on or settings.host
    if not is_loopback(reached_at) and not settings.operator_token:
        raise BadSetting(
            f"{_PREFIX}{name}={reached_at} is not loopback, so gremlins need a guard: "
            "set VALERIX_OPERATOR_TOKEN"
        )
    if not all("=" in pair for pair in settings.otlp_headers.split(",") if pair.strip()):
        # It holds a key, so it is not repeated here.
        raise BadSetting("VALERIX_OTLP_HEADERS cannot be used: write name=value,name=value")
    if settings.operator_token and len(settings.operator_token) < 16:
        raise BadSetting("VALERIX_OPERATOR_TOKEN is too short: use at least 16 characters")
    if not _is_database(settings.database_url):
        # It may hold a password, so it is not repeated here.
        raise BadSetting(
            f"{_PREFIX}DATABASE_URL cannot be used: write postgresql://user@host:5432/database"
        )
    for field in (*_ADDRESSES, *_MAY_BE_EMPTY):
        value = getattr(settings, field)
        if not _is_address(value) and (value or field not in _MAY_BE_EMPTY):
            raise BadSetting(
                f"{_PREFIX}{field.upper()}={value!r} cannot be used: "
                "it is no address such as http://127.0.0.1:4318"
            )
    if bool(settings.jaeger_url) != bool(settings.loki_url):
        raise BadSetting(
            "VALERIX_JAEGER_URL and VALERIX_LOKI_URL come together: a trace shows its log lines"
        )
    return settings


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def _is_database(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("postgresql", "postgres") and parts.port != 0
    except ValueError:
        return False


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Variables of ours that no process reads, each with the name that was perhaps meant."""
    fields = [field.name for field in msgspec.structs.fields(Settings)[1:]]
    known = {f"{_PREFIX}{name}".upper() for name in fields} | set(_OF_OTHERS)
    own = {f"{_PREFIX}{service}_{name}".upper() for service in SERVICES for name in fields}
    found = []
    for name in sorted(name for name in environ if name.startswith(_PREFIX)):
        if name not in known and name not in own:
            near = difflib.get_close_matches(name, known, 1)
            found.append(f"{name}{f' (is {near[0]} meant?)' if near else ''}")
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    return host in ("localhost", "::1") or host.startswith("127.")


def table() -> str:
    """The settings as the Markdown table that docs/settings.md shows."""
    head = ["| variable | default | reason |", "|---|---|---|"]
    return "\n".join(head + list(_table_rows())) + "\n"


def _table_rows() -> Iterator[str]:
    for field in msgspec.structs.fields(Settings)[1:]:
        default = "the fleet's" if field.name == "port" else f"`{field.default}`"
        if field.default == "":
            default = "empty"
        yield f"| `{_PREFIX}{field.name.upper()}` | {default} | {REASONS[field.name]} |"
