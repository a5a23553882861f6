// Tests of sets of variants: one row of columns for each set, one p for each test.

const TESTS = { collapsing: ["Collapsing", "--c1"], burden: ["Burden", "--c2"], skat: ["SKAT", "--c3"], skato: ["SKAT-O", "--c4"] };
const testName = (test) => TESTS[test.name]?.[0] ?? test.name;
const testColour = (test) => TESTS[test.name]?.[1] ?? "--c8";

/** p with three digits, also where it is too small for a number. */
function pText(y) {
  if (!Number.isFinite(y)) return "–";
  if (y < 3) return (10 ** -y).toPrecision(3);
  const power = Math.floor(-y), digits = (10 ** (-y - power)).toFixed(2);
  return digits === "10.00" ? `1.00e${power + 1}` : `${digits}e${power}`;
}

function setSection() {
  if (!R.burden) return section("sets", "Sets of variants", null, absent("Tests of sets are", "burden"));
  const B = R.burden;
  const setNames = decoded(B.names), contig = numbers(B.contig), start = numbers(B.start), end = numbers(B.end);
  const isPlaced = (i) => !Number.isNaN(contig[i]) && !Number.isNaN(start[i]);
  const place = (i) => (!isPlaced(i) ? "no place" : `${B.contigs[contig[i]].name}:${whole(start[i])}–${whole(end[i])}`);
  for (const A of B.analyses) {
    for (const name of ["n_variants", "n_carriers", "n_carriers_cases"]) A[name] = A[name] && numbers(A[name]);
    for (const test of A.tests) {
      test.y = numbers(test.neg_log10_p);
      test.beta = test.beta && numbers(test.beta);
      test.bar = -Math.log10(0.05 / Math.max(1, test.n_tested));
    }
  }
  const isStrong = (A, i) => A.tests.some((test) => test.y[i] > test.bar);
  const where = (A, test) => `phenotype = ${quoted(A.phenotype)} AND mask = ${quoted(A.mask)}` + (test ? ` AND test = ${quoted(test.name)}` : "");
  const counts = (A, i) => `${plural(A.n_variants[i], "variant")}, ${plural(A.n_carriers[i], "carrier")}${A.n_carriers_cases ? `, ${whole(A.n_carriers_cases[i])} of them cases` : ""}`;

  function plotOf(A, test) {
    const points = [];
    for (let i = 0; i < B.n; i++) if (Number.isFinite(test.y[i]) && isPlaced(i)) points.push({ x: B.contigs[contig[i]].offset + start[i], y: test.y[i], n: 1, id: i });
    const known = setNames.reduce((n, _, i) => n + Number.isFinite(test.y[i]), 0);
    const notes = [`Dashed: 0.05 / ${whole(test.n_tested)} sets, p = ${pText(test.bar)}.`, known > points.length && `${plural(known - points.length, "set")} with variants on several contigs: in the table only.`].filter(Boolean);
    return figure({ title: `Sets along the genome: ${testName(test)}`, wide: true, sql: `SELECT set, contig, start, neg_log10_p FROM burden WHERE ${where(A, test)} AND status IS NULL ORDER BY p`, note: notes.join(" "),
      aria: `Manhattan plot of ${points.length} sets: ${testName(test)}, ${A.phenotype}, ${A.mask}`,
      draw: (box, spec) => manhattan(box, { contigs: B.contigs, points, bar: test.bar, least: test.bar + 0.5, aria: spec.aria,
        text: (p) => `${clip(setNames[p.id], 60)}\n${place(p.id)}\np ${pText(p.y)}; ${counts(A, p.id)}`,
        after: (frame) => names(frame, points.filter((p) => p.strong).sort((a, b) => b.y - a.y), () => true, (i) => setNames[i]) }) });
  }
  function qqOf(A) {
    const drawn = A.tests.filter((test) => test.qq);
    if (!drawn.length) return withoutQq(B.max_p);
    return figure({ title: "QQ plot", sql: `SELECT test, neg_log10_p FROM burden WHERE ${where(A)} AND status IS NULL ORDER BY test, p`, aria: `QQ plot of ${drawn.map(testName).join(", ")}`, legend: drawn.length > 1 ? legend(drawn.map((test) => [testName(test), testColour(test)])) : null,
      note: "Few carriers allow few values of p: points of rare sets lie below the line, those of Fisher's test most.",
      draw: qqDraw(drawn.map((test) => [test.qq, testColour(test), testName(test)]), "observed −log10 p") });
  }
  function testsOf(A) {
    const rows = A.tests.map((test) => {
      let best = -1, strong = 0;
      for (let i = 0; i < B.n; i++) { if (test.y[i] > (best < 0 ? -1 : test.y[best])) best = i; strong += test.y[i] > test.bar; }
      return [testName(test), test.n_tested, test.lambda_gc === null ? "–" : fixed(test.lambda_gc, 3), best < 0 ? "–" : pText(test.y[best]), best < 0 ? "–" : clip(setNames[best], 24), strong];
    });
    const reasons = A.tests[0].untested.map(([reason, n]) => `${whole(n)} ${reason.replaceAll("_", " ")}`).join(", ");
    return el("figure", {}, el("figcaption", {}, el("h3", {}, "Tests"), sqlButton(`SELECT * FROM burden_summary WHERE ${where(A)}`, "Tests")), simpleTable(["Test", "Sets tested", "λ", "Least p", "Set", "Above the line"], rows, "Tests"),
      reasons && el("p", { class: "muted small" }, `Not tested by ${testName(A.tests[0])}: ${reasons}.`));
  }
  function tableOf(A) {
    const columns = [{ title: "Set", isText: true, value: (i) => setNames[i], text: (i) => clip(setNames[i], 40), full: (i) => setNames[i] },
      { title: "Contig", isUp: true, value: (i) => contig[i], text: (i) => (Number.isNaN(contig[i]) ? "–" : clip(B.contigs[contig[i]].name, 14)) },
      { title: "Start", isUp: true, value: (i) => start[i], text: (i) => (Number.isNaN(start[i]) ? "–" : whole(start[i])) },
      { title: "End", isUp: true, value: (i) => end[i], text: (i) => (Number.isNaN(end[i]) ? "–" : whole(end[i])) },
      { title: "Variants", value: (i) => A.n_variants[i], text: (i) => (Number.isNaN(A.n_variants[i]) ? "–" : whole(A.n_variants[i])) },
      { title: "Carriers", value: (i) => A.n_carriers[i], text: (i) => (Number.isNaN(A.n_carriers[i]) ? "–" : whole(A.n_carriers[i])) }];
    if (A.n_carriers_cases) columns.push({ title: "In cases", value: (i) => A.n_carriers_cases[i], text: (i) => (Number.isNaN(A.n_carriers_cases[i]) ? "–" : whole(A.n_carriers_cases[i])) });
    const sort = columns.length;
    for (const test of A.tests) columns.push({ title: `p, ${testName(test)}`, isUp: true, value: (i) => -test.y[i], text: (i) => pText(test.y[i]), isOut: (i) => test.y[i] > test.bar });
    const effect = A.tests.find((test) => test.beta);
    if (effect) columns.push({ title: `Beta, ${testName(effect)}`, value: (i) => effect.beta[i], text: (i) => (Number.isNaN(effect.beta[i]) ? "–" : trim(effect.beta[i])) });
    const search = (i) => `${setNames[i]} ${Number.isNaN(contig[i]) ? "" : B.contigs[contig[i]].name}`;
    return el("div", {}, el("figcaption", {}, el("h3", {}, "Table of sets"), sqlButton(`SELECT * FROM burden WHERE ${where(A)} ORDER BY p`, "Table of sets")),
      rowTable(columns, B.n, { search, isOut: (i) => isStrong(A, i), onlyOut: "above the line only", noun: "set", placeholder: "filter by name or contig", sort }));
  }

  const above = el("div", {}), below = el("div", {});
  let A = B.analyses[0], test = A.tests[0];
  const tests = el("select", { id: "set-test", change: () => { test = A.tests[tests.value]; exchange(above, plots(plotOf(A, test), qqOf(A), testsOf(A))); } });
  const show = (at) => {
    A = B.analyses[at];
    const before = A.tests.findIndex((one) => one.name === test.name);
    test = A.tests[Math.max(0, before)];
    tests.replaceChildren(...A.tests.map((one, i) => el("option", { value: i, selected: one === test }, testName(one))));
    exchange(above, plots(plotOf(A, test), qqOf(A), testsOf(A)));
    below.replaceChildren(tableOf(A));
  };
  const analyses = el("select", { id: "set-analysis", change: (event) => show(event.target.value) }, ...B.analyses.map((one, at) => el("option", { value: at }, `${one.phenotype}, ${one.mask}`)));
  const more = B.n_analyses - B.analyses.length;
  const controls = el("div", { class: "controls" }, el("label", { for: "set-analysis", class: "small" }, "Phenotype and mask "), analyses, el("label", { for: "set-test", class: "small" }, "Test along the genome "), tests, more > 0 && el("span", { class: "muted small" }, `${whole(more)} more are in the table burden`));
  const left = B.n_sets - B.n;
  section("sets", "Sets of variants", `Rare variants of ${plural(B.n_sets, "set")} tested together.${left > 0 ? ` The page holds the strongest ${whole(B.n / 2)} and as many of the others, evenly by strength.` : ""}`, controls, above, below);
  show(0);
}
