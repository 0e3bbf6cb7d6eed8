// A plane of the latent space about shape A: what is decoded where the pointer is.
import { post } from "../lib/api.js";
import { button, h, message, select, themeColour } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { latest } from "../lib/latest.js";
import { named, resultFoot } from "../lib/result.js";
import { SIZE, blobOf, fromBase64, sprite } from "./mask.js";

const REACH = 2;
const KEYS = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };

export function open(place, pads) {
  const canvas = h("canvas", { width: 3 * SIZE, height: 3 * SIZE, role: "img", "aria-label": "The shape that is decoded" });
  const knob = h("i", { class: "plane-knob", "aria-hidden": "true" });
  const map = h("div", { class: "plane", tabIndex: 0, role: "application", "aria-label": "Plane of codes: move with the pointer or the arrow keys" }, h("span", { class: "plane-across" }, "first direction"), h("span", { class: "plane-down" }, "second direction"), knob);
  const facts = h("p", { class: "number soft", "aria-live": "polite" });
  const problem = h("div");
  const foot = h("div");
  const middle = select("Middle", [["0", "Shape A"], ["1", "Shape B"]], "0", () => move(0, 0));
  let at = [0, 0];
  let last = null;

  const paint = (mask) => {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(sprite(mask, themeColour("--ink")), 0, 0);
  };
  const ask = latest(
    async (body) => { const found = await post("latent/plane", body); return { ...found, mask: await fromBase64(found.png) }; },
    (found) => {
      last = found;
      problem.replaceChildren();
      paint(found.mask);
      const command = named(found.command, `${pads[Number(middle.input.value)].letter}.png`);
      if (foot.dataset.command !== command) {
        foot.dataset.command = command;
        foot.replaceChildren(resultFoot(command, [["PNG", () => download("decoded.png", blobOf(last.png))]]));
      }
    },
    (error) => problem.replaceChildren(message("error", "Nothing decoded", error.message)));
  const move = (x, y) => {
    at = [x, y].map((value) => Math.min(REACH, Math.max(-REACH, value)));
    knob.style.left = `${50 + (50 * at[0]) / REACH}%`;
    knob.style.top = `${50 + (50 * at[1]) / REACH}%`;
    facts.textContent = `${at[0].toFixed(1)} and ${at[1].toFixed(1)} standard deviations from the code`;
    const pad = pads[Number(middle.input.value)];
    if (pad.empty) { problem.replaceChildren(message("error", "", `Shape ${pad.letter} is empty: draw it first`)); return; }
    ask({ around: [pad.object()], x: at[0], y: at[1] });
  };
  map.addEventListener("pointermove", (event) => {
    const box = map.getBoundingClientRect();
    move(((event.clientX - box.left) / box.width - 0.5) * 2 * REACH, ((event.clientY - box.top) / box.height - 0.5) * 2 * REACH);
  });
  map.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    move(at[0] + step[0], at[1] + step[1]);
  });
  const take = button("Take as B", () => last && pads[1].set(last.mask, "What was decoded"), {});
  place.replaceChildren(h("div", { class: "split thirds" },
    h("div", { class: "stack" }, h("p", { class: "soft" }, "The two directions in which codes of the training vary most. Move over the plane."), middle.field, facts, h("div", { class: "row" }, take, button("Back to the middle", () => move(0, 0), { kind: "quiet" })), problem, foot),
    map, h("div", { class: "picture-frame" }, canvas)));
  document.addEventListener("theme-changed", () => last && paint(last.mask));
  return { shown: () => move(...at) };
}
