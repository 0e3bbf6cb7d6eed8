"use strict";
// A binding site and chosen poses in it, by 3Dmol.js: residues about them as sticks, hydrogen bonds dashed.
function makeViewer(box, controls, data) {
  const viewer = openViewer(box);
  if (viewer === null) return { show() {} };

  const state = { surface: true, residues: true, bonds: true, template: true, chosen: [] };
  let framed = false;

  function draw() {
    const { pdb, template } = data.query.view;
    viewer.setBackgroundColor(pageColour("--panel"), 1);
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.removeAllSurfaces();
    const residues = state.residues ? { stick: atomLook("#9aa3ab", 0.08), sphere: atomLook("#9aa3ab", 0.08) } : {};
    viewer.addModel(pdb, "pdb").setStyle({}, residues);
    if (state.surface) {
      viewer.addSurface($3Dmol.SurfaceType.VDW, { opacity: 0.35, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: "#aab2b9" } } }, { model: 0 });
    }
    if (template && state.template) viewer.addModel(template, "sdf").setStyle({}, { stick: atomLook(pageColour("--query"), 0.08) });
    for (const { hit, colour } of state.chosen) {
      viewer.addModel(hit.records.sdf, "sdf").setStyle({}, { stick: atomLook(colour, 0.16), sphere: atomLook(colour, 0.16) });
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
    frameView(viewer, box, data.query.view.quaternion, state.chosen.length ? { model: -1 } : {}, 0.6);
  }

  const shown = [["Surface", "surface"], ["Residues", "residues"], ["Hydrogen bonds", "bonds"]];
  if (data.query.view.template) shown.push(["Template", "template"]);
  for (const [text, name] of shown) controls.append(viewerButton(text, true, (on) => { state[name] = on; draw(); }));
  controls.append(viewerButton("Reset", null, () => { frame(); viewer.render(); }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => viewer.resize()).observe(box);
  return {
    show(chosen) {
      state.chosen = chosen;
      draw();
    },
  };
}
