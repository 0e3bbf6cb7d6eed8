// A pad to draw a shape on: pen, eraser, fill, undo, by pointer or by keys; takes dropped pictures.
import { announce, button, h, icon, message, select, themeColour } from "../lib/dom.js";
import { chooseFiles, download, takeDrops } from "../lib/files.js";
import { whole } from "../lib/format.js";
import { EXAMPLES } from "./examples.js";
import { History } from "./history.js";
import { SIZE, area, blobOf, emptyMask, flood, fromFile, rowsOf, sprite, stroke, toPng } from "./mask.js";

const SCALE = 3;
const KEY_HELP = "Arrow keys move the pen (with Shift in small steps), Space draws or erases there, Enter fills.";

export class Pad {
  // `tools` has {tool, radius}; `onchange(pad)` is called while a stroke is drawn, and after each change: who made the
  // pad calls `paint` then.
  constructor(letter, tools, onchange) {
    this.letter = letter;
    this.tools = tools;
    this.onchange = onchange;
    this.history = new History(emptyMask(), () => onchange(this));
    this.live = null; // the mask while a stroke is drawn
    this.cursor = null;
    this.#build();
    this.#listen();
    this.paint();
  }

  get mask() { return this.live ?? this.history.value; }
  get empty() { return !this.mask.includes(1); }

  set(mask, why = "") {
    this.history.push(mask);
    if (why) announce(`${why} is shape ${this.letter}`);
  }

  // The shape as requests name it: in its rows, or as a file.
  object() { return { rows: rowsOf(this.mask) }; }
  file() { return { kind: "silhouette", data: toPng(this.mask), name: `${this.letter}.png` }; }

  #build() {
    this.canvas = h("canvas", {
      width: SIZE * SCALE, height: SIZE * SCALE, tabIndex: 0, role: "img",
      "aria-label": `Shape ${this.letter}`, "aria-describedby": `keys-${this.letter}`,
    });
    this.hint = h("p", { class: "pad-hint" }, "Draw here, or drop a picture");
    this.facts = h("span", { class: "soft number small" });
    this.undo = button("", () => this.history.undo(), { kind: "quiet icon tiny", symbol: "undo", label: `Undo in shape ${this.letter}` });
    this.redo = button("", () => this.history.redo(), { kind: "quiet icon tiny", symbol: "redo", label: `Redo in shape ${this.letter}` });
    this.problem = h("div");
    const open = () => chooseFiles("image/*", false, (files) => this.take(files[0]));
    const examples = select("Example", [["", "Example…"], ...EXAMPLES.map(([name]) => [name, name])], "", (name) => this.#example(name)).input;
    examples.setAttribute("aria-label", `Example for shape ${this.letter}`);
    examples.classList.add("pad-examples");
    this.examples = examples;
    this.element = h("figure", { class: `pad pad-${this.letter.toLowerCase()}` },
      h("figcaption", { class: "pad-head" }, h("h2", {}, h("i", { "aria-hidden": "true" }), this.letter), this.facts),
      h("div", { class: "pad-canvas" }, this.canvas, this.hint),
      h("p", { class: "unseen", id: `keys-${this.letter}` }, KEY_HELP),
      h("div", { class: "pad-foot" }, this.undo, this.redo,
        button("", () => this.set(emptyMask()), { kind: "quiet icon tiny", symbol: "clear", label: `Clear shape ${this.letter}` }),
        button("", open, { kind: "quiet icon tiny", symbol: "open", label: `Open a picture as shape ${this.letter}` }),
        button("", () => download(`${this.letter}.png`, blobOf(toPng(this.mask))), { kind: "quiet icon tiny pad-save", symbol: "download", label: `Download shape ${this.letter}` }),
        examples),
      this.problem);
    takeDrops(this.element, (files) => this.take(files[0]));
  }

