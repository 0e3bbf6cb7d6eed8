// Structural formulas and the sketcher, by OpenChemLib, which is loaded when it is first needed.
import { button, h } from "../lib/dom.js";

let loading = null;
export const library = () => (loading ??= import("../../openchemlib/openchemlib.js"));

// A picture of a SMILES as an <img>; null where it is none.
export async function picture(smiles, width = 240, height = 160) {
  const { Molecule } = await library();
  try {
    const molecule = Molecule.fromSmiles(smiles);
    const svg = molecule.toSVG(width, height, null, { autoCrop: true, autoCropMargin: 8, suppressChiralText: true, suppressESR: true, suppressCIPParity: true });
    return h("img", { class: "formula", alt: `Structural formula of ${smiles}`, src: `data:image/svg+xml,${encodeURIComponent(svg)}` });
  } catch {
    return null;
  }
}

// What is wrong with a SMILES, in words; null where nothing is.
export async function fault(smiles) {
  const { Molecule } = await library();
  try {
    return Molecule.fromSmiles(smiles).getAllAtoms() ? null : "there is no atom in it";
  } catch (error) {
    return String(error.message ?? error).split("\n")[0].slice(0, 120);
  }
}

// Draw a molecule in a dialog: resolves with its SMILES, or null.
export async function sketch(smiles) {
  const { CanvasEditor, Molecule } = await library();
  const box = h("div", { class: "sketch-box" });
  const dialog = h("dialog", { class: "sketch", "aria-label": "Sketch a molecule" });
  document.body.append(dialog);
  return new Promise((resolve) => {
    let editor = null;
    const finish = (answer) => {
      editor?.destroy();
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    const take = () => {
      const drawn = editor.getMolecule();
      finish(drawn.getAllAtoms() ? drawn.toIsomericSmiles() : null);
    };
    dialog.append(h("div", { class: "stack" }, h("h2", {}, "Sketch a molecule"), box,
      h("div", { class: "row apart" },
        h("div", { class: "row" }, button("Use it", take, { kind: "primary" }), button("Cancel", () => finish(null), {})),
        button("Clear", () => editor.clearAll(), { kind: "quiet", symbol: "clear" }))));
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); finish(null); });
    dialog.showModal();
    editor = new CanvasEditor(box, { initialMode: "molecule" });
    if (smiles) editor.setMolecule(molecule(Molecule, smiles));
  });
}

function molecule(Molecule, smiles) {
  try {
    return Molecule.fromSmiles(smiles);
  } catch {
    return new Molecule(64, 64);
  }
}
