// The page: sections in the order in which a reviewer looks.

const D = JSON.parse(document.getElementById("data").textContent);
const S = D.samples, V = D.variants, R = D.results;
const DIGITS = " !#$%'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/** A column as numbers; NaN where it is not known. */
function numbers(series) {
  if (series.values) return Float64Array.from(series.values, (v) => (v === null ? NaN : v * series.step));
  const { min, width, digits } = series, n = digits.length / width, found = new Float64Array(n);
  const place = new Uint8Array(128);
  for (let i = 0; i < DIGITS.length; i++) place[DIGITS.charCodeAt(i)] = i;
  for (let i = 0; i < n; i++) {
    let code = 0;
    for (let d = 0; d < width; d++) code = code * 90 + place[digits.charCodeAt(i * width + d)];
    found[i] = code ? (code - 1 + min) * series.step : NaN;
  }
  return found;
}
const column = Object.fromEntries(Object.entries(S.columns).map(([name, series]) => [name, numbers(series)]));
const each = (f) => Float64Array.from({ length: S.n }, (_, i) => f(i));
/** Names that share a beginning with the one before. */
function decoded(names) {
  let before = "";
  return names.map((coded) => (before = before.slice(0, parseInt(coded[0], 36)) + coded.slice(1)));
}
S.names = decoded(S.names);
column.n_called ??= each((i) => S.n_sites - column.n_missing[i]);
column.tv ??= each((i) => column.n_snv[i] - column.ti[i]);
column.call_rate = each((i) => column.n_called[i] / (column.n_called[i] + column.n_missing[i]));
column.het_hom = each((i) => (column.n_hom_alt[i] ? column.n_het[i] / column.n_hom_alt[i] : NaN));
column.ti_tv = each((i) => (column.tv[i] ? column.ti[i] / column.tv[i] : NaN));
const METRICS = {
  call_rate: ["Call rate", (v) => percent(v)], mean_dp: ["Mean depth", (v) => fixed(v, 1)], n_snv: ["SNVs", whole], n_indel: ["Indels", whole],
  n_singleton: ["Singletons", whole], het_hom: ["Het / hom", (v) => fixed(v, 3)], ti_tv: ["Ti / Tv", (v) => fixed(v, 3)],
};
const isOut = (metric, i) => {
  const bounds = S.spreads[metric]?.bounds;
  return Boolean(bounds) && (column[metric][i] < bounds[0] || column[metric][i] > bounds[1]);
};
const outMetrics = (i) => Object.keys(METRICS).filter((metric) => isOut(metric, i));
const has = (name) => column[name]?.some(Number.isFinite);

// ---- labels of the samples ----
const divisions = S.labels.map((one) => ({ ...one, of: numbers(one.of), title: { group: "group", source: "input file", sex: "sex", dialect: "caller" }[one.name] }));
let division = divisions[0] || null;
const labelOf = (i) => (division ? division.of[i] : 0);
const labelName = (at) => (at < 0 ? "not known" : division.labels[at]);
const sampleColour = (i) => (division ? colour(labelOf(i)) : "--c1");
function sampleText(i) {
  const label = division ? `\n${division.title}: ${labelName(labelOf(i))}` : "";
  const out = outMetrics(i).map((metric) => METRICS[metric][0]);
  return S.names[i] + label + (out.length ? `\noutlier: ${out.join(", ")}` : "");
}
const legends = [];
function sampleLegend() {
  const node = el("div", { class: "legend" });
  const fill = () => {
    if (!division) return;
    const entries = division.labels.map((label, at) => [label, colour(at)]);
    if (division.of.some((at) => at < 0)) entries.push(["not known", colour(-1)]);
    node.replaceChildren(...legend(entries).children);
  };
  fill();
  legends.push(fill);
  return node;
}

// ---- parts of the page ----
const main = document.getElementById("main");
const links = [];
const SHORT = { accounting: "Accounting", samples: "Call rate", strips: "Counts", pca: "PCA", table: "Table", af: "Frequencies", quality: "Quality", substitutions: "Types", track: "Genome", sets: "Sets" };
function section(id, title, text, ...children) {
  links.push([id, title]);
  const node = el("section", { id, "aria-labelledby": id + "-h" }, el("h2", { id: id + "-h" }, title), text && el("p", { class: "muted" }, text), ...children);
  main.append(node);
  return node;
}
const plots = (...figures) => el("div", { class: "plots" }, ...figures.filter(Boolean));
const absent = (what, command) => el("p", { class: "note" }, `${what} not in this dataset's stored results: `, el("code", {}, `varbatch ${command} DATASET`), " adds it.");
const badge = (status, text) => el("span", { class: `badge ${status}` }, text || { pass: "pass", warn: "warn", fail: "fail", none: "no data" }[status]);
function simpleTable(heads, rows, label) {
  const isNumber = (at) => rows.some((row) => typeof row[at] === "number" || /^[-\d.,]+( %)?$/.test(row[at]));
  return el("div", { class: "scroll" }, el("table", { class: "compact", "aria-label": label },
    el("thead", {}, el("tr", {}, ...heads.map((head, at) => el("th", { scope: "col", class: isNumber(at) ? "n" : null }, head)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell, at) => el("td", { class: isNumber(at) ? "n" : null }, typeof cell === "number" ? whole(cell) : cell)))))));
}
/** Leaves out the empty bins at both ends. */
function trimmed(counts) {
  const from = counts.findIndex((n) => n > 0);
  if (from < 0) return [0, 0];
  return [from, counts.length - [...counts].reverse().findIndex((n) => n > 0)];
}

