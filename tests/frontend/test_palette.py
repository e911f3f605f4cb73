"""Every colour can be read on every ground it stands on, in both schemes: WCAG 2, 4.5 to 1."""

import re

import pytest

import topology
from frontend.web.templating import STATIC

PALETTE = "".join((STATIC / sheet).read_text() for sheet in ("palette.css", "services.css"))
PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", PALETTE
    )
}
GROUNDS = ["ground", "surface", "raised", "good-tint", "failed-tint", "gremlin-tint"]
INKS = ["ink", "quiet", "good", "degraded", "failed", "none", "gremlin"]
SERVICES = [process.key for process in topology.SERVICES]
SHEETS = [
    "app.css",
    "map.css",
    "panels.css",
    "charts.css",
    "traces.css",
    "presentation.css",
    "acts.css",
]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ink", INKS + SERVICES)
@pytest.mark.parametrize("ground", GROUNDS)
def test_it_can_be_read(ink, ground, scheme):
    assert contrast(PAIRS[ink][scheme], PAIRS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), [("on-gremlin", "gremlin"), ("on-ink", "ink")])
def test_text_on_a_filled_button_can_be_read(ink, ground, scheme):
    assert contrast(PAIRS[ink][scheme], PAIRS[ground][scheme]) >= 4.5


def test_the_computation_knows_black_on_white():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("sheet", SHEETS)
def test_colours_come_from_the_palette_only(sheet):
    used = re.findall(r":[^;{]*(#[0-9a-fA-F]{3,8})\b", (STATIC / sheet).read_text())
    # A shadow under what floats, and white paper.
    assert set(used) <= {"#0004", "#fff"}


def test_there_are_five_sizes_of_type():
    sizes = re.findall(r"--size-\d: ([\d.]+)rem", PALETTE)
    assert len(sizes) == 5
    for sheet in SHEETS:
        for size in re.findall(r"font-size: ([^;]+);", (STATIC / sheet).read_text()):
            assert size.startswith("var(--size-"), f"{sheet}: font-size {size}"
