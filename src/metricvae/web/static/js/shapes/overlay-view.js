// Both shapes on one another; a pose is reached by an animation in which B slides and turns.
import { button, calm, h, themeColour } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { SIZE } from "./mask.js";

const SCALE = 3;
const STILL = { angle: 0, dx: 0, dy: 0 };
const WHOLE = { scale: 1, dx: 0, dy: 0 };
const ease = (t) => (t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2);

export class OverlayView {
  constructor() {
    this.canvas = h("canvas", { width: SIZE * SCALE, height: SIZE * SCALE, role: "img", "aria-label": "Both shapes on one another" });
    this.state = h("span", { class: "soft small" }, "as drawn");
    this.buffer = document.createElement("canvas");
    this.buffer.width = this.buffer.height = SIZE * SCALE;
    this.replay = button("Replay", () => this.slide(...this.last), { kind: "quiet tiny", symbol: "play", disabled: true });
    const save = () => this.canvas.toBlob((blob) => download("overlay.png", blob));
    const foot = h("div", { class: "pad-foot apart" }, this.replay, button("Picture", save, { kind: "quiet tiny", symbol: "download" }));
    this.element = h("figure", { class: "pad pad-both" },
      h("figcaption", { class: "pad-head" }, h("h2", {}, h("i", { "aria-hidden": "true" }), "B on A"), this.state),
      h("div", { class: "pad-canvas" }, this.canvas), foot);
    this.frame = 0;
  }

  // The shapes of both pads as they lie.
  show(pads) {
    cancelAnimationFrame(this.frame);
    this.masks = pads.map((pad) => pad.mask);
    this.sprites = [...pads.map((pad) => pad.sprite), themeColour("--both")];
    this.#paint(STILL);
    this.say("as drawn");
    this.replay.disabled = true;
  }

  say(text) {
    this.state.textContent = text;
    this.canvas.setAttribute("aria-label", `Shape B on shape A, ${text}`);
  }

  // Slide and turn B from where it lies into a pose.
  slide(pose, text, seconds = 1.1) {
    cancelAnimationFrame(this.frame);
    this.say(text);
    this.last = [pose, text];
    this.replay.disabled = false;
    const angle = ((pose.angle + 540) % 360) - 180;
    const frame = this.#frameOf(pose);
    if (calm()) { this.#paint(pose, frame); return; }
    const start = performance.now();
    const step = (now) => {
      const t = Math.min(1, Math.max(0, (now - start) / (1000 * seconds)));
      const share = ease(t);
      const partly = { scale: 1 + share * (frame.scale - 1), dx: share * frame.dx, dy: share * frame.dy };
      this.#paint({ angle: share * angle, dx: share * pose.dx, dy: share * pose.dy }, partly);
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  // What shows all of both shapes when B lies in a pose: everything as it is where it fits.
  #frameOf(pose) {
    const turn = (pose.angle * Math.PI) / 180;
    const lay = (x, y) => [Math.cos(turn) * x + Math.sin(turn) * y + pose.dx, -Math.sin(turn) * x + Math.cos(turn) * y + pose.dy];
    const places = [...corners(this.masks[0]), ...corners(this.masks[1]).map(([x, y]) => lay(x, y))];
    const [low, high] = [Math.min, Math.max].map((end) => [0, 1].map((axis) => end(...places.map((place) => place[axis]))));
    const half = SIZE / 2 - 4;
    if (low.every((value) => value >= -half - 4) && high.every((value) => value <= half + 4)) return WHOLE;
    const scale = Math.min(1, ...[0, 1].map((axis) => (2 * half) / (high[axis] - low[axis])));
    return { scale, dx: (-scale * (low[0] + high[0])) / 2, dy: (-scale * (low[1] + high[1])) / 2 };
  }

  #look(context, { scale, dx, dy }) {
    context.setTransform(scale, 0, 0, scale, ((1 - scale) * SIZE * SCALE) / 2 + dx * SCALE, ((1 - scale) * SIZE * SCALE) / 2 + dy * SCALE);
  }

  #place(context, pose, frame) {
    this.#look(context, frame);
    context.translate((SIZE / 2 + pose.dx) * SCALE, (SIZE / 2 + pose.dy) * SCALE);
    context.rotate((-pose.angle * Math.PI) / 180);
    context.translate((-SIZE / 2) * SCALE, (-SIZE / 2) * SCALE);
  }

  #paint(pose, frame = WHOLE) {
    const [a, b, both] = this.sprites;
    const inner = this.buffer.getContext("2d");
    this.#look(inner, frame);
    inner.globalCompositeOperation = "copy";
    inner.drawImage(a, 0, 0, SIZE * SCALE, SIZE * SCALE);
    inner.globalCompositeOperation = "source-in";
    this.#place(inner, pose, frame);
    inner.drawImage(b, 0, 0, SIZE * SCALE, SIZE * SCALE);
    inner.setTransform(1, 0, 0, 1, 0, 0);
    inner.fillStyle = both;
    inner.fillRect(0, 0, this.buffer.width, this.buffer.height);
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.#look(context, frame);
    context.drawImage(a, 0, 0, SIZE * SCALE, SIZE * SCALE);
    this.#place(context, pose, frame);
    context.drawImage(b, 0, 0, SIZE * SCALE, SIZE * SCALE);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.buffer, 0, 0);
  }
}

// The ends of the rows of a shape, from the middle of the canvas.
function corners(mask) {
  const found = [];
  for (let y = 0; y < SIZE; y++) {
    const row = mask.subarray(y * SIZE, (y + 1) * SIZE);
    const left = row.indexOf(1);
    if (left >= 0) found.push([left - SIZE / 2, y - SIZE / 2], [row.lastIndexOf(1) - SIZE / 2, y - SIZE / 2]);
  }
  return found;
}

// A pose as the server gives it, in the words of this view.
export const poseOf = ({ pose }) => ({
  angle: pose.angle_deg ?? pose.angle ?? 0,
  dx: pose.dx ?? pose.shift?.[0] ?? 0,
  dy: pose.dy ?? pose.shift?.[1] ?? 0,
});
