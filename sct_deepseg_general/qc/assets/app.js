"use strict";
(() => {
  const { h, byId } = qc;
  const KEYS = [
    ["↑ ↓  or  K J", "previous, next entry (Home, End, Page keys too)"],
    ["F", "cycle your mark: pass ✔, fail ✖, artifact ⚠, none"],
    ["0 to 9", "rank"], ["N", "write a note"], ["/", "search"],
    ["→ ←", "image, contour, filled"], ["P", "probability map"], ["B", "crop box"], ["D", "large tiles"],
    [", .", "slice up and down (or point at a view)"],
    ["V", "open the volume"], ["G", "group page"], ["T", "light or dark"], ["?", "these keys"], ["Esc", "leave a field or a window"],
  ];

  function counts() {
    const now = qc.data.rows.filter((entry) => !entry.earlier);
    byId("counts").replaceChildren(...Object.keys(qc.STATUS).map((status) => {
      const n = now.filter((entry) => entry.status === status).length;
      const value = `=${status}`;
      return h(`button.chip.${status}`, { type: "button", "aria-pressed": String(byId("filter-status").value === value),
        onclick: () => {
          byId("filter-status").value = byId("filter-status").value === value ? "" : value;
          qc.list.refresh();
          counts();
        } }, h("span", { "aria-hidden": "true" }, qc.STATUS[status].sign), ` ${n.toLocaleString("en")} ${status}`);
    }));
    const marked = qc.marks.MARKS.map((mark) => [mark, qc.marks.count(mark)]).filter(([, n]) => n);
    byId("marks-count").replaceChildren(...marked.flatMap(([mark, n]) => ["  ", qc.marks.sign(mark), ` ${n}`]));
  }

  function page(name) {
    for (const one of ["entries", "group"]) {
      byId(one).hidden = one !== name;
      byId(`tab-${one}`).setAttribute("aria-pressed", String(one === name));
    }
    if (name === "group") qc.group.draw(); else { qc.list.draw(); qc.list.reveal(); }
  }

  const current = () => (byId("group").hidden ? "entries" : "group");
  const address = (hash) => history.replaceState(null, "", hash);

  function turn(name) {
    page(name);
    address(name === "group" ? "#group" : `#${qc.list.state.selected ? qc.list.state.selected.id : ""}`);
    if (name === "group") byId("group").focus();
  }

  function follow() {
    const name = location.hash.slice(1);
    if (name === "group") { page("group"); return; }
    const entry = qc.data.rows.find((one) => one.id === name);
    page("entries");
    if (entry) {
      if (!qc.list.state.shown.includes(entry)) clearFilters();
      qc.list.select(entry);
    }
  }

  function clearFilters() {
    for (const field of byId("filters").querySelectorAll("input, select:not(#sort)")) field.value = "";
    qc.list.refresh();
    counts();
  }

  function theme() {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("sct-qc:theme", document.documentElement.dataset.theme); } catch { /* not kept */ }
  }

  function help() {
    byId("help").replaceChildren(h("h2", {}, "Keys"), h("dl", {}, KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
      h("button", { type: "button", onclick: () => byId("help").close() }, "Close"));
    byId("help").showModal();
  }

  const PAGE = () => Math.max(1, Math.floor(byId("list").clientHeight / 42) - 1);
  const onEntries = {
    ArrowUp: () => qc.list.move(-1), k: () => qc.list.move(-1), ArrowDown: () => qc.list.move(1), j: () => qc.list.move(1),
    PageUp: () => qc.list.move(-PAGE()), PageDown: () => qc.list.move(PAGE()),
    Home: () => qc.list.move(-Infinity), End: () => qc.list.move(Infinity),
    ArrowRight: () => qc.entry.cycle(1), ArrowLeft: () => qc.entry.cycle(-1),
    f: () => qc.list.state.selected && qc.marks.cycle(qc.list.state.selected.id),
    p: () => qc.entry.toggle("heat"), b: () => qc.entry.toggle("box"), d: () => qc.entry.toggle("large"),
    ",": () => qc.entry.step(1), ".": () => qc.entry.step(-1),
    n: () => byId("note") && byId("note").focus(),
    v: () => byId("open-viewer") && byId("open-viewer").click(),
  };
  const anywhere = {
    "/": () => { if (current() !== "entries") turn("entries"); byId("search").focus(); byId("search").select(); },
    g: () => turn(current() === "group" ? "entries" : "group"), t: theme, "?": help,
  };

  function keyed(event) {
    if (byId("viewer").open) { qc.viewer.key(event); return; }
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, select, textarea");
    if (field) {
      if (event.key === "Escape" || (event.key === "Enter" && field.id === "note")) { field.blur(); byId("list").focus(); }
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (/^[0-9]$/.test(key) && current() === "entries" && qc.list.state.selected) {
      qc.marks.set(qc.list.state.selected.id, { rank: Number(key) });
      return;
    }
    const action = (current() === "entries" && onEntries[key]) || anywhere[key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  function chosen(entry) {
    address(`#${entry.id}`);
    qc.entry.open(entry);
    const { shown } = qc.list.state;
    const next = shown[shown.indexOf(entry) + 1];
    if (next) setTimeout(() => { if (qc.list.state.selected === entry) qc.loadView(next.id).catch(() => {}); }, 250);
  }

  function start() {
    try { const kept = localStorage.getItem("sct-qc:theme"); if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept; } catch { /* the system's */ }
    qc.marks.restore();
    qc.marks.onChange((id) => { qc.list.draw(); qc.entry.remark(id); counts(); if (!id) qc.list.refresh(); });
    qc.list.start(chosen);
    byId("filters").addEventListener("change", () => setTimeout(counts, 0));
    counts();
    byId("tab-entries").addEventListener("click", () => turn("entries"));
    byId("tab-group").addEventListener("click", () => turn("group"));
    byId("marks-open").addEventListener("click", qc.marks.dialog);
    byId("theme").addEventListener("click", theme);
    byId("help-open").addEventListener("click", help);
    document.addEventListener("keydown", keyed);
    window.addEventListener("hashchange", follow);
    let wait = 0;
    window.addEventListener("resize", () => { clearTimeout(wait); wait = setTimeout(() => (current() === "group" ? qc.group.draw() : qc.entry.draw()), 120); });
    if (!qc.data.rows.length) byId("detail").replaceChildren(h("p.notice", {}, "This report has no entries yet."));
    if (location.hash.length > 1) follow();
    if (!qc.list.state.selected && qc.list.state.shown.length) qc.list.state.shown.length && current() === "entries" && qc.list.select(qc.list.state.shown[0]);
    byId("list").focus({ preventScroll: true });
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
  }

  start();
})();
