// Drag over a chart to look closer: the time between is in the address, and every page takes it.
// A chart says with data-since and data-until (epoch seconds) what its edges are.
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
    const address = new URL(location);
    address.searchParams.set("since", String(Math.floor(first)));
    address.searchParams.set("until", String(Math.max(Math.ceil(last), Math.floor(first) + 1)));
    location.assign(address);
  });
})();
