"use strict";
// A binding site and chosen poses in it, by 3Dmol.js: residues about them as sticks, hydrogen bonds dashed.
function makeViewer(box, controls, data) {
  const ELEMENTS = { N: "#3e7ae2", O: "#e2483c", S: "#c9a000", P: "#de7c14", F: "#2ca86c", Cl: "#2ca86c", Br: "#b05432", I: "#9454c4" };
  const fail = (text) => {
    const message = document.createElement("p");
    message.className = "message";
    message.textContent = text;
    box.replaceChildren(message);
    return { show() {} };
  };
  let viewer;
  try {
    const test = document.createElement("canvas");
    if (!test.getContext("webgl2") && !test.getContext("webgl")) throw new Error("no WebGL");
    viewer = $3Dmol.createViewer(box, { antialias: true, disableFog: true });
  } catch {
    return fail("This browser draws nothing in three dimensions (it has no WebGL). The table and the files are complete.");
  }
  $3Dmol.setSyncSurface?.(true);

  const pageColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const look = (colour, radius) => ({ radius, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: colour } } });
  const state = { surface: true, residues: true, bonds: true, template: true, chosen: [] };
  let framed = false;

  function draw() {
    const { pdb, template } = data.query.view;
    viewer.setBackgroundColor(pageColour("--panel"), 1);
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.removeAllSurfaces();
    const residues = state.residues ? { stick: look("#9aa3ab", 0.08), sphere: look("#9aa3ab", 0.08) } : {};
    viewer.addModel(pdb, "pdb").setStyle({}, residues);
    if (state.surface) {
      viewer.addSurface($3Dmol.SurfaceType.VDW, { opacity: 0.35, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: "#aab2b9" } } }, { model: 0 });
    }
    if (template && state.template) viewer.addModel(template, "sdf").setStyle({}, { stick: look(pageColour("--query"), 0.08) });
    for (const { hit, colour } of state.chosen) {
      viewer.addModel(hit.records.sdf, "sdf").setStyle({}, { stick: look(colour, 0.16), sphere: look(colour, 0.16) });
      if (state.bonds) {
        for (const [from, to] of hit.view.bonds) {
          const [start, end] = [from, to].map(([x, y, z]) => ({ x, y, z }));
          viewer.addCylinder({ start, end, radius: 0.05, dashed: true, color: "#3e7ae2", fromCap: 1, toCap: 1 });
        }
      }
    }
    if (!framed && state.chosen.length) frame();
    viewer.render();
  }

  function frame() {
    framed = true;
    const view = viewer.getView();
    view.splice(4, 4, ...data.query.view.quaternion);
    viewer.setView(view);
    viewer.zoomTo(state.chosen.length ? { model: -1 } : {});
    viewer.zoom(0.6 * Math.min(1.3, box.clientWidth / box.clientHeight)); // zoomTo minds the height alone
  }

  function button(text, pressed, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    if (pressed !== null) made.setAttribute("aria-pressed", String(pressed));
    made.addEventListener("click", () => {
      const now = made.getAttribute("aria-pressed") !== "true";
      if (pressed !== null) made.setAttribute("aria-pressed", String(now));
      act(now);
    });
    return made;
  }

  const shown = [["Surface", "surface"], ["Residues", "residues"], ["Hydrogen bonds", "bonds"]];
  if (data.query.view.template) shown.push(["Template", "template"]);
  for (const [text, name] of shown) controls.append(button(text, true, (on) => { state[name] = on; draw(); }));
  controls.append(button("Reset", null, () => { frame(); viewer.render(); }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => viewer.resize()).observe(box);
  return {
    show(chosen) {
      state.chosen = chosen;
      draw();
    },
  };
}
