"""What the templates are given about one process."""

from msgspec import Struct

from frontend.logs.view_models import LogRow
from frontend.overview.view_models import Dot, MapNode
from frontend.traces.view_models import TraceLine
from observatory.sources.down import Down


class ProcessView(Struct, frozen=True):
    """A process now: as on the map, with what it depends on and who calls it."""

    node: MapNode
    name: str
    dependencies: tuple[Dot, ...] = ()
    callers: tuple[str, ...] = ()


class EvidenceView(Struct, frozen=True):
    """What a process did last: its slowest and its failed traces, and its newest lines of log. Each
    may be missing by itself."""

    key: str
    name: str
    slowest: tuple[TraceLine, ...] | Down
    failed: tuple[TraceLine, ...] | Down
    lines: tuple[LogRow, ...] | Down
