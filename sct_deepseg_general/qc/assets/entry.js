"use strict";
// One entry: sections along the cord, the area beside them, the axial mosaic, the facts.
qc.entry = (() => {
  const { h, s, byId } = qc;
  const MODES = ["image", "contour", "filled"];
  const state = { entry: null, view: null, slice: null, mode: "contour", heat: false, box: true, large: false };

  const root = () => byId("detail");

  function show() {
    const element = root();
    for (const mode of MODES) element.classList.toggle(`mode-${mode}`, mode === state.mode);
    element.classList.toggle("heat-on", state.heat);
    element.classList.toggle("box-off", !state.box);
    element.classList.toggle("large", state.large);
    for (const button of element.querySelectorAll("[data-mode]"))
      button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
    for (const [id, on] of [["show-heat", state.heat], ["show-box", state.box], ["show-large", state.large]]) {
      const box = byId(id);
      if (box) box.setAttribute("aria-pressed", String(on));
    }
  }

  function cycle(step) {
    state.mode = MODES[(MODES.indexOf(state.mode) + step + MODES.length) % MODES.length];
    show();
  }

  function toggle(name) { state[name] = !state[name]; show(); }

  function layers(entry, view, plane, part, place) {
    const image = (suffix, kind) => s(`image.${kind}`, { href: qc.file(entry, `${plane}${suffix}`), ...place, preserveAspectRatio: "none" });
    return [image(".webp", "grey"), view.heat ? image("-p.png", "heat") : null,
      part.other ? s("path.outline.other", { d: part.other }) : null,
      part.contour ? s("path.outline.mask", { d: part.contour }) : null,
      ...(part.labels || []).map((d, n) => d ? label(n, s("path.outline.label", { d }, s("title", {}, view.labels[n] || ""))) : null)];
  }

  // An element in the colour of label n.
  function label(n, element) { element.style.setProperty("--own", qc.colour(n)); return element; }

  function section(entry, view, plane, height, sides) {
    const part = view[plane];
    const [columns, rows] = part.voxels;
    const width = Math.round((height * part.mm[0]) / part.mm[1]);
    const svg = s("svg", { viewBox: `0 0 ${columns} ${rows}`, width, height, preserveAspectRatio: "none",
      role: "img", "aria-label": `${plane} section along the cord's centreline of ${entry.subject} ${entry.contrast}, ${rows} slices` },
    layers(entry, view, plane, part, { x: 0, y: 0, width: columns, height: rows }));
    for (const run of qc.chart.levels(view.csa)) {
      const y = rows - run.last - 1;
      svg.append(s("line.level", { x1: 0, x2: columns, y1: y, y2: y }));
    }
    if (part.box) {
      const [x, y, w, t] = part.box;
      svg.append(s("rect.box", { x, y, width: w, height: t }, s("title", {}, "crop box")));
    }
    discs(svg, part, height / rows);
    svg.append(s("line.cursor", { x1: 0, x2: columns, visibility: "hidden" }));
    svg.addEventListener("pointermove", (event) => {
      const frame = svg.getBoundingClientRect();
      point(rows - 1 - Math.floor(((event.clientY - frame.top) / frame.height) * rows));
    });
    return h(`figure.section`, {}, h("div.frame", {}, svg, h("span.side.start", {}, sides[0]), h("span.side.end", {}, sides[1])),
      h("figcaption", {}, plane));
  }

  // The discs at their posterior tips, with their numbers beside them; those not seen are hollow.
  function discs(svg, part, scale) {
    const across = scale * (part.mm[0] / part.mm[1]) * (part.voxels[1] / part.voxels[0]); // pixels a column
    for (const [x, y, number, seen] of part.discs || []) {
      if (x < 0 || x > part.voxels[0]) continue;
      svg.append(s(`ellipse.disc${seen ? "" : ".unseen"}`, { cx: x, cy: y, rx: 2.5 / across, ry: 2.5 / scale }, s("title", {}, `disc ${number}${seen ? "" : ", not seen in the image"}`)),
        s("text.disc", { transform: `translate(${x - 7 / across} ${y + 3.5 / scale}) scale(${1 / across} ${1 / scale})` }, String(number)));
    }
  }

  function tile(entry, view, index) {
    const { columns, voxels, pixels, tiles } = view.axial;
    const [number, contour, other, labels] = tiles[index];
    const [w, t] = voxels;
    const rows = Math.ceil(tiles.length / columns);
    const area = view.areas.get(number);
    const name = `slice ${number}${area ? `, ${area[5] ? `${area[5]}, ` : ""}${qc.fixed(area[2], 1)} mm²` : ""}${area && area[6] ? ", flagged" : ""}`;
    return h(`div.tile${area && area[6] ? ".flagged" : ""}`, { "data-slice": number, title: name,
      style: { aspectRatio: `${pixels[0]} / ${pixels[1]}` },
      onclick: () => point(number), ondblclick: () => { point(number); qc.viewer.open(entry, state.slice, view.slices, view.labels); } },
    s("svg", { viewBox: `0 0 ${w} ${t}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      layers(entry, view, "axial", { contour, other, labels }, {
        x: -(index % columns) * w, y: -Math.floor(index / columns) * t, width: columns * w, height: rows * t })),
    h("span.n", {}, String(number)), area ? h("span.a", {}, area[5]) : null);
  }

  function mosaic(entry, view) {
    const { tiles, of, voxels } = view.axial;
    const thinned = tiles.length < of ? `, ${tiles.length} of ${of} shown` : "";
    const sheet = h("div.mosaic", { role: "img", "aria-label":
      `Axial mosaic of ${entry.subject} ${entry.contrast}: slices ${tiles[0][0]} to ${tiles[tiles.length - 1][0]} from superior to inferior${thinned}, mask drawn as a contour` },
    tiles.map((_, index) => tile(entry, view, index)));
    sheet.style.setProperty("--tile", `${tiles.length <= 12 ? 150 : tiles.length <= 30 ? 104 : 72}px`); // few slices, large tiles
    const [tx, ty] = [view.orientation.search(/[RL]/), view.orientation.search(/[AP]/)];
    const field = [voxels[0] * view.spacing[tx], voxels[1] * view.spacing[ty]].map((v) => v.toFixed(0)).join(" × ");
    return h("section.axial", { "aria-label": "Axial slices" }, controls(view),
      sheet, h("p.caption", {}, `Axial, superior to inferior${thinned}; ${field} mm a tile; left is shown left. Numbers count slices from inferior.`));
  }

  function controls(view) {
    const mode = (name, label) => h("button", { type: "button", "data-mode": name, onclick: () => { state.mode = name; show(); } }, label);
    const flag = (id, name, label, key) => h("button.toggle", { type: "button", id, title: `Key ${key}`, onclick: () => toggle(name) }, label);
    return h("div.controls", { role: "toolbar", "aria-label": "Overlay" },
      h("span.segmented", {}, mode("image", "Image"), mode("contour", "Contour"), mode("filled", "Filled")),
      view.heat ? flag("show-heat", "heat", "Probability", "P") : null,
      view.sagittal.box ? flag("show-box", "box", "Crop box", "B") : null,
      flag("show-large", "large", "Large tiles", "D"),
      view.other ? h("span.legend", {}, h("i.key.mask", {}), " this mask ", h("i.key.other", {}), " other mask") : null,
      (view.labels || []).length ? h("span.legend.labels", { "aria-label": "Labels" },
        view.labels.map((name, n) => h("span", {}, label(n, h("i.key.label")), ` ${name}`))) : null,
      h("span.readout", { id: "readout" }));
  }

  function facts(entry, view) {
    const between = view.interval || null;
    const pairs = [
      ["CSA", entry.csa === null ? "–" : `${qc.fixed(entry.csa, 1)} mm²`],
      entry.region && ["Region", entry.region],
      between && ["Interval", `${between.map((v) => qc.fixed(v, 1)).join(" to ")} mm²`],
      entry.csa === null ? null : ["Slices' SD", `${qc.fixed(entry.csa_sd, 1)} mm²`],
      ["Confidence", qc.fixed(entry.confidence, 3)],
      entry.dice === null ? null : ["Dice", qc.fixed(entry.dice, 3)],
      view.c2c3 && ["C2–C3", view.c2c3],
      view.norms && ["Centile", view.norms],
      view.levels && ["Levels", view.levels],
      ["Contrast", entry.contrast || "–"],
      ["Voxel", `${view.spacing.map((v) => String(+v.toFixed(2))).join(" × ")} mm`],
      ["Matrix", `${view.shape.join(" × ")}  ${view.orientation}${view.frames > 1 ? `, mean of ${view.frames}` : ""}`],
      ["Model", entry.model || "–"],
      ["Version", view.version || "–"],
      ["Time", entry.seconds === null ? "–" : `${entry.seconds < 10 ? entry.seconds.toFixed(1) : entry.seconds.toFixed(0)} s`],
      ["Made", entry.date.replace("T", " ").replace(/(:\d\d)?Z$/, " UTC")],
    ].filter(Boolean);
    return h("dl.facts", {}, pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  function marking(entry) {
    const own = qc.marks.get(entry.id);
    const button = (mark) => h(`button.mark-${mark}`, { type: "button", "data-mark": mark, "aria-pressed": String(own.mark === mark),
      onclick: () => qc.marks.set(entry.id, { mark: own.mark === mark ? "" : mark }) }, qc.marks.sign(mark), ` ${mark[0].toUpperCase()}${mark.slice(1)}`);
    return h("div.marking", { role: "group", "aria-label": "Your mark (F)" },
      qc.marks.inherited(entry.id) ? h("span.muted", { id: "inherited", title: "This mark was made on an earlier result of the same image and mask. Mark again to confirm or change it." }, "from an earlier run:") : null,
      ...qc.marks.MARKS.map(button),
      h(`select${own.rank === null ? ".unset" : ""}`, { id: "rank", "aria-label": "Rank (0 to 9)", title: "Rank, keys 0 to 9",
        onchange: (event) => qc.marks.set(entry.id, { rank: event.target.value === "" ? null : Number(event.target.value) }) },
      h("option", { value: "" }, "rank"), ...Array.from({ length: 10 }, (_, n) => h("option", { value: n, selected: own.rank === n }, String(n)))),
      h("input.note", { id: "note", type: "text", placeholder: "Note  ( N )", "aria-label": "Note", value: own.note, maxlength: 2000,
        oninput: (event) => qc.marks.set(entry.id, { note: event.target.value }) })); // as it is typed: closing the tab loses nothing
  }

  function header(entry, view) {
    return h("header.title", {},
      h("div.who", {}, h("h2", {}, entry.subject || "–", " ", h("span.what", {}, entry.contrast)), h("span.where", { title: entry.input }, entry.short, entry.short && entry.dataset ? " · " : "", entry.dataset),
        qc.list.badge(entry.status)),
      h("div.act", {}, h("span", { id: "marking" }, marking(entry)),
        view && view.volume ? h("button.primary", { type: "button", id: "open-viewer", title: "Key V", onclick: () => qc.viewer.open(entry, state.slice, view.slices, view.labels) }, "Open volume") : null),
      entry.reasons.length ? h(`ul.reasons.${entry.status}`, { "aria-label": "Reasons" }, entry.reasons.map((reason) => h("li", {}, reason))) : null);
  }

  function height(view) {
    const room = Math.max(190, Math.min(340, Math.round(window.innerHeight * 0.33)));
    const both = view.sagittal.mm[0] / view.sagittal.mm[1] + view.coronal.mm[0] / view.coronal.mm[1];
    const beside = Math.max(240, root().clientWidth - 490); // what curve and facts leave
    return Math.round(Math.min(room, beside / both));
  }

  function curve(entry, view, tall) {
    const beside = ["sagittal", "coronal"].map((plane) => (tall * view[plane].mm[0]) / view[plane].mm[1]);
    const room = root().clientWidth - beside[0] - beside[1] - 310; // what the facts leave
    const size = { width: Math.round(Math.max(170, Math.min(420, room))), height: Math.max(tall, 130) };
    const svg = qc.chart.area(view, view.slices, size, entry);
    svg.append(s("line.cursor", { x1: 0, x2: size.width, visibility: "hidden" }));
    svg.addEventListener("pointermove", (event) => {
      const at = (event.clientY - svg.getBoundingClientRect().top) / size.height;
      if (at < 1) point(view.slices - 1 - Math.floor(at * view.slices));
    });
    return h("figure.curve", {}, svg);
  }

  // The slice under the pointer, marked in every view.
  function point(slice) {
    if (!state.view || slice < 0 || slice >= state.view.slices) return;
    state.slice = slice;
    for (const line of root().querySelectorAll(".cursor")) {
      const svg = line.ownerSVGElement;
      const tall = svg.classList.contains("csa") ? svg.viewBox.baseVal.height - 30 : svg.viewBox.baseVal.height;
      const y = ((state.view.slices - slice - 0.5) / state.view.slices) * tall;
      line.setAttribute("visibility", "visible");
      line.setAttribute("y1", y);
      line.setAttribute("y2", y);
    }
    let nearest = null;
    for (const one of root().querySelectorAll(".tile")) {
      one.classList.remove("current");
      if (!nearest || Math.abs(one.dataset.slice - slice) < Math.abs(nearest.dataset.slice - slice)) nearest = one;
    }
    if (nearest && Math.abs(nearest.dataset.slice - slice) <= Math.ceil(state.view.axial.of / state.view.axial.tiles.length))
      nearest.classList.add("current");
    const area = state.view.areas.get(slice);
    const interval = area && area[3] !== null && area[4] !== null ? ` (${qc.fixed(area[3], 1)} to ${qc.fixed(area[4], 1)})` : "";
    byId("readout").textContent = `Slice ${slice}${area ? ` · ${area[5] ? `${area[5]} · ` : ""}${qc.fixed(area[2], 1)}${interval} mm²` : ""}${area && area[6] ? " · flagged" : ""}`;
  }

  function step(by) {
    if (!state.view) return;
    const numbers = state.view.axial.tiles.map((one) => one[0]);
    point(state.slice === null ? numbers[Math.floor(numbers.length / 2)] : state.slice + by);
  }

  function draw() {
    const { entry, view } = state;
    const tall = height(view);
    root().replaceChildren(header(entry, view),
      h("div.band", {}, section(entry, view, "sagittal", tall, ["A", "P"]), section(entry, view, "coronal", tall, ["L", "R"]),
        curve(entry, view, tall), facts(entry, view)),
      mosaic(entry, view),
      h("section.made", { "aria-label": "How it was made" },
        ...[["Input", entry.input || "–"], ["Mask", view.mask], ["Other mask", view.otherMask], ["Command", view.command || "–"]]
          .filter(([, value]) => value).flatMap(([name, value]) => [h("b", {}, name), h("code", {}, value)])));
    show();
  }

  async function open(entry) {
    const scrolled = state.entry === entry ? root().scrollTop : 0;
    if (state.entry !== entry) Object.assign(state, { entry, view: null, slice: null });
    root().setAttribute("aria-label", `Entry ${entry.subject} ${entry.contrast}`);
    let view = null;
    try { view = await qc.loadView(entry.id); } catch { /* told below */ }
    if (state.entry !== entry) return; // another was chosen meanwhile
    if (!view) {
      root().replaceChildren(header(entry, null), h("p.notice", {}, `The files of this entry are missing: entries/${entry.id}/.`));
      return;
    }
    view.slices = view.sagittal.voxels[1];
    view.areas = new Map(view.csa.map((item) => [item[0], item]));
    state.view = view;
    draw();
    root().scrollTop = scrolled;
  }

  function remark(id) {
    if (!state.entry || (id && id !== state.entry.id) || !byId("marking")) return;
    if (document.activeElement && document.activeElement.id === "note") return; // it is being written
    const focused = document.activeElement && document.activeElement.dataset.mark;
    byId("marking").replaceChildren(marking(state.entry));
    if (focused) byId("marking").querySelector(`[data-mark="${focused}"]`).focus();
  }

  return { open, draw: () => state.view && draw(), cycle, toggle, step, point, remark, state };
})();
