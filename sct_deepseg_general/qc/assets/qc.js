"use strict";
// The report's data arrive as scripts that call qc.index, qc.view and qc.volume, because a page
// opened from the file system may not read files. Every text goes into the page as a text node
// or an attribute, never as HTML.
const qc = (() => {
  const ID = /^\d{8}T\d{12}-[0-9a-f]{8}$/;
  const SCRIPT = /^(entries\/\d{8}T\d{12}-[0-9a-f]{8}\/(view|volume)\.js|assets\/vendor\/niivue\.umd\.js)$/;
  const STATUSES = ["ok", "warn", "fail"];
  const SVG = "http://www.w3.org/2000/svg";
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("qc", {
        createScriptURL: (url) => {
          if (!SCRIPT.test(url)) throw new TypeError("not a script of this report");
          return url;
        },
      })
    : { createScriptURL: (url) => url };

  const views = new Map();
  const volumes = new Map();
  const loading = new Map();
  const data = { report: "", rows: [], before: new Map() }; // before: an entry's id to the one it replaced

  const text = (value) => (value === null || value === undefined ? "" : String(value));
  const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

  function row(columns, values) {
    const raw = Object.fromEntries(columns.map((name, i) => [name, values[i]]));
    if (!ID.test(text(raw.id))) return null;
    const entry = { id: raw.id };
    for (const name of ["date", "dataset", "subject", "contrast", "site", "input", "model", "key", "region"])
      entry[name] = text(raw[name]);
    for (const name of ["csa", "csa_sd", "confidence", "dice", "seconds"])
      entry[name] = number(raw[name]);
    entry.status = STATUSES.includes(raw.status) ? raw.status : "fail";
    entry.reasons = Array.isArray(raw.reasons) ? raw.reasons.map(text) : [];
    entry.levels = (Array.isArray(raw.levels) ? raw.levels : [])
      .filter((pair) => Array.isArray(pair) && number(pair[1]) !== null)
      .map(([name, area]) => [text(name), area]);
    // What tells two images of one subject apart: the file's name without suffix and subject.
    const base = entry.input.split(/[\\/]/).pop().replace(/\.nii(\.gz)?$/, "");
    entry.short = base.startsWith(`${entry.subject}_`) ? base.slice(entry.subject.length + 1) : base;
    entry.words = [entry.subject, entry.contrast, entry.dataset, entry.site, entry.input,
      entry.model, entry.status, ...entry.reasons].join("\n").toLowerCase();
    return entry;
  }

  function index(content) {
    data.report = text(content.report);
    data.rows = content.rows.map((values) => row(content.columns, values)).filter(Boolean);
    // Several runs on one image and mask: the newest counts, the others are "earlier".
    const newest = new Map();
    for (const entry of [...data.rows].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const key = entry.key || entry.id;
      const before = newest.get(key);
      if (before) { before.earlier = true; data.before.set(entry.id, before.id); }
      entry.earlier = false;
      newest.set(key, entry);
    }
  }

  function keep(map, id, value, most) {
    map.set(id, value);
    if (map.size > most) map.delete(map.keys().next().value);
  }

  function script(url) {
    if (!loading.has(url)) {
      loading.set(url, new Promise((resolve, reject) => {
        const element = document.createElement("script");
        element.src = policy.createScriptURL(url);
        element.onload = () => { element.remove(); resolve(); };
        element.onerror = () => { element.remove(); loading.delete(url); reject(new Error(url)); };
        document.head.append(element);
      }));
    }
    return loading.get(url);
  }

  async function fetched(map, id, kind) {
    if (!map.has(id)) {
      const url = `entries/${id}/${kind}.js`;
      await script(url);
      loading.delete(url);
    }
    return map.get(id);
  }

  // h("button.primary", {type: "button", onclick: f}, "text", child)
  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (name === "style") Object.assign(element.style, value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }
  function h(tag, attributes, ...children) {
    const [name, ...classes] = tag.split(".");
    const element = document.createElement(name);
    if (classes.length) element.className = classes.join(" ");
    return fill(element, attributes, children);
  }
  function s(tag, attributes, ...children) {
    const [name, ...classes] = tag.split(".");
    const element = document.createElementNS(SVG, name);
    if (classes.length) element.setAttribute("class", classes.join(" "));
    return fill(element, attributes, children);
  }

  // The colour of a label: the mask's for the first, then hues as far apart as can be.
  const COLOURS = ["#ff5c38", "#28c8ff", "#ffd34d", "#7ee06a", "#e27bff", "#5b8cff", "#ff9ec4", "#2fe0c0", "#c98a4b", "#c9ced6", "#b8e62e", "#9a6bff"];
  function colour(n) {
    if (n < COLOURS.length) return COLOURS[n];
    const [hue, light] = [(n * 137.508) % 360, n % 2 ? 0.5 : 0.68];
    const part = (shift) => { // CSS's own hsl(), as numbers, for the viewer's table too
      const k = (shift + hue / 30) % 12;
      return Math.round(255 * (light - 0.9 * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
    };
    return `#${[0, 8, 4].map((shift) => part(shift).toString(16).padStart(2, "0")).join("")}`;
  }

  return {
    data, index, h, s, script, colour,
    byId: (id) => document.getElementById(id),
    file: (entry, name) => `entries/${entry.id}/${name}`,
    view: (id, value) => keep(views, id, value, 200),
    volume: (id, value) => keep(volumes, id, value, 2),
    loadView: (id) => fetched(views, id, "view"),
    loadVolume: (id) => fetched(volumes, id, "volume"),
    fixed: (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits)),
    STATUS: {
      ok: { sign: "✓", name: "ok" }, warn: { sign: "!", name: "warn" }, fail: { sign: "✕", name: "fail" },
    },
    compare: new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare,
  };
})();
