"""What customers may ask for, as Envoy's routes: the topology's doors, the dashboard, no more."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from chassis.identity.keys import PATH
from chassis.rpc.method import methods_of
from fleet.gateway.protos import named, typed
from fleet.gateway.settings import GatewaySettings
from topology import PROCESSES, SERVICES, Door, Process

_FRONT = next(each for each in PROCESSES if each.schema is None)
_BEHIND = tuple(each for each in SERVICES if each.doors)
_IDENTITY = next(each for each in SERVICES if each.publishes_keys)
_GATEWAY = next(each for each in SERVICES if each.listens)
GRPC = tuple(each for each in SERVICES if each.speaks_grpc)
UPSTREAMS = tuple(each.key for each in (*_BEHIND, _FRONT))
# What the dashboard shows to the shop alone: telemetry is received there, and watched.
_INTERNAL = r"/(metrics|health|shop|schema|v1)(/.*)?"
_GREMLIN_STATUS = 503
_FAULT, _LIMIT, _BUFFER = (
    f"envoy.filters.http.{name}" for name in ("fault", "local_ratelimit", "buffer")
)
_JWT, _RBAC = "envoy.filters.http.jwt_authn", "envoy.filters.http.rbac"


def every() -> Iterator[tuple[Process, Door]]:
    """All doors, with whose they are."""
    return ((process, door) for process in _BEHIND for door in process.doors)


def path_of(process: Process, door: Door) -> str:
    """Its path as customers write it."""
    return process.prefix + door.path


def label(process: Process, door: Door) -> str:
    """What it is called in metrics, logs, traces, and as a route of gremlins."""
    return f"{door.method} {path_of(process, door)}"


def runtime_key(name: str, what: str) -> str:
    """Where Envoy looks for a gremlin's `what` at the door of this label."""
    return f"gremlin.{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}.{what}"


def filters(settings: GatewaySettings) -> list[dict[str, Any]]:
    """Through what a request goes, in this order; routes say what is on."""
    limit = typed(f"{_HTTP}.local_ratelimit.v3.LocalRateLimit", stat_prefix="limit")
    buffer = typed(f"{_HTTP}.buffer.v3.Buffer", max_request_bytes=settings.body_limit_bytes)
    router = typed(f"{_HTTP}.router.v3.Router", suppress_envoy_headers=True)
    return [
        named(_LIMIT, limit),
        named(_FAULT, typed(f"{_HTTP}.fault.v3.HTTPFault")),
        named(_BUFFER, buffer),
        named(_JWT, _tokens(settings)),
        named(_RBAC, typed(f"{_HTTP}.rbac.v3.RBAC")),
        named("envoy.filters.http.router", router),
    ]


_HTTP = "extensions.filters.http"


def routes(settings: GatewaySettings) -> list[dict[str, Any]]:
    """Of the HTTP port. A browser that opens a page is the dashboard's, whatever the page is
    called; what is neither a door nor the dashboard's is not there."""
    page = {"name": "accept", "string_match": {"contains": "text/html"}}
    front = {
        "decorator": _span("page"),
        "route": {"cluster": _FRONT.key, "timeout": "0s", "idle_timeout": "0s"},
    }
    return [
        # gRPC has a port of its own.
        {"name": "no door", "match": {"prefix": "/", "grpc": {}}, **_NOTHING},
        {"name": "no door", "match": {"connect_matcher": {}}, **_NOTHING},
        {"name": "internal", "match": {"safe_regex": {"regex": _INTERNAL}}, **_NOTHING},
        {"name": "page", "match": {"prefix": "/", "headers": [_method("GET"), page]}, **front},
        *(_route(settings, process, door) for process, door in every()),
        # The rest of what begins like a door is not the dashboard's.
        *(
            {"name": "no door", "match": {"path_separated_prefix": first}, **_NOTHING}
            for first in dict.fromkeys(f"/{path_of(*each).split('/')[1]}" for each in every())
        ),
        {"name": "page", "match": {"prefix": "/"}, **front},
    ]


def grpc_routes(settings: GatewaySettings) -> list[dict[str, Any]]:
    """Of the gRPC port: the methods whose HTTP request has a door, and no other."""
    methods = [
        {
            "name": name,
            "match": {"path": f"/{name}", "grpc": {}},
            "decorator": _span(name),
            "route": {
                "cluster": f"{process.key}_grpc",
                "timeout": _answer_within(settings),
                # The caller's grpc-timeout counts where it is shorter, and goes on.
                "max_stream_duration": {"grpc_timeout_header_max": _answer_within(settings)},
            },
            "typed_per_filter_config": {
                **_limited(settings, strict=False),
                **_guarded(settings, process, door),
            },
        }
        for process in GRPC
        for name, door in _methods(process)
    ]
    return [*methods, {"name": "no door", "match": {"prefix": "/"}, **_NOTHING}]


def _methods(process: Process) -> Iterator[tuple[str, Door]]:
    """What its proto has for customers: `package.Service/Method`, and the door of its request."""
    found = {(each.method, each.path): each for each in process.doors}
    protos = import_module(f"valerix.{process.key}.v1.{process.key}_service_pb2")
    for service in protos.DESCRIPTOR.services_by_name.values():
        for method in methods_of(service):
            if door := found.get((method.verb, method.template)):
                yield method.name, door


