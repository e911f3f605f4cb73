"""Whether words stand out from their ground: 4.5 to 1, whatever their size."""

from collections.abc import Iterable

from playwright.async_api import Page

from tests.frontend.test_palette import contrast

SCHEMES = ("light", "dark")
_ENOUGH = 4.5

# Each ink with the ground it is seen on, and a word of it.
_PAIRS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const hex = (colours, ink = "transparent", opacity = 1) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    pen.globalAlpha = opacity;
    pen.fillStyle = ink;
    pen.fillRect(0, 0, 1, 1);
    pen.globalAlpha = 1;
    const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
    return "#" + [r, g, b].map((part) => part.toString(16).padStart(2, "0")).join("");
  };
  const pairs = new Map(), found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest(".unseen, .skip, script, button:disabled")) continue;
    const grounds = [];
    let opacity = 1;
    for (let each = node; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      grounds.unshift(style.backgroundColor);
      opacity *= style.opacity;
    }
    const { color } = getComputedStyle(node);
    // Hundreds of words share a few colours, and each look at the canvas is slow.
    const key = [...grounds, color, opacity].join();
    if (!pairs.has(key)) pairs.set(key, [hex(grounds, color, opacity), hex(grounds)]);
    const [ink, ground] = pairs.get(key);
    found.set(ink + ground, [ink, ground, walker.currentNode.data.trim().slice(0, 30)]);
  }
  return [...found.values()];
}"""


async def faint(page: Page, place: str, schemes: Iterable[str] = SCHEMES) -> list[str]:
    """The words that are too close to their ground in one of these schemes."""
    found = []
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        pairs = await page.evaluate(_PAIRS)
        assert len(pairs) >= 4, place
        found += [
            f"{place}, {scheme}: {text!r} is {ink} on {ground}"
            for ink, ground, text in pairs
            if contrast(ink, ground) < _ENOUGH
        ]
    return found
