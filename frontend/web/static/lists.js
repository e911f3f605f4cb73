// Lists: filters apply at once, and no list moves while somebody points at it, reads it or paused it.
"use strict";

(() => {
  // --- a filter form: its page is fetched with what is filled in, and the address says so -------------
  const TYPING_MS = 500;
  const MOMENT = 'input[type="datetime-local"]';
  let waiting = 0;
  let asked = "";
  const here = () => location.pathname + location.search;
  let shown = here();
  const address = (form) => {
    const fields = [...new FormData(form)].filter(([, value]) => value.trim() !== "");
    const query = new URLSearchParams(fields).toString();
    return form.getAttribute("action") + (query ? "?" + query : "");
  };
  const apply = (form) => {
    clearTimeout(waiting);
    const wanted = address(form);
    if (wanted === asked || wanted === here()) return;
    asked = wanted;
    const place = { target: ".wide-column", select: ".wide-column", swap: "outerMorph" };
    htmx.ajax("GET", wanted, place).finally(() => { if (asked === wanted) asked = ""; });
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form.filters");
    if (form) apply(form);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form.filters");
    if (!form || event.target.matches(`select, ${MOMENT}`)) return;
    clearTimeout(waiting);
    waiting = setTimeout(apply, TYPING_MS, form);
  });
  // Enter applies what is typed; a form's only button may ask for something else.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("form.filters input")) return;
    event.preventDefault();
    apply(event.target.form);
  });
  // The address is the one that answered: the server writes moments as every reader takes them.
  document.addEventListener("htmx:after:request", (event) => {
    const { request, response } = event.detail?.ctx ?? {};
    if (!asked || request?.action !== asked || !response?.raw?.ok) return;
    history.pushState({}, "", response.raw.url);
    shown = here();
  });
  // A panel whose filter has changed meanwhile asks for something else now.
  document.addEventListener("htmx:before:swap", (event) => {
    if (!event.target.matches?.("[id^='panel-'][hx-get]")) return;
    if (event.detail.ctx.request.action !== event.target.getAttribute("hx-get")) event.preventDefault();
  });
  // The pages that have a time take this one's, as it is when the link is followed.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('nav[aria-label="Pages"] a');
    if (!link || !["/charts", "/traces", "/logs"].includes(link.pathname)) return;
    const given = new URLSearchParams(location.search);
    const time = ["since", "until"].filter((name) => given.has(name)).map((name) => [name, given.get(name)]);
    link.search = new URLSearchParams(time).toString();
  }, { capture: true });
  // Not for a step to another place of the same page, as the skip link's, which is one as well.
  addEventListener("popstate", () => { if (here() !== shown) location.reload(); });

  // --- what somebody reads holds still ------------------------------------------------------------------
  const button = document.querySelector('[data-do="pause"]');
  const pointed = matchMedia("(hover: hover)").matches;
  let paused = false;
  const lists = () => [...document.querySelectorAll("[data-live]")];
  const isRead = (list) => {
    const selection = getSelection();
    return paused || (pointed && list.matches(":hover")) || list.contains(document.activeElement)
      || list.querySelector("details[open]") !== null
      || (selection && !selection.isCollapsed && list.contains(selection.anchorNode));
  };
  const show = () => {
    for (const list of lists()) {
      const held = isRead(list);
      list.dataset.held = paused ? "Paused" : "Paused while you read";
      if (held === list.classList.contains("is-held")) continue;
      list.classList.toggle("is-held", held);
      // What has come meanwhile.
      if (!held) for (const topic of list.dataset.live.split(" ").filter(Boolean)) document.body.dispatchEvent(new Event("nudge-" + topic));
    }
    button.hidden = lists().length === 0;
    button.setAttribute("aria-pressed", String(paused));
    const word = paused ? "Resume" : "Pause";
    button.setAttribute("aria-label", word);
    button.querySelector(".word").textContent = word;
  };
  button.addEventListener("click", () => { paused = !paused; show(); });
  // Neither asked for nor, if it was on its way already, shown.
  for (const what of ["htmx:before:request", "htmx:before:swap"]) {
    document.addEventListener(what, (event) => {
      if (event.target.matches?.("[data-live]") && isRead(event.target)) event.preventDefault();
    });
  }
  for (const what of ["focusin", "focusout", "selectionchange", "toggle", "pointerover", "htmx:after:swap"]) {
    document.addEventListener(what, () => setTimeout(show), { passive: true, capture: true });
  }
  show();
})();
