"""What any process runs with, and the reader that fills it from the environment and one file.

A room declares its own settings as a subclass of `Settings` in its `settings.py`: each field with
its bounds, its default and its reason. Which processes exist is not known here: the caller hands
in the key, the port and the addresses (fleet/settings.py)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from chassis.addresses import is_database_url, is_http_url, is_loopback, is_pattern
from chassis.http.misfit import plain
from chassis.telemetry.otel_variables import OtelVariables

PREFIX = "VALERIX_"

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Port = Annotated[int, Meta(ge=0, le=65_535)]


def why(reason: str) -> Meta:
    """Why a setting is what it is by default: shown beside it by `valerix settings`."""
    return Meta(description=reason)


# An address that other programs are reached at; empty where the field says what that means.
Address = Annotated[str, Meta(extra={"address": True})]


class BadSetting(Exception):
    """A setting that cannot be used; the message is one line for a human."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What every process needs. Field `x_y` is read from `VALERIX_X_Y`, or first from
    `VALERIX_<KEY>_X_Y`, so that one process can differ from the others.

    `service` is the process's key, `urls` the address of every process by key, and `otel` what the
    standard OTEL_ variables say."""

    service: str
    urls: dict[str, str] = {}
    otel: OtelVariables = OtelVariables()
    # -- where it listens
    host: Annotated[
        str, why("Loopback, so nothing is exposed by accident; else an operator token is required.")
    ] = "127.0.0.1"
    published_on: Annotated[
        str, why("Where a container's port is published: this decides whether it is exposed.")
    ] = ""
    port: Annotated[Port, why("0 is the fleet's own: each process has its port in topology/.")] = 0
    allowed_hosts: Annotated[
        str,
        why(
            "More names to be reached under: name,*.name. Any other with a dot is refused, since "
            "anybody's DNS may point it here; addresses, localhost and the own URL need none."
        ),
    ] = ""
    operator_token: Annotated[
        str, why("Guards gremlins and restock when set; must be set when not on loopback.")
    ] = ""
    service_token: Annotated[
        str,
        why(
            "`valerix up` makes one for each run; two, the new one first, while one replaces the "
            "other. Empty with an operator token: derived from that."
        ),
    ] = ""
    identity_issuer: Annotated[
        str, why("Who makes the tokens of callers: the one name of it, wherever it is reached.")
    ] = "http://localhost:5005"
    identity_keys_every_s: Annotated[
        Seconds,
        why("As long a key that was withdrawn is believed; identity hardly feels it."),
    ] = 10.0
    # -- the database
    database_url: Annotated[
        str, why("Any PostgreSQL >= 15; `valerix up` sets it to the embedded one.")
    ] = "postgresql://valerix@127.0.0.1:5432/valerix"
    pool_size: Annotated[
        Count, why("Three services with 12 each stay under the embedded server's connections.")
    ] = 12
    pool_wait_s: Annotated[
        Seconds,
        why("Half of a caller's 2 s deadline: past that the caller is better told at once."),
    ] = 1.0
    statement_timeout_s: Annotated[
        Seconds, why("No statement of the shop takes 50 ms; 5 s means something is broken.")
    ] = 5.0
    lock_timeout_s: Annotated[
        Seconds, why("The caller's deadline: a lock that comes later helps nobody.")
    ] = 2.0
    idle_transaction_timeout_s: Annotated[
        Seconds, why("No transaction spans a network call, so an idle one is a bug.")
    ] = 10.0
    # -- signals
    telemetry: Annotated[
        Literal["on", "off"],
        why("`off` runs dark: no spans, no export; metrics and logs stay."),
    ] = "on"
    otlp_endpoint: Annotated[
        Address, why("An OTLP/HTTP base URL such as http://127.0.0.1:4318; empty sends nothing.")
    ] = ""
    otlp_receiver: Annotated[
        Address,
        why("The dashboard's own receiver, set by `valerix up`: used where no other is named."),
    ] = ""
    otlp_headers: Annotated[
        str, why("What a vendor asks for, as in OpenTelemetry: name=value,name=value.")
    ] = ""
    log_format: Annotated[
        Literal["auto", "json", "text"],
        why("`auto`: text on a terminal, JSON otherwise, so containers need no setting."),
    ] = "auto"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        why(
            "INFO is one line a request and one a state change; DEBUG adds the bounds of "
            "transactions, statements that waited, and keys that came again."
        ),
    ] = "INFO"
    contract_checks_per_s: Annotated[
        Annotated[int, Meta(ge=0, le=10_000)],
        why(
            "Requests a second whose messages are checked against their schemas. Twenty show a "
            "broken contract within a second and cost a thousandth of a processor; 0: none."
        ),
    ] = 20
    environment: Annotated[str, why("The deployment.environment.name of every signal.")] = "laptop"
    # -- bounds of incoming requests
    max_in_flight: Annotated[
        Count, why("Past this a request is shed at once (503, executed: no) instead of queueing.")
    ] = 256
    max_connections: Annotated[
        Count,
        why(
            "Four times max_in_flight; fewer where the system allows fewer descriptors. Past it "
            "the connection that has waited longest for a request is closed."
        ),
    ] = 1_000
    half_open_per_peer: Annotated[
        Count,
        why(
            "A load generator's hundreds of connections send at once; more than this many without "
            "a whole request head for a second are held open for nothing."
        ),
    ] = 100
    head_limit_bytes: Annotated[
        Count, why("16 KiB, as Node.js: a browser's head is under 4 KiB, one of ours under 1 KiB.")
    ] = 16_384
    head_limit_lines: Annotated[
        Count, why("100, as Apache: browsers send about twenty header lines, proxies some more.")
    ] = 100
    head_timeout_s: Annotated[
        Seconds, why("A head is one packet or two; ten seconds bear three lost ones.")
    ] = 10.0
    body_limit_bytes: Annotated[
        Count, why("64 KiB: an order is under 200 bytes; anything near the limit is abuse.")
    ] = 65_536
    body_timeout_s: Annotated[
        Seconds, why("A body that trickles in for longer holds a slot for nothing.")
    ] = 5.0
    keep_alive_s: Annotated[
        Seconds, why("Longer than the client's 15 s, so a reused connection is never stale.")
    ] = 75.0
    stop_grace_s: Annotated[
        Seconds, why("A request ends within its 5 s budget, so a stop need not wait longer.")
    ] = 5.0
    # -- bounds of outgoing calls
    peer_deadline_s: Annotated[
        Seconds, why("The product's promise: a dependency has 2 s, whatever it does.")
    ] = 2.0
    request_budget_s: Annotated[Seconds, why("Two downstream calls of 2 s and 1 s of our own.")] = (
        5.0
    )
    peer_connections: Annotated[
        Count, why("Foreground bulkhead per peer: half of max_in_flight may wait on one.")
    ] = 128
    peer_wait_s: Annotated[
        Seconds,
        why("A place in the bulkhead that takes longer means the peer is drowning already."),
    ] = 0.25
    probe_deadline_s: Annotated[
        Seconds, why("A health answer takes no longer than this, whatever the dependency does.")
    ] = 0.5
    # -- gremlins
    gremlin_poll_s: Annotated[
        Seconds,
        why("Every process agrees within a second; half of it leaves room for one miss."),
    ] = 0.5
    gremlin_default_ttl_s: Annotated[
        Seconds, why("Five minutes: long enough to show, short enough to be forgotten.")
    ] = 300

    @property
    def is_exposed(self) -> bool:
        """Whether others than this machine's own users reach it."""
        return not is_loopback(self.published_on or self.host)

    def further_ports(self) -> dict[str, int]:
        """Ports it listens on beside `port`, by the setting that names each."""
        return {}

    def demand_consistent(self) -> None:
        """Raise `BadSetting` for values that are good alone and not together."""


