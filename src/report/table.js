// A table that sorts, filters and shows a page at a time: 100,000 rows are as light as twenty.

/** `columns`: [{title, value(i), text(i), full(i), isOut(i), isText, isUp}] (isUp: small values first); `n` rows. `o`: search(i) (text),
 * isOut(i), onlyOut (label), noun, placeholder, sort (column). */
function rowTable(columns, n, o) {
  const PAGE = 20;
  const goesUp = (index) => Boolean(columns[index].isText || columns[index].isUp);
  const state = { sort: o.sort, down: !goesUp(o.sort), from: 0, query: "", onlyOut: false };
  const body = el("tbody", {}), where = el("span", { class: "muted small", role: "status" });
  const heads = columns.map((column, index) => {
    const button = el("button", { type: "button", click: () => sortBy(index) }, column.title);
    return el("th", { scope: "col", class: column.isText ? null : "n" }, button);
  });
  let rows = [];
  function sortBy(index) {
    state.down = state.sort === index ? !state.down : !goesUp(index);
    state.sort = index;
    refresh();
  }
  function refresh() {
    const query = state.query.toLowerCase();
    rows = [];
    for (let i = 0; i < n; i++) if ((!query || o.search(i).toLowerCase().includes(query)) && (!state.onlyOut || o.isOut(i))) rows.push(i);
    const value = columns[state.sort].value, sign = state.down ? -1 : 1;
    const keys = new Map(rows.map((i) => [i, value(i)]));
    rows.sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      const xIs = typeof x === "string" || Number.isFinite(x), yIs = typeof y === "string" || Number.isFinite(y);
      if (xIs !== yIs) return xIs ? -1 : 1; // unknown values last
      return (x < y ? -sign : x > y ? sign : 0) || a - b;
    });
    state.from = 0;
    show();
  }
  function show() {
    const page = rows.slice(state.from, state.from + PAGE);
    body.replaceChildren(...page.map((i) => el("tr", {}, ...columns.map((column) =>
      el("td", { class: (column.isText ? "" : "n") + (column.isOut && column.isOut(i) ? " out" : ""), title: column.full ? column.full(i) : null }, column.text(i))))));
    const last = Math.min(rows.length, state.from + PAGE);
    where.textContent = rows.length ? `${whole(state.from + 1)}–${whole(last)} of ${plural(rows.length, o.noun)}` : `no ${o.noun}`;
    heads.forEach((head, index) => {
      head.setAttribute("aria-sort", index !== state.sort ? "none" : state.down ? "descending" : "ascending");
      head.firstChild.textContent = columns[index].title + (index === state.sort ? (state.down ? " ↓" : " ↑") : "");
    });
    previous.disabled = state.from === 0;
    next.disabled = last >= rows.length;
  }
  const turn = (by) => () => { state.from += by; show(); };
  const previous = el("button", { type: "button", click: turn(-PAGE) }, "← previous");
  const next = el("button", { type: "button", click: turn(PAGE) }, "next →");
  const search = el("input", { type: "search", placeholder: o.placeholder, "aria-label": `Filter the ${o.noun}s`, input: (event) => { state.query = event.target.value; refresh(); } });
  const onlyOut = el("input", { type: "checkbox", change: (event) => { state.onlyOut = event.target.checked; refresh(); } });
  refresh();
  return el("div", {}, el("div", { class: "controls" }, search, el("label", { class: "small" }, onlyOut, " " + o.onlyOut), where, previous, next),
    el("div", { class: "scroll" }, el("table", { "aria-label": `Table of ${o.noun}s` }, el("thead", {}, el("tr", {}, ...heads)), body)));
}
