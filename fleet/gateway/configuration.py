"""Envoy's configuration, rendered from the topology: pure, and the same wherever the shop runs."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from chassis import VERSION
from chassis.telemetry.senders import destination
from fleet.gateway import doors
from fleet.gateway.problems import local_replies
from fleet.gateway.protos import named, typed
from fleet.gateway.settings import GatewaySettings
from topology import GRPC_ABOVE, find

NAME = find("gateway").name
# What has no place at the edge: only processes of the shop carry it, or it is Envoy's own.
_STRIPPED = ("x-valerix-service",)
# As long as a client of ours keeps a connection: less than a service does, so none is used that the
# other side has just closed.
_IDLE_S = 15
# A service says it already; Envoy's own answers have it so.
_TRACE_ID = {
    "header": {"key": "X-Trace-Id", "value": "%TRACE_ID%"},
    "append_action": "ADD_IF_ABSENT",
}


# By W3C Trace Context, 3.2. Envoy would believe one of version ff or in capital letters, and begin
# no trace where there is another text, so what is none is taken off first.
_GIVEN = "request.headers['traceparent']"
_FORM = "[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+"
_IS_GOOD = f"size({_GIVEN}) == 55 && {_GIVEN}.matches('^{_FORM}$') && !{_GIVEN}.startsWith('ff')"
_KEPT = "x-valerix-traceparent"


def _added(key: str, value: str) -> dict[str, Any]:
    header = {"header": {"key": key, "value": value}}
    return {"append": header | {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


_TRACEPARENT = named(
    "envoy.http.early_header_mutation.header_mutation",
    typed(
        "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove": _KEPT},
            _added(_KEPT, f"%CEL({_IS_GOOD} ? {_GIVEN} : '')%"),
            {"remove": "traceparent"},
            _added("traceparent", f"%REQ({_KEPT})%"),
            {"remove": _KEPT},
        ],
    ),
)


class Traces(NamedTuple):
    """Where spans go: an address of OTLP over HTTP, and the headers that it needs."""

    address: str
    headers: dict[str, str]


def traces_of(settings: GatewaySettings) -> Traces | None:
    """Where this shop's spans go, if Envoy can bring them there: by HTTP without TLS."""
    otel = settings.otel
    if settings.telemetry == "off" or otel.disabled:
        return None
    to = destination(settings, otel.traces_endpoint, otel.traces_protocol, "/v1/traces")
    if to is None or not to.address.startswith("http://"):
        return None
    return Traces(to.address, to.options.get("headers", {}))


