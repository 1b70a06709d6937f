"use strict";
// All entries together: the distribution of the area by contrast, level, dataset or site.
qc.group = (() => {
  const { h, s, byId } = qc;
  const state = { by: "contrast", measure: "" };
  const FEWEST = 5; // below this a spread says nothing about outliers
  const FAR = 3.5; // robust z (Iglewicz and Hoaglin, 1993)

  const WAYS = [["contrast", "contrast"], ["level", "level"], ["dataset", "dataset"], ["site", "site"], ["status", "status"], ["model", "model"]];

  function quantile(sorted, q) {
    const at = (sorted.length - 1) * q;
    const low = Math.floor(at);
    return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
  }

  function values(entries) {
    const out = [];
    for (const entry of entries) {
      if (state.by === "level") {
        for (const [name, area] of entry.levels) out.push({ entry, group: name, value: area });
        continue;
      }
      const found = state.measure ? entry.levels.find(([name]) => name === state.measure) : null;
      const value = state.measure ? (found ? found[1] : null) : entry.csa;
      if (value !== null) out.push({ entry, group: entry[state.by] || "(none)", value });
    }
    return out;
  }

  function groups(points) {
    const byName = new Map();
    for (const point of points) {
      if (!byName.has(point.group)) byName.set(point.group, []);
      byName.get(point.group).push(point);
    }
    return [...byName].sort(([a], [b]) => qc.compare(a, b)).map(([name, members]) => summary(name, members));
  }

  function summary(name, members) {
    const sorted = members.map((m) => m.value).sort((a, b) => a - b);
    const n = sorted.length;
    const mean = sorted.reduce((a, b) => a + b, 0) / n;
    const sd = n > 1 ? Math.sqrt(sorted.reduce((a, b) => a + (b - mean) ** 2, 0) / (n - 1)) : null;
    const median = quantile(sorted, 0.5);
    const mad = 1.4826 * quantile(sorted.map((v) => Math.abs(v - median)).sort((a, b) => a - b), 0.5);
    for (const member of members) {
      member.z = mad > 0 ? (member.value - median) / mad : 0;
      member.outlier = n >= FEWEST && Math.abs(member.z) > FAR;
    }
    return { name, members, n, mean, sd, median, q1: quantile(sorted, 0.25), q3: quantile(sorted, 0.75), low: sorted[0], high: sorted[n - 1],
      outliers: members.filter((m) => m.outlier) };
  }

  const label = (m) => `${m.entry.subject} ${m.entry.contrast}: ${qc.fixed(m.value, 1)} mm²`;

  // A steady scatter: the same entry always lies in the same place.
  function spread(id) {
    let sum = 0;
    for (let i = id.length - 8; i < id.length; i += 1) sum = (sum * 31 + id.charCodeAt(i)) % 1009;
    return sum / 1009 - 0.5;
  }

  function plot(list) {
    const left = 46;
    const bottom = 40;
    const slot = Math.max(56, Math.min(240, (Math.max(640, byId("group").clientWidth - 70) - left) / list.length));
    const width = left + slot * list.length + 10;
    const height = 330;
    const low = Math.min(...list.map((g) => g.low));
    const high = Math.max(...list.map((g) => g.high));
    const margin = Math.max(2, (high - low) * 0.06);
    const y = (v) => 8 + (1 - (v - low + margin) / (high - low + 2 * margin)) * (height - 8 - bottom);
    const svg = s("svg.boxes", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `Cross-sectional area by ${state.by}` });
    for (const v of qc.chart.ticks(low - margin, high + margin, 6))
      svg.append(s("line.gridline", { x1: left, x2: width, y1: y(v), y2: y(v) }), s("text.tick", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)));
    svg.append(s("text.tick", { transform: `translate(12 ${height / 2 - 20}) rotate(-90)`, "text-anchor": "middle" }, "CSA, mm²"));
    list.forEach((g, i) => svg.append(column(g, left + slot * (i + 0.5), slot, y, height - bottom)));
    return svg;
  }

  function column(g, x, slot, y, floor) {
    const half = Math.min(26, slot * 0.3);
    const inner = g.members.filter((m) => !m.outlier);
    const every = Math.max(1, Math.ceil(inner.length / 250)); // enough to see the shape
    const part = s("g", {}, s("title", {}, `${g.name}: n ${g.n}, median ${qc.fixed(g.median, 1)} mm²`));
    inner.forEach((m, i) => {
      if (i % every === 0) part.append(s("circle.member", { cx: x + spread(m.entry.id) * half * 1.8, cy: y(m.value), r: 2 }));
    });
    const ends = inner.map((m) => m.value);
    const [least, most] = ends.length ? [ends.reduce((a, b) => Math.min(a, b)), ends.reduce((a, b) => Math.max(a, b))] : [g.low, g.high];
    part.append(s("line.stem", { x1: x, x2: x, y1: y(most), y2: y(least) }),
      s("rect.quartiles", { x: x - half, y: y(g.q3), width: 2 * half, height: Math.max(1, y(g.q1) - y(g.q3)) }),
      s("line.median", { x1: x - half, x2: x + half, y1: y(g.median), y2: y(g.median) }));
    for (const m of g.outliers)
      part.append(s("a", { href: `#${m.entry.id}`, "aria-label": `Outlier ${label(m)}` }, s("circle.outlier", { cx: x + spread(m.entry.id) * half, cy: y(m.value), r: 4 }, s("title", {}, label(m)))));
    const short = g.name.length > slot / 7 ? `${g.name.slice(0, Math.max(3, Math.floor(slot / 7) - 1))}…` : g.name;
    part.append(s("text.groupname", { x, y: floor + 16, "text-anchor": "middle" }, short, s("title", {}, g.name)),
      s("text.tick", { x, y: floor + 31, "text-anchor": "middle" }, `n ${g.n}`));
    return part;
  }

  function outlierTable(list) {
    const found = list.flatMap((g) => g.outliers.map((m) => ({ ...m, g }))).sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
    const first = found.slice(0, 200);
    return h("section", {}, h("h3", {}, `Outliers (${found.length})`),
      found.length ? h("table", { id: "outliers" }, h("thead", {}, h("tr", {}, ["Subject", "Contrast", "Dataset", "Group", "CSA, mm²", "Group median", "Robust z", "Status"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, first.map((m) => h("tr", {},
          h("td", {}, h("a", { href: `#${m.entry.id}` }, m.entry.subject || "–")), h("td", {}, m.entry.contrast), h("td", {}, m.entry.dataset), h("td", {}, m.g.name),
          h("td.num", {}, qc.fixed(m.value, 1)), h("td.num", {}, qc.fixed(m.g.median, 1)), h("td.num", {}, `${m.z > 0 ? "+" : "−"}${Math.abs(m.z).toFixed(1)}`), h("td", {}, qc.list.badge(m.entry.status))))))
        : h("p.muted", {}, "None."),
      found.length > first.length ? h("p.muted", {}, `The ${first.length} farthest are listed.`) : null);
  }

  function summaryTable(list) {
    return h("section", {}, h("h3", {}, "Groups"), h("table", {},
      h("thead", {}, h("tr", {}, ["Group", "n", "Mean", "SD", "CV, %", "Median", "Quartiles", "Range", "Outliers"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, list.map((g) => h("tr", {}, h("th", { scope: "row" }, g.name), ...[String(g.n), qc.fixed(g.mean, 1), qc.fixed(g.sd, 1),
        g.sd === null ? "–" : qc.fixed((100 * g.sd) / g.mean, 1), qc.fixed(g.median, 1), `${qc.fixed(g.q1, 1)} to ${qc.fixed(g.q3, 1)}`,
        `${qc.fixed(g.low, 1)} to ${qc.fixed(g.high, 1)}`, String(g.outliers.length)].map((value) => h("td.num", {}, value)))))));
  }

  function picker(id, name, pairs, value, set) {
    return h("label", {}, `${name} `, h("select", { id, onchange: (event) => { set(event.target.value); draw(); byId(id).focus(); } },
      ...pairs.map(([key, text]) => h("option", { value: key, selected: key === value }, text))));
  }

  function draw() {
    const entries = qc.list.state.shown;
    const levels = [...new Set(entries.flatMap((entry) => entry.levels.map(([name]) => name)))].sort(qc.compare);
    if (state.measure && !levels.includes(state.measure)) state.measure = "";
    const list = groups(values(entries));
    byId("group").replaceChildren(
      h("div.controls", {}, h("h2", {}, "Cross-sectional area"),
        picker("group-by", "by", WAYS, state.by, (value) => { state.by = value; }),
        state.by === "level" ? null : picker("group-measure", "at", [["", "all levels (mean)"], ...levels.map((name) => [name, name])], state.measure, (value) => { state.measure = value; }),
        h("span.muted", {}, `${entries.length.toLocaleString("en")} entries, as filtered in the list. Outlier: more than ${FAR} robust standard deviations (1.4826 MAD) from its group's median, groups of ${FEWEST} or more.`)),
      ...(list.length ? [h("div.scroll", {}, plot(list)), outlierTable(list), summaryTable(list)] : [h("p.notice", {}, "No areas to show.")]));
  }

  return { draw, state };
})();
