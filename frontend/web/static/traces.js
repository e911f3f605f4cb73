// Keys along the waterfall, and a tail that holds still while somebody reads it.
"use strict";

// --- up and down from span to span ---------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  const here = event.target.closest?.(".spans summary");
  if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = [...document.querySelectorAll(".spans .span > details > summary")];
  const at = all.indexOf(here);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, to))].focus();
});

// --- the tail pauses when the visitor scrolls, focuses, selects or says so -------------------------
const tailState = document.querySelector("[data-tail]");
let held = false;
const isReading = () => {
  const panel = document.getElementById("panel-logs");
  if (!panel) return false;
  const selection = getSelection();
  return held || panel.getBoundingClientRect().top < 0 || panel.contains(document.activeElement)
    || panel.querySelector("details[open]") !== null
    || (selection && !selection.isCollapsed && panel.contains(selection.anchorNode));
};
const showTail = () => {
  const reading = isReading();
  tailState.querySelector("[data-tail-live]").hidden = reading;
  tailState.querySelector("[data-tail-paused]").hidden = !reading;
  const button = tailState.querySelector("button");
  button.setAttribute("aria-pressed", String(held));
  button.textContent = reading ? "Go on" : "Pause";
};
const goOn = () => {
  held = false;
  getSelection()?.removeAllRanges();
  for (const open of document.querySelectorAll("#panel-logs details[open]")) open.open = false;
  scrollTo({ top: 0 });
  document.body.dispatchEvent(new Event("nudge-logs"));
};
if (tailState) {
  tailState.hidden = false;
  tailState.querySelector("button").addEventListener("click", () => {
    if (isReading()) goOn(); else held = true;
    showTail();
  });
  document.addEventListener("htmx:before:request", (event) => {
    if (event.target.id === "panel-logs" && isReading()) event.preventDefault();
  });
  for (const what of ["scroll", "focusin", "focusout", "selectionchange", "toggle"]) {
    document.addEventListener(what, () => setTimeout(showTail), { passive: true, capture: true });
  }
  showTail();
}