def _route(settings: GatewaySettings, process: Process, door: Door) -> dict[str, Any]:
    name = label(process, door)
    made: dict[str, Any] = {
        "name": name,
        "match": {**_path(path_of(process, door)), "headers": [_method(door.method)]},
        "decorator": _span(name),
        "route": {"cluster": process.key, "timeout": _answer_within(settings)},
        "request_headers_to_add": [
            {
                "header": {
                    "key": "X-Timeout-Ms",
                    "value": f"{settings.request_budget_s * 1000:.0f}",
                },
                # A customer who has less time says so.
                "append_action": "ADD_IF_ABSENT",
            }
        ],
        "typed_per_filter_config": {
            **_limited(settings, strict=process is _IDENTITY),
            _FAULT: _fault(name),
            **_guarded(settings, process, door),
        },
    }
    if process.prefix:
        made["route"]["regex_rewrite"] = {
            "pattern": {"regex": f"^{re.escape(process.prefix)}"},
            "substitution": "",
        }
    return made


def _span(name: str) -> dict[str, Any]:
    """What the span of a route is called, here and nowhere else."""
    return {"operation": name, "propagate": False}


def _path(path: str) -> dict[str, Any]:
    if "{" not in path:
        return {"path": path}
    template = typed(
        "extensions.path.match.uri_template.v3.UriTemplateMatchConfig", path_template=path
    )
    return {
        "path_match_policy": named("envoy.path.match.uri_template.uri_template_matcher", template)
    }


def _method(method: str) -> dict[str, Any]:
    # What answers GET answers HEAD.
    both = {"safe_regex": {"regex": "GET|HEAD"}} if method == "GET" else {"exact": method}
    return {"name": ":method", "string_match": both}


# At once: whoever asks for a stream would else wait for the end of what they send.
_NOTHING = {
    "decorator": _span("no door"),
    "direct_response": {"status": 404},
    "typed_per_filter_config": {
        _BUFFER: typed(f"{_HTTP}.buffer.v3.BufferPerRoute", disabled=True),
    },
}


def _answer_within(settings: GatewaySettings) -> str:
    return f"{settings.answer_within_s:g}s"


def _limited(settings: GatewaySettings, *, strict: bool) -> dict[str, Any]:
    """A bucket of its own, `strict` where each request costs a lot."""
    per_s = settings.login_rate_per_s if strict else settings.rate_per_s
    most = settings.login_burst if strict else settings.rate_burst
    every_request = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    bucket = {"max_tokens": most, "tokens_per_fill": per_s, "fill_interval": "1s"}
    limit = typed(
        f"{_HTTP}.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="limit",
        token_bucket=bucket,
        filter_enabled=every_request,
        filter_enforced=every_request,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
    )
    return {_LIMIT: limit}


def _fault(name: str) -> dict[str, Any]:
    """Nothing, until a gremlin writes its share and its strength into Envoy's runtime."""
    never = {"numerator": 0, "denominator": "TEN_THOUSAND"}
    return typed(
        f"{_HTTP}.fault.v3.HTTPFault",
        delay={"fixed_delay": "1s", "percentage": never},
        abort={"http_status": _GREMLIN_STATUS, "percentage": never},
        delay_percent_runtime=runtime_key(name, "delay_share"),
        delay_duration_runtime=runtime_key(name, "delay_ms"),
        abort_percent_runtime=runtime_key(name, "abort_share"),
        abort_http_status_runtime=runtime_key(name, "abort_status"),
    )


def _tokens(settings: GatewaySettings) -> dict[str, Any]:
    """Whose tokens are believed. What is wrong with one is never repaired here: 401."""
    jwks = f"{settings.urls[_IDENTITY.key]}{PATH}"
    provider = {
        "issuer": settings.identity_issuer,
        "audiences": [_GATEWAY.name],
        "require_expiration": True,
        "clock_skew_seconds": 1,
        # The services look at it once more, and know whose order it is.
        "forward": True,
        # A scheme may be written in any letters (RFC 9110, section 11.1); clients write these two.
        "from_headers": [
            {"name": "Authorization", "value_prefix": each} for each in ("Bearer ", "bearer ")
        ],
        "payload_in_metadata": _TOKEN,
        "remote_jwks": {
            "http_uri": {"uri": jwks, "cluster": _IDENTITY.key, "timeout": "2s"},
            "cache_duration": f"{settings.identity_keys_every_s:g}s",
            # Asked before anybody waits for it, and again a second after a failure.
            "async_fetch": {},
        },
    }
    shop = {"provider_name": "shop"}
    return typed(
        f"{_HTTP}.jwt_authn.v3.JwtAuthentication",
        providers={"shop": provider},
        requirement_map={
            "open": {"requires_any": {"requirements": [shop, {"allow_missing": {}}]}},
            "demanded": shop,
        },
    )


_TOKEN = "token"  # noqa: S105 - where Envoy keeps what a token says


def _guarded(settings: GatewaySettings, process: Process, door: Door) -> dict[str, Any]:
    """On loopback who shows no token is anonymous. Who logs in has none yet, and a provider's
    webhook is signed."""
    if door.is_signed or process is _IDENTITY:
        return {}
    which = "demanded" if settings.is_exposed and not door.takes_key else "open"
    name = f"{_HTTP}.jwt_authn.v3.PerRouteConfig"
    found = {_JWT: typed(name, requirement_name=which)}
    if door.for_operator:
        rules = {"action": "DENY", "policies": {"another role": _ANOTHER_ROLE}}
        found[_RBAC] = typed(f"{_HTTP}.rbac.v3.RBACPerRoute", rbac={"rules": rules})
    return found


def _claim(name: str, **value: Any) -> dict[str, Any]:
    matcher = {"filter": _JWT, "path": [{"key": _TOKEN}, {"key": name}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}


_IS_OPERATOR = _claim(
    # An administrator is one as well.
    "roles",
    list_match={"one_of": {"string_match": {"safe_regex": {"regex": "operator|admin"}}}},
)
_ANOTHER_ROLE = {
    "permissions": [{"any": True}],
    "principals": [
        {"and_ids": {"ids": [_claim("iss", present_match=True), {"not_id": _IS_OPERATOR}]}}
    ],
}
