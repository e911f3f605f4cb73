"""The shop's colours, from the dashboard's style sheet and the topology: one meaning each."""

import re
from pathlib import Path

from topology import PROCESSES

_SHEET = Path(__file__).parent.parent / "frontend" / "web" / "static" / "palette.css"
# Grafana has one colour for both of its themes; a projector shows the dark one.
_DARK = dict(
    re.findall(
        r"--([\w-]+): light-dark\(#[0-9a-f]{6}, (#[0-9a-f]{6})\)",
        _SHEET.read_text(encoding="utf-8"),
    )
)

GOOD, DEGRADED, FAILED = _DARK["good"], _DARK["degraded"], _DARK["failed"]
# No data, and an expected refusal: sold out, declined, cancelled.
NONE, REFUSED = _DARK["none"], _DARK["quiet"]
# Only for the effects of a gremlin.
GREMLIN = _DARK["gremlin"]
INK = _DARK["ink"]
SERVICES = {process.name: process.colour[1] for process in PROCESSES}
COLOURS = frozenset((*_DARK.values(), *SERVICES.values()))