function overview() {
  const kinds = V.kinds, indels = (kinds.ins || 0) + (kinds.del || 0);
  const called = S.sum_called + S.sum_missing;
  const tiles = [[whole(S.n), "samples"], [whole(V.n), "variants (alleles)"], [whole(kinds.snv || 0), "SNVs"], [whole(indels), "indels"],
    called && [percent(S.sum_called / called), "call rate"], V.tv && [fixed(V.ti / V.tv, 3), "Ti / Tv"],
    S.spreads.het_hom && [fixed(S.spreads.het_hom.median, 2), "het / hom, median"], S.spreads.mean_dp && [fixed(S.spreads.mean_dp.median, 1) + "×", "depth, median"]].filter(Boolean);
  const rows = D.checks.map((check) => el("tr", {}, el("td", {}, badge(check.status)), el("td", {}, el("a", { href: "#" + check.section }, check.name)),
    el("td", {}, el("b", {}, check.found)), el("td", { class: "muted" }, "expected: ", check.expected, check.advice && el("div", { class: "advice" }, check.advice))));
  section("checks", "Checks", null, el("div", { class: "tiles" }, ...tiles.map(([value, name]) => el("div", { class: "tile" }, el("b", {}, value), el("span", {}, name)))),
    el("table", { class: "checks" }, el("thead", {}, el("tr", {}, ...["Result", "Check", "Found", "Expected, and what to do"].map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows)));
  const count = (status) => D.checks.filter((check) => check.status === status).length;
  const worst = count("fail") ? "fail" : count("warn") ? "warn" : "pass";
  const words = { fail: `${plural(count("fail"), "check")} failed`, warn: `${plural(count("warn"), "check")} to look at`, pass: "all checks passed" };
  document.getElementById("verdict").append(el("span", { class: `badge big ${worst}` }, words[worst]));
  const contigs = V.track.contigs.map((contig) => contig.name);
  const on = contigs.length > 4 ? `${contigs.length} contigs` : contigs.join(", ");
  document.getElementById("subtitle").textContent = `${plural(S.n, "sample")}, ${plural(V.n, "variant")}${contigs.length ? " on " + on : ""}, from ${plural(D.provenance.n_inputs, "input file")}`;
}

function accounting() {
  const A = D.accounting;
  const box = (n, text, isBad) => el("span", { class: "box" + (isBad && n ? " warn" : "") }, el("b", {}, whole(n)), " " + text);
  const flow = (first, sign, ...rest) => el("div", { class: "flow" }, first, el("span", { "aria-hidden": "true" }, sign), ...rest.flatMap((node, at) => (at ? [el("span", { "aria-hidden": "true" }, "+"), node] : [node])));
  const left = [box(A.alleles_read, "alleles in them")];
  if (A.spanning_rows) left.push(el("span", { "aria-hidden": "true" }, "+"), box(A.spanning_rows, "rows of *"));
  const right = [box(A.variant_rows, "rows of variants"), A.alleles_merged && box(A.alleles_merged, "shared with another input"), A.alleles_left_out && box(A.alleles_left_out, "left out by joint calling")].filter(Boolean);
  const children = [flow(box(A.records_read, "records read"), "=", box(A.records_written, "written"), box(A.records_rejected, "rejected", true)),
    el("div", { class: "flow" }, ...left, el("span", { "aria-hidden": "true" }, "="), ...right.flatMap((node, at) => (at ? [el("span", { "aria-hidden": "true" }, "+"), node] : [node])))];
  const more = [[A.genotype_rows, "rows of genotypes"], [A.alleles_normalised, "alleles trimmed or left-aligned"], [A.shift_capped, "alleles at the bound of left-alignment"],
    [A.blocks_read, "reference blocks read"], [A.ref_block_rows, "rows of ref_blocks"], [A.evidence_rows, "rows of evidence"]].filter(([n]) => n);
  children.push(el("p", { class: "muted small" }, more.map(([n, text]) => `${whole(n)} ${text}`).join(" · ")));
  if (D.rejections.by_reason.length) {
    const n_listed = D.rejections.n_listed;
    children.push(el("h3", {}, n_listed < D.accounting.records_rejected ? `The first ${n_listed} rejected records, by reason` : "Rejected records, by reason"), simpleTable(["Records", "Reason"], D.rejections.by_reason.map(([reason, n]) => [n, reason]), "Rejected records by reason"));
    children.push(el("details", {}, el("summary", {}, `Where: the first ${D.rejections.first.length}`),
      simpleTable(["Input", "Place", "Reason"], D.rejections.first.map(([path, contig, pos, reason]) => [path, contig ? `${contig}:${pos}` : "–", reason]), "Rejected records")));
  }
  if (D.warnings.length) {
    const n = D.warnings.length;
    children.push(el("details", n <= 5 ? { open: true } : {}, el("summary", {}, `${plural(n, "kind")} of tolerated input`), simpleTable(["Records", "What"], D.warnings.map((one) => [one.count, one.message]), "Tolerated input")));
  }
  section("accounting", "Record accounting", "Every record and allele that was read is a row, or is counted here.", ...children);
}

function samplePoints(x, y) {
  const points = [];
  for (let i = 0; i < S.n; i++) if (Number.isFinite(x[i]) && Number.isFinite(y[i])) points.push({ x: x[i], y: y[i], n: 1, id: i, c: labelOf(i), colour: sampleColour(i) });
  return thinned(points);
}
const pointText = (point, values) => (point.n > 1 ? `${whole(point.n)} samples${point.id >= 0 ? `, one is ${S.names[point.id]}` : ""}` : sampleText(point.id)) + "\n" + values;
function bound(frame, value, isX) {
  if (!Number.isFinite(value)) return;
  const at = isX ? frame.sx(value) : frame.sy(value);
  const inside = isX ? at >= frame.left && at <= frame.left + frame.w : at >= frame.top && at <= frame.top + frame.h;
  if (!inside) return;
  frame.under.append(svg("line", isX ? { class: "bound", x1: at, x2: at, y1: frame.top, y2: frame.top + frame.h } : { class: "bound", x1: frame.left, x2: frame.left + frame.w, y1: at, y2: at }));
}
/** Names of the outliers, where they do not cover each other. */
function names(frame, points, isNamed, nameOf = (id) => S.names[id]) {
  const taken = [];
  for (const point of points.filter((p) => p.id >= 0 && isNamed(p.id)).slice(0, 300)) {
    const name = nameOf(point.id), width = name.length * 6.6 + 6;
    const x = frame.sx(point.x), y = frame.sy(point.y);
    const toLeft = x + width + 8 > frame.left + frame.w;
    const box = { x0: toLeft ? x - 8 - width : x + 6, x1: toLeft ? x - 6 : x + 8 + width, y0: y - 9, y1: y + 5 };
    if (name.length > 24 || box.x0 < frame.left || taken.length >= 12 || taken.some((b) => b.x0 < box.x1 && b.x1 > box.x0 && b.y0 < box.y1 && b.y1 > box.y0)) continue;
    taken.push(box);
    frame.over.append(svg("text", { class: "label", x: toLeft ? x - 7 : x + 7, y: y + 4, "text-anchor": toLeft ? "end" : "start" }, name));
  }
}

function sampleSection() {
  if (!S.n) return section("samples", "Samples", "The inputs have no samples.");
  const children = [];
  if (divisions.length) {
    const select = el("select", { id: "by", change: (event) => { division = divisions[event.target.value] || null; legends.forEach((fill) => fill()); drawAll(); } },
      ...divisions.map((one, at) => el("option", { value: at }, one.title)));
    children.push(el("div", { class: "controls" }, el("label", { for: "by", class: "small" }, "Colour samples by "), select));
  }
  const withDepth = has("mean_dp");
  const metric = withDepth ? "mean_dp" : "n_het";
  const xTitle = withDepth ? "mean depth" : "heterozygous calls";
  const missing = Float64Array.from(column.call_rate, (v) => 1 - v);
  const isWhole = !missing.some((v) => v > 0) && !withDepth;
  const figures = [!isWhole && figure({
    title: withDepth ? "Call rate against depth" : "Call rate against heterozygous calls (no depths in the data)",
    sql: `SELECT sample, call_rate, ${metric} FROM samples ORDER BY call_rate`, wide: !withDepth, legend: sampleLegend(),
    aria: `Scatter plot of ${S.n} samples: call rate against ${xTitle}`,
    draw(box, spec) {
      const points = samplePoints(column[metric], column.call_rate);
      const y = extent(points.map((p) => p.y));
      scatter(box, { points, aria: spec.aria, x: { label: xTitle }, y: { label: "call rate", domain: [y[0], Math.min(y[1], Math.max(1, y[0] + 1e-4))], format: (v) => trim(v * 100) + " %" },
        text: (p) => pointText(p, `call rate ${percent(p.y)}, ${xTitle} ${withDepth ? fixed(p.x, 1) : whole(p.x)}`),
        before: (frame) => { for (const b of S.spreads.call_rate?.bounds || []) bound(frame, b); if (withDepth) for (const b of S.spreads.mean_dp?.bounds || []) bound(frame, b, true); },
        after: (frame) => names(frame, points, (i) => isOut("call_rate", i) || (withDepth && isOut("mean_dp", i))) });
    },
  })];
  if (withDepth) figures.push(histogramFigure("Mean depth of the samples", column.mean_dp, "mean depth", "SELECT FLOOR(mean_dp) AS depth, COUNT(*) AS n FROM samples GROUP BY depth ORDER BY depth"));
  if (has("mean_gq")) figures.push(histogramFigure("Mean genotype quality of the samples", column.mean_gq, "mean GQ", "SELECT FLOOR(mean_gq) AS gq, COUNT(*) AS n FROM samples GROUP BY gq ORDER BY gq"));
  if (missing.some((v) => v > 0)) figures.push(histogramFigure("Missing calls of the samples", missing, "share of sites without a call", "SELECT sample, 1 - call_rate AS missing FROM samples ORDER BY missing DESC", (v) => trim(v * 100) + " %"));
  if (isWhole) children.push(el("p", {}, "Every sample has a call at every site, and the data have no depths."));
  section("samples", "Call rate and depth", isWhole ? null : "Dashed lines: 4 scaled median absolute deviations (MAD) from the median. Samples far below are candidates to leave out.", ...children, plots(...figures));
}

function histogramFigure(title, values, label, sql, format = short) {
  return figure({ title, sql, aria: `Histogram of ${S.n} samples: ${label}`, draw(box, spec) {
    const H = histogram([...values], Math.min(40, Math.max(8, Math.floor(box.clientWidth / 16))));
    const edge = (i) => format(H.from + i * H.width);
    bars(box, { aria: spec.aria, x: label, y: "samples", bars: H.bins.map((n, i) => ({ label: edge(i), values: [n], tip: `${edge(i)} to ${edge(i + 1)}\n${plural(n, "sample")}` })) });
  } });
}

/** A row of jittered points for each label. */
function strip(metric) {
  const [title, format] = METRICS[metric];
  const values = column[metric];
  return figure({ title, sql: `SELECT sample, ${{ n_indel: "n_ins + n_del AS n_indel", het_hom: "n_het * 1.0 / n_hom_alt AS het_hom", ti_tv: "ti * 1.0 / tv AS ti_tv" }[metric] || metric} FROM samples`,
    aria: `${title} of ${S.n} samples${division ? " by " + division.title : ""}`,
    draw(box, spec) {
      const present = division ? [...new Set(division.of)].sort((a, b) => (a < 0) - (b < 0) || a - b) : [0];
      const row = new Map(present.map((label, at) => [label, at]));
      const rows = present.length;
      const points = [];
      for (let i = 0; i < S.n; i++) if (Number.isFinite(values[i])) {
        const jitter = (((i * 2654435761) >>> 0) / 2 ** 32 - 0.5) * 0.7;
        const out = S.spreads[metric].n_outside <= 500 && isOut(metric, i);
        points.push({ x: values[i], y: -row.get(labelOf(i)) + jitter, n: 1, id: i, c: labelOf(i), colour: sampleColour(i), strong: out });
      }
      const shown = thinned(points);
      const name = (at) => (division ? clip(labelName(present[-at]), 18) : "");
      scatter(box, { points: shown, aria: spec.aria, height: Math.max(110, 52 + rows * (rows > 4 ? 26 : 44)), radius: S.n > 3000 ? 1.5 : 2.4, left: division ? undefined : 12,
        x: { format: (v) => (metric === "call_rate" ? trim(v * 100) + " %" : short(v)) },
        y: { domain: [-rows + 0.45, 0.55], ticks: present.map((_, at) => -at), format: name, grid: false },
        text: (p) => pointText(p, `${title} ${format(p.x)}`),
        before: (frame) => { for (const b of S.spreads[metric]?.bounds || []) bound(frame, b, true); },
        after: (frame) => medians(frame, points, present) });
    } });
}
const clip = (text, most) => (text.length > most ? "…" + text.slice(text.length - most + 1) : text);
function medians(frame, points, present) {
  present.forEach((label, at) => {
    const of = points.filter((p) => p.c === label).map((p) => p.x).sort((a, b) => a - b);
    if (of.length < 5) return;
    const x = frame.sx(of[Math.floor(of.length / 2)]);
    frame.over.append(svg("line", { x1: x, x2: x, y1: frame.sy(-at + 0.42), y2: frame.sy(-at - 0.42), stroke: "currentColor", "stroke-width": 2 }));
  });
}

function stripSection() {
  if (!S.n) return;
  const shown = ["n_snv", "n_indel", "n_singleton", "het_hom", "ti_tv"].filter((metric) => has(metric) && S.spreads[metric]);
  const children = shown.map(strip);
  section("strips", "Counts by sample", "Each point is a sample; thick bar: median; dashed: 4 MAD of all samples. Populations differ in these counts, batches should not.",
    sampleLegend(), el("div", { class: "plots strips" }, ...children));
}

function pcaSection() {
  if (!R.pca) return section("pca", "Principal components", null, absent("Principal components are", "pca"));
  const P = R.pca, share = (k) => (P.shares[k - 1] ? ` (${percent(P.shares[k - 1], 1)})` : "");
  const figures = P.plots.map((plot, at) => {
    const a = at * 2 + 1, b = a + 1;
    return figure({ title: `PC${a} and PC${b}`, sql: `SELECT sample, pc${a}, pc${b} FROM pca`, aria: `Scatter plot of ${P.n} samples: principal components ${a} and ${b}`, legend: at === 0 ? sampleLegend() : null,
      draw(box, spec) {
        const points = plot.x.map((x, i) => ({ x, y: plot.y[i], n: plot.n?.[i] || 1, id: plot.id[i] }));
        for (const p of points) p.colour = p.id >= 0 ? sampleColour(p.id) : division ? "--muted" : "--c1";
        scatter(box, { points, aria: spec.aria, x: { label: `PC${a}${share(a)}` }, y: { label: `PC${b}${share(b)}` }, text: (p) => pointText(p, `PC${a} ${trim(p.x)}, PC${b} ${trim(p.y)}`) });
      } });
  });
  if (P.shares.length > 2) figures.push(figure({ title: "Share of the variance by component", sql: "SELECT pc, eigenvalue, share FROM pca_eigenvalues", aria: "Bars: share of the variance by component",
    draw: (box, spec) => bars(box, { aria: spec.aria, height: 240, x: "component", y: "share, %", bars: P.shares.map((s, i) => ({ label: i + 1, values: [s * 100], tip: `PC${i + 1}: ${percent(s)}` })) }) }));
  section("pca", "Principal components", "Clusters are ancestries; a cluster that is a batch or an input file is an artefact.", plots(...figures));
}

const DEGREES = [["duplicate or twin", 0.35355, "--c2"], ["first degree", 0.17678, "--c1"], ["second degree", 0.08839, "--c3"], ["third degree", 0.04419, "--c5"], ["unrelated", -Infinity, "--c8"]];
function kinshipSection() {
  if (!R.kinship) return section("kinship", "Relatedness", null, absent("Kinship is", "kinship"));
  const K = R.kinship, degree = (k) => DEGREES.find(([, least]) => k > least);
  const hasIbs0 = K.points.x.length > 0;
  const figures = [hasIbs0 && figure({ title: "Kinship against IBS0", sql: "SELECT sample_1, sample_2, kinship, ibs0 FROM kinship ORDER BY kinship DESC", aria: `Scatter plot of ${K.n_pairs} pairs: kinship against the share of variants with no shared allele`,
    legend: legend(DEGREES.map(([name, , c], at) => [`${name}: ${whole(K.n_by_degree[at])}`, c])),
    draw(box, spec) {
      const points = K.points.x.map((x, i) => ({ x, y: K.points.y[i], n: K.points.n?.[i] || 1, id: K.points.id[i], colour: degree(K.points.y[i])[2], strong: K.points.y[i] > 0.04419 }));
      scatter(box, { points, aria: spec.aria, x: { label: "IBS0 (share of variants with no allele in common)" }, y: { label: "kinship (KING-robust)" }, include: { x: [0], y: [0, 0.5] },
        text: (p) => (p.n === 1 && p.id >= 0 ? K.pairs[p.id].join(" and ") + "\n" : p.n > 1 ? `${whole(p.n)} pairs\n` : "") + `kinship ${trim(p.y)}, IBS0 ${trim(p.x)}\n${degree(p.y)[0]}`,
        before: (frame) => { for (const [, least] of DEGREES) if (isFinite(least)) bound(frame, least); } });
    } })];
  const close = K.closest.slice(0, 12);
  const list = el("div", {}, el("h3", {}, `Closest pairs${K.closest.length > 12 ? " (the first 12)" : ""}`),
    close.length ? simpleTable(["Sample", "Sample", "Kinship", "Relation"], close.map(([a, b, k]) => [a, b, fixed(k, 4), degree(k)[0]]), "Closest pairs") : el("p", { class: "muted" }, "No pair is closer than the fourth degree."));
  section("kinship", "Relatedness", "Dashed lines part the degrees: kinship 0.354, 0.177, 0.088, 0.044. Parent and child share an allele everywhere (IBS0 near 0), siblings do not.", el("div", { class: "plots" }, ...figures.filter(Boolean), list));
}

function sexSection() {
  if (!R.sex_check) return section("sex", "Sex", null, absent("A check of the sexes is", "stats --sex-check"));
  const X = R.sex_check, name = { f: "female", m: "male", "-": "not clear" }, colours = { f: "--c4", m: "--c1", "-": "--c8" };
  const yName = X.y === "y_call_rate" ? "call rate on Y" : "heterozygous share on X";
  const count = (letter) => [...X.inferred].filter((c) => c === letter).length;
  const chart = figure({ title: `F on X against ${yName}`, sql: `SELECT sample, sex, inferred_sex, x_f, ${X.y} FROM sex_check`, aria: `Scatter plot of ${X.n} samples: inbreeding coefficient on X against ${yName}`,
    legend: legend(Object.keys(name).map((letter) => [`${name[letter]} by X and Y: ${whole(count(letter))}`, colours[letter]])),
    draw(box, spec) {
      const points = X.points.x.map((x, i) => {
        const id = X.points.id[i], said = X.declared[id], found = X.inferred[id];
        return { x, y: X.points.y[i], n: X.points.n?.[i] || 1, id, colour: id < 0 ? "--muted" : said !== "-" && found !== "-" && said !== found ? "--c2" : colours[found] || "--c8", strong: said !== found };
      });
      scatter(box, { points, aria: spec.aria, x: { label: "F on X" }, y: { label: yName },
        text: (p) => (p.n === 1 && p.id >= 0 ? `${S.names[p.id]}\ndeclared: ${name[X.declared[p.id]].replace("not clear", "nothing")}; by X and Y: ${name[X.inferred[p.id]]}\n` : `${whole(p.n)} samples\n`) + `F ${trim(p.x)}, ${trim(p.y)}` });
    } });
  const list = el("div", {}, el("h3", {}, "Samples whose sex differs from the sample sheet"),
    X.discordant.length ? simpleTable(["Sample", "Declared", "By X and Y", "F on X"], X.discordant.map(([s, a, b, f]) => [s, a, b, f === null ? "–" : fixed(f, 3)]), "Discordant sexes") : el("p", { class: "muted" }, "None."));
  section("sex", "Sex", "One copy of X gives F near 1, two copies near 0.", el("div", { class: "plots" }, chart, list));
}

function tableSection() {
  if (!S.n) return;
  const columns = [{ title: "Sample", isText: true, value: (i) => S.names[i], text: (i) => S.names[i] }];
  for (const one of divisions) columns.push({ title: one.title[0].toUpperCase() + one.title.slice(1), isText: true, value: (i) => one.labels[one.of[i]] ?? "", text: (i) => one.labels[one.of[i]] ?? "–" });
  const shown = { ...METRICS, n_het: ["Het", whole], n_hom_alt: ["Hom alt", whole], n_missing: ["Missing", whole], mean_gq: ["Mean GQ", (v) => fixed(v, 1)] };
  for (const [metric, [title, format]] of Object.entries(shown)) if (has(metric)) columns.push({ title, value: (i) => column[metric][i], text: (i) => format(column[metric][i]), isOut: (i) => metric in METRICS && isOut(metric, i) });
  const search = (i) => S.names[i] + " " + divisions.map((one) => one.labels[one.of[i]] ?? "").join(" ");
  section("table", "Table of samples", "A click on a heading sorts; orange values are outliers.", sqlButton("SELECT * FROM samples", "Table of samples"), rowTable(columns, S.n, { search, isOut: (i) => outMetrics(i).length > 0, onlyOut: "outliers only", noun: "sample", placeholder: "filter by name or label", sort: 0 }));
}

function frequencySection() {
  const spectrum = figure({ title: "Allele frequency", sql: "SELECT FLOOR(LOG10(af) * 3) / 3 AS log10_af, COUNT(*) AS n FROM variants WHERE af > 0 GROUP BY log10_af ORDER BY log10_af",
    aria: "Bars: number of variants by allele frequency, three bins a decade", legend: legend([["SNVs", "--c1"], ["others", "--c2"]]),
    draw(box, spec) {
      const all = V.af_snv.map((n, i) => n + V.af_other[i]), [from, to] = trimmed(all);
      const edge = (i) => 10 ** (i / 3 - 6);
      bars(box, { aria: spec.aria, x: "frequency of the alternate allele (log scale)", y: "variants", isLabelled: (i) => (i + from) % 3 === 0,
        bars: all.slice(from, to).map((n, k) => ({ label: trim(edge(from + k)), values: [V.af_snv[from + k], V.af_other[from + k]], tip: `${trim(edge(from + k))} to ${trim(edge(from + k + 1))}\n${whole(V.af_snv[from + k])} SNVs, ${whole(V.af_other[from + k])} others` })) });
    } });
  const label = (i) => (V.ac[i][0] === null ? "> 1,000" : i > 0 && V.ac[i][0] > V.ac[i - 1][0] + 1 ? `${whole(V.ac[i - 1][0] + 1)}–${whole(V.ac[i][0])}` : String(V.ac[i][0]));
  const counts = figure({ title: "Allele count", sql: "SELECT ac, COUNT(*) AS n FROM variants GROUP BY ac ORDER BY ac", aria: "Bars: number of variants by allele count",
    draw: (box, spec) => bars(box, { aria: spec.aria, x: "copies of the alternate allele", y: "variants", bars: V.ac.map(([, n], i) => ({ label: label(i), values: [n], tip: `${label(i)} copies\n${plural(n, "variant")} (${percent(n / V.n, 1)})` })) }) });
  const singletons = V.ac[1][1], none = V.ac[0][1];
  section("af", "Allele frequencies", `${percent(singletons / (V.n || 1), 1)} of the variants are singletons${none ? `; ${whole(none)} have no carrier` : ""}. Rare variants should be the most; a dip or a peak at one frequency is an artefact.`, plots(spectrum, counts));
}

/** `series`: [quantiles, colour, name of the series where there are several]. */
function qqDraw(series, label) {
  return (box, spec) => {
    const points = series.flatMap(([qq, colour, name]) => qq.expected.map((x, i) => ({ x, y: qq.observed[i], colour, name })));
    const most = Math.max(...points.map((p) => p.y), 0.5), most_x = Math.max(...points.map((p) => p.x), 0.5);
    scatter(box, { points, aria: spec.aria, x: { label: "expected −log10 p", domain: [0, most_x * 1.05] }, y: { label: label, domain: [0, Math.max(most, most_x) * 1.05] },
      before: (frame) => line(frame, [[0, 0], [most_x, most_x]]), text: (p) => (p.name ? p.name + "\n" : "") + `expected ${trim(p.x)}, observed ${trim(p.y)}` });
  };
}
function hweSection() {
  const H = V.hwe;
  if (!H.n) return section("hwe", "Hardy-Weinberg", "No autosomal variant with one ALT has a minor allele frequency of 0.01 or more.");
  const condition = "n_alts = 1 AND af BETWEEN 0.01 AND 0.99";
  const qq = figure({ title: "QQ of Hardy-Weinberg p", sql: `SELECT variant_id, hwe_p FROM variants WHERE ${condition} ORDER BY hwe_p`, aria: `QQ plot of the Hardy-Weinberg p of ${H.n} variants`, draw: qqDraw([[H.qq, "--c1"]], "observed −log10 p") });
  const het = figure({ title: "Heterozygotes against frequency", sql: `SELECT af, n_het * 1.0 / (n_hom_ref + n_het + n_hom_alt) AS het FROM variants WHERE ${condition}`, aria: "Heat map: share of heterozygotes against allele frequency, with the curve 2pq",
    note: "Curve: 2pq. Points above it have too many heterozygotes (collapsed duplications), below it too few (population structure, null alleles).",
    draw(box, spec) {
      const frame = axes(box, { height: 340, aria: spec.aria, x: { domain: [0, 1], label: "allele frequency" }, y: { domain: [0, 1], label: "share of heterozygotes" } });
      const most = Math.max(...H.cells.map((cell) => cell[2])), n = H.n_bins, context = frame.context;
      context.fillStyle = css("--c1");
      const list = H.cells.map(([x, y, count]) => {
        const left = frame.sx(x / n), right = frame.sx((x + 1) / n), top = frame.sy((y + 1) / n), bottom = frame.sy(y / n);
        context.globalAlpha = 0.18 + 0.82 * (most > 1 ? Math.log(count) / Math.log(most) : 1);
        context.fillRect(left, top, right - left + 0.4, bottom - top + 0.4);
        return { x: (left + right) / 2, y: (top + bottom) / 2, text: () => `frequency ${trim(x / n)} to ${trim((x + 1) / n)}\nheterozygotes ${trim(y / n)} to ${trim((y + 1) / n)}\n${plural(count, "variant")}` };
      });
      line(frame, Array.from({ length: 51 }, (_, i) => [i / 50, 2 * (i / 50) * (1 - i / 50)]));
      marks(frame, list, false);
    } });
  section("hwe", "Hardy-Weinberg", `${whole(H.n)} autosomal variants with one ALT and MAF of 0.01 or more: ${whole(H.n_low)} have p < 1e-6, ${whole(H.n_excess)} of them with too many heterozygotes.`, plots(qq, het));
}

function qualitySection() {
  const total = Math.max(1, V.n), figures = [];
  if (S.n) figures.push(figure({ title: "Missing calls of the variants", sql: `SELECT n_missing, COUNT(*) AS n FROM variants GROUP BY n_missing ORDER BY n_missing`, aria: "Bars: number of variants by the share of samples without a call",
    draw(box, spec) {
      const label = (i) => (i ? `≤ ${trim(V.missing_to[i] * 100)} %` : "none");
      bars(box, { aria: spec.aria, x: "samples without a call", y: "variants", bars: V.missing.map((n, i) => ({ label: label(i), values: [n], tip: `${label(i)} missing\n${plural(n, "variant")} (${percent(n / total, 1)})` })) });
    } }));
  const qualities = V.qual.filter((n) => n).length;
  if (qualities > 1) figures.push(figure({ title: "QUAL", sql: "SELECT FLOOR(LOG10(qual) * 5) / 5 AS log10_qual, COUNT(*) AS n FROM variants WHERE qual > 0 GROUP BY log10_qual ORDER BY log10_qual", aria: "Bars: number of variants by QUAL, five bins a decade", note: V.n_no_qual ? `${whole(V.n_no_qual)} variants have no QUAL.` : null,
    draw(box, spec) {
      const [from, to] = trimmed(V.qual), edge = (i) => short(Number((10 ** (i / 5)).toPrecision(2)));
      bars(box, { aria: spec.aria, x: "QUAL (log scale)", y: "variants", bars: V.qual.slice(from, to).map((n, k) => ({ label: edge(from + k), values: [n], tip: `QUAL ${from + k ? edge(from + k) : "below 1"} to ${edge(from + k + 1)}\n${plural(n, "variant")}` })) });
    } }));
  if (V.depth.some((n) => n)) figures.push(figure({ title: "Depth of the variants", sql: `SELECT FLOOR(info_dp / ${S.n}.0) AS depth, COUNT(*) AS n FROM variants GROUP BY depth ORDER BY depth`, aria: "Bars: number of variants by INFO/DP per sample",
    draw(box, spec) {
      const [from, to] = trimmed(V.depth), width = Math.max(1, niceWidth((to - from) / 40)), bins = [];
      for (let d = Math.floor(from / width) * width; d < to; d += width) bins.push([d, V.depth.slice(d, d + width).reduce((a, b) => a + b, 0)]);
      bars(box, { aria: spec.aria, x: "INFO/DP per sample", y: "variants", bars: bins.map(([d, n]) => ({ label: d, values: [n], tip: `${width > 1 ? `${d} to ${d + width}` : d} reads per sample\n${plural(n, "variant")}` })) });
    } }));
  const filters = V.filters.map(([name, n]) => [name === "." ? "not filtered (.)" : name, n, percent(n / total, 1)]);
  const list = el("figure", {}, el("figcaption", {}, el("h3", {}, "FILTER")), simpleTable(["FILTER", "Variants", "Share"], filters, "Filters"));
  section("quality", "Quality of the variants", V.n_no_qual === V.n && V.n ? "The variants have no QUAL." : qualities === 1 ? "The variants have about the same QUAL, so it tells nothing." : null, plots(...figures, V.n ? list : null));
}

function kindSection() {
  const names = { snv: "SNV", ins: "insertion", del: "deletion", mnv: "several bases", symbolic: "symbolic", breakend: "breakend", other: "other" };
  const [from, to] = trimmed(V.indels), half = (V.indels.length - 1) / 2;
  const most = Math.max(half - from, to - 1 - half, 5);
  const lengths = to > from && figure({ title: "Length of indels", wide: true, sql: "SELECT LENGTH(alt) - LENGTH(ref) AS change, COUNT(*) AS n FROM variants WHERE type IN ('ins', 'del') GROUP BY change ORDER BY change",
    aria: "Bars: number of indels by change of length; deletions are negative", legend: legend([["deletions", "--c2"], ["insertions", "--c1"]]), note: "Deletions left, insertions right. Lengths of 3, 6, 9 stand out in exomes; the bars at ±50 hold all longer ones.",
    draw: (box, spec) => bars(box, { aria: spec.aria, x: "bases gained or lost", y: "variants", isLabelled: (i, every) => (i - most) % (every > 5 ? 10 : 5) === 0,
      bars: Array.from({ length: 2 * most + 1 }, (_, i) => i - most).map((change) => ({ label: change > 0 ? `+${change}` : change, values: [V.indels[half + change] || 0], colour: change < 0 ? "--c2" : "--c1", tip: `${change > 0 ? "+" : ""}${change}${Math.abs(change) === half ? " and beyond" : ""} bp\n${plural(V.indels[half + change] || 0, "variant")}` })) }) });
  section("indels", "Indels", null, lengths ? plots(lengths) : el("p", { class: "muted" }, "There are no indels."));
  const n = V.ti + V.tv;
  const subs = n > 0 && figure({ title: "Substitutions", sql: "SELECT ref, alt, COUNT(*) AS n FROM variants WHERE type = 'snv' GROUP BY ref, alt ORDER BY n DESC", aria: "Bars: number of SNVs by substitution", legend: legend([["transitions", "--c1"], ["transversions", "--c5"]]),
    note: `Ti/Tv ${fixed(V.ti / V.tv, 3)}. The two strands of a substitution (A>G and T>C) should be equal; an excess of C>A with G>T is oxidised DNA, of C>T with G>A deamination.`,
    draw: (box, spec) => bars(box, { aria: spec.aria, y: "variants", bars: V.substitutions.map(([name, count], i) => ({ label: name, values: [count], colour: i < 4 ? "--c1" : "--c5", tip: `${name}\n${plural(count, "variant")} (${percent(count / n, 1)})` })) }) });
  const kinds = Object.entries(V.kinds).sort((a, b) => b[1] - a[1]).map(([kind, count]) => [names[kind] || kind, count, percent(count / V.n, 1)]);
  const list = el("figure", {}, el("figcaption", {}, el("h3", {}, "Types"), sqlButton("SELECT type, COUNT(*) AS n FROM variants GROUP BY type", "Types")), simpleTable(["Type", "Variants", "Share"], kinds, "Types of variants"),
    el("p", { class: "muted small" }, `${whole(V.n_sites)} sites; ${whole(V.n_multiallelic)} variants are at sites with several ALT.`));
  section("substitutions", "Types and substitutions", null, plots(subs || null, list));
}

const bp = (n) => (n >= 1e6 ? trim(n / 1e6) + " Mb" : n >= 1e3 ? trim(n / 1e3) + " kb" : n + " bp");
function trackSection() {
  const T = V.track;
  if (!T.contigs.length) return;
  const shown = T.contigs.slice(0, 30), width = T.width, hidden = T.contigs.length - shown.length;
  const one = shown.length === 1;
  const last = (c) => c.bin[c.bin.length - 1] + 1;
  const start = one ? shown[0].bin[0] * width : 0;
  const end = one ? last(shown[0]) * width : Math.max(...shown.map((c) => Math.max(c.length || 0, last(c) * width)));
  const most = Math.max(...shown.map((c) => Math.max(...c.n)));
  const share = (c, i) => (S.n ? c.missing[i] / (c.n[i] * S.n) : 0);
  const shares = shown.flatMap((c) => c.n.map((_, i) => share(c, i))), mostShare = Math.max(0.001, ...shares);
  const row = one ? 130 : 34, gap = 8;
  const chart = (title, value, top, name, tipText, format) => figure({ title, wide: true, sql: `SELECT contig, FLOOR((pos - 1) / ${width}.0) * ${width} AS start, COUNT(*) AS n, SUM(n_missing) * 1.0 / (COUNT(*) * ${S.n || 1}) AS missing FROM variants GROUP BY contig, start ORDER BY contig, start`,
    aria: `${title} by contig`, draw(box, spec) {
      const labels = Math.max(...shown.map((c) => clip(c.name, 14).length)) * 6.6 + 10;
      const frame = axes(box, { height: shown.length * (row + gap) + 48, aria: spec.aria, left: one ? undefined : labels,
        x: { domain: [start, end], label: one ? `position on ${shown[0].name}` : "position", format: bp },
        y: one ? { domain: [0, top], label: name, format } : { domain: [0, shown.length], ticks: shown.map((_, i) => shown.length - i - 0.55), format: (v) => clip(shown[Math.round(shown.length - v - 0.55)].name, 14), grid: false } });
      const list = [];
      shown.forEach((c, r) => {
        const base = one ? frame.sy(0) : frame.top + (r + 1) * (frame.h / shown.length) - gap / 2, tall = one ? frame.h : frame.h / shown.length - gap;
        const until = frame.sx(Math.min(end, Math.max(c.length || 0, last(c) * width)));
        if (!one) frame.under.append(svg("line", { class: "axis", x1: frame.left, x2: until, y1: base, y2: base }));
        c.bin.forEach((bin, i) => {
          const left = frame.sx(Math.max(start, bin * width)), right = frame.sx(Math.min(end, (bin + 1) * width)), size = (value(c, i) / top) * tall;
          frame.context.fillStyle = css(name === "missing" ? "--c2" : "--c1");
          frame.context.fillRect(left, base - size, Math.max(0.8, right - left - (right - left > 3 ? 0.6 : 0)), size);
          list.push({ x: (left + right) / 2, y: base - tall / 2, text: () => `${c.name}: ${bp(bin * width)} to ${bp((bin + 1) * width)}\n${tipText(c, i)}` });
        });
      });
      marks(frame, list, one);
    } });
  const tipText = (c, i) => `${plural(c.n[i], "variant")}${S.n ? `, ${percent(share(c, i))} of the calls missing` : ""}`;
  const density = chart(`Variants per ${bp(width)}`, (c, i) => c.n[i], most, "variants", tipText, short);
  const missing = S.n && V.n_missing ? chart(`Missing calls per ${bp(width)}${one ? "" : ` (full height: ${percent(mostShare)})`}`, share, mostShare, "missing", tipText, (v) => trim(v * 100) + " %") : null;
  section("track", "Along the genome", `Gaps are regions without variants (not targeted, not callable)${one ? "" : `; full height: ${plural(most, "variant")} per ${bp(width)}`}${hidden > 0 ? `; ${hidden} more contigs are not drawn` : ""}.`, plots(density, missing));
}

/** The axis of contigs one after the other, for points at these x; and which contig an x is on. */
function genomeAxis(contigs, xs, box) {
  const total = contigs.reduce((sum, contig) => sum + contig.length, 0);
  const contigOf = (x) => { let at = contigs.length - 1; while (at > 0 && contigs[at].offset >= x) at--; return at; };
  if (contigs.length === 1) return { contigOf, axis: { domain: extent(xs, 0.01), label: `position on ${contigs[0].name}`, format: bp } };
  let from = -Infinity;
  const isApart = (x, i) => { const at = (x / total) * box.clientWidth; if (at - from < clip(contigs[i].name, 14).length * 6.6 + 8) return false; from = at; return true; };
  const middles = contigs.map((contig) => contig.offset + contig.length / 2).filter(isApart);
  return { contigOf, axis: { domain: [0, total], label: "contig", ticks: middles, format: (x) => clip(contigs[contigOf(x)].name, 14) } };
}
/** A Manhattan plot of {x, y, n, id}; those above `bar` stand out. */
function manhattan(box, o) {
  const { contigOf, axis } = genomeAxis(o.contigs, o.points.map((p) => p.x), box);
  for (const p of o.points) { p.at = contigOf(p.x); p.strong = p.y > o.bar; p.colour = p.strong ? "--c2" : p.at % 2 ? "--c6" : "--c1"; }
  const most = o.points.reduce((high, p) => Math.max(high, p.y), o.least) * 1.06;
  return scatter(box, { points: o.points, aria: o.aria, height: 330, radius: 2, x: { ...axis, grid: false }, y: { domain: [0, most], label: "−log10 p" }, before: (frame) => bound(frame, o.bar), text: o.text, after: o.after });
}
const withoutQq = (p) => el("figure", {}, el("p", { class: "note" }, `Only p of ${trim(p)} and less are stored (--max-p), so there is no QQ plot.`));
const quoted = (text) => `'${text.replace(/'/g, "''")}'`;

function assocSection() {
  if (!R.assoc) return section("assoc", "Association", null, absent("Associations are", "assoc"));
  const A = R.assoc;
  const holder = el("div", {});
  const plot = (P) => figure({ title: `Manhattan plot: ${P.name}`, wide: true, sql: `SELECT contig, pos, ref, alt, neg_log10_p FROM assoc WHERE phenotype = ${quoted(P.name)} AND status IS NULL ORDER BY p`, aria: `Manhattan plot of ${P.n_tested} variants for ${P.name}`,
    note: "Dashed: genome-wide significance, p = 5e-8.",
    draw: (box, spec) => manhattan(box, { contigs: A.contigs, points: P.manhattan.x.map((x, i) => ({ x, y: P.manhattan.y[i], n: P.manhattan.n?.[i] || 1 })), bar: 7.30103, least: 8, aria: spec.aria,
      text: (p) => `${A.contigs[p.at].name}:${whole(p.x - A.contigs[p.at].offset)}${p.n > 1 ? ` (about), ${whole(p.n)} variants` : ""}\n−log10 p ${trim(p.y)}` }) });
  const show = (P) => {
    const qq = A.max_p !== null ? withoutQq(A.max_p) : figure({ title: `QQ plot${P.lambda_gc ? `: λ ${fixed(P.lambda_gc, 3)}` : ""}`, sql: `SELECT neg_log10_p FROM assoc WHERE phenotype = ${quoted(P.name)} AND status IS NULL ORDER BY p`, aria: `QQ plot of ${P.n_tested} variants for ${P.name}`, draw: qqDraw([[P.qq, "--c1"]], "observed −log10 p") });
    const hits = el("figure", {}, el("figcaption", {}, el("h3", {}, "Strongest associations")), simpleTable(["Variant", "−log10 p", "AF", "Beta", "SE", "N"],
      P.hits.slice(0, 12).map((h) => [clip(h.variant, 40), fixed(h.neg_log10_p, 2), h.af === null ? "–" : fixed(h.af, 4), h.beta === null ? "–" : fixed(h.beta, 4), h.se === null ? "–" : fixed(h.se, 4), h.n === null ? "–" : whole(h.n)]), "Strongest associations"));
    exchange(holder, plots(plot(P), qq, hits));
  };
  const select = el("select", { id: "phenotype", change: (event) => show(A.phenotypes[event.target.value]) }, ...A.phenotypes.map((P, at) => el("option", { value: at }, P.name)));
  const controls = A.phenotypes.length > 1 && el("div", { class: "controls" }, el("label", { for: "phenotype", class: "small" }, "Phenotype "), select, A.n_phenotypes > A.phenotypes.length && el("span", { class: "muted small" }, `${A.n_phenotypes - A.phenotypes.length} more are in the table assoc`));
  section("assoc", "Association", `${whole(A.phenotypes[0].n_tested)} variants tested.`, controls, holder);
  show(A.phenotypes[0]);
}

function provenance() {
  const P = D.provenance;
  const settings = Object.entries(P.settings).filter(([, value]) => value !== "null" && value !== "[]" && value !== "").map(([name, value]) => `${name} = ${value}`).join("; ");
  const rows = [["Dataset", `made by varbatch ${P.dataset_version}, schema ${P.schema_version}, plan ${P.plan_digest}`], ["Report", `varbatch ${P.program_version}`], ["Settings", settings || "defaults"],
    ["Stored results", P.results.join(", ") || "none"], ["Inputs", P.inputs.slice(0, 10).join(", ") + (P.n_inputs > 10 ? `, … (${whole(P.n_inputs)} in all)` : "")]];
  section("provenance", "Provenance", null, el("div", { class: "scroll" }, el("table", {}, el("tbody", {}, ...rows.map(([name, text]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, el("code", {}, text))))))));
  document.getElementById("foot").textContent = "This page needs no network and changes nothing. Each “copy SQL” gives the query of a plot's numbers: varbatch query DATASET \"…\".";
}

for (const part of [overview, accounting, sampleSection, stripSection, pcaSection, kinshipSection, sexSection, tableSection, frequencySection, hweSection, qualitySection, kindSection, trackSection, assocSection, setSection, provenance]) part();
document.getElementById("nav").append(el("ul", {}, ...links.map(([id, title]) => el("li", {}, el("a", { href: "#" + id }, SHORT[id] || title)))));
drawAll();
watch();
document.documentElement.dataset.ready = "yes";