def configuration(settings: GatewaySettings, admin: str) -> dict[str, Any]:
    """All of it. `admin` is the path of the socket that Envoy is asked and changed at: a file of
    the agent's own, which no network leads to."""
    traces = traces_of(settings)
    listeners = [_listener(settings, "http", settings.gateway_http_port, traces)]
    if doors.GRPC:
        listeners.append(_listener(settings, "grpc", settings.gateway_grpc_port, traces))
    clusters = [_cluster(settings, key) for key in doors.UPSTREAMS]
    clusters += [_cluster(settings, process.key, grpc=True) for process in doors.GRPC]
    if traces is not None:
        clusters.append(_endpoint("telemetry", traces.address))
    return {
        "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}},
        "layered_runtime": {
            "layers": [
                # Its span ends a trace: within a second or two, as everybody's, and not after five.
                {
                    "name": "ours",
                    "static_layer": {"tracing": {"opentelemetry": {"flush_interval_ms": 1000}}},
                },
                # Where faults.py writes.
                {"name": "gremlins", "admin_layer": {}},
            ]
        },
        "overload_manager": _overload(settings),
        # Each of its threads says so often that it lives; by itself ten times a second.
        "watchdogs": {
            thread: {"miss_timeout": "4s", "megamiss_timeout": "8s"}
            for thread in ("main_thread_watchdog", "worker_watchdog")
        },
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


def written(settings: GatewaySettings, admin: str) -> str:
    """The same as YAML."""
    made = configuration(settings, admin)
    text: str = yaml.dump(made, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)
    return text


class _Plain(yaml.SafeDumper):  # type: ignore[misc] # untyped
    """Without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _overload(settings: GatewaySettings) -> dict[str, Any]:
    monitor = typed(
        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=settings.max_connections,
    )
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"resource_monitors": [named(name, monitor)]}


def _listener(
    settings: GatewaySettings, protocol: str, port: int, traces: Traces | None
) -> dict[str, Any]:
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=protocol,
        **_bounds(settings),
        **_paths(),
        **_ids(),
        **({"early_header_mutation_extensions": [_TRACEPARENT]} if traces else {}),
        **({"tracing": _tracing(settings, protocol, traces)} if traces else {}),
        access_log=[_access_log()],
        local_reply_config=local_replies(),
        route_config={
            "name": protocol,
            "request_headers_to_remove": list(_STRIPPED),
            "response_headers_to_add": [_TRACE_ID] if traces else [],
            "virtual_hosts": [
                {
                    "name": "shop",
                    "domains": ["*"],
                    "routes": doors.routes(settings)
                    if protocol == "http"
                    else doors.grpc_routes(settings),
                }
            ],
        },
        http_filters=doors.filters(settings),
    )
    return {
        "name": protocol,
        "address": _address(settings.host, port),
        # A slow reader costs this much memory and no more.
        "per_connection_buffer_limit_bytes": 4 * settings.body_limit_bytes,
        "filter_chains": [
            {"filters": [named("envoy.filters.network.http_connection_manager", manager)]}
        ],
    }


def _bounds(settings: GatewaySettings) -> dict[str, Any]:
    return {
        "max_request_headers_kb": settings.head_limit_bytes // 1024,
        "common_http_protocol_options": {
            "max_headers_count": settings.head_limit_lines,
            "idle_timeout": _seconds(settings.keep_alive_s),
            # One that a service might read as another: x_timeout_ms.
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        # From its first byte to its last: Envoy knows no time for a body alone.
        "request_timeout": _seconds(settings.body_timeout_s),
        # As if nobody had asked for another protocol (RFC 9110, 7.8): there is none here.
        "http_protocol_options": {"ignore_http_11_upgrade": [{"safe_regex": {"regex": ".*"}}]},
        "http2_protocol_options": {"max_concurrent_streams": 100},
    }


def _paths() -> dict[str, Any]:
    """One way to write each path, before anything looks at it."""
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
    }


def _ids() -> dict[str, Any]:
    return {
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": typed(
                "extensions.request_id.uuid.v3.UuidRequestIdConfig",
                # A customer's id goes through as it came.
                pack_trace_reason=False,
            )
        },
        "server_header_transformation": "PASS_THROUGH",
    }


# What a span says, beside what Envoy says by itself.
_TAGS = {
    "http": {"http.response.status_code": "%RESPONSE_CODE%", "http.route": "%ROUTE_NAME%"},
    "grpc": {
        "rpc.system.name": "grpc",
        "rpc.method": "%ROUTE_NAME%",
        "rpc.response.status_code": "%GRPC_STATUS(SNAKE_STRING)%",
    },
}


def _tracing(settings: GatewaySettings, protocol: str, traces: Traces) -> dict[str, Any]:
    url = urlsplit(traces.address)
    detector = typed(
        "extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
        attributes={
            "service.version": VERSION,
            "deployment.environment.name": settings.environment,
        },
    )
    tracer = typed(
        "config.trace.v3.OpenTelemetryConfig",
        service_name=settings.otel.service_name or NAME,
        http_service={
            "http_uri": {"uri": url.geturl(), "cluster": "telemetry", "timeout": "2s"},
            "request_headers_to_add": [
                {"header": {"key": key, "value": value}} for key, value in traces.headers.items()
            ],
        },
        resource_detectors=[
            named("envoy.tracers.opentelemetry.resource_detectors.static_config", detector)
        ],
    )
    return {
        # Of traces that begin here; what a customer has decided is decided.
        "random_sampling": {"value": _sampled_percent(settings)},
        "provider": named("envoy.tracers.opentelemetry", tracer),
        "custom_tags": [{"tag": tag, "value": value} for tag, value in _TAGS[protocol].items()],
    }


def _sampled_percent(settings: GatewaySettings) -> float:
    sampler = settings.otel.sampler
    if sampler.endswith("traceidratio"):
        return round(100 * settings.otel.sampler_ratio, 2)
    return 0 if sampler.endswith("always_off") else 100


def _access_log() -> dict[str, Any]:
    """One JSON object a request, which access_log.py reads."""
    fields = {
        "method": "%REQ(:METHOD)%",
        "route": "%ROUTE_NAME%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "took_ms": "%DURATION%",
        "trace_id": "%TRACE_ID%",
        "span_id": "%SPAN_ID%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    log = typed(
        "extensions.access_loggers.stream.v3.StdoutAccessLog", log_format={"json_format": fields}
    )
    return named("envoy.access_loggers.stdout", log)


def _cluster(settings: GatewaySettings, key: str, *, grpc: bool = False) -> dict[str, Any]:
    """A process behind the gateway. What is refused here was not sent: nobody is tried twice, and a
    process that nobody can connect to is left alone for a second or a few."""
    url = settings.urls[key]
    if grpc:
        parts = urlsplit(url)
        url = f"http://{parts.hostname}:{(parts.port or 80) + GRPC_ABOVE}"
    http: dict[str, Any] = {"http2_protocol_options" if grpc else "http_protocol_options": {}}
    most = {
        "max_connections": settings.peer_connections,
        "max_pending_requests": settings.peer_connections,
        "max_requests": settings.max_in_flight,
        "max_retries": 0,
    }
    return _endpoint(f"{key}_grpc" if grpc else key, url) | {
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **most}]},
        "outlier_detection": _outliers(),
        # With one address there is no other to turn to: a process that was put aside is refused.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                common_http_protocol_options={"idle_timeout": _seconds(_IDLE_S)},
                explicit_http_config=http,
            )
        },
    }


def _outliers() -> dict[str, Any]:
    """Only what happened on the way counts: a 503 of a service is an answer."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 5,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": "0.5s",
        "base_ejection_time": "1s",
        "max_ejection_time": "5s",
        "max_ejection_percent": 100,
    }


def _endpoint(name: str, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    address = _address(parts.hostname or "", parts.port or 80)
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "ALL",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _seconds(value: float) -> str:
    return f"{value:g}s"