  #example(name) {
    const found = EXAMPLES.find(([one]) => one === name);
    if (found) this.set(found[1](), found[0]);
    this.examples.value = "";
  }

  async take(file) {
    try {
      this.set(await fromFile(file), file.name);
      this.problem.replaceChildren();
    } catch (error) {
      this.problem.replaceChildren(message("error", "", error.message));
    }
  }

  #listen() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIZE - 0.5, ((event.clientY - box.top) / box.height) * SIZE - 0.5];
    };
    let last = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      event.preventDefault();
      this.canvas.focus({ preventScroll: true });
      this.cursor = null;
      if (this.tools.tool === "fill") { this.#fill(at(event)); return; }
      this.canvas.setPointerCapture(event.pointerId);
      this.live = this.history.value.slice();
      last = at(event);
      this.#draw(last, last);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.live) return;
      for (const one of event.getCoalescedEvents?.() ?? [event]) {
        const to = at(one);
        this.#draw(last, to, false);
        last = to;
      }
      this.onchange(this);
    });
    const end = () => {
      if (!this.live) return;
      const mask = this.live;
      this.live = null;
      this.history.push(mask);
    };
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("blur", () => { this.cursor = null; this.paint(); });
  }

  #draw(from, to, tell = true) {
    stroke(this.live, from, to, this.tools.radius, this.tools.tool === "eraser" ? 0 : 1);
    if (tell) this.onchange(this);
  }

  #fill([x, y]) {
    const mask = this.history.value.slice();
    const inside = x >= 0 && y >= 0 && x < SIZE && y < SIZE;
    if (inside && flood(mask, Math.min(x, SIZE - 1), Math.min(y, SIZE - 1), 1)) this.history.push(mask);
  }

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) this.history.redo();
      else this.history.undo();
      return;
    }
    const step = event.shiftKey ? 1 : 8;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (!move && event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    this.cursor ??= [SIZE / 2, SIZE / 2];
    if (move) this.cursor = this.cursor.map((value, axis) => Math.min(SIZE - 1, Math.max(0, value + move[axis])));
    else if (event.key === "Enter") this.#fill(this.cursor);
    else {
      const mask = this.history.value.slice();
      stroke(mask, this.cursor, this.cursor, this.tools.radius, this.tools.tool === "eraser" ? 0 : 1);
      this.history.push(mask);
    }
    this.paint();
  }

  paint() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.sprite = sprite(this.mask, themeColour(`--${this.letter.toLowerCase()}`), this.live ? 2 : SCALE); // coarser while a stroke is drawn
    context.drawImage(this.sprite, 0, 0, this.canvas.width, this.canvas.height);
    this.hint.hidden = !this.empty || this.live !== null;
    this.facts.textContent = this.empty ? "" : `${whole(area(this.mask))} px`;
    this.undo.disabled = !this.history.past.length;
    this.redo.disabled = !this.history.future.length;
    if (this.cursor) this.#paintCursor(context);
  }

  #paintCursor(context) {
    const [x, y] = this.cursor.map((value) => (value + 0.5) * SCALE);
    context.strokeStyle = themeColour("--ink");
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, Math.max(4, this.tools.radius * SCALE), 0, 2 * Math.PI);
    context.moveTo(x - 12, y);
    context.lineTo(x + 12, y);
    context.moveTo(x, y - 12);
    context.lineTo(x, y + 12);
    context.stroke();
  }
}

// Pen, eraser and fill, and how thick they are: changes `tools`.
export function toolbar(place, tools, extra) {
  const choices = [["pen", "Pen"], ["eraser", "Eraser"], ["fill", "Fill"]].map(([name, text]) => {
    const made = h("button", { type: "button", class: "button quiet", "aria-pressed": String(name === tools.tool), onclick: () => choose(name) }, icon(name), text);
    return [name, made];
  });
  const choose = (name) => {
    tools.tool = name;
    for (const [one, made] of choices) made.setAttribute("aria-pressed", String(one === name));
  };
  const range = h("input", { type: "range", min: 2, max: 24, step: 1, oninput: () => { tools.radius = Number(range.value); } });
  range.value = tools.radius;
  const width = h("label", { class: "tool-width" }, h("span", {}, "Width"), range);
  place.replaceChildren(h("div", { class: "row" }, choices.map(([, made]) => made)), width, h("div", { class: "row tools-extra" }, extra));
  document.addEventListener("keydown", (event) => {
    const typing = /INPUT|TEXTAREA|SELECT/.test(document.activeElement?.tagName ?? "");
    const name = { p: "pen", e: "eraser", f: "fill" }[event.key];
    if (name && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !document.getElementById("shapes").hidden) choose(name);
  });
}
