// What acts need beyond forms: a clicker's keys press Next, and running times run.
"use strict";

// --- Next from the keyboard: n, and what a presenter's clicker sends ------------------------------
document.addEventListener("keydown", (event) => {
  if (!["n", "PageDown", "ArrowRight"].includes(event.key) || event.repeat) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, .scrolls, pre, .charts")) return;
  const next = document.querySelector("[data-next]:not(:disabled)");
  if (!next) return;
  event.preventDefault();
  next.click();
});

// --- times that run: the server says how long it has been, the page counts between its answers -----
const begun = new WeakMap();
const countUp = () => {
  for (const each of document.querySelectorAll("[data-elapsed]")) {
    const known = begun.get(each);
    if (!known || known.value !== each.dataset.elapsed) {
      begun.set(each, { value: each.dataset.elapsed, at: performance.now() - 1000 * each.dataset.elapsed });
    }
    const seconds = Math.floor((performance.now() - begun.get(each).at) / 1000);
    const text = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    if (each.textContent !== text) each.textContent = text;
  }
};
document.addEventListener("htmx:after:swap", countUp);
setInterval(countUp, 250);
countUp();
