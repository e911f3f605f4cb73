// The charts of the overview: asks for what is new while somebody looks, keeps a quarter of an hour,
// and shares one time axis, one cursor and one legend among all of them.
"use strict";

(() => {
  const whole = document.querySelector("[data-charts]");
  if (!whole || typeof uPlot === "undefined") return;
  const SERVICES = [...whole.querySelectorAll(".chart.of-time")].map((host) => host.dataset.chart);
  const LINES = ["rate", "errors", ...plotting.QUANTILES];
  const POLL_MS = 2000;

  // --- what is known --------------------------------------------------------------------------------
  const kept = { at: [], now: Date.now() / 1000, reach_s: 900, sla_s: 1, bands: [] };
  for (const key of SERVICES) {
    kept[key] = { exemplars: [] };
    for (const line of LINES) kept[key][line] = [];
  }
  const off = new Set();
  let minutes = 5;

  const learn = (data) => {
    kept.now = data.now;
    kept.bands = [
      ...data.gremlins.map((band) => ({ ...band, hue: "gremlin" })),
      ...data.loads.map((band) => ({ ...band, label: "Load: " + band.label, hue: "quiet" })),
    ];
    const known = kept.at.at(-1) ?? -Infinity;
    const first = data.at.findIndex((at) => at > known);
    const old = kept.at.findIndex((at) => at > data.now - data.reach_s);
    const drop = old < 0 ? kept.at.length : old;
    const take = (before, after) => before.slice(drop).concat(first < 0 ? [] : after.slice(first));
    kept.at = take(kept.at, data.at);
    for (const key of SERVICES) {
      const lines = kept[key], news = data.services[key];
      for (const line of LINES) lines[line] = take(lines[line], news[line]);
      lines.silent_since = news.silent_since;
      lines.exemplars = lines.exemplars
        .filter(([at]) => at > data.now - data.reach_s)
        .concat(first < 0 ? [] : news.exemplars);
    }
  };

  // --- the charts -----------------------------------------------------------------------------------
  const look = (lines, exemplars) => () => ({
    at: kept.at, bands: kept.bands, now: kept.now, span_s: 60 * minutes, lines,
    exemplars: () => exemplars ?? [], visible: (name) => !off.has(name),
  });
  const write = (host, parts) => {
    const place = host.querySelector(".values");
    parts.forEach(([name, text], index) => {
      const word = place.children[index] ?? place.appendChild(document.createElement("span"));
      word.className = "of-" + name;
      if (word.textContent !== text) word.textContent = text;
    });
    while (place.children.length > parts.length) place.lastChild.remove();
  };
  const at = (values, index) => values[index ?? values.length - 1];

  const flow = (host, line) => plotting.make(host, {
    names: SERVICES, hues: SERVICES, flow: line,
    look: look((key) => kept[key][line]),
    say: (index) => write(host, SERVICES.filter((key) => !off.has(key))
      .map((key) => [key, plotting.perSecond(at(kept[key][line], index))])),
  });
  const time = (host, key) => plotting.make(host, {
    names: plotting.QUANTILES, hues: [key, key, key],
    dashes: plotting.QUANTILES.map((name) => plotting.DASHES[name]), limit: kept.sla_s,
    look: () => look((name) => kept[key][name], off.has("p99") ? [] : kept[key].exemplars)(),
    say: (index) => {
      // A line that ends is not a quiet service.
      const since = kept[key].silent_since;
      if (index == null && since) return write(host, [["none", "no signal since " + plotting.clock(since)]]);
      const names = plotting.QUANTILES.filter((name) => !off.has(name));
      const texts = plotting.inSecondsEach(names.map((name) => at(kept[key][name], index)));
      write(host, names.map((name, place) => [name, texts[place]]));
    },
  });
  const charts = [...whole.querySelectorAll("[data-chart]")].map((host) => {
    const key = host.dataset.chart;
    return { host, key, ...(SERVICES.includes(key) ? time(host, key) : flow(host, key)) };
  });
  const showAll = () => {
    for (const chart of charts) {
      chart.host.hidden = off.has(chart.key);
      if (!chart.host.hidden) chart.show();
    }
  };

  // --- the legend is the filter -----------------------------------------------------------------------
  document.querySelector("[data-legend]").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.minutes) {
      minutes = minutes === 5 ? 15 : 5;
      button.dataset.minutes = minutes;
      button.textContent = minutes + " min";
    } else {
      const name = button.dataset.show;
      if (!off.delete(name)) off.add(name);
      button.setAttribute("aria-pressed", String(!off.has(name)));
    }
    showAll();
  });

  // --- asking -----------------------------------------------------------------------------------------
  let asking = false;
  const ask = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const since = kept.at.at(-1) ?? 0;
      const answer = await fetch("/charts/data?since=" + since, { signal: AbortSignal.timeout(5000) });
      if (answer.ok) { learn(await answer.json()); showAll(); }
    } catch {
      // The page says by itself when its server is lost; the next turn asks again.
    } finally {
      asking = false;
    }
  };
  document.addEventListener("visibilitychange", ask);
  setInterval(ask, POLL_MS);
  ask();

  // --- another scheme, another size ---------------------------------------------------------------------
  const redraw = () => {
    plotting.forgetColours();
    for (const chart of charts) if (!chart.host.hidden) chart.redraw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, {
    attributes: true, attributeFilter: ["data-scheme", "data-presentation"],
  });
})();
