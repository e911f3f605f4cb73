// Keys along the waterfall.
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
