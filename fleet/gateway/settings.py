"""What the gateway runs with."""

from typing import Annotated

from msgspec import Meta

from chassis.settings import Count, Port, Seconds, Settings, why
from topology import PROCESSES, find

_PORTS = dict(find("gateway").listens)


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """Beside these it has the bounds of requests that every process has (`head_limit_bytes`,
    `body_limit_bytes`, …): what a service refuses is refused at the gateway already."""

    gateway_http_port: Annotated[
        Port, why("Where customers come to over HTTP; `VALERIX_GATEWAY_PORT` is the agent's.")
    ] = _PORTS["http"]
    gateway_grpc_port: Annotated[
        Port, why("Where customers come to over gRPC, once a process serves any.")
    ] = _PORTS["grpc"]
    envoy: Annotated[
        str, why("The Envoy to run; empty: the one that was installed as a wheel, or that on PATH.")
    ] = ""
    envoy_threads: Annotated[
        Annotated[int, Meta(ge=1, le=64)],
        why("Two carry far more than the shop does; each costs memory."),
    ] = 2
    rate_per_s: Annotated[
        Count,
        why(
            "Requests a second at one door, of all customers together. Past it is 429; the "
            "services' own ports on loopback, where load is measured, know no such bound."
        ),
    ] = 200
    rate_burst: Annotated[
        Count, why("Twice a second's worth, for a page of customers who come at once.")
    ] = 400
    login_rate_per_s: Annotated[
        Count, why("Passwords cost the identity service 280 ms of a core each, on purpose.")
    ] = 5
    login_burst: Annotated[Count, why("A class of twenty logs in at once.")] = 20
    answer_within_s: Annotated[
        Seconds,
        why("A service's own budget is 5 s; whoever is silent for longer gives no answer at all."),
    ] = 7.0

    def further_ports(self) -> dict[str, int]:
        """Envoy's: that for gRPC only where there is somebody to answer it."""
        ports = {"GATEWAY_HTTP_PORT": self.gateway_http_port}
        if any(process.speaks_grpc for process in PROCESSES):
            ports["GATEWAY_GRPC_PORT"] = self.gateway_grpc_port
        return ports
