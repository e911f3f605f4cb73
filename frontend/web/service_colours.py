"""`python -m frontend.web.service_colours` writes static/services.css: how each service looks.

A style sheet cannot read the topology; this is all of it that names a service."""

from frontend.web.templating import STATIC
from topology import LIT, SERVICES, Process

FILE = STATIC / "services.css"


def render() -> str:
    """The sheet: how many lights there are, and each service's colour wherever it is shown by
    colour."""
    colours = [
        f"  --{each.key}: light-dark({each.colour[0]}, {each.colour[1]});" for each in SERVICES
    ]
    lines = [
        "/* Rendered by `python -m frontend.web.service_colours` from topology/. */",
        ":root {",
        f"  --lights: {len(LIT)};",
        *colours,
        "}",
        *(line for each in SERVICES for line in _rules(each)),
    ]
    return "\n".join(lines) + "\n"


def _rules(service: Process) -> list[str]:
    key = service.key
    coloured = (
        f":is(.key, .about, .values, .spark, .chart) .of-{key}, .key.of-{key}, .spark.of-{key}"
    )
    return [
        f".of-{key}, .hue-{key} {{ --hue: var(--{key}); }}",
        f"{coloured} {{ color: var(--{key}); }}",
        f'[data-chart="{key}"] .dot::before {{ border-color: var(--{key}); }}',
    ]


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
