"use strict";
// The query and chosen hits in space, by 3Dmol.js. The look of a molecule: carbon in its own colour, others by element.
function makeViewer(box, controls, data) {
  const FEATURES = { donor: "#3e7ae2", acceptor: "#e2483c", cation: "#6f42c1", anion: "#b3261e", ring: "#2ca86c", hydrophobe: "#c9a000" };
  const viewer = openViewer(box);
  if (viewer === null) return { show() {} };

  const queryColour = () => pageColour("--query");
  const style = (colour, radius) => {
    const look = atomLook(colour, radius);
    return { stick: look, sphere: look };
  };
  const state = { surface: "none", features: false, query: true, chosen: [] };
  let framed = false;

  function gaussianVolume({ atoms, kappa, amplitude }) {
    const step = 0.4;
    const margin = 3;
    const low = [0, 1, 2].map((axis) => Math.min(...atoms.map((atom) => atom[axis])) - margin);
    const high = [0, 1, 2].map((axis) => Math.max(...atoms.map((atom) => atom[axis])) + margin);
    const size = low.map((start, axis) => Math.ceil((high[axis] - start) / step) + 1);
    const values = new Float32Array(size[0] * size[1] * size[2]);
    for (const [x, y, z, radius] of atoms) {
      const alpha = kappa / (radius * radius);
      const axes = [x, y, z].map((centre, axis) =>
        Array.from({ length: size[axis] }, (_, i) => Math.exp(-alpha * (low[axis] + i * step - centre) ** 2)));
      let place = 0;
      for (const a of axes[0]) for (const b of axes[1]) for (const c of axes[2]) values[place++] += amplitude * a * b * c;
    }
    const volume = new $3Dmol.VolumeData("", "none");
    volume.size = { x: size[0], y: size[1], z: size[2] };
    volume.unit = { x: step, y: step, z: step };
    volume.origin = { x: low[0], y: low[1], z: low[2] };
    volume.data = values;
    return volume;
  }

  function drawSurface() {
    viewer.removeAllSurfaces();
    const colour = queryColour();
    if (state.surface === "vdw") {
      viewer.addSurface($3Dmol.SurfaceType.VDW, { opacity: 0.4, color: colour }, { model: 0 });
    } else if (state.surface === "gaussian") {
      const gaussians = data.query.view.gaussians;
      viewer.addIsosurface(gaussianVolume(gaussians), { isoval: gaussians.level, color: colour, opacity: 0.4, smoothness: 3 });
    }
  }

  const featureColour = (kind) => FEATURES[kind] ?? "#8a94a0";

  function drawFeatures(view, wireframe) {
    for (const [kind, x, y, z, radius] of view.features) {
      const color = featureColour(kind);
      viewer.addSphere({ center: { x, y, z }, radius, color, opacity: wireframe ? 0.7 : 0.5, wireframe });
    }
  }

  function draw() {
    viewer.setBackgroundColor(pageColour("--panel"), 1);
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.addModel(data.query.records.sdf, "sdf").setStyle({}, state.query ? style(queryColour(), 0.16) : {});
    for (const { hit, colour } of state.chosen) viewer.addModel(hit.records.sdf, "sdf").setStyle({}, style(colour, 0.12));
    if (state.features) {
      if (state.query) drawFeatures(data.query.view, false);
      for (const { hit } of state.chosen) drawFeatures(hit.view, true);
    }
    drawSurface();
    if (!framed && state.chosen.length) frame();
    viewer.render();
  }

  function frame() {
    framed = true;
    frameView(viewer, box, data.query.view.quaternion, {}, 0.74);
  }

  function keyOf(kind) {
    const key = document.createElement("span");
    key.className = "key";
    key.hidden = true;
    key.append(document.createElement("i"), kind);
    key.style.setProperty("--colour", featureColour(kind));
    return key;
  }

  function surfaceChoice() {
    const label = document.createElement("label");
    const select = document.createElement("select");
    for (const [value, text] of [["none", "none"], ["gaussian", "Gaussian"], ["vdw", "van der Waals"]]) select.add(new Option(text, value));
    select.addEventListener("change", () => {
      state.surface = select.value;
      draw();
    });
    label.append("Surface", select);
    return label;
  }

  controls.append(surfaceChoice(), viewerButton("Query", true, (on) => { state.query = on; draw(); }));
  const kinds = new Set([data.query, ...data.hits].flatMap((one) => one.view.features.map(([kind]) => kind)));
  const keys = [...kinds].map(keyOf);
  const showFeatures = (on) => {
    state.features = on;
    for (const key of keys) key.hidden = !on;
    draw();
  };
  if (kinds.size) controls.append(viewerButton("Features", false, showFeatures));
  controls.append(viewerButton("Reset", null, () => { frame(); viewer.render(); }));
  controls.append(...keys);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => viewer.resize()).observe(box);
  return {
    show(chosen) {
      state.chosen = chosen;
      draw();
    },
  };
}
