"use strict";
// The volume itself, in NiiVue: slices, window, overlay, linked crosshair, the cord in 3D.
qc.viewer = (() => {
  const { h, byId } = qc;
  const LAYOUTS = [["multi", "Multi"], ["axial", "Axial"], ["sagittal", "Sagittal"], ["coronal", "Coronal"], ["render", "3D"]];
  const COLORS = { mask: "red", labels: "red", other: "cyan_qc", probability: "inferno" };
  let nv = null;
  let layout = "multi";
  let opacity = 0.5;
  let layers = [];
  let limits = [0, 1];

  const box = () => byId("viewer");

  async function attach() {
    await qc.script("assets/vendor/niivue.umd.js");
    const { Niivue } = window.niivue;
    nv = new Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [1, 0.83, 0.2, 0.7], crosshairWidth: 0.5, show3Dcrosshair: true,
      sagittalNoseLeft: true, isRadiologicalConvention: false, dragAndDropEnabled: false, logLevel: "error",
      multiplanarShowRender: 0, isResizeCanvas: true, viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "", loadingText: "",
    });
    nv.onLocationChange = (place) => { byId("viewer-place").textContent = told(place); };
    await nv.attachToCanvas(byId("viewer-canvas"));
    nv.addColormap("cyan_qc", { R: [0, 40], G: [0, 200], B: [0, 255], A: [0, 255], I: [0, 255] });
  }

  function told(place) {
    const at = ["R", "A", "S"].map((axis, i) => `${axis} ${place.mm[i].toFixed(1)}`).join("  ");
    const values = place.values.map((one) => `${one.name.split(".")[0]} ${+one.value.toPrecision(4)}`).join(" · ");
    return `${at} mm · ${values}`;
  }

  function setLayout(name) {
    layout = name;
    const types = { multi: nv.sliceTypeMultiplanar, axial: nv.sliceTypeAxial, sagittal: nv.sliceTypeSagittal, coronal: nv.sliceTypeCoronal, render: nv.sliceTypeRender };
    nv.setSliceType(types[name]);
    overlay();
    for (const button of box().querySelectorAll("[data-layout]")) button.setAttribute("aria-pressed", String(button.dataset.layout === name));
  }

  // In 3D the cord stands alone: the image would hide it.
  function overlay() {
    const alone = layout === "render";
    const shown = byId("viewer-overlay").checked || alone;
    nv.volumes[0].opacity = alone ? 0 : 1;
    const wanted = byId("viewer-layer").value;
    layers.forEach((name, i) => {
      const on = shown && (name === wanted || (wanted === "both" && ["mask", "other"].includes(name)));
      nv.volumes[i + 1].opacity = on ? (alone ? 1 : opacity) : 0;
    });
    nv.updateGLVolume(); // once for all: each update uploads the volumes anew
  }

  function windowed() {
    const low = Number(byId("viewer-low").value);
    const high = Number(byId("viewer-high").value);
    nv.volumes[0].cal_min = Math.min(low, high - 1e-3);
    nv.volumes[0].cal_max = Math.max(high, low + 1e-3);
    nv.updateGLVolume();
  }

  function names(data) {
    const found = data.labels ? [["labels", "labels"], ["mask", "mask"]] : [["mask", "mask"]];
    if (data.other) found.push(["other", "other mask"], ["both", "both masks"]);
    if (data.probability) found.push(["probability", "probability"]);
    return found;
  }

  function frame(entry, data) {
    box().replaceChildren(
      h("div.viewer-bar", {},
        h("b", {}, `${entry.subject} ${entry.contrast}`),
        h("span.segmented", {}, LAYOUTS.map(([name, label]) => h("button", { type: "button", "data-layout": name, onclick: () => setLayout(name) }, label))),
        h("label", {}, h("input", { type: "checkbox", id: "viewer-overlay", checked: true, onchange: overlay }), " Overlay (O) "),
        h("select", { id: "viewer-layer", "aria-label": "Overlay shown", onchange: overlay }, names(data).map(([value, text]) => h("option", { value }, text))),
        h("label", {}, "Opacity ", h("input", { type: "range", id: "viewer-opacity", min: 0, max: 1, step: 0.05, value: opacity, oninput: (event) => { opacity = Number(event.target.value); overlay(); } })),
        h("label", {}, "Window ", h("input", { type: "range", id: "viewer-low", "aria-label": "Black at", oninput: windowed }), h("input", { type: "range", id: "viewer-high", "aria-label": "White at", oninput: windowed })),
        h("button", { type: "button", id: "viewer-reset", onclick: reset }, "Reset"),
        h("button", { type: "button", id: "viewer-close", onclick: () => box().close() }, "Close (Esc)")),
      h("div.viewer-stage", {}, byId("viewer-canvas") || h("canvas", { id: "viewer-canvas", "aria-label": "Volume with overlay; arrow keys move, wheel scrolls, right button drags the window" })),
      h("p.viewer-foot", {}, h("span", { id: "viewer-place", "aria-live": "off" }), h("span.muted", {}, "Wheel: slices · left: crosshair · right drag: window · drag in 3D: turn")));
  }

  function reset() {
    for (const [id, value] of [["viewer-low", limits[0]], ["viewer-high", limits[1]]]) byId(id).value = value;
    opacity = 0.5;
    byId("viewer-opacity").value = opacity;
    byId("viewer-overlay").checked = true;
    nv.scene.pan2Dxyzmm = [0, 0, 0, 1];
    windowed();
    setLayout(layout);
  }

  // Value n of the map of labels in the colour of label n - 1; 0 is clear.
  function table(names) {
    const colours = names.map((_, n) => [1, 3, 5].map((at) => parseInt(qc.colour(n).slice(at, at + 2), 16)));
    const [R, G, B] = [0, 1, 2].map((part) => [0, ...colours.map((one) => one[part])]);
    return { R, G, B, A: [0, ...names.map(() => 255)], I: [0, ...names.map((_, n) => n + 1)], labels: ["", ...names] };
  }

  async function volumes(data, labels) {
    const { NVImage } = window.niivue;
    const wanted = ["image", "mask", "labels", "other", "probability"].filter((name) => data[name]);
    layers = wanted.slice(1);
    const images = await Promise.all(wanted.map((name) => NVImage.loadFromBase64({
      base64: data[name], name: `${name}.nii.gz`, colormap: name === "image" ? "gray" : COLORS[name], opacity: name === "image" ? 1 : 0.5,
      ...(name === "image" ? {} : { cal_min: name === "probability" ? 0.02 : 0.5, cal_max: 1 }),
    })));
    if (data.labels) images[wanted.indexOf("labels")].setColormapLabel(table(labels));
    nv.volumes = images.slice(0, -1);
    nv.addVolume(images[images.length - 1]);
  }

  function ranges() {
    const image = nv.volumes[0];
    limits = [image.cal_min, image.cal_max];
    const [least, most] = [image.global_min, image.global_max];
    for (const id of ["viewer-low", "viewer-high"])
      Object.assign(byId(id), { min: least, max: most, step: (most - least) / 255 });
    byId("viewer-low").value = limits[0];
    byId("viewer-high").value = limits[1];
  }

  // The crosshair starts in the cord: at `slice` where one is pointed at, else in the middle.
  function centre(slice, slices) {
    const mask = nv.volumes[1] || nv.volumes[0];
    const [, nx, ny, nz] = mask.hdr.dims;
    let best = null;
    const up = mask.hdr.affine[2].slice(0, 3).map(Math.abs);
    const axis = up.indexOf(Math.max(...up));
    const flipped = mask.hdr.affine[2][axis] < 0;
    const along = [nx, ny, nz][axis];
    const at = Math.floor(((slice + 0.5) / slices) * along); // the volume may hold every second slice
    const wanted = slice === null || slice === undefined ? null : (flipped ? along - 1 - at : at);
    const sums = new Map();
    for (let i = 0; i < mask.img.length; i += 1) {
      if (!(mask.img[i] > 0)) continue;
      const voxel = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      const sum = sums.get(voxel[axis]) || [0, 0, 0, 0];
      sums.set(voxel[axis], [sum[0] + voxel[0], sum[1] + voxel[1], sum[2] + voxel[2], sum[3] + 1]);
    }
    const keys = [...sums.keys()].sort((a, b) => a - b);
    const goal = wanted === null ? keys[Math.floor(keys.length / 2)] : wanted;
    for (const key of keys) if (best === null || Math.abs(key - goal) < Math.abs(best - goal)) best = key;
    if (best === null) return;
    const [x, y, z, n] = sums.get(best);
    const a = mask.hdr.affine;
    const mm = [0, 1, 2].map((r) => a[r][0] * (x / n) + a[r][1] * (y / n) + a[r][2] * (z / n) + a[r][3]);
    nv.scene.crosshairPos = nv.mm2frac(mm);
    nv.drawScene();
    nv.createOnLocationChange();
  }

  async function open(entry, slice, slices, labels = []) {
    if (box().open) return;
    let data = null;
    try { data = await qc.loadVolume(entry.id); } catch { /* told below */ }
    if (!data) { window.alert("This entry carries no volume."); return; }
    frame(entry, data);
    box().showModal();
    try {
      if (!nv) await attach();
      await volumes(data, labels);
      nv.resizeListener();
      ranges();
      setLayout(layout);
      centre(slice, slices);
      box().dataset.ready = entry.id;
    } catch (error) {
      byId("viewer-place").textContent = `The volume cannot be shown: ${error.message}. The viewer needs WebGL 2.`;
    }
  }

  function key(event) {
    if (event.target.matches("input[type=range], select")) return;
    if (event.key === "o" || event.key === "O") {
      byId("viewer-overlay").checked = !byId("viewer-overlay").checked;
      overlay();
    }
    if (/^[1-5]$/.test(event.key)) setLayout(LAYOUTS[Number(event.key) - 1][0]);
  }

  return { open, key, get nv() { return nv; } };
})();
