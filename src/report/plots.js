"use strict";
// Drawing: axes as SVG, points on a canvas; every plot is drawn again when its width or the colour scheme changes.

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

/** An HTML element; text is always set as text. */
function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}
function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}
function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (index) => (index < 0 ? "--muted" : COLOURS[index % COLOURS.length]);

// ---- numbers as text ----
const whole = (n) => Math.round(n).toLocaleString("en-US");
function short(n) {
  const size = Math.abs(n);
  if (!isFinite(n)) return "–";
  if (size >= 1e9) return trim(n / 1e9) + "G";
  if (size >= 1e6) return trim(n / 1e6) + "M";
  if (size >= 1e4) return trim(n / 1e3) + "k";
  return trim(n);
}
function trim(n) {
  if (n === 0) return "0";
  if (Math.abs(n) < 1e-4) return n.toExponential(0);
  return String(Number(n.toPrecision(4)));
}
const fixed = (n, digits) => (Number.isFinite(n) ? n.toFixed(digits) : "–");
const percent = (share, digits = 2) => (Number.isFinite(share) ? (share * 100).toFixed(digits) + " %" : "–");
const plural = (n, word) => `${whole(n)} ${word}${n === 1 ? "" : "s"}`;

// ---- scales ----
function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}
function extent(values, pad = 0.04) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (Number.isFinite(value)) { if (value < low) low = value; if (value > high) high = value; }
  if (low > high) return [0, 1];
  const space = (high - low || Math.abs(high) || 1) * pad;
  return [low - space, high + space];
}

// ---- the tip ----
const tip = document.getElementById("tip");
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = x + 14 + box.width > innerWidth ? x - box.width - 10 : x + 14;
  const top = y + 14 + box.height > innerHeight ? y - box.height - 10 : y + 14;
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = Math.max(4, top) + "px";
}
const hideTip = () => { tip.hidden = true; };
addEventListener("scroll", hideTip, { passive: true });

