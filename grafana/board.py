"""The frame of every dashboard: uid, refresh, time range, and gremlins as annotations."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.models import dashboard as models
from msgspec import Struct

from grafana.palette import GREMLIN
from grafana.panels import Panel
from grafana.queries import LOKI, PROMETHEUS

TAG = "valerix"
_STEP = "5s"


class Board(Struct, frozen=True):
    """A dashboard; `name` gives its uid and its file."""

    name: str
    title: str
    about: str
    panels: tuple[Panel, ...]
    since: str = "now-15m"
    variables: tuple[dashboard.QueryVariable, ...] = ()

    @property
    def uid(self) -> str:
        """Fixed, so that links from alerts and pages stay valid."""
        return f"valerix-{self.name.replace('_', '-')}"


def build(board: Board) -> models.Dashboard:
    """The dashboard in Grafana's own types; panels are numbered in reading order."""
    frame = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags([TAG])
        .readonly()
        .refresh("5s")
        .time(board.since, "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(_siblings())
        .annotation(_gremlin_windows())
        .annotation(_gremlin_log())
    )
    for variable in board.variables:
        frame.with_variable(variable)
    for panel in board.panels:
        frame.with_panel(panel)
    whole = frame.build()
    for number, placed in enumerate(_panels(whole), 1):
        placed.id_val = number
    # By default the SDK puts the links into a menu.
    for link in whole.links or []:
        link.placement = None  # type: ignore[assignment]
    return whole


def _panels(whole: models.Dashboard) -> Sequence[models.Panel]:
    return [each for each in whole.panels or [] if isinstance(each, models.Panel)]


def _siblings() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(True)
        .include_vars(True)
    )


def _gremlin_windows() -> dashboard.AnnotationQuery:
    """A violet band while a gremlin is active; a gap longer than `step` splits the band."""
    query = (
        prometheus.Dataquery()
        .datasource(PROMETHEUS)
        .expr("max by (service, gremlin, kind) (valerix_gremlin_active) == 1")
        .interval(_STEP)
        .range()
        .ref_id("Anno")
    )
    return (
        dashboard.AnnotationQuery()
        .name("Gremlins")
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color(GREMLIN)
        .target(query)
        .step(_STEP)
        .title_format("{{kind}} on {{service}}")
        .text_format("{{gremlin}}")
        .tag_keys("kind,service")
    )


def _gremlin_log() -> dashboard.AnnotationQuery:
    """Who started, changed or calmed it: the service's log line."""
    return (
        dashboard.AnnotationQuery()
        .name("Gremlin log")
        .datasource(LOKI)
        .enable(True)
        .icon_color(GREMLIN)
        .expr('{service_name=~".+-service"} |~ "^gremlin (started|changed|calmed)$"')
        .title_format("{{service_name}}")
        .text_format("{{gremlin}}, by {{actor}}")
        .tag_keys("kind")
    )
