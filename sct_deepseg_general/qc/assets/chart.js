"use strict";
// Curves drawn from data as SVG: crisp, light, in the theme's colours.
qc.chart = (() => {
  const { s } = qc;

  function ticks(low, high, most) {
    const raw = (high - low) / most || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= raw);
    const out = [];
    for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) out.push(+v.toFixed(6));
    return out;
  }

  // Runs of one level: [{name, first, last}] in slice numbers counted from inferior.
  function levels(csa) {
    const runs = [];
    for (const [slice, , , , , name] of csa) {
      const last = runs[runs.length - 1];
      if (last && last.name === name && slice - last.last <= 1) last.last = slice;
      else runs.push({ name, first: slice, last: slice });
    }
    return runs.filter((run) => run.name);
  }

  function path(points) {
    let out = "";
    let pen = false;
    for (const point of points) {
      if (point === null) { pen = false; continue; }
      out += `${pen ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = true;
    }
    return out;
  }

  // Areas by slice number, with null where slices are missing so that the line breaks there.
  function curve(csa, at) {
    const points = [];
    let before = null;
    for (const item of csa) {
      if (before !== null && Math.abs(item[0] - before) > 1) points.push(null);
      points.push(item[2] === null ? null : at(item));
      before = item[0];
    }
    return points;
  }

  function range(csa, other) {
    const values = [...csa, ...other].flatMap((item) => [item[2], item[3], item[4], ...(item[7] || [])]).filter((v) => v !== null);
    if (!values.length) return null;
    const low = Math.min(...values);
    const high = Math.max(...values);
    const margin = Math.max((high - low) * 0.08, 2);
    return [Math.max(0, low - margin), high + margin];
  }

  // The area of each slice, superior at the top: slice n of `count` is drawn where the sagittal
  // and coronal sections show it, so that the eye can go straight across.
  function area(view, count, size, entry) {
    const { width, height } = size;
    const { csa, otherCsa } = view;
    const domain = range(csa, otherCsa);
    const left = 8;
    const right = 26;
    const svg = s("svg.csa", {
      viewBox: `0 0 ${width} ${height + 30}`, width, height: height + 30, role: "img",
      "aria-label": domain
        ? `Cross-sectional area in ${csa.length} slices, mean${entry.region ? ` of ${entry.region}` : ""} ${qc.fixed(entry.csa, 1)} mm²`
        : "No cross-sectional area",
    });
    if (!domain) {
      svg.append(s("text.muted", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "no area"));
      return svg;
    }
    const x = (v) => left + ((v - domain[0]) / (domain[1] - domain[0])) * (width - left - right);
    const y = (slice) => ((count - slice - 0.5) / count) * height;
    for (const v of ticks(domain[0], domain[1], Math.max(3, Math.floor(width / 60)))) {
      svg.append(s("line.gridline", { x1: x(v), x2: x(v), y1: 0, y2: height }),
        s("text.tick", { x: x(v), y: height + 12, "text-anchor": "middle" }, String(v)));
    }
    svg.append(s("text.tick", { x: (left + width - right) / 2, y: height + 26, "text-anchor": "middle" }, "CSA, mm²"));
    for (const run of levels(csa)) {
      const top = ((count - run.last - 1) / count) * height;
      const bottom = ((count - run.first) / count) * height;
      svg.append(s("line.level", { x1: 0, x2: width, y1: top, y2: top }));
      if (run === levels(csa)[0] || run.first > 0) svg.append(s("line.level", { x1: 0, x2: width, y1: bottom, y2: bottom }));
      if (bottom - top > 9) svg.append(s("text.levelname", { x: width - 2, y: (top + bottom) / 2 + 4, "text-anchor": "end" }, run.name));
    }
    for (const item of csa) {
      if (!item[7]) continue;
      const [low, median, high] = item[7];
      const top = ((count - item[0] - 1) / count) * height;
      const bottom = ((count - item[0]) / count) * height;
      svg.append(s("rect.norm", { x: x(low), width: x(high) - x(low), y: top, height: bottom - top },
        s("title", {}, "5th to 95th centile of healthy people of this age and sex")),
        s("line.normmedian", { x1: x(median), x2: x(median), y1: top, y2: bottom }));
    }
    const banded = csa.filter((item) => item[3] !== null && item[4] !== null);
    if (banded.length > 1) {
      const up = banded.map((item) => [x(item[4]), y(item[0])]);
      const down = banded.map((item) => [x(item[3]), y(item[0])]).reverse();
      svg.append(s("path.interval", { d: `${path([...up, ...down])}Z` }));
    } else if (banded.length === 1) {
      const [item] = banded;
      svg.append(s("line.whisker", { x1: x(item[3]), x2: x(item[4]), y1: y(item[0]), y2: y(item[0]) }));
    }
    if (entry.csa !== null) svg.append(s("line.mean", { x1: x(entry.csa), x2: x(entry.csa), y1: 0, y2: height }));
    svg.append(s("path.line.second", { d: path(curve(otherCsa, (item) => [x(item[2]), y(item[0])])) }),
      s("path.line.first", { d: path(curve(csa, (item) => [x(item[2]), y(item[0])])) }));
    const few = csa.length <= 40;
    for (const item of csa) {
      if (item[2] === null || !(few || item[6])) continue;
      svg.append(s(item[6] ? "circle.flagged" : "circle.dot", { cx: x(item[2]), cy: y(item[0]), r: item[6] ? 3.5 : 1.8 }));
    }
    return svg;
  }

  return { area, levels, ticks };
})();
