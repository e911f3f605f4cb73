"""Whether a page can be read on a width: nothing is pushed out of sight, no words overlap."""

from collections.abc import Iterable

from playwright.async_api import Page

WIDTHS = (1440, 1280, 768, 390)

# A chart takes its new size before it is drawn next.
_SOON_MS = 50

# Two words, or a word and a mark, that stand over each other; of each what can be seen of it.
_OVERPRINTED = """() => {
  const boxes = [], found = new Set();
  const add = (node, rect, text) => {
    const height = rect.bottom - rect.top;
    const box = { node, text, left: rect.left, right: rect.right,
                  top: rect.top + height / 5, bottom: rect.bottom - height / 5 };
    for (let each = node; each && each !== document.body; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.position === "fixed") return;
      if (style.overflow === "visible") continue;
      const edge = each.getBoundingClientRect();
      box.left = Math.max(box.left, edge.left);
      box.right = Math.min(box.right, edge.right);
      box.top = Math.max(box.top, edge.top);
      box.bottom = Math.min(box.bottom, edge.bottom);
    }
    if (box.right - box.left > 1 && box.bottom - box.top > 1) boxes.push(box);
  };
  const hidden = ".unseen, .skip, script, title, option";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest(hidden)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const rect of range.getClientRects()) add(node, rect, text.data.trim().slice(0, 30));
  }
  for (const mark of document.querySelectorAll("svg.mark")) {
    if (mark.checkVisibility()) add(mark, mark.getBoundingClientRect(), "a mark");
  }
  boxes.sort((a, b) => a.top - b.top);
  boxes.forEach((a, at) => {
    for (const b of boxes.slice(at + 1)) {
      if (b.top > a.bottom - 2) break;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      if (wide > 2 && a.node !== b.node) found.add(`${a.text} and ${b.text}`);
    }
  });
  return [...found];
}"""


async def crowded(page: Page, place: str, widths: Iterable[int] = WIDTHS) -> list[str]:
    """What does not fit on these widths, and what lies over each other there."""
    found = []
    for width in widths:
        await page.set_viewport_size({"width": width, "height": 844})
        await page.wait_for_timeout(_SOON_MS)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{place} is {wide} wide on {width}")
        over = await page.evaluate(_OVERPRINTED)
        found += [f"{place}, {width}: over each other: {each}" for each in over]
    return found
