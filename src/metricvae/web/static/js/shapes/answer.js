// What the model says of both shapes while they are drawn, and what the exact searches say when they are asked.
import { post } from "../lib/api.js";
import { announce, button, h, message } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { percent, whole } from "../lib/format.js";
import { latest } from "../lib/latest.js";
import { named, resultFoot } from "../lib/result.js";
import { area } from "./mask.js";
import { poseOf } from "./overlay-view.js";

export class Answer {
  constructor(place, pads, view) {
    this.pads = pads;
    this.view = view;
    this.results = {};
    this.ask = latest((bodies) => post("predict", { model: "overlap", ...bodies }), (found) => this.#show(found), (error) => this.#fail(error));
    this.#build(place);
  }

  #build(place) {
    this.value = h("output", { class: "answer-value number" }, "–");
    this.interval = h("p", { class: "soft number answer-interval" }, "\u00a0");
    this.bar = h("div", { class: "interval", "aria-hidden": "true" }, h("i", { class: "band" }), h("i", { class: "dot" }), h("i", { class: "exact" }));
    this.scale = h("div", { class: "interval-scale soft small number", "aria-hidden": "true" }, h("span", {}, "0"), h("span"));
    this.note = h("div", { class: "answer-note" });
    this.exactBox = h("div", { class: "stack exact-box" });
    this.foot = h("div", { class: "answer-foot" });
    this.actions = [
      ["Exact overlap", "solve", "primary", "Search all rotations and shifts for the largest overlap"],
      ["Align in one shot", "align", "", "The pose that a network predicts, refined"],
      ["Match as halves", "match", "", "Whether the two are halves of one shape, and where their edges fit"],
    ].map(([text, name, kind, title]) => button(text, () => this.run(name), { kind, title }));
    this.answer = h("div", { class: "answer-main" },
      h("h2", { class: "answer-title" }, "Predicted overlap"),
      h("div", { class: "answer-number" }, this.value, h("span", { class: "unit" }, "px")),
      this.interval, this.bar, this.scale, this.note);
    place.append(this.answer,
      h("div", { class: "answer-side stack" }, h("div", { class: "row" }, this.actions), this.exactBox), this.foot);
  }

  get ready() { return !this.pads.some((pad) => pad.empty); }

  // The shapes have changed: ask again, and forget what was exact for the old ones.
  changed() {
    if (Object.keys(this.results).length) this.#forget();
    for (const action of this.actions) action.disabled = !this.ready;
    if (!this.ready) { this.#empty(); return; }
    this.ask({ first: this.pads[0].object(), second: this.pads[1].object() });
  }

  #forget() {
    this.results = {};
    this.exactBox.replaceChildren();
    this.bar.classList.remove("has-exact");
  }

