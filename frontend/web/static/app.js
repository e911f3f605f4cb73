// What HTML and htmx cannot say: nudges, countdowns, copying, the two switches, a lost server.
"use strict";

const root = document.documentElement;
const keep = (name, value) => {
  if (value) root.dataset[name] = value; else delete root.dataset[name];
  try {
    if (value) localStorage.setItem("valerix-" + name, value);
    else localStorage.removeItem("valerix-" + name);
  } catch { /* a private window forgets; the page still works */ }
};

// --- the two switches -------------------------------------------------------------------------
const SCHEMES = { "": "Auto", light: "Light", dark: "Dark" };
const showSwitches = () => {
  const button = document.querySelector('[data-do="presentation"]');
  button?.setAttribute("aria-pressed", String(root.dataset.presentation === "on"));
  const word = document.querySelector("[data-scheme-word]");
  if (word) word.textContent = SCHEMES[root.dataset.scheme ?? ""] ?? "Auto";
};
const togglePresentation = () => keep("presentation", root.dataset.presentation === "on" ? "" : "on");
const nextScheme = () => {
  const names = Object.keys(SCHEMES);
  keep("scheme", names[(names.indexOf(root.dataset.scheme ?? "") + 1) % names.length]);
};

// --- one zone for all times, on the server's pages and on the charts: UTC, or the browser's own -------
const nextZone = () => {
  const own = root.dataset.zone === "UTC" ? Intl.DateTimeFormat().resolvedOptions().timeZone : "";
  document.cookie = `valerix_zone=${encodeURIComponent(own)}; path=/; samesite=lax; max-age=${own ? 31536000 : 0}`;
  location.reload();
};

// --- countdowns: the server says how much is left, the page counts between its answers ----------
const ends = new WeakMap();
const countDown = () => {
  for (const each of document.querySelectorAll("[data-left]")) {
    const known = ends.get(each);
    if (!known || known.value !== each.dataset.left) {
      ends.set(each, { value: each.dataset.left, at: performance.now() + 1000 * each.dataset.left });
    }
    const left = Math.max(0, Math.round((ends.get(each).at - performance.now()) / 1000));
    const text = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    if (each.textContent !== text) each.textContent = text;
  }
};

// --- a slider writes its value beside itself: a delay in seconds, an instant in the page's zone --
const written = (instant) =>
  new Date(instant).toLocaleString("sv-SE", { timeZone: root.dataset.zone }).replace(" ", "T");
const showValue = (slider) => {
  const output = slider.form?.querySelector(`output[data-for="${slider.name}"]`);
  if (output) output.textContent = slider.value / 1000 + " s";
  const field = document.querySelector(`input[data-instant-of="${slider.id}"]`);
  if (field) field.value = written(Number(slider.value));
};

// --- motion that explains: a light that changed, an order that is new ----------------------------
const lightWords = new Map();
const noticeChanges = () => {
  for (const word of document.querySelectorAll("[data-word]")) {
    const light = word.closest("[id]");
    const before = lightWords.get(light.id);
    if (before !== undefined && before !== word.dataset.word) {
      const mark = light.querySelector(".mark");
      mark.classList.add("changed");
      mark.addEventListener("animationend", () => mark.classList.remove("changed"), { once: true });
    }
    lightWords.set(light.id, word.dataset.word);
  }
};

// --- toasts --------------------------------------------------------------------------------------
const shutLater = (toast) => {
  const wait = toast.dataset.toast === "failed" ? 20000 : 8000;
  const shut = () => (toast.matches(":hover, :focus-within") ? setTimeout(shut, 2000) : toast.remove());
  setTimeout(shut, wait);
};
const tidyToasts = () => {
  for (const toast of document.querySelectorAll("#toasts .toast:not([data-seen])")) {
    toast.dataset.seen = "";
    shutLater(toast);
    // What was written is done: pressing again must not do it again. The currency stays as it was chosen.
    const form = document.getElementById(toast.dataset.empties);
    for (const each of form?.querySelectorAll('input[type="text"]') ?? []) each.value = "";
  }
  for (const old of [...document.querySelectorAll("#toasts .toast")].slice(3)) old.remove();
};
// An action without an answer, or with one that is no toast, says so itself. A panel that gets none asks again.
const noteNoAnswer = ({ detail }) => {
  if ((detail?.ctx?.request?.method ?? "GET") === "GET") return;
  document.getElementById("toasts").prepend(document.getElementById("no-answer").content.cloneNode(true));
  tidyToasts();
};
for (const what of ["htmx:error", "htmx:response:error"]) document.addEventListener(what, noteNoAnswer);

