// The structure of a protein and the site in it, from a dropped PDB or mmCIF file.
import { upload } from "../lib/api.js";
import { field, h, select } from "../lib/dom.js";
import { dropBox } from "../lib/files.js";
import { size } from "../lib/format.js";

const WATER = new Set(["HOH", "WAT", "DOD"]);
const SOLVENT = new Set(["GOL", "EDO", "SO4", "PO4", "ACT", "DMS", "PEG", "MPD", "FMT", "CIT", "TRS", "NO3", "CL", "NA", "K", "MG", "CA", "ZN", "MN", "BR", "IOD", "ACE", "NH2"]);

export class ReceptorInput {
  constructor(onchange) {
    this.onchange = onchange;
    this.file = null;
    this.drop = dropBox("Drop a structure", "PDB or mmCIF, with or without a ligand", { accept: ".pdb,.ent,.cif,.mmcif,.pdbqt,.gz", take: ([file]) => this.take(file) });
    this.site = select("Site", [["auto", "Found automatically"]], "auto", () => this.#sited());
    this.point = h("input", { class: "input", placeholder: "x,y,z in angstroms", inputMode: "text" });
    this.pointField = field("Point", this.point);
    this.pointField.hidden = true;
    this.element = h("div", { class: "stack" }, h("div", { class: "label" }, "Protein"), this.drop.box, this.site.field, this.pointField);
    this.site.field.hidden = true;
  }

  async take(file) {
    this.file = file;
    this.text = await file.text();
    this.format = /\.(cif|mmcif)$/i.test(file.name) ? "cif" : "pdb";
    const ligands = this.format === "pdb" ? ligandsOf(this.text) : [];
    const choices = [...ligands.map((name) => [`ligand=${name}`, `About the ligand ${name}`]), ["auto", "Found automatically"], ["point", "About a point"]];
    this.site.input.replaceChildren(...choices.map(([value, text]) => h("option", { value }, text)));
    this.site.field.hidden = false;
    this.drop.say(file.name, `${size(file.size)}; drop another to replace it`);
    this.#sited();
  }

  #sited() {
    this.pointField.hidden = this.site.input.value !== "point";
    this.onchange(this);
  }

  get where() {
    return this.site.input.value === "point" ? `point=${this.point.value.replaceAll(" ", "")}` : this.site.input.value;
  }

  get shown() { return this.file && { text: this.text, format: this.format }; }

  // The id of the structure with its site, as jobs take it.
  async send() {
    if (!this.file) throw new Error("there is no protein: drop a PDB file");
    return (await upload(this.file, "pocket", { site: this.where })).id;
  }
}

// Names of the ligands of a PDB file, the largest first.
export function ligandsOf(text) {
  const atoms = {};
  for (const line of text.split("\n")) {
    if (!line.startsWith("HETATM")) continue;
    const name = line.slice(17, 20).trim();
    if (!WATER.has(name) && !SOLVENT.has(name)) atoms[name] = (atoms[name] ?? 0) + 1;
  }
  return Object.keys(atoms).filter((name) => atoms[name] >= 6).sort((a, b) => atoms[b] - atoms[a]);
}