  #empty() {
    this.predicted = null;
    this.value.textContent = "–";
    const missing = this.pads.filter((pad) => pad.empty).map((pad) => pad.letter).join(" and ");
    this.interval.textContent = `Draw shape ${missing} for an answer`;
    this.bar.classList.add("blank");
    this.note.replaceChildren();
    this.foot.replaceChildren();
  }

  #show(found) {
    if (!this.ready) return;
    this.predicted = found;
    const most = Math.min(...this.pads.map((pad) => area(pad.mask)));
    const top = Math.max(most, found.high, 1);
    this.value.textContent = whole(found.value);
    this.interval.textContent = `90 % interval ${whole(found.low)} to ${whole(found.high)} px, of at most ${whole(most)}`;
    this.bar.classList.remove("blank");
    this.top = top;
    this.bar.style.setProperty("--low", found.low / top);
    this.bar.style.setProperty("--high", found.high / top);
    this.bar.style.setProperty("--value", found.value / top);
    this.scale.lastChild.textContent = `${whole(top)} px`;
    this.#warn(found);
    this.#footer(found);
    clearTimeout(this.telling);
    this.telling = setTimeout(() => announce(`Predicted overlap ${whole(found.value)} pixels`), 1000);
    document.dispatchEvent(new CustomEvent("predicted", { detail: found }));
  }

  #warn(found) {
    const novel = found.novel ?? (found.outside || found.novelty > 1);
    this.note.replaceChildren(...(novel ? [message("warning", "Unlike the shapes of the training", "The interval is wider and still a guess. The exact overlap is right for any shape.")] : []));
  }

  #footer(found) {
    if (this.foot.firstChild) return;
    this.foot.replaceChildren(resultFoot(named(found.command, "A.png", "B.png"), [["JSON", () => this.#download()]]));
  }

  #download() {
    download("overlap.json", JSON.stringify({ predicted: this.predicted, ...this.results }, null, 2), "application/json");
  }

  #fail(error) {
    this.note.replaceChildren(message("error", "No prediction", error.message));
  }

  async run(name) {
    const [first, second] = this.pads.map((pad) => pad.object());
    const line = h("div", { class: "exact-line soft row" }, h("span", { class: "spinner" }), h("span", {}, "Searching"));
    const slow = setTimeout(() => { line.lastChild.textContent = "Searching; the first time the search is compiled, which takes up to a minute"; }, 3000);
    this.exactBox.querySelector(`[data-of="${name}"]`)?.remove();
    const box = h("div", { class: "exact-result", "data-of": name }, line);
    this.exactBox.prepend(box);
    try {
      if (name === "match") await this.#match(first, second, box);
      else await this.#pose(name, first, second, box);
    } catch (error) {
      box.replaceChildren(message("error", "", error.message));
    } finally {
      clearTimeout(slow);
    }
  }

  async #pose(name, first, second, box) {
    const found = await post(name, { model: "overlap", first, second });
    const pose = poseOf(found);
    this.results[name] = found;
    const words = name === "solve" ? "Exact overlap" : "Overlap after aligning";
    this.#turned(words, found, pose, box);
    if (name === "solve") {
      this.bar.classList.add("has-exact");
      this.bar.style.setProperty("--exact", Math.min(1, found.value / this.top));
      const off = this.predicted ? (this.predicted.value - found.value) / Math.max(1, found.value) : 0;
      box.append(h("p", { class: "soft number" }, `The prediction was ${percent(Math.abs(off))} ${off < 0 ? "below" : "above"} it.`));
    }
  }

  #turned(words, found, pose, box) {
    const angle = ((pose.angle % 360) + 360) % 360;
    const text = `turned ${angle.toFixed(0)}°, shifted ${pose.dx.toFixed(0)}, ${pose.dy.toFixed(0)} px`;
    this.view.slide(pose, text);
    box.replaceChildren(
      h("h3", {}, words),
      h("p", { class: "number" }, h("b", {}, `${whole(found.value)} px`), `, B ${text}`),
      resultFoot(named(found.command, "A.png", "B.png"), []));
    announce(`${words} ${whole(found.value)} pixels, B ${text}`);
  }

  async #match(first, second, box) {
    const [said, fit] = await Promise.all([
      post("predict", { model: "halves", first, second }),
      post("solve", { metric: "match", first, second }),
    ]);
    this.results.match = { predicted: said, fit };
    const yes = said.match ?? said.value >= 0.5;
    const verdict = yes ? "They belong together" : "They do not belong together";
    if (fit.pose) this.view.slide(poseOf(fit), "where their edges fit best");
    box.replaceChildren(h("h3", {}, verdict),
      h("p", { class: "number" }, `Probability of a match ${percent(said.value)}`, fit.value === undefined ? "" : `; best fit of the edges ${Number(fit.value).toFixed(1)}${fit.unit ? ` ${fit.unit}` : ""}`),
      resultFoot(named(said.command, "A.png", "B.png"), []));
    announce(`${verdict}, probability ${percent(said.value)}`);
  }
}
