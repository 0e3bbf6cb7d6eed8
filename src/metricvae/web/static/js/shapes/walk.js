// The way from shape A to shape B through the latent space, on a slider.
import { post } from "../lib/api.js";
import { announce, button, h, message, slider, themeColour } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { percent, whole } from "../lib/format.js";
import { named, resultFoot } from "../lib/result.js";
import { SIZE, fromBase64, sprite } from "./mask.js";

const STEPS = 17;

export function open(place, pads) {
  const canvas = h("canvas", { width: 3 * SIZE, height: 3 * SIZE, role: "img", "aria-label": "The shape on the way" });
  const facts = h("p", { class: "number soft" }, "\u00a0");
  const foot = h("div");
  const problem = h("div");
  let steps = [];
  let timer = 0;
  const bar = slider("Way from A to B", { min: 0, max: STEPS - 1, value: 0, say: (at) => percent(at / (STEPS - 1)), oninput: () => { stop(); paint(); } });
  const play = button("Play", () => (timer ? stop() : start()), { symbol: "play", disabled: true });

  const paint = () => {
    const step = steps[bar.value()];
    if (!step) return;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(sprite(step.mask, blend(bar.value() / (STEPS - 1))), 0, 0);
    facts.textContent = step.predicted ? `Overlap with A ${whole(step.predicted[0])} px, with B ${whole(step.predicted[1])} px, predicted` : "\u00a0";
  };
  const stop = () => { clearInterval(timer); timer = 0; play.lastChild.textContent = "Play"; };
  const start = () => {
    let at = bar.value();
    let way = at >= STEPS - 1 ? -1 : 1;
    play.lastChild.textContent = "Stop";
    timer = setInterval(() => {
      if (place.hidden) { stop(); return; }
      if (at + way < 0 || at + way >= STEPS) way = -way;
      at += way;
      bar.set(at);
      paint();
    }, 140);
  };
  const load = async () => {
    stop();
    if (pads.some((pad) => pad.empty)) { problem.replaceChildren(message("error", "", "A shape is empty: draw both first")); return; }
    problem.replaceChildren(h("p", { class: "row soft" }, h("span", { class: "spinner" }), "Decoding the way"));
    try {
      const [first, second] = pads.map((pad) => pad.object());
      const found = await post("latent/walk", { first, second, steps: STEPS });
      steps = await Promise.all(found.steps.map(async (step) => ({ ...step, mask: await fromBase64(step.png) })));
      problem.replaceChildren();
      play.disabled = false;
      paint();
      foot.replaceChildren(resultFoot(named(found.command, "A.png", "B.png"), [["Picture of all steps", () => strip(steps)]]));
      announce("The way is loaded: move the slider");
    } catch (error) {
      problem.replaceChildren(message("error", "No way", error.message));
    }
  };
  place.replaceChildren(h("div", { class: "split even" },
    h("div", { class: "stack" }, h("p", { class: "soft" }, "Codes between those of A and B, decoded. The predicted overlaps run straight from one end to the other."),
      h("div", { class: "row" }, button("Load the way", load, { kind: "primary" }), play), bar.field, facts, problem, foot),
    h("div", { class: "picture-frame" }, canvas)));
  document.addEventListener("theme-changed", paint);
  return { shown: () => { if (!steps.length) load(); } };
}

function blend(share) {
  const parts = (name) => [1, 3, 5].map((at) => parseInt(themeColour(name).slice(at, at + 2), 16));
  const [a, b] = [parts("--a"), parts("--b")];
  return "#" + a.map((value, at) => Math.round(value + share * (b[at] - value)).toString(16).padStart(2, "0")).join("");
}

function strip(steps) {
  const canvas = h("canvas", { width: SIZE * steps.length, height: SIZE });
  steps.forEach(({ mask }, at) => canvas.getContext("2d").drawImage(sprite(mask, "#1a1d21", 1), at * SIZE, 0));
  canvas.toBlob((blob) => download("walk.png", blob));
}