// --- clicks and keys -------------------------------------------------------------------------------
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.do === "presentation") togglePresentation();
  if (button.dataset.do === "scheme") nextScheme();
  if (button.dataset.do === "zone") nextZone();
  if (button.dataset.do === "shut") button.closest(".toast").remove();
  if (button.dataset.copy) {
    try {
      const { copy } = button.dataset;
      await navigator.clipboard.writeText(copy.startsWith("/") ? location.origin + copy : copy);
      button.classList.add("copied");
      setTimeout(() => button.classList.remove("copied"), 1200);
    } catch { /* the whole id is in the hover text */ }
  }
  showSwitches();
});
document.addEventListener("input", (event) => {
  if (event.target.matches('input[type="range"]')) showValue(event.target);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches('input:not([type="radio"]):not([type="range"]), select, textarea');
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "s" && !typing) togglePresentation();
  else if (event.key === "Escape" && root.dataset.presentation === "on") keep("presentation", "");
  else return;
  showSwitches();
});

// --- nudges: a name and no data; the panel fetches itself -------------------------------------------
// A browser has six connections an origin for all its windows: one of them holds the stream, and tells
// the others. Where there are no locks (plain HTTP from elsewhere), panels ask every five seconds.
const TOPICS = ["health", "metrics", "flow", "shop", "gremlins", "proof", "traces", "logs", "acts"];
const windows = "BroadcastChannel" in window ? new BroadcastChannel("valerix-nudges") : null;
const nudge = (topic) => document.body.dispatchEvent(new Event("nudge-" + topic));
windows?.addEventListener("message", ({ data }) => { if (!document.hidden && TOPICS.includes(data)) nudge(data); });
let turn = null;
let broken = 0;
const follow = (signal) => new Promise((done) => {
  const stream = new EventSource("/nudges");
  for (const topic of TOPICS) stream.addEventListener(topic, () => { nudge(topic); windows.postMessage(topic); });
  stream.addEventListener("open", () => { broken = 0; });
  stream.addEventListener("error", () => {
    broken ||= Date.now();
    // A browser gives up for good on an answer that is no stream; polling goes on meanwhile.
    if (stream.readyState === EventSource.CLOSED) { done(); setTimeout(() => { hush(); listen(); }, 10000); }
  });
  signal.addEventListener("abort", () => { stream.close(); done(); });
});
const listen = () => {
  if (turn || !windows || !navigator.locks || document.hidden || !document.querySelector("[hx-get]")) return;
  turn = new AbortController();
  const { signal } = turn;
  navigator.locks.request("valerix-events", { signal }, () => follow(signal)).catch(() => { /* given up waiting */ });
};
const hush = () => { turn?.abort(); turn = null; };
// A hidden window needs no nudges, and gives the stream to one that is seen.
document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
addEventListener("pagehide", hush);

// --- a page that has lost its server must not look alive ---------------------------------------------
let heard = Date.now();
const noticeSilence = () => {
  // A page without panels, such as an error's, asks nothing and so is not answered either.
  if (document.hidden || !document.querySelector("[hx-get]")) { heard = Date.now(); return; }
  // Panels ask every five seconds: a broken stream and no answer since is a server that is gone.
  const gone = broken > heard && Date.now() - broken > 6000;
  const lost = gone || Date.now() - heard > 12000;
  if (lost && !document.body.classList.contains("is-lost")) {
    const at = new Date(heard).toLocaleTimeString([], { hour12: false, timeZone: root.dataset.zone });
    document.querySelector("[data-lost]").textContent =
      `The dashboard does not answer. What you see is from ${at}; the shop itself may be well.`;
  }
  document.body.classList.toggle("is-lost", lost);
};
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail?.ctx?.response?.raw?.ok) heard = Date.now();
});

document.addEventListener("htmx:after:swap", () => { countDown(); noticeChanges(); tidyToasts(); });
document.querySelector("[data-needs-script]")?.removeAttribute("hidden");
setInterval(() => { countDown(); noticeSilence(); }, 500);
showSwitches();
noticeChanges();
listen();
