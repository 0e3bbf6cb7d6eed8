// The four losses of a training as small charts that grow with its log.
import { h } from "../lib/dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const LOSSES = [
  ["metric", "Metric", "how far the latent geometry is from the values"],
  ["reconstruction", "Reconstruction", "how well the decoder gives the object back"],
  ["latent", "Latent", "how far codes are from the prior"],
  ["deformation", "Deformation", "how far the code of a moved object is"],
];
const [WIDTH, HEIGHT] = [240, 80];

function svg(tag, attributes) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export class LossCurves {
  constructor() {
    this.log = [];
    this.steps = null;
    this.charts = LOSSES.map(([name, title, meaning]) => this.#chart(name, title, meaning));
    this.element = h("div", { class: "curves" }, this.charts.map((one) => one.element));
  }

  #chart(name, title, meaning) {
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const line = svg("polyline", { class: "curve", "vector-effect": "non-scaling-stroke" });
    picture.append(svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis", "vector-effect": "non-scaling-stroke" }), line);
    const value = h("output", { class: "number" }, "–");
    const element = h("figure", { class: "curve-box" }, h("figcaption", { class: "row apart" }, h("b", {}, title), value), picture, h("p", { class: "small soft" }, meaning));
    return { name, line, value, element };
  }

  add(entry, steps = null) {
    this.steps = steps ?? this.steps;
    if (this.log.length && entry.step <= this.log.at(-1).step) this.log = this.log.filter((one) => one.step < entry.step);
    this.log.push(entry);
    for (const chart of this.charts) this.#draw(chart);
  }

  #draw({ name, line, value }) {
    const points = this.log.map((one) => [one.step, one[name]]).filter(([, loss]) => Number.isFinite(loss));
    if (!points.length) return;
    const losses = points.map(([, loss]) => Math.log10(Math.max(Math.abs(loss), 1e-9)));
    const [low, high] = [Math.min(...losses), Math.max(...losses)];
    const end = Math.max(this.steps ?? 0, points.at(-1)[0], 1);
    const place = (at) => `${((points[at][0] / end) * WIDTH).toFixed(1)},${(HEIGHT - 6 - ((losses[at] - low) / Math.max(high - low, 1e-9)) * (HEIGHT - 14)).toFixed(1)}`;
    line.setAttribute("points", points.map((_, at) => place(at)).join(" "));
    value.textContent = points.at(-1)[1].toPrecision(3);
  }
}
