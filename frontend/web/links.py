"""Ways from a page to the same thing in Jaeger and in Grafana, where these have an address."""

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from frontend.settings import DashboardSettings
from frontend.traces.view_models import LogFilter, TraceFilter
from observatory.sources.stack.loki import logql
from observatory.store.logs import LogQuery

# Which services Jaeger's own search begins with when the list was about all of them.
_FIRST_SERVICE = "order-service"


class Way(Struct, frozen=True):
    """A link out of the dashboard; `title` says what is there."""

    label: str
    url: str
    title: str


class Links:
    """What is not configured has no way. Addresses are those of the visitor's browser, which need
    not be the ones that the dashboard asks."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._grafana = settings.grafana_link.rstrip("/")
        self._jaeger = settings.jaeger_link.rstrip("/")

    def overview(self) -> tuple[Way, ...]:
        """Grafana's dashboard for a live demo."""
        url = f"{self._grafana}/d/valerix-live-demo" if self._grafana else ""
        return _ways(Way("Grafana", url, "The live demo dashboard"))

    def traces(self, wanted: TraceFilter) -> tuple[Way, ...]:
        """Jaeger's own search."""
        service = quote(wanted.service or _FIRST_SERVICE, safe="")
        url = f"{self._jaeger}/search?service={service}" if self._jaeger else ""
        return _ways(Way("Jaeger", url, "Search all traces in Jaeger"))

    def trace(self, trace_id: str) -> tuple[Way, ...]:
        """The trace in Jaeger, and in Grafana beside its logs and metrics."""
        jaeger = f"{self._jaeger}/trace/{trace_id}" if self._jaeger else ""
        grafana = self._explore("jaeger", {"query": trace_id})
        return _ways(
            Way("Jaeger", jaeger, "This trace in Jaeger"),
            Way("Grafana", grafana, "This trace in Grafana"),
        )

    def logs(self, wanted: LogFilter) -> tuple[Way, ...]:
        """The same lines in Grafana."""
        asked = logql(LogQuery(wanted.service, wanted.level, wanted.text, wanted.trace))
        url = self._explore("loki", {"expr": asked})
        return _ways(Way("Grafana", url, "These lines in Grafana"))

    def _explore(self, store: str, query: dict[str, Any]) -> str:
        """Grafana's page for one question to one store; its uid is its kind."""
        if not self._grafana:
            return ""
        source = {"type": store, "uid": store}
        pane = {
            "datasource": store,
            "queries": [{"refId": "A", "datasource": source, **query}],
            "range": {"from": "now-1h", "to": "now"},
        }
        panes = quote(msgspec.json.encode({"shop": pane}), safe="")
        return f"{self._grafana}/explore?schemaVersion=1&orgId=1&panes={panes}"


def _ways(*found: Way) -> tuple[Way, ...]:
    return tuple(way for way in found if way.url)
