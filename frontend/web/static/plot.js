// One chart: thin lines on a shared time axis, the SLA dashed, gremlins' time in violet, and dots
// that open the trace of a real request. What is in it comes from charts.js.
"use strict";

const plotting = (() => {
  const QUANTILES = ["p50", "p90", "p99"];
  const DASHES = { p50: [1, 3], p90: [5, 3], p99: [] };
  const FLOOR_S = 0.002, CEILING_S = 10;
  const DOT_EVERY_PX = 14;

  // A canvas knows no custom properties: their colours are read off an element, once a redraw.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  let palette = {};
  const colour = (name) => {
    if (!palette[name]) {
      probe.style.color = `var(--${name})`;
      palette[name] = getComputedStyle(probe).color;
    }
    return palette[name];
  };
  const forgetColours = () => { palette = {}; };
  const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
  const font = () => `${Math.round(0.6875 * rem())}px system-ui, sans-serif`;

  const clock = (at, seconds) => new Date(at * 1000).toLocaleTimeString([], {
    hour: "2-digit", minute: "2-digit", hour12: false, timeZone: document.documentElement.dataset.zone, ...(seconds && { second: "2-digit" }),
  });
  const inSeconds = (value) => {
    if (value === null || value === undefined) return "–";
    if (value < 0.9995) return Math.max(1, Math.round(value * 1000)) + " ms";
    return (value < 10 ? value.toFixed(1) : Math.round(value)) + " s";
  };
  // 19, 53, 146 ms side by side need their unit once, where it is the same for all of them.
  const inSecondsEach = (values) => {
    const texts = values.map(inSeconds);
    const units = new Set(texts.map((text) => text.split(" ")[1]));
    return units.size > 1 ? texts : texts.map((text, at) => (at < texts.length - 1 ? text.split(" ")[0] : text));
  };
  const perSecond = (value) => {
    if (value === null || value === undefined) return "–";
    return value === 0 ? "0" : value < 10 ? value.toFixed(1) : String(Math.round(value));
  };

  // --- under and over the lines -------------------------------------------------------------------
  // However many gremlins are loose at once, the ground under the lines is violet once; load is grey.
  const merged = (bands) => bands.reduce((whole, [from, to]) => {
    const last = whole.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to); else whole.push([from, to]);
    return whole;
  }, []);

  const drawBands = (plot, look, named) => {
    const { ctx, bbox } = plot;
    const right = bbox.left + bbox.width, px = devicePixelRatio;
    const clamp = (at) => Math.min(right, Math.max(bbox.left, plot.valToPos(at, "x", true)));
    const seen = look().bands
      .map((band) => [Math.round(clamp(band.since)), Math.round(clamp(band.until ?? look().now)), band.label, band.hue])
      .filter(([from, to]) => to > bbox.left && from < right)
      .sort((a, b) => a[0] - b[0]);
    ctx.save();
    for (const hue of ["quiet", "gremlin"]) {
      const alike = seen.filter((band) => band[3] === hue);
      ctx.fillStyle = colour(hue);
      ctx.globalAlpha = 0.15;
      for (const [from, to] of merged(alike)) ctx.fillRect(from, bbox.top, Math.max(to - from, px), bbox.height);
      ctx.globalAlpha = 0.6;
      for (const [from] of alike) ctx.fillRect(from, bbox.top, px, bbox.height);
    }
    ctx.globalAlpha = 1;
    if (named) nameBands(ctx, bbox, seen);
    ctx.restore();
  };

  // In a lane of their own above the lines, each name at its edge where there is room, else left of
  // the plot's end. The newest first: what is loose now is what a visitor asks about. Those that
  // would stand in each other's way are counted at the end.
  const laneHeight = () => Math.round(0.6875 * rem()) + 4;
  const nameBands = (ctx, bbox, seen) => {
    const px = devicePixelRatio, taken = [];
    ctx.font = font().replace(/\d+/, (size) => Math.round(size * px));
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    const write = (text, x) => ctx.fillText(text, x, bbox.top - laneHeight() * px);
    const counted = seen.length > 1 ? ctx.measureText("+99").width : 0;
    const right = bbox.left + bbox.width - counted;
    let left = 0;
    for (const [from, , label, hue] of [...seen].reverse()) {
      const width = ctx.measureText(label).width + 8 * px;
      const start = Math.max(bbox.left, Math.min(from, right - width));
      if (start + width > right + 1 || taken.some(([a, b]) => start < b && start + width > a)) { left += 1; continue; }
      taken.push([start, start + width]);
      ctx.fillStyle = colour(hue);
      write(label, start);
    }
    if (left) {
      const more = "+" + left;
      write(more, bbox.left + bbox.width - ctx.measureText(more).width);
    }
  };

  const drawLimit = (plot, limit) => {
    const { ctx, bbox } = plot;
    const y = Math.round(plot.valToPos(limit, "y", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour("quiet");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  };

  // Real links, kept while they stay on the chart, so that a refresh never takes one from under a
  // finger. Of those too close together the slowest stays; the keyboard stops at the slowest of all.
  const placeDots = (plot, dots, found) => {
    const { min, max } = plot.scales.x;
    const width = plot.over.clientWidth;
    const slot_s = (DOT_EVERY_PX * (max - min)) / Math.max(1, width);
    const slowest = new Map();
    for (const [at, seconds, trace, key] of found) {
      if (at < min || at > max) continue;
      const slot = Math.floor(at / slot_s);
      if (!(slowest.get(slot)?.[1] >= seconds)) slowest.set(slot, [at, seconds, trace, key]);
    }
    const wanted = new Map([...slowest.values()].map((each) => [each[2], each]));
    const top = [...wanted.values()].reduce((a, b) => (a && a[1] >= b[1] ? a : b), null);
    for (const [trace, dot] of dots) if (!wanted.has(trace)) { dot.remove(); dots.delete(trace); }
    for (const [trace, [at, seconds, , key]] of wanted) {
      let dot = dots.get(trace);
      if (!dot) {
        dot = document.createElement("a");
        dot.className = "dot of-" + key;
        dot.href = "/traces/" + trace;
        dot.title = `${inSeconds(seconds)} at ${clock(at, true)}: open its trace`;
        dot.setAttribute("aria-label", dot.title);
        dots.set(trace, dot);
        plot.over.append(dot);
      }
      dot.tabIndex = trace === top?.[2] ? 0 : -1;
      const shown = Math.min(CEILING_S, Math.max(FLOOR_S, seconds));
      dot.style.left = plot.valToPos(at, "x") + "px";
      dot.style.top = plot.valToPos(shown, "y") + "px";
    }
  };

  // --- axes -----------------------------------------------------------------------------------------
  const nice = (most) => [1, 2, 4, 10, 20, 40, 100, 200, 400, 1000, 2000, 4000, 10000]
    .find((step) => step >= most) ?? most;
  const axisLook = () => ({
    stroke: () => colour("quiet"), font: font(), ticks: { show: false },
    grid: { stroke: () => colour("edge"), width: 1 },
  });
  const look_s = (plot) => plot.scales.x.max - plot.scales.x.min;
  // What is looked at closely has its seconds.
  const isClose = (min, max) => max - min < 240;
  const timeAxis = () => ({
    ...axisLook(), size: () => 1.15 * rem(), gap: 2, grid: { show: false },
    space: (_plot, _axis, min, max) => (isClose(min, max) ? 4 * rem() : Math.max(44, 2.3 * rem())),
    incrs: (_plot, _axis, min, max) => (isClose(min, max) ? [1, 2, 5, 10, 15, 30, 60] : [60, 120, 180, 300, 600]),
    // At its ends a label would be cut by the edge, or stand on the other axis' zero.
    values: (plot, splits, _axis, _space, step) => splits.map((at) => {
      const near = ((step < 60 ? 2 : 1.4) * rem() * look_s(plot)) / Math.max(1, plot.bbox.width / devicePixelRatio);
      return Math.min(plot.scales.x.max - at, at - plot.scales.x.min) < near ? "" : clock(at, step < 60);
    }),
  });
  // A low chart has fewer lines with their labels, so that none stands on another; one second stays.
  const decades = (plot) => {
    const each_px = plot.bbox.height / devicePixelRatio / Math.log10(CEILING_S / FLOOR_S);
    if (each_px > 0.8 * rem()) return [0.01, 0.1, 1, 10];
    return each_px > 0.4 * rem() ? [0.01, 1] : [1];
  };
  const valueAxis = (splits, format) => ({
    ...axisLook(), size: () => 2.6 * rem(), gap: 4, splits, filter: (_, all) => all,
    values: (_, all) => all.map(format),
  });

  // `look()` gives what the chart shows now: { at, lines, bands, now, range, exemplars, visible }.
  const make = (host, { names, hues, dashes, flow, limit, look, say }) => {
    const dots = new Map();
    // Small errors' charts stand below one that has the names already.
    const named = flow !== "errors";
    const room = host.appendChild(document.createElement("div"));
    room.className = "plot";
    const yScale = flow
      ? { range: (_, low, high) => [0, nice(Math.max(high ?? 0, 0.9))] }
      : { distr: 3, range: () => [FLOOR_S, CEILING_S] };
    const yAxis = flow
      ? valueAxis((plot) => [0, plot.scales.y.max], (value) => (value ? value + "/s" : "0"))
      : valueAxis(decades, (value) => (value < 0.1 ? value * 1000 + " ms" : value + " s"));
    const plot = new uPlot({
      width: Math.max(50, room.clientWidth), height: Math.max(30, room.clientHeight),
      legend: { show: false },
      padding: [() => 0.5 * rem() + (named ? laneHeight() : 0), 6, 0, 0],
      cursor: {
        y: false, drag: { x: false, y: false }, sync: { key: "valerix" }, points: { size: 5 },
        // Of its own accord it listens to its empty ground only: over a dot it would stand still.
        bind: { mousemove: (_plot, _over, move) => move },
      },
      scales: {
        x: { range: () => look().range },
        y: yScale,
      },
      axes: [timeAxis(), yAxis],
      series: [{}, ...names.map((name, index) => ({
        stroke: () => colour(hues[index]), width: 1.6, dash: dashes?.[index] ?? [],
        points: { show: false }, spanGaps: false,
      }))],
      hooks: {
        drawClear: [(self) => drawBands(self, look, named)],
        drawAxes: [(self) => { if (limit) drawLimit(self, limit); }],
        draw: [(self) => { if (!flow) placeDots(self, dots, look().exemplars()); }],
        setCursor: [(self) => say(self.cursor.idx)],
      },
    }, [[], ...names.map(() => [])], room);
    plot.over.dataset.brush = "";
    const resize = () => plot.setSize({ width: room.clientWidth, height: room.clientHeight });
    new ResizeObserver(() => { if (room.clientWidth) resize(); }).observe(room);
    const floor = (values) => (flow ? values : values.map((v) => (v === null ? null : Math.max(v, FLOOR_S))));
    return {
      names,
      show() {
        names.forEach((name, index) => {
          if (plot.series[index + 1].show !== look().visible(name)) {
            plot.setSeries(index + 1, { show: look().visible(name) });
          }
        });
        [plot.over.dataset.since, plot.over.dataset.until] = look().range;
        plot.setData([look().at, ...names.map((name) => floor(look().lines(name)))]);
        say(plot.cursor.idx);
      },
      redraw() {
        // uPlot keeps [font on the canvas, its size there, its size on the page]; no axis, no font.
        const size = Math.round(0.6875 * rem()), fontSize = Math.round(size * devicePixelRatio);
        for (const axis of plot.axes) {
          if (Array.isArray(axis.font)) axis.font.splice(0, 3, `${fontSize}px system-ui, sans-serif`, fontSize, size);
        }
        plot.redraw(true, true);
      },
    };
  };

  return { make, clock, forgetColours, inSeconds, inSecondsEach, perSecond, QUANTILES, DASHES };
})();
