"""The shop's colours, read from the dashboard's own style sheet: one meaning each, everywhere."""

import re
from pathlib import Path

_SHEET = Path(__file__).parent.parent / "frontend" / "web" / "static" / "palette.css"
# Grafana keeps one colour for both of its themes; a stage is dark.
_DARK = dict(
    re.findall(
        r"--([\w-]+): light-dark\(#[0-9a-f]{6}, (#[0-9a-f]{6})\)",
        _SHEET.read_text(encoding="utf-8"),
    )
)

GOOD, DEGRADED, FAILED = _DARK["good"], _DARK["degraded"], _DARK["failed"]
# No data, and an expected no: sold out, declined, cancelled.
NONE, REFUSED = _DARK["none"], _DARK["quiet"]
# Nothing but what a gremlin did.
GREMLIN = _DARK["gremlin"]
INK = _DARK["ink"]
SERVICES = {
    "order-service": _DARK["order"],
    "inventory-service": _DARK["inventory"],
    "payment-service": _DARK["payment"],
    "dashboard": INK,
}
COLOURS = frozenset(_DARK.values())