class RpcSettings(Settings, frozen=True, kw_only=True):
    """What a process that speaks gRPC needs beside."""

    grpc_port: Annotated[
        Port,
        why("Where it speaks gRPC, if it does: 0 is a thousand above its HTTP port."),
    ] = 0

    def further_ports(self) -> dict[str, int]:
        """The port of gRPC."""
        return {f"{self.service}_grpc_port".upper(): self.grpc_port}


S = TypeVar("S", bound=Settings)
_HANDED_IN = ("service", "urls", "otel")


class Found(msgspec.Struct, frozen=True):
    """One value as it was written down, and where: a variable's name, or a file and its line."""

    value: object
    place: str
    secret: bool = False


def fields(shape: type[Settings]) -> tuple[str, ...]:
    """The names of the settings that `shape` reads."""
    return tuple(name for name in shape.__struct_fields__ if name not in _HANDED_IN)


def names_of(key: str, field: str) -> tuple[str, str]:
    """The two names a field has for the process `key`, its own first."""
    return f"{PREFIX}{key}_{field}".upper(), f"{PREFIX}{field}".upper()


def read(
    shape: type[S],
    sources: Sequence[Mapping[str, Found]],
    *,
    key: str,
    port: int,
    addresses: Mapping[str, str],
    otel: OtelVariables | None = None,
    overrides: Mapping[str, object] | None = None,
) -> S:
    """The settings of the process `key`; raises `BadSetting` with one clear line.

    `sources` are asked in order, each by the names of `names_of`; `addresses` is where every
    process listens by itself; `overrides` beat everything. Where VALERIX_OTLP_ENDPOINT is written,
    empty or not, no other endpoint counts."""
    values: dict[str, object] = {}
    places: dict[str, Found] = {}
    for field in fields(shape):
        for source in sources:
            if found := next((source[n] for n in names_of(key, field) if n in source), None):
                values[field], places[field] = found.value, found
                break
    urls = dict(addresses)
    for peer in addresses:
        for source in sources:
            if found := source.get(f"{PREFIX}{peer}_URL".upper()):
                _demand_address(found.place, str(found.value))
                urls[peer] = str(found.value).rstrip("/")
                break
    given = dict(overrides or {})
    urls |= {peer: str(given.pop(f"{peer}_url")) for peer in addresses if f"{peer}_url" in given}
    values |= given
    for field, value in values.items():
        if field not in shape.__struct_fields__:
            raise BadSetting(f"{field} is not a setting of {key}")
        _check(shape, field, value, places[field].place if field in places else field)
    otel = otel or OtelVariables()
    if "otlp_endpoint" in values:
        otel, values["otlp_receiver"] = otel.without_endpoints(), ""
    settings = msgspec.convert({**values, "service": key, "urls": urls}, shape, strict=False)
    settings = msgspec.structs.replace(settings, port=settings.port or port, otel=otel)
    _demand_safe(settings)
    settings.demand_consistent()
    return settings


