// The stage: molecules and a receptor in space, by 3Dmol.js, with what can be switched on and off.
/* global $3Dmol */
import { $, button, h, message, select, themeColour } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { atoms } from "./sdf.js";
import { addSurface, featureColour, ofAtoms, ofFeatures } from "./surfaces.js";

const ELEMENTS = { N: "#3e7ae2", O: "#e2483c", S: "#c9a000", P: "#de7c14", F: "#2ca86c", Cl: "#2ca86c", Br: "#b05432", I: "#9454c4" };
const NEAR = 5; // angstroms
let loading = null;

function load3Dmol() {
  loading ??= new Promise((done, fail) => {
    const script = h("script", { src: "vendor/3Dmol-min.js" });
    script.addEventListener("load", done);
    script.addEventListener("error", () => fail(new Error("the viewer could not be loaded: reload the page")));
    document.head.append(script);
  });
  return loading;
}

export class Stage {
  // What is shown: {receptor: {text, format}, molecules: [{sdf, role: "a"|"b", features}]}.
  constructor(place) {
    this.scene = { receptor: null, molecules: [] };
    this.options = { surface: "none", colour: true };
    this.box = h("div", { class: "stage-box", role: "img", "aria-label": "Molecules in space" });
    this.empty = message("empty", "Nothing to see yet", "Enter a molecule, or drop a structure of a protein.");
    this.legend = h("div", { class: "legend" });
    this.controls = this.#controls();
    place.replaceChildren(h("div", { class: "stage-frame" }, this.box, this.empty), this.controls, this.legend);
    document.addEventListener("theme-changed", () => this.#draw());
    new ResizeObserver(() => this.viewer?.resize()).observe(this.box);
  }

  #controls() {
    const surface = select("Surface", [["none", "No surface"], ["a", "Shape of A"], ["b", "Shape of B"], ["both", "Shape of both"], ["colour", "Colour (features)"]], "none", (value) => { this.options.surface = value; this.#draw(); });
    surface.input.setAttribute("aria-label", "Surface");
    const features = button("Features", () => this.#toggle(features), { kind: "tiny", "aria-pressed": "true" });
    const reset = button("Reset view", () => this.#frame(), { kind: "tiny" });
    const picture = button("Picture", () => this.#picture(), { kind: "quiet tiny", symbol: "download" });
    surface.input.classList.add("stage-select");
    return h("div", { class: "stage-controls row", hidden: true }, surface.input, features, reset, picture);
  }

  #toggle(pressed) {
    this.options.colour = !this.options.colour;
    pressed.setAttribute("aria-pressed", String(this.options.colour));
    this.#draw();
  }

  async show(scene, { frame = true } = {}) {
    this.scene = { receptor: null, molecules: [], ...scene };
    const nothing = !this.scene.receptor && !this.scene.molecules.length;
    this.empty.hidden = !nothing;
    this.controls.hidden = nothing;
    if (nothing && !this.viewer) return;
    try {
      await load3Dmol();
      this.viewer ??= this.#open();
    } catch (error) {
      this.empty.hidden = false;
      this.empty.replaceChildren(h("strong", {}, "No view in space"), h("span", {}, error.message));
      return;
    }
    this.#draw();
    if (frame) this.#frame();
  }

  #open() {
    const test = document.createElement("canvas");
    if (!test.getContext("webgl2") && !test.getContext("webgl")) throw new Error("this browser has no WebGL; tables and files are complete");
    $3Dmol.setSyncSurface?.(true);
    const viewer = $3Dmol.createViewer(this.box, { antialias: true, disableFog: true });
    $("canvas", this.box)?.setAttribute("aria-hidden", "true");
    return viewer;
  }

  #draw() {
    const { viewer } = this;
    if (!viewer) return;
    viewer.setBackgroundColor(themeColour("--sunken"), 1);
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.removeAllSurfaces();
    this.ligands = this.scene.molecules.map((one) => this.#molecule(one));
    if (this.scene.receptor) this.#receptor(this.scene.receptor);
    this.scene.molecules.forEach((one) => this.#surfaces(one));
    this.#tellLegend();
    viewer.render();
  }

  #molecule({ sdf, role }) {
    const model = this.viewer.addModel(sdf, "sdf");
    const radius = role === "b" ? 0.13 : 0.16;
    const look = { radius, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: themeColour(`--${role}`), H: themeColour("--edge") } } };
    model.setStyle({}, { stick: look, sphere: { ...look, radius: 1.6 * radius } });
    model.setStyle({ elem: "H" }, { stick: { ...look, radius: 0.4 * radius } });
    return model;
  }

  #receptor({ text, format }) {
    const model = this.viewer.addModel(text, format);
    const grey = themeColour("--edge");
    model.setStyle({}, { cartoon: { color: grey, opacity: 0.55 } });
    model.setStyle({ hetflag: true }, {});
    if (!this.ligands.length) { // the site is not known yet: show what lies in the structure
      model.setStyle({ hetflag: true, not: { resn: ["HOH", "WAT", "DOD"] } }, { stick: { radius: 0.15, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: themeColour("--b") } } } });
      return;
    }
    const look = { radius: 0.08, colorscheme: { prop: "elem", map: { ...ELEMENTS, C: grey } } };
    model.setStyle({ index: besides(model, this.ligands[0]) }, { cartoon: { color: grey, opacity: 0.4 }, stick: look });
  }

  #surfaces({ sdf, role, features = [] }) {
    const { surface, colour } = this.options;
    if (surface === role || surface === "both") addSurface(this.viewer, ofAtoms(atoms(sdf)), themeColour(`--${role}`), 0.4);
    if (surface === "colour") {
      for (const [type, gaussians] of Object.entries(ofFeatures(features))) addSurface(this.viewer, gaussians, featureColour(type), role === "b" ? 0.3 : 0.5);
    } else if (colour) {
      for (const [type, x, y, z, radius = 0.7] of features) {
        this.viewer.addSphere({ center: { x, y, z }, radius, color: featureColour(type), opacity: role === "b" ? 0.7 : 0.45, wireframe: role === "b" });
      }
    }
  }

  #tellLegend() {
    const types = new Set(this.options.colour || this.options.surface === "colour" ? this.scene.molecules.flatMap((one) => (one.features ?? []).map(([type]) => type)) : []);
    const entry = (text, colour) => {
      const dot = h("i");
      dot.style.background = colour;
      return h("span", {}, dot, text);
    };
    const named = this.scene.molecules.filter((one) => one.name).map((one) => entry(one.name, themeColour(`--${one.role}`)));
    this.legend.replaceChildren(...named, ...[...types].map((type) => entry(type, featureColour(type))));
  }

  #frame() {
    if (!this.viewer) return;
    const target = this.ligands.length ? { model: this.ligands.map((one) => one.getID()) } : {};
    this.viewer.zoomTo(target);
    this.viewer.zoom((this.scene.receptor && this.ligands.length ? 0.55 : 0.8) * Math.min(1.25, this.box.clientWidth / this.box.clientHeight));
    this.viewer.render();
  }

  #picture() {
    this.viewer.render();
    $("canvas", this.box).toBlob((blob) => download("molecules.png", blob));
  }
}

// Indices of the atoms of residues that come near a ligand.
function besides(receptor, ligand) {
  const [atoms, others] = [receptor, ligand].map((model) => model.selectedAtoms({}).filter((atom) => atom.elem !== "H"));
  const near = (atom) => others.some((other) => (atom.x - other.x) ** 2 + (atom.y - other.y) ** 2 + (atom.z - other.z) ** 2 < NEAR ** 2);
  const residue = (atom) => `${atom.chain} ${atom.resi} ${atom.icode ?? ""}`;
  const found = new Set(atoms.filter((atom) => !atom.hetflag && near(atom)).map(residue));
  return atoms.filter((atom) => found.has(residue(atom))).map((atom) => atom.index);
}
