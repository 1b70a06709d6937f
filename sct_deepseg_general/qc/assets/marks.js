"use strict";
// What the person thinks: pass, fail or artifact, a rank, a note. Kept in the browser under the
// report's own name; saved as the lists SCT's scripts read (qc_fail.yml ...) and as JSON.
qc.marks = (() => {
  const MARKS = ["pass", "fail", "artifact"];
  const SIGNS = { pass: "✔", fail: "✖", artifact: "⚠" };
  let marks = new Map();
  let changed = () => {};

  const storeName = () => `sct-qc:${qc.data.report}`;

  function clean(value) {
    const mark = MARKS.includes(value.mark) ? value.mark : "";
    const rank = Number.isInteger(value.rank) && value.rank >= 0 && value.rank <= 9 ? value.rank : null;
    const note = typeof value.note === "string" ? value.note : "";
    return mark || rank !== null || note ? { mark, rank, note } : null;
  }

  function fromObject(object) {
    const known = new Set(qc.data.rows.map((entry) => entry.id));
    let taken = 0;
    for (const [id, value] of Object.entries(object || {})) {
      const cleaned = value && known.has(id) ? clean(value) || none(id) : null;
      if (cleaned) { marks.set(id, cleaned); taken += 1; }
    }
    return taken;
  }

  function restore() {
    marks = new Map();
    try { fromObject(JSON.parse(localStorage.getItem(storeName()))); } catch { /* a fresh start */ }
  }

  function store() {
    try { localStorage.setItem(storeName(), JSON.stringify(Object.fromEntries(marks))); return true; }
    catch { return false; }
  }

  const NONE = { mark: "", rank: null, note: "" };

  // A result made again keeps what was said of the one before, until something else is said.
  function owner(id) {
    let at = id;
    while (at !== undefined && !marks.has(at)) at = qc.data.before.get(at);
    return at;
  }
  const get = (id) => marks.get(owner(id)) || NONE;
  const inherited = (id) => ![undefined, id].includes(owner(id)) && get(id) !== NONE;
  const none = (id) => (qc.data.before.has(id) ? NONE : null); // "no mark any more" is said too

  function set(id, part) {
    const value = clean({ ...get(id), ...part }) || none(id);
    if (value) marks.set(id, value); else marks.delete(id);
    store();
    changed(id);
  }

  function cycle(id) {
    const order = ["", ...MARKS];
    set(id, { mark: order[(order.indexOf(get(id).mark) + 1) % order.length] });
  }

  function scalar(path) {
    const plain = /^[A-Za-z0-9_./][A-Za-z0-9_./+@=-]*$/.test(path) && /\.nii(\.gz)?$/.test(path);
    return plain ? path : JSON.stringify(path);
  }

  function yaml(mark) {
    const chosen = qc.data.rows.filter((entry) => !entry.earlier && get(entry.id).mark === mark);
    if (!chosen.length) return "# No rows matched\n[]\n";
    const seen = new Set();
    const lines = [];
    for (const entry of chosen) {
      if (seen.has(entry.input)) continue;
      seen.add(entry.input);
      const note = get(entry.id).note.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
      lines.push(`    - ${scalar(entry.input)}${note ? ` # ${note}` : ""}`);
    }
    return `FILES_SEG:\n${lines.join("\n")}\n`;
  }

  function fromYaml(textContent, mark) {
    const wanted = new Set();
    for (const line of textContent.split(/\r?\n/)) {
      const item = /^\s*-\s+(.*)$/.exec(line);
      if (!item) continue;
      const quoted = /^"(?:[^"\\]|\\.)*"/.exec(item[1]) || /^'(?:[^']|'')*'/.exec(item[1]);
      if (!quoted) wanted.add(item[1].replace(/\s+#.*$/, "").trim());
      else if (quoted[0][0] === '"') { try { wanted.add(JSON.parse(quoted[0])); } catch { /* not ours */ } }
      else wanted.add(quoted[0].slice(1, -1).replaceAll("''", "'"));
    }
    let taken = 0;
    for (const entry of qc.data.rows) {
      if (entry.earlier || !wanted.has(entry.input)) continue;
      marks.set(entry.id, { ...get(entry.id), mark });
      taken += 1;
    }
    return taken;
  }

  function load(name, textContent) {
    let taken = 0;
    if (/\.ya?ml$/i.test(name)) {
      const mark = MARKS.find((word) => name.toLowerCase().includes(word));
      if (!mark) throw new Error("the name of a list must contain pass, fail or artifact");
      taken = fromYaml(textContent, mark);
    } else {
      const content = JSON.parse(textContent);
      taken = fromObject(content && content.marks);
    }
    store();
    changed(null);
    return taken;
  }

  function download(name, content) {
    const url = URL.createObjectURL(new Blob([content], { type: "text/plain;charset=utf-8" }));
    const link = qc.h("a", { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  const json = () => JSON.stringify({ report: qc.data.report, marks: Object.fromEntries(marks) }, null, 1);
  const count = (mark) => qc.data.rows.reduce((n, entry) => n + (!entry.earlier && get(entry.id).mark === mark), 0);

  const sign = (mark) => qc.h(`span.sign.${mark}`, { "aria-hidden": "true" }, SIGNS[mark]);

  function dialog() {
    const { h } = qc;
    const box = qc.byId("marks");
    const said = h("p.said", { role: "status" });
    const saves = MARKS.map((mark) => h("button", {
      type: "button", id: `save-${mark}`, onclick: () => download(`qc_${mark}.yml`, yaml(mark)),
    }, sign(mark), ` Save qc_${mark}.yml (${count(mark)})`));
    const input = h("input", {
      type: "file", id: "marks-file", accept: ".json,.yml,.yaml", multiple: true, "aria-label": "Load marks",
      onchange: async () => {
        for (const file of input.files) {
          try { said.textContent = `${file.name}: ${load(file.name, await file.text())} marks loaded.`; }
          catch (error) { said.textContent = `${file.name} cannot be read: ${error.message}.`; }
        }
      },
    });
    box.replaceChildren(
      h("h2", {}, "Marks"),
      h("p", {}, "Kept in this browser. The YAML lists are those SCT's scripts read (sct_run_batch -include-yml, manual correction)."),
      h("div.stack", {}, ...saves,
        h("button", { type: "button", id: "save-json", onclick: () => download("qc_marks.json", json()) },
          "Save all marks, ranks and notes (JSON)")),
      h("label.stack", {}, "Load marks (JSON or YAML)", input), said,
      h("button", { type: "button", onclick: () => box.close() }, "Close"),
    );
    box.showModal();
  }

  return {
    MARKS, sign, get, inherited, set, cycle, restore, yaml, load, json, count, dialog,
    onChange: (listener) => { changed = listener; },
  };
})();
