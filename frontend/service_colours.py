"""`python -m frontend.service_colours` writes static/services.css: how each service looks, and
where it stands on the map.

A style sheet cannot read the topology; this is all of it that names a service."""

from frontend.overview.map_layout import lay_out
from frontend.web.templating import STATIC
from topology import LIT, SERVICES, Process

FILE = STATIC / "services.css"


def render() -> str:
    """The sheet: the size of the map, how many lights there are, and each service's colour wherever
    it is shown by colour."""
    layout = lay_out()
    colours = [
        f"  --{each.key}: light-dark({each.colour[0]}, {each.colour[1]});" for each in SERVICES
    ]
    lines = [
        "/* Rendered by `python -m frontend.service_colours` from topology/. */",
        ":root {",
        f"  --lights: {len(LIT)};",
        f"  --map-columns: {layout.columns};",
        f"  --map-rows: {layout.height};",
        *colours,
        "}",
        *(line for each in SERVICES for line in _rules(each)),
    ]
    return "\n".join(lines) + "\n"


def _rules(service: Process) -> list[str]:
    key, spot = service.key, lay_out().spots[service.key]
    chosen = f':is([data-light-one="{key}"], [data-light-two="{key}"])'
    coloured = (
        f":is(.key, .about, .values, .spark, .chart) .of-{key}, .key.of-{key}, .spark.of-{key}"
    )
    return [
        f".of-{key}, .hue-{key} {{ --hue: var(--{key}); }}",
        f"{coloured} {{ color: var(--{key}); }}",
        f".dot.of-{key}::before {{ border-color: var(--{key}); }}",
        f"#node-{key} {{ grid-area: {spot.row + 1} / {spot.column + 1} / span 2; }}",
        f":root{chosen} #light-{key} {{ display: flex; }}",
    ]


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
