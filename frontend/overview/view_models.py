"""What the templates of the overview are given."""

from datetime import datetime

from msgspec import Struct

from frontend.query_results import Figures
from frontend.web.labels import State
from observatory.sla import FAILING_SHARE, LIMIT_S, PENDING_SHARE, WINDOW_S
from observatory.sources.down import Down
from proof.invariant import Invariant


class Dot(Struct, frozen=True):
    """One light in the header; `name` is the fleet's name of it."""

    name: str
    label: str
    state: State
    word: str


class ServiceDot(Struct, frozen=True):
    """A service and what it depends on."""

    key: str
    dot: Dot
    dependencies: tuple[Dot, ...] = ()


class Trouble(Struct, frozen=True):
    """Processes that are in the same trouble; `name` names two, and counts more."""

    state: State
    word: str
    name: str
    title: str


class HealthDots(Struct, frozen=True):
    """The health of every process, in the header: `well` of them are healthy."""

    services: tuple[ServiceDot, ...]
    well: int = 0
    troubles: tuple[Trouble, ...] = ()


class Light(Struct, frozen=True):
    """One traffic light; `mark` is its shape; `kind` and `since` (epoch seconds) are
    the list of traces behind it. `figure` is None without traffic; `down` without a
    source; `pending` requests were accepted but are not decided."""

    key: str
    name: str
    state: State
    word: str
    figure: str | None = None
    unit: str = ""
    rate: str = ""
    errors: int = 0
    bitten_by: tuple[str, ...] = ()
    down: Down | None = None
    pending: int = 0
    mark: str = "none"
    kind: str = "slowest"
    since: int = 0


class LightsView(Struct, frozen=True):
    """The traffic lights; the numbers are those of the rule they follow."""

    lights: tuple[Light, ...]
    window_s: int = int(WINDOW_S)
    limit_s: float = LIMIT_S
    failing_share: float = FAILING_SHARE
    pending_share: float = PENDING_SHARE


class MapCall(Struct, frozen=True):
    """What a process asks of another, for who cannot see the line: "3.1/s, p99 24 ms"."""

    name: str
    figures: str


class MapNode(Struct, frozen=True):
    """A process on the map. `mark` is the shape of its light, `figures` what it has to do, and
    `breaker` how its breakers stand, where it has any; `remaining_s` has the last fault to end."""

    key: str
    label: str
    state: State
    mark: str
    word: str
    figures: tuple[str, ...] = ()
    failing: str = ""
    breaker: str = ""
    is_open: bool = False
    bitten_by: tuple[str, ...] = ()
    remaining_s: int = 0
    calls: tuple[MapCall, ...] = ()
    is_background: bool = False


class MapEdge(Struct, frozen=True):
    """A line on the map: `width` in pixels, and of that `red` for calls that failed; `above` and
    `below` are written at `x` and `y`, which are shares of the map's size ("12.5%")."""

    key: str
    kind: str
    path: str
    title: str
    x: str
    y: str
    above: str = ""
    below: str = ""
    width: str = "1.5"
    red: str = ""
    is_bitten: bool = False


class MapView(Struct, frozen=True):
    """The processes and who calls whom; `box` is the size of the lines' coordinates. `note` says
    why nothing is written at the lines, where nothing is."""

    nodes: tuple[MapNode, ...]
    edges: tuple[MapEdge, ...]
    box: str
    database: Dot
    note: str = ""


class FiguresView(Struct, frozen=True):
    """The headline figures; `as_of` is when they were read if nothing newer can be."""

    figures: Figures
    as_of: datetime | None = None


class FindingView(Struct, frozen=True):
    """One promise and how it stands; `rows` are the first few that break it."""

    invariant: Invariant
    state: State
    word: str
    violations: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class ProofView(Struct, frozen=True):
    """All promises, with one headline over so many `orders`; `reach` says which were looked at."""

    state: State
    headline: str
    detail: str
    findings: tuple[FindingView, ...]
    checked_at: datetime
    orders: int = 0
    reach: str = ""