// ---- figures ----
let drawings = [], observer = null;
/** A figure with a heading and the SQL of its numbers. `spec`: title, aria, sql, height, wide, draw(box). */
function figure(spec) {
  const box = el("div", { class: "plot" });
  const caption = el("figcaption", {}, el("h3", {}, spec.title), spec.sql && sqlButton(spec.sql, spec.title));
  const node = el("figure", { class: spec.wide ? "wide" : null }, caption, box);
  if (spec.legend) node.append(spec.legend);
  if (spec.note) node.append(el("p", { class: "muted small" }, spec.note));
  const drawing = { box, width: 0, draw() {
    if (!box.clientWidth) return;
    drawing.width = box.clientWidth;
    box.replaceChildren();
    spec.draw(box, spec);
  } };
  drawings.push(drawing);
  if (observer) observer.observe(box);
  return node;
}
/** Puts a node with figures in the place of what `holder` has, and draws them. */
function exchange(holder, node) {
  const old = new Set(holder.querySelectorAll(".plot"));
  drawings = drawings.filter((drawing) => !old.has(drawing.box));
  holder.replaceChildren(node);
  for (const drawing of drawings) if (holder.contains(drawing.box)) drawing.draw();
}
function sqlButton(sql, title) {
  const button = el("button", { type: "button", class: "sql", title: sql, "aria-label": `Copy the SQL of: ${title}` }, "copy SQL");
  button.addEventListener("click", async () => {
    let done = true;
    try { await navigator.clipboard.writeText(sql); } catch { done = copyBySelection(sql); }
    button.textContent = done ? "copied" : "not copied";
    setTimeout(() => { button.textContent = "copy SQL"; }, 1500);
  });
  return button;
}
/** Pages opened from a file may have no clipboard. */
function copyBySelection(text) {
  const area = el("textarea", { style: "position:fixed;left:-999px" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
function drawAll() { for (const drawing of drawings) drawing.draw(); }
function watch() {
  observer = new ResizeObserver(() => {
    for (const drawing of drawings) if (drawing.box.clientWidth !== drawing.width) drawing.draw();
  });
  for (const drawing of drawings) observer.observe(drawing.box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
}

/** Axes. `o`: height, x and y ({domain, label, ticks, format, log}), aria. Returns scales, the SVG and a canvas context. */
function axes(box, o) {
  const width = box.clientWidth, height = o.height || 290;
  box.style.height = height + "px";
  const format = (axis, value) => (axis.format || short)(value);
  const yTicks = o.y.ticks || ticks(o.y.domain[0], o.y.domain[1], Math.max(2, height / 60));
  const widest = Math.max(...yTicks.map((tick) => format(o.y, tick).length), 1);
  const left = (o.left || Math.min(150, widest * 6.4 + 12)) + (o.y.label ? 18 : 0);
  const right = 12, top = o.top || 8, bottom = o.x.label ? 42 : 26;
  const w = Math.max(40, width - left - right), h = height - top - bottom;
  const sx = (v) => left + ((v - o.x.domain[0]) / (o.x.domain[1] - o.x.domain[0])) * w;
  const sy = (v) => top + h - ((v - o.y.domain[0]) / (o.y.domain[1] - o.y.domain[0])) * h;
  const canvas = el("canvas", { "aria-hidden": "true" });
  const ratio = Math.max(1, devicePixelRatio || 1);
  canvas.width = width * ratio; canvas.height = height * ratio;
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": o.aria, tabindex: 0 });
  const under = svg("g", {}), over = svg("g", {});
  let xTicks = o.x.ticks;
  if (!xTicks) {
    let count = Math.max(2, w / 75);
    do { xTicks = ticks(o.x.domain[0], o.x.domain[1], count); count /= 1.6; }
    while (count > 1 && xTicks.length > 2 && xTicks.reduce((sum, tick) => sum + format(o.x, tick).length * 6.6 + 12, 0) > w);
  }
  for (const tick of yTicks) {
    if (o.y.grid !== false) under.append(svg("line", { class: "grid", x1: left, x2: left + w, y1: sy(tick), y2: sy(tick) }));
    under.append(svg("text", { x: left - 6, y: sy(tick) + 4, "text-anchor": "end" }, format(o.y, tick)));
  }
  for (const tick of xTicks) {
    const at = sx(tick);
    if (o.x.grid) under.append(svg("line", { class: "grid", x1: at, x2: at, y1: top, y2: top + h }));
    if (o.x.bars !== true) under.append(svg("line", { class: "axis", x1: at, x2: at, y1: top + h, y2: top + h + 4 }));
    const text = svg("text", { x: at, y: top + h + 17, "text-anchor": "middle" }, format(o.x, tick));
    under.append(text);
  }
  under.append(svg("line", { class: "axis", x1: left, x2: left + w, y1: top + h, y2: top + h }));
  if (o.x.label) under.append(svg("text", { x: left + w / 2, y: height - 6, "text-anchor": "middle" }, o.x.label));
  if (o.y.label) under.append(svg("text", { transform: `translate(11 ${top + h / 2}) rotate(-90)`, "text-anchor": "middle" }, o.y.label));
  root.append(over);
  const base = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, under);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  box.append(base, canvas, root);
  return { width, height, left, top, w, h, sx, sy, under, over, root, context, box };
}

/** Hover and arrow keys over marks {x, y, text}; `byColumn`: only x counts. */
function marks(frame, list, byColumn) {
  let current = -1;
  const ring = svg("circle", { r: 6, fill: "none", stroke: "currentColor", "stroke-width": 1.5, visibility: "hidden" });
  frame.root.append(ring);
  const place = (index, cx, cy) => {
    current = index;
    const mark = list[index], at = frame.root.getBoundingClientRect();
    if (!byColumn) { ring.setAttribute("cx", mark.x); ring.setAttribute("cy", mark.y); ring.setAttribute("visibility", "visible"); }
    showTip(mark.text(), cx ?? at.left + mark.x, cy ?? at.top + mark.y);
  };
  const leave = () => { hideTip(); ring.setAttribute("visibility", "hidden"); };
  frame.root.addEventListener("pointermove", (event) => {
    const at = frame.root.getBoundingClientRect();
    const x = event.clientX - at.left, y = event.clientY - at.top;
    let best = -1, least = byColumn ? Infinity : 14 * 14;
    for (let i = 0; i < list.length; i++) {
      const away = (list[i].x - x) ** 2 + (byColumn ? 0 : (list[i].y - y) ** 2);
      if (away < least) { least = away; best = i; }
    }
    const inside = x >= frame.left - 4 && x <= frame.left + frame.w + 4;
    if (best < 0 || !inside) leave(); else place(best, event.clientX, event.clientY);
  });
  frame.root.addEventListener("pointerleave", leave);
  frame.root.addEventListener("blur", leave);
  frame.root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (event.key === "Escape") leave();
    if (!step || !list.length) return;
    event.preventDefault();
    place((current + step + list.length) % list.length);
  });
}

/** Bars. `o.bars`: [{label, values, tip}], `o.series`: colours; labels are thinned to what fits. */
function bars(box, o) {
  const total = (bar) => bar.values.reduce((a, b) => a + b, 0);
  const most = Math.max(1, ...o.bars.map(total));
  const height = o.height || 260;
  const n = o.bars.length;
  const widest = Math.max(...o.bars.map((bar) => String(bar.label).length));
  const room = Math.max(1, (box.clientWidth - 70) / n);
  const every = o.everyLabel || Math.max(1, Math.ceil((widest * 6.4 + 8) / room));
  const shown = o.bars.map((_, i) => i).filter((i) => (o.isLabelled ? o.isLabelled(i, every) : i % every === 0));
  const frame = axes(box, { height, aria: o.aria, x: { domain: [-0.5, n - 0.5], label: o.x, ticks: shown, format: (i) => String(o.bars[i].label), bars: true },
    y: { domain: [0, most * 1.04], label: o.y, ticks: ticks(0, most * 1.04, Math.max(2, height / 60)).filter((tick) => most > 12 || Number.isInteger(tick)) } });
  const wide = Math.max(1, (frame.w / n) * (n > 60 ? 1 : 0.84));
  const list = o.bars.map((bar, i) => {
    let base = 0;
    bar.values.forEach((value, s) => {
      if (!value) return;
      const y1 = frame.sy(base), y2 = frame.sy(base + value);
      const least = base === 0 ? Math.max(1, y1 - y2) : y1 - y2;
      frame.over.append(svg("rect", { class: "hit", x: frame.sx(i) - wide / 2, width: wide, y: y1 - least, height: least,
        fill: `var(${bar.colour || (o.colours || COLOURS)[s]})` }));
      base += value;
    });
    return { x: frame.sx(i), y: frame.sy(base), text: () => bar.tip };
  });
  marks(frame, list, true);
  return frame;
}

/** Equal bins over the finite values, as bars. */
function histogram(values, count, range) {
  const known = values.filter(Number.isFinite);
  const [low, high] = range || extent(known, 0);
  const width = niceWidth((high - low) / count || 1);
  const from = Math.floor(low / width) * width;
  const n = Math.max(1, Math.floor((high - from) / width + 1e-9) + 1);
  const bins = new Array(n).fill(0);
  for (const value of known) bins[Math.min(n - 1, Math.max(0, Math.floor((value - from) / width + 1e-9)))]++;
  return { from, width, bins, n: known.length };
}
function niceWidth(width) {
  const power = 10 ** Math.floor(Math.log10(width));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= width * 0.999);
}

