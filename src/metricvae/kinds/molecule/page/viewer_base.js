"use strict";
// What viewers of molecules by 3Dmol.js share: opening one, the look of atoms, buttons, and the first view.
const ELEMENTS = { N: "#3e7ae2", O: "#e2483c", S: "#c9a000", P: "#de7c14", F: "#2ca86c", Cl: "#2ca86c", Br: "#b05432", I: "#9454c4" };

const pageColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Atoms and bonds of a radius: carbon in its own colour, others by element.
const atomLook = (colour, radius) => ({ radius, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: colour } } });

// A viewer in a box; null, and a message in the box, where the browser draws nothing in three dimensions.
function openViewer(box) {
  try {
    const test = document.createElement("canvas");
    if (!test.getContext("webgl2") && !test.getContext("webgl")) throw new Error("no WebGL");
    const viewer = $3Dmol.createViewer(box, { antialias: true, disableFog: true });
    $3Dmol.setSyncSurface?.(true);
    return viewer;
  } catch {
    const message = document.createElement("p");
    message.className = "message";
    message.textContent = "This browser draws nothing in three dimensions (it has no WebGL). The table and the files are complete.";
    box.replaceChildren(message);
    return null;
  }
}

function frameView(viewer, box, quaternion, selection, size) {
  const view = viewer.getView();
  view.splice(4, 4, ...quaternion);
  viewer.setView(view);
  viewer.zoomTo(selection);
  viewer.zoom(size * Math.min(1.3, box.clientWidth / box.clientHeight)); // zoomTo minds the height alone
}

function viewerButton(text, pressed, act) {
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
