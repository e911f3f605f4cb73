"""What the dashboard runs with: where it reads telemetry, and where a browser finds more."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from chassis.settings import Address, BadSetting, Count, Port, Seconds, why
from scenarios.settings import ScenarioSettings


class DashboardSettings(ScenarioSettings, frozen=True, kw_only=True):
    """The dashboard plays acts and shows the proof, so it has their settings too."""

    act_patience_s: Annotated[
        Seconds, why("A hidden tab asks once a minute; past this a presenter is gone: calm.")
    ] = 90.0
    notice: Annotated[
        str, why("A line on red ground on every page; an unsafe twin says there what it is.")
    ] = ""
    prometheus_url: Annotated[
        Address, why("The dashboard reads metrics there; empty: it scrapes the services itself.")
    ] = ""
    otlp_grpc_port: Annotated[
        Port,
        why(
            "Where the dashboard receives OTLP over gRPC, 4317 by custom; 0: only over HTTP, which "
            "costs 22 MB less."
        ),
    ] = 0
    jaeger_url: Annotated[
        Address,
        why("The dashboard reads traces there (with Loki); empty: services send to it."),
    ] = ""
    loki_url: Annotated[
        Address,
        why("The dashboard reads logs there; comes with Jaeger, as a trace shows its lines."),
    ] = ""
    telemetry_dir: Annotated[
        str,
        why(
            "A folder for the traces, logs and lights the dashboard keeps itself, up to 72 MiB; "
            "`valerix up` sets it. Empty: they are in memory alone, and end with the process."
        ),
    ] = ""
    report_every_h: Annotated[
        Annotated[int, Meta(ge=0, le=744)],
        why("A report on every day that is over (UTC), written soon after its end; 0: none."),
    ] = 24
    report_keep: Annotated[Count, why("A month of daily reports, of some 5 KB each.")] = 31
    traffic_most_per_s: Annotated[
        Annotated[float, Meta(ge=1, le=50)],
        why(
            "Steady traffic comes from the dashboard's own process, which is to show the shop: the "
            "most visits a second. More is for a load profile."
        ),
    ] = 20.0
    traffic_most_min: Annotated[
        Annotated[int, Meta(ge=1, le=1440)],
        why("Steady traffic ends by itself: a forgotten one must not fill the database overnight."),
    ] = 480
    traffic_entrance: Annotated[
        Address,
        why(
            "Where steady traffic orders, as customers do: the gateway, with a token; empty: the "
            "order service's own port. `valerix up` sets it where there is an Envoy."
        ),
    ] = ""
    load_reports: Annotated[
        str, why("Where load runs leave their reports, to be listed; `valerix up` sets this.")
    ] = ""
    load_longest_s: Annotated[
        Seconds,
        why("The longest load profile that a page may start: a forgotten one ends by then."),
    ] = 1800.0
    grafana_link: Annotated[
        Address, why("Where a visitor's browser finds Grafana; empty: pages do not link to it.")
    ] = ""
    jaeger_link: Annotated[
        Address, why("Where a visitor's browser finds Jaeger; empty: pages do not link to it.")
    ] = ""

    def further_ports(self) -> dict[str, int]:
        """That of OTLP over gRPC, if it is received."""
        return {"OTLP_GRPC_PORT": self.otlp_grpc_port} if self.otlp_grpc_port else {}

    def folder(self, name: str) -> Path | None:
        """The folder for one kind of telemetry; None where none is kept on disk."""
        return Path(self.telemetry_dir) / name if self.telemetry_dir else None

    def demand_consistent(self) -> None:
        """Raise `BadSetting` for a source that is only half given."""
        if bool(self.jaeger_url) != bool(self.loki_url):
            raise BadSetting(
                "VALERIX_JAEGER_URL and VALERIX_LOKI_URL come together: a trace shows its log lines"
            )
