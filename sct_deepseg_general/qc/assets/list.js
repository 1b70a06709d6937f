"use strict";
// The list: filters, sorting, and only the rows in sight.
qc.list = (() => {
  const { h, byId } = qc;
  const ROW = 42;
  const SPARE = 6;
  const RANKS = { fail: 0, warn: 1, ok: 2 };
  const COLUMNS = [
    { key: "subject", name: "Subject", sort: (e) => e.subject },
    { key: "contrast", name: "Contrast", sort: (e) => e.contrast },
    { key: "status", name: "Status", sort: (e) => RANKS[e.status] },
    { key: "csa", name: "CSA", hint: "Mean cross-sectional area, mm²", sort: (e) => e.csa },
    { key: "confidence", name: "Conf.", hint: "Confidence", sort: (e) => e.confidence },
    { key: "mark", name: "Mark", sort: (e) => qc.marks.get(e.id).mark || null },
  ];
  const MORE = [
    { key: "date", name: "Date", sort: (e) => e.id },
    { key: "dataset", name: "Dataset", sort: (e) => e.dataset },
    { key: "site", name: "Site", sort: (e) => e.site },
    { key: "csa_sd", name: "CSA spread", sort: (e) => e.csa_sd },
    { key: "dice", name: "Dice", sort: (e) => e.dice },
    { key: "seconds", name: "Time taken", sort: (e) => e.seconds },
    { key: "model", name: "Model", sort: (e) => e.model },
    { key: "input", name: "Input", sort: (e) => e.input },
    { key: "rank", name: "Rank", sort: (e) => qc.marks.get(e.id).rank },
    { key: "note", name: "Note", sort: (e) => qc.marks.get(e.id).note || null },
  ];
  const state = { shown: [], selected: null, sort: "date", down: true, earlier: false };
  let chosen = () => {};

  const order = () => [...COLUMNS, ...MORE].find((column) => column.key === state.sort);

  function filtered() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const subject = byId("filter-subject").value.toLowerCase().trim();
    const exact = ["status", "dataset", "contrast"].map((key) => [key, byId(`filter-${key}`).value])
      .filter(([, value]) => value !== "");
    const mark = byId("filter-mark").value;
    return qc.data.rows.filter((entry) => {
      if (entry.earlier && !state.earlier) return false;
      if (exact.some(([key, value]) => `=${entry[key]}` !== value)) return false;
      if (subject && !entry.subject.toLowerCase().includes(subject)) return false;
      const own = qc.marks.get(entry.id);
      if (mark && mark !== (own.mark || "none") && !(mark === "note" && own.note)) return false;
      if (!words.length) return true;
      const note = own.note.toLowerCase();
      return words.every((word) => entry.words.includes(word) || note.includes(word));
    });
  }

  function sorted(entries) {
    const value = order().sort;
    const sign = state.down ? -1 : 1;
    const keyed = entries.map((entry) => [value(entry), entry]);
    keyed.sort(([a, x], [b, y]) => {
      const none = (a === null || a === "") - (b === null || b === "");
      if (none) return none; // what is missing comes last, both ways
      const by = typeof a === "number" ? a - b : qc.compare(a, b);
      return by ? sign * by : (x.id < y.id ? -1 : 1);
    });
    return keyed.map(([, entry]) => entry);
  }

  function refresh() {
    state.shown = sorted(filtered());
    byId("rows").style.height = `${state.shown.length * ROW}px`;
    byId("grid").setAttribute("aria-rowcount", String(state.shown.length + 1));
    head();
    draw();
    summary();
  }

  function summary() {
    const earlier = qc.data.rows.filter((entry) => entry.earlier).length;
    const all = qc.data.rows.length - (state.earlier ? 0 : earlier);
    byId("shown").replaceChildren(
      `${state.shown.length.toLocaleString("en")} of ${all.toLocaleString("en")} entries`,
      ...(earlier ? [h("label", {}, h("input", {
        type: "checkbox", id: "earlier", checked: state.earlier,
        onchange: (event) => { state.earlier = event.target.checked; refresh(); },
      }), ` earlier runs (${earlier})`)] : []));
  }

  function head() {
    byId("head").replaceChildren(h("span.thumb", { role: "columnheader" }, h("span.hidden", {}, "Picture")),
      ...COLUMNS.map((column) => {
        const own = column.key === state.sort;
        return h(`span.${column.key}`, {
          role: "columnheader", "aria-sort": own ? (state.down ? "descending" : "ascending") : "none",
        }, h("button", { type: "button", title: column.hint || `Sort by ${column.name.toLowerCase()}`,
          "data-sort": column.key, onclick: () => {
            sortBy(column.key);
            document.querySelector(`[data-sort="${column.key}"]`).focus();
          } },
          column.name, own ? (state.down ? " ▾" : " ▴") : ""));
      }));
    byId("sort").value = state.sort;
  }

  function sortBy(key) {
    state.down = state.sort === key ? !state.down : key === "date";
    state.sort = key;
    refresh();
  }

  function badge(status) {
    const { sign, name } = qc.STATUS[status];
    return h(`span.badge.${status}`, {}, h("span", { "aria-hidden": "true" }, sign), ` ${name}`);
  }

  function cell(name, ...children) { return h(`span.${name}`, { role: "gridcell" }, ...children); }

  function rowElement(entry, index) {
    const own = qc.marks.get(entry.id);
    const selected = entry === state.selected;
    return h(`div.row${selected ? ".selected" : ""}${own.mark ? `.marked-${own.mark}` : ""}`, {
      role: "row", id: `row-${entry.id}`, "aria-rowindex": index + 2, "aria-selected": String(selected),
      "data-id": entry.id, style: { transform: `translateY(${index * ROW}px)` },
      onclick: () => { select(entry); byId("list").focus({ preventScroll: true }); },
    },
    cell("thumb", h("img", { alt: "", width: 96, height: 32, "data-src": qc.file(entry, "thumb.webp") })),
    cell("subject", h("b", { title: entry.subject }, entry.subject || "–"),
      h("small", { title: `${entry.short} · ${entry.dataset}` }, entry.short, entry.short && entry.dataset ? " · " : "", entry.dataset)),
    cell("contrast", entry.contrast),
    cell("status", badge(entry.status)),
    cell("csa", qc.fixed(entry.csa, 1), entry.region ? h("small", { title: entry.region }, " of a region") : ""),
    cell("confidence", qc.fixed(entry.confidence, 2)),
    cell("mark", own.mark ? h("span", { role: "img", "aria-label": own.mark }, qc.marks.sign(own.mark)) : "",
      own.rank === null ? "" : h("small", {}, ` ${own.rank}`),
      own.note ? h("small", { title: own.note, role: "img", "aria-label": "has a note" }, " ✎") : ""));
  }

  let frame = 0;
  let settle = 0;
  function draw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      const list = byId("list");
      const first = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
      const last = Math.min(state.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
      const before = new Map([...byId("rows").querySelectorAll("img[src]")].map((img) => [img.dataset.src, img]));
      const rows = [];
      for (let i = first; i < last; i += 1) rows.push(rowElement(state.shown[i], i));
      for (const row of rows) { // pictures already there stay, so that nothing flickers
        const img = row.querySelector("img");
        const kept = before.get(img.dataset.src);
        if (kept) img.replaceWith(kept);
      }
      byId("rows").replaceChildren(...(rows.length ? rows : [h("p.empty", {}, "No entry matches.")]));
      const active = state.selected && byId(`row-${state.selected.id}`);
      if (active) list.setAttribute("aria-activedescendant", active.id);
      else list.removeAttribute("aria-activedescendant");
      clearTimeout(settle); // thumbnails wait until the scrolling does
      settle = setTimeout(thumbnails, before.size ? 90 : 0);
    });
  }

  function thumbnails() {
    for (const img of byId("rows").querySelectorAll("img:not([src])")) {
      img.onerror = () => { img.style.visibility = "hidden"; };
      img.src = img.dataset.src;
    }
  }

  function reveal(index) {
    const list = byId("list");
    const top = index * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  }

  function select(entry) {
    state.selected = entry;
    const index = state.shown.indexOf(entry);
    if (index >= 0) reveal(index);
    draw();
    chosen(entry);
  }

  function move(step) {
    if (!state.shown.length) return;
    const at = state.shown.indexOf(state.selected);
    const to = at < 0 ? 0 : Math.max(0, Math.min(state.shown.length - 1, at + step));
    if (state.shown[to] !== state.selected) select(state.shown[to]);
  }

  function options(id, first, values) {
    const select = byId(id);
    const before = select.value;
    select.replaceChildren(h("option", { value: "" }, first), ...values.map(([value, name]) => h("option", { value }, name)));
    select.value = before;
  }

  function start(onChoose) {
    chosen = onChoose;
    const distinct = (key) => [...new Set(qc.data.rows.map((entry) => entry[key]))].sort(qc.compare)
      .map((value) => [`=${value}`, value || "(none)"]);
    options("filter-status", "Any status", ["fail", "warn", "ok"].map((name) => [`=${name}`, name]));
    options("filter-dataset", "All datasets", distinct("dataset"));
    options("filter-contrast", "All contrasts", distinct("contrast"));
    options("filter-mark", "Any mark", [["none", "unmarked"], ...qc.marks.MARKS.map((mark) => [mark, mark]), ["note", "with a note"]]);
    byId("sort").replaceChildren(...[...COLUMNS, ...MORE].map((column) =>
      h("option", { value: column.key }, `Sort: ${column.name.toLowerCase().replace("csa", "CSA")}`)));
    byId("sort").addEventListener("change", (event) => { state.sort = ""; sortBy(event.target.value); });
    let wait = 0;
    byId("filters").addEventListener("input", (event) => {
      if (event.target.id === "sort") return;
      clearTimeout(wait);
      wait = setTimeout(refresh, event.target.type === "search" ? 60 : 0);
    });
    byId("list").addEventListener("scroll", draw, { passive: true });
    new ResizeObserver(draw).observe(byId("list"));
    refresh();
  }

  return { start, refresh, draw, select, move, badge, state, reveal: () => reveal(state.shown.indexOf(state.selected)) };
})();