def _check(shape: type[Settings], field: str, value: object, place: str) -> None:
    try:
        msgspec.convert({"service": "", field: value}, shape, strict=False)
    except msgspec.ValidationError as error:
        reason = plain(str(error), shape)
        raise BadSetting(f"{place}={value!r} cannot be used: {reason}") from None
    if is_address(shape, field) and value:
        _demand_address(place, str(value))


def is_address(shape: type[Settings], field: str) -> bool:
    """Whether a setting holds an address of another program."""
    return any(
        isinstance(each, Meta) and bool((each.extra or {}).get("address"))
        for each in _metas(shape, field)
    )


def reason_of(shape: type[Settings], field: str) -> str:
    """Why a setting is what it is by default."""
    reasons = [
        each.description
        for each in _metas(shape, field)
        if isinstance(each, Meta) and each.description
    ]
    return reasons[-1] if reasons else ""


def _metas(shape: type[Settings], field: str) -> Iterator[object]:
    yield from get_args(get_type_hints(shape, include_extras=True)[field])[1:]


def _demand_safe(settings: Settings) -> None:
    name = "PUBLISHED_ON" if settings.published_on else "HOST"
    reached_at = settings.published_on or settings.host
    if settings.is_exposed and not settings.operator_token:
        raise BadSetting(
            f"{PREFIX}{name}={reached_at} is not loopback, so gremlins need a guard: "
            "set VALERIX_OPERATOR_TOKEN"
        )
    if not all("=" in pair for pair in settings.otlp_headers.split(",") if pair.strip()):
        # It holds a key, so it is not repeated here.
        raise BadSetting("VALERIX_OTLP_HEADERS cannot be used: write name=value,name=value")
    if not all(
        is_pattern(name.strip()) for name in settings.allowed_hosts.split(",") if name.strip()
    ):
        raise BadSetting(
            f"{PREFIX}ALLOWED_HOSTS={settings.allowed_hosts!r} cannot be used: "
            "write names without scheme and port, such as shop.example,*.lan"
        )
    if settings.operator_token and len(settings.operator_token) < 16:
        raise BadSetting("VALERIX_OPERATOR_TOKEN is too short: use at least 16 characters")
    tokens = [each.strip() for each in settings.service_token.split(",") if each.strip()]
    if any(len(token) < 16 for token in tokens):
        raise BadSetting("VALERIX_SERVICE_TOKEN is too short: use at least 16 characters")
    if not is_database_url(settings.database_url):
        # It may hold a password, so it is not repeated here.
        raise BadSetting(
            f"{PREFIX}DATABASE_URL cannot be used: write postgresql://user@host:5432/database"
        )


def _demand_address(place: str, value: str) -> None:
    if not is_http_url(value):
        raise BadSetting(
            f"{place}={value!r} cannot be used: it is no address such as http://127.0.0.1:4318"
        )
