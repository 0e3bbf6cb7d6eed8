// A molecule that is typed, sketched or dropped, with its structural formula.
import { sendSmiles, upload } from "../lib/api.js";
import { button, field, h, message, uniqueId } from "../lib/dom.js";
import { chooseFiles, takeDrops } from "../lib/files.js";
import { History } from "../shapes/history.js";
import { fault, picture, sketch } from "./depict.js";
import { split } from "./sdf.js";

const SUFFIXES = ".sdf,.mol,.mol2,.smi,.smiles,.csv,.tsv,.pdb,.txt,.gz";

export class MoleculeInput {
  // `onchange(input)` when there is another molecule. The value is {smiles} or {file}.
  constructor(letter, title, smiles, onchange) {
    this.letter = letter;
    this.onchange = onchange;
    this.history = new History({ smiles }, () => this.#shown());
    this.text = h("input", { class: "input", spellcheck: false, autocomplete: "off", placeholder: "SMILES", "aria-describedby": uniqueId("fault") });
    this.said = h("span", { class: "hint", id: this.text.getAttribute("aria-describedby"), "aria-live": "polite" });
    this.text.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.set({ smiles: this.text.value.trim() }), 350); });
    this.picture = h("div", { class: "formula-box" });
    this.undo = button("", () => this.history.undo(), { kind: "quiet icon tiny", symbol: "undo", label: `Undo ${title}` });
    const typed = field(title, this.text);
    typed.append(this.said);
    typed.firstChild.prepend(h("i", { class: `dot dot-${letter}`, "aria-hidden": "true" }));
    const open = () => chooseFiles(SUFFIXES, false, ([file]) => this.set({ file }));
    this.element = h("div", { class: "molecule stack" }, typed, this.picture,
      h("div", { class: "row" }, button("Sketch", () => this.#sketch(), { kind: "tiny", symbol: "pen", label: `Sketch ${title}` }),
        button("File", open, { kind: "tiny", symbol: "open", label: `Open a file for ${title}` }), this.undo));
    takeDrops(this.element, ([file]) => this.set({ file }));
    this.#shown();
  }

  get value() { return this.history.value; }
  get empty() { return !this.value.file && !this.value.smiles; }
  get title() { return this.value.file?.name ?? this.value.smiles; }

  set(value) {
    if (value.smiles !== this.value.smiles || value.file) this.history.push(value);
  }

  // The record of the molecule where it lies, of a file that has one.
  async record() {
    const { file } = this.value;
    return file && /\.(sdf|mol)$/i.test(file.name) ? split(await file.text())[0] : null;
  }

  // The id of the molecule on the server; of a file as it is for jobs.
  async send(kind = "molecule") {
    if (this.empty) throw new Error("there is no molecule: type a SMILES, sketch one or drop a file");
    this.sent ??= {};
    this.sent[kind] ??= (this.value.file ? upload(this.value.file, kind) : sendSmiles(this.value.smiles)).catch((error) => { delete this.sent[kind]; throw error; });
    return this.sent[kind];
  }

  async #sketch() {
    const smiles = await sketch(this.value.smiles ?? "");
    if (smiles) this.set({ smiles });
  }

  async #shown() {
    const { smiles, file } = this.value;
    this.sent = {};
    if (document.activeElement !== this.text || file) this.text.value = file ? "" : smiles;
    this.text.placeholder = file ? file.name : "SMILES";
    this.undo.disabled = !this.history.past.length;
    this.onchange(this);
    const wrong = smiles ? await fault(smiles) : null;
    if (this.value.smiles !== smiles) return;
    this.text.setAttribute("aria-invalid", String(wrong !== null));
    this.said.textContent = wrong ? `Not a SMILES: ${wrong}` : "";
    const drawn = smiles && !wrong ? await picture(smiles) : null;
    if (this.value.smiles === smiles) this.picture.replaceChildren(drawn ?? message("", "", file ? `From the file ${file.name}` : "Type a SMILES, sketch, or drop a file here"));
  }
}
