"""Links from a page to the same thing in Jaeger and in Grafana, where these have an address."""

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from frontend.settings import DashboardSettings
from observatory.sources.stack.loki import logql
from observatory.store.logs import LogQuery

# Which services Jaeger's own search begins with when the list was about all of them.
_FIRST_SERVICE = "order-service"


class ExternalLink(Struct, frozen=True):
    """A link out of the dashboard; `title` says what is there."""

    label: str
    url: str
    title: str


class Links:
    """What is not configured has no link. Addresses are those of the visitor's browser, which need
    not be the ones that the dashboard asks."""

    def __init__(self, settings: DashboardSettings) -> None:
        self._grafana = settings.grafana_link.rstrip("/")
        self._jaeger = settings.jaeger_link.rstrip("/")

    def overview(self) -> tuple[ExternalLink, ...]:
        """The shop on Grafana's stage."""
        url = f"{self._grafana}/d/valerix-stage" if self._grafana else ""
        return _configured(ExternalLink("Grafana", url, "The shop on Grafana's stage"))

    def traces(self, service: str) -> tuple[ExternalLink, ...]:
        """Jaeger's own search."""
        name = quote(service or _FIRST_SERVICE, safe="")
        url = f"{self._jaeger}/search?service={name}" if self._jaeger else ""
        return _configured(ExternalLink("Jaeger", url, "Search all traces in Jaeger"))

    def trace(self, trace_id: str) -> tuple[ExternalLink, ...]:
        """The trace in Jaeger, and in Grafana beside its logs and metrics."""
        jaeger = f"{self._jaeger}/trace/{trace_id}" if self._jaeger else ""
        grafana = self._explore("jaeger", {"query": trace_id})
        return _configured(
            ExternalLink("Jaeger", jaeger, "This trace in Jaeger"),
            ExternalLink("Grafana", grafana, "This trace in Grafana"),
        )

    def logs(self, query: LogQuery) -> tuple[ExternalLink, ...]:
        """The same lines in Grafana."""
        url = self._explore("loki", {"expr": logql(query)})
        return _configured(ExternalLink("Grafana", url, "These lines in Grafana"))

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


def _configured(*links: ExternalLink) -> tuple[ExternalLink, ...]:
    return tuple(link for link in links if link.url)
