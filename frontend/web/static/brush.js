// Drag over a chart to look closer: the time between is in the address, and every page takes it.
// A chart says with data-since and data-until (epoch seconds) what its edges are. The page is loaded
// anew, unless one that listens to `brush` on the document shows the time by itself.
"use strict";

(() => {
  const LEAST_PX = 6;
  let drag = null;
  const share = (event) => Math.min(1, Math.max(0, (event.clientX - drag.box.left) / drag.box.width));
  addEventListener("pointerdown", (event) => {
    const chart = event.target.closest?.("[data-brush]");
    if (!chart || event.button !== 0) return;
    event.preventDefault();
    const band = document.body.appendChild(document.createElement("div"));
    band.className = "brushed";
    drag = { chart, band, box: chart.getBoundingClientRect(), from: event.clientX };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [left, right] = [drag.from, drag.box.left + share(event) * drag.box.width].sort((a, b) => a - b);
    Object.assign(drag.band.style, {
      left: left + scrollX + "px", width: right - left + "px",
      top: drag.box.top + scrollY + "px", height: drag.box.height + "px",
    });
  });
  const drop = () => { drag?.band.remove(); drag = null; };
  addEventListener("pointercancel", drop);
  addEventListener("keydown", (event) => { if (event.key === "Escape") drop(); });
  addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { chart, box, from } = drag;
    const ends = [(from - box.left) / box.width, share(event)].sort((a, b) => a - b);
    drop();
    if ((ends[1] - ends[0]) * box.width < LEAST_PX) return;
    const [since, until] = [Number(chart.dataset.since), Number(chart.dataset.until)];
    const [first, last] = ends.map((end) => since + end * (until - since));
    // What was dragged is not clicked as well.
    const swallow = (click) => { click.stopPropagation(); click.preventDefault(); };
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    const detail = { since: Math.floor(first), until: Math.max(Math.ceil(last), Math.floor(first) + 1) };
    if (!document.dispatchEvent(new CustomEvent("brush", { detail, cancelable: true }))) return;
    const address = new URL(location);
    for (const [name, at] of Object.entries(detail)) address.searchParams.set(name, String(at));
    location.assign(address);
  });
})();