/** At most about 20,000 points: rows of one cell become one point; rows alone stay. Points are {x, y, n, id, c}. */
function thinned(points) {
  if (points.length <= 20000) return points;
  const [x0, x1] = extent(points.map((p) => p.x), 0), [y0, y1] = extent(points.map((p) => p.y), 0);
  for (let side = 200; ; side = Math.floor(side / 2)) {
    const cells = new Map();
    const at = (v, low, high) => Math.min(side - 1, Math.floor(((v - low) / (high - low || 1)) * side));
    for (const point of points) {
      const key = (at(point.x, x0, x1) * side + at(point.y, y0, y1)) * 16 + (point.c + 1);
      const cell = cells.get(key);
      if (cell) { cell.n++; cell.x += point.x; cell.y += point.y; cell.id = -1; } else cells.set(key, { ...point, n: 1 });
    }
    if (cells.size <= 20000 || side <= 10) return [...cells.values()].map((c) => ({ ...c, x: c.x / c.n, y: c.y / c.n }));
  }
}

/** Scatter plot of {x, y, n, id, c}; `o.text(point)` is the hover text. */
function scatter(box, o) {
  const points = o.points;
  const frame = axes(box, { height: o.height || 340, aria: o.aria, left: o.left,
    x: { grid: true, domain: extent([...points.map((p) => p.x), ...(o.include?.x || [])]), ...o.x },
    y: { domain: extent([...points.map((p) => p.y), ...(o.include?.y || [])]), ...o.y } });
  if (o.before) o.before(frame);
  dots(frame, points, o.radius || (points.length > 3000 ? 2 : points.length > 300 ? 2.6 : 3.6));
  if (o.after) o.after(frame);
  marks(frame, points.map((p) => ({ x: frame.sx(p.x), y: frame.sy(p.y), text: () => o.text(p) })), false);
  return frame;
}
function dots(frame, points, radius) {
  const context = frame.context, most = points.reduce((a, p) => Math.max(a, p.n || 1), 1);
  const shades = new Map();
  const shade = (name) => { if (!shades.has(name)) shades.set(name, css(name)); return shades.get(name); };
  for (const point of points) {
    const n = point.n || 1;
    context.fillStyle = shade(point.colour || colour(point.c ?? 0));
    context.globalAlpha = point.strong ? 0.9 : most > 1 ? 0.45 + 0.55 * (Math.log(n) / Math.log(most)) : points.length > 2000 ? 0.5 : 0.75;
    context.beginPath();
    context.arc(frame.sx(point.x), frame.sy(point.y), point.strong ? radius + 1.2 : radius, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}
function line(frame, points, kind = "ref") {
  frame.over.append(svg("path", { class: kind, fill: "none", d: points.map(([x, y], i) => `${i ? "L" : "M"}${frame.sx(x).toFixed(1)} ${frame.sy(y).toFixed(1)}`).join("") }));
}
/** A legend of [label, colour name] pairs. */
function legend(entries) {
  return el("div", { class: "legend" }, ...entries.map(([text, name]) => el("span", {}, el("i", { style: `background:var(${name})` }), text)));
}
