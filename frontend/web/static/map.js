// The map by keyboard, and its drawer: one process at a time, beside the map or over a small page.
"use strict";

(() => {
  const html = document.documentElement;
  const drawer = document.getElementById("drawer");

  // --- from one process to the next: the nearest in that direction ---------------------------------
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const middle = (node) => {
    const box = node.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const nearest = (from, [dx, dy]) => {
    const [x, y] = middle(from);
    let best = null, least = Infinity;
    for (const node of document.querySelectorAll("[data-node]")) {
      const [there, below] = middle(node);
      const along = (there - x) * dx + (below - y) * dy;
      const across = Math.abs((there - x) * dy) + Math.abs((below - y) * dx);
      if (node !== from && along > 4 && along + 2 * across < least) { best = node; least = along + 2 * across; }
    }
    return best;
  };
  // Before an act takes an arrow for its next step.
  document.addEventListener("keydown", (event) => {
    const node = event.target.closest?.("[data-node]");
    if (!node || !STEPS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    nearest(node, STEPS[event.key])?.focus();
  }, true);

  // --- the drawer ------------------------------------------------------------------------------------
  let opener = "";
  const close = () => {
    if (!drawer || drawer.hidden) return false;
    drawer.hidden = true;
    // What is not seen asks nothing.
    drawer.replaceChildren();
    document.querySelector(`[data-node="${opener}"]`)?.focus();
    return true;
  };
  const showChoice = () => {
    for (const line of document.querySelectorAll(".light-choice")) line.hidden = false;
    for (const button of document.querySelectorAll("[data-light]")) {
      const chosen = html.getAttribute("data-light-" + button.dataset.light) === button.dataset.key;
      button.setAttribute("aria-pressed", String(chosen));
    }
  };
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail?.ctx?.target !== drawer && event.target !== drawer) return;
    const shown = drawer.querySelector("[data-process]");
    if (!shown || (opener === shown.dataset.process && !drawer.hidden)) return;
    opener = shown.dataset.process;
    drawer.hidden = false;
    drawer.scrollTop = 0;
    showChoice();
    drawer.querySelector("h2").focus({ preventScroll: false });
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.do === "close-drawer") close();
    if (button?.dataset.light) {
      const name = "light-" + button.dataset.light;
      html.setAttribute("data-" + name, button.dataset.key);
      try { localStorage.setItem("valerix-" + name, button.dataset.key); } catch { /* for this page */ }
      showChoice();
    }
  });

  // --- the list of keys, and what Escape closes ---------------------------------------------------------
  const keys = document.getElementById("keys");
  const toggleKeys = () => (keys.open ? keys.close() : keys.showModal());
  document.addEventListener("click", ({ target }) => {
    if (target.closest("button")?.dataset.do === "keys") toggleKeys();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches('input:not([type="radio"]):not([type="range"]), select, textarea');
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "?" && !typing) toggleKeys();
    else if (event.key !== "Escape" || keys.open || !close()) return;
    event.preventDefault();
  }, true);
  showChoice();
})();
