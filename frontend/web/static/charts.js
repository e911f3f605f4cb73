// The charts of the overview and of each process: asks for what is new while somebody looks, keeps a
// quarter of an hour, and shares one time axis, one cursor, one range and one legend among all of them.
"use strict";

(() => {
  if (typeof uPlot === "undefined") return;
  const LINES = ["rate", "errors", ...plotting.QUANTILES];
  const POLL_MS = 2000;

  // --- what is known --------------------------------------------------------------------------------
  const kept = { at: [], now: Date.now() / 1000, sla_s: 1, bands: [], of: {} };
  const off = new Set();
  let minutes = 5;
  // Seconds since 1970, as a drag over /charts and the links of lights have them; else the last minutes.
  const given = ["since", "until"].map((name) => Number(new URLSearchParams(location.search).get(name)));
  let zoom = given[0] > 0 && given[0] < given[1] ? given : null;
  const reach = () => zoom ?? [kept.now - 60 * minutes, kept.now];
  const nothing = () => ({ exemplars: [], ...Object.fromEntries(LINES.map((line) => [line, []])) });
  const of = (key) => (kept.of[key] ??= nothing());

  const learn = (data) => {
    kept.now = data.now;
    kept.sla_s = data.sla_s;
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
    for (const [key, news] of Object.entries(data.services)) {
      const lines = of(key);
      for (const line of LINES) lines[line] = take(lines[line], news[line]);
      lines.silent_since = news.silent_since;
      lines.exemplars = lines.exemplars
        .filter(([at]) => at > data.now - data.reach_s)
        .concat(first < 0 ? [] : news.exemplars.map((each) => [...each, key]));
    }
  };

  // --- the charts -----------------------------------------------------------------------------------
  const look = (lines, exemplars = () => []) => () => ({
    at: kept.at, bands: kept.bands, now: kept.now, range: reach(), lines, exemplars,
    visible: (name) => !off.has(name),
  });
  const write = (host, parts) => {
    const place = host.querySelector(".values");
    parts.forEach(([name, text], index) => {
      const word = place.children[index] ?? place.appendChild(document.createElement("span"));
      const line = "of-" + name;
      if (word.className !== line) {
        word.className = line;
        // As large as the screen it covers the legend, and the figures have their names.
        word.dataset.name = document.querySelector(`[data-legend] [data-show="${name}"]`)?.textContent ?? "";
      }
      if (word.textContent !== text) word.textContent = text;
    });
    while (place.children.length > parts.length) place.lastChild.remove();
  };
  // Where nobody points, the last one that is shown.
  const at = (values, index) => values[index ?? kept.at.findLastIndex((moment) => moment <= reach()[1])];

  // A line for each process: how many requests, how many that failed, or the slowest hundredth.
  const compared = (host, keys, line) => plotting.make(host, {
    names: keys, hues: keys, flow: line === "p99" ? undefined : line,
    ...(line === "p99" && { limit: kept.sla_s }),
    look: () => look((key) => of(key)[line], () => (line !== "p99" ? []
      : keys.filter((key) => !off.has(key)).flatMap((key) => of(key).exemplars)))(),
    say: (index) => write(host, keys.filter((key) => !off.has(key)).map((key) => {
      const { silent_since } = of(key);
      const value = at(of(key)[line], index);
      // A line that ends is not a quiet process.
      if (index == null && silent_since && line === "p99") return [key, "no signal since " + plotting.clock(silent_since)];
      return [key, line === "p99" ? plotting.inSeconds(value) : plotting.perSecond(value)];
    })),
  });
  // One process: its median and its slowest tenth and hundredth.
  const times = (host, key) => plotting.make(host, {
    names: plotting.QUANTILES, hues: [key, key, key],
    dashes: plotting.QUANTILES.map((name) => plotting.DASHES[name]), limit: kept.sla_s,
    look: () => look((name) => of(key)[name], () => of(key).exemplars)(),
    say: (index) => {
      const since = of(key).silent_since;
      if (index == null && since) return write(host, [["none", "no signal since " + plotting.clock(since)]]);
      const texts = plotting.inSecondsEach(plotting.QUANTILES.map((name) => at(of(key)[name], index)));
      write(host, plotting.QUANTILES.map((name, place) => [name, `${name} ${texts[place]}`]));
    },
  });
  let charts = [];
  const find = () => {
    charts = charts.filter(({ host }) => host.isConnected);
    for (const whole of document.querySelectorAll("[data-charts]:not([data-drawn])")) {
      whole.dataset.drawn = "";
      const keys = whole.dataset.charts.split(" ");
      for (const host of whole.querySelectorAll("[data-chart]")) {
        const { chart } = host.dataset;
        charts.push({ host, ...(chart === "times" ? times(host, keys[0]) : compared(host, keys, chart)) });
      }
    }
  };
  const showAll = () => { for (const chart of charts) chart.show(); };

  // --- a time that was dragged: in the address, and where the pages that take a time are linked ---------
  const LEAST_S = 10;
  const showRange = () => {
    const query = zoom ? `?since=${zoom[0]}&until=${zoom[1]}` : "";
    for (const link of document.querySelectorAll('.head nav a:is([href^="/charts"], [href^="/traces"], [href^="/logs"])')) {
      link.search = query;
    }
    for (const button of document.querySelectorAll("[data-minutes]")) {
      button.textContent = zoom ? zoom.map((end) => plotting.clock(end, true)).join(" – ") + " ✕" : minutes + " min";
      button.setAttribute("aria-label", zoom ? button.textContent + ": back to the last minutes" : "Show the last 5 or 15 minutes");
    }
    showAll();
  };
  const zoomTo = (range) => {
    zoom = range;
    const address = new URL(location);
    for (const [place, name] of ["since", "until"].entries()) {
      if (zoom) address.searchParams.set(name, zoom[place]); else address.searchParams.delete(name);
    }
    history.replaceState(history.state, "", address);
    showRange();
  };
  document.addEventListener("brush", (event) => {
    event.preventDefault();
    const { since, until } = event.detail;
    const more = Math.max(0, Math.ceil((LEAST_S - until + since) / 2));
    zoomTo([since - more, until + more]);
  });

  // --- the legend is the filter, and a chart is as large as the screen on a click ----------------------
  const shrink = () => {
    const large = document.querySelector(".chart.is-full");
    large?.classList.remove("is-full");
    return Boolean(large);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-legend] button");
    if (button && "minutes" in button.dataset) {
      if (zoom) return zoomTo(null);
      minutes = minutes === 5 ? 15 : 5;
      return showRange();
    } else if (button) {
      const name = button.dataset.show;
      if (!off.delete(name)) off.add(name);
      button.setAttribute("aria-pressed", String(!off.has(name)));
    } else {
      const host = event.target.closest("a") ? null : event.target.closest(".chart");
      if (!host || shrink()) return;
      host.classList.add("is-full");
      return;
    }
    showAll();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shrink()) event.preventDefault();
  }, true);

  // --- asking -----------------------------------------------------------------------------------------
  let asking = false;
  const ask = async () => {
    find();
    if (asking || document.hidden || !charts.length) return;
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
  // A drawer brings charts of its own.
  document.addEventListener("htmx:after:swap", () => {
    if (document.querySelector("[data-charts]:not([data-drawn])")) { find(); showAll(); ask(); }
  });
  setInterval(ask, POLL_MS);
  find();
  if (zoom) showRange();
  ask();

  // --- another scheme, another size ---------------------------------------------------------------------
  const redraw = () => {
    plotting.forgetColours();
    for (const chart of charts) chart.redraw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, {
    attributes: true, attributeFilter: ["data-scheme", "data-presentation"],
  });
})();
