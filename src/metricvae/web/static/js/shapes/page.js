// The page of shapes: two pads, what they look like on one another, and what can be done with them.
import { $, button } from "../lib/dom.js";
import { tabs } from "../lib/tabs.js";
import { Answer } from "./answer.js";
import { EXAMPLES, halves } from "./examples.js";
import { OverlayView } from "./overlay-view.js";
import { Pad, toolbar } from "./pad.js";

export function open() {
  const tools = { tool: "pen", radius: 10 };
  const view = new OverlayView();
  let answer = null;
  const stale = new Set();
  const pads = ["A", "B"].map((letter) => new Pad(letter, tools, (pad) => { answer?.changed(); redraw(pad); }));
  const redraw = (...changed) => {
    if (!stale.size) requestAnimationFrame(paint);
    for (const pad of changed) stale.add(pad);
  };
  const paint = () => {
    for (const pad of stale) pad.paint();
    stale.clear();
    view.show(pads);
  };
  document.addEventListener("theme-changed", () => redraw(...pads));
  $("#pads").replaceChildren(...pads.map((pad) => pad.element), view.element);
  toolbar($("#tools"), tools, [
    button("Swap", () => swap(pads), { kind: "quiet", symbol: "swap" }),
    button("Cut A in two", () => cut(pads), { kind: "quiet", symbol: "cut", title: "Makes two halves of A, to be matched" }),
  ]);
  $("#answer").replaceChildren();
  answer = new Answer($("#answer"), pads, view);
  pads.forEach((pad, number) => pad.history.begin(EXAMPLES[number][1]()));
  explore(pads);
}

function swap([a, b]) {
  const [first, second] = [a.mask, b.mask];
  a.set(second);
  b.set(first, "The other");
}

function cut([a, b]) {
  if (a.empty) return;
  const [first, second] = halves(a.mask);
  a.set(first, "One half");
  b.set(second, "The other half");
}

// The panels below are made when they are first shown.
function explore(pads) {
  const panels = {
    search: () => import("./search.js"),
    generate: () => import("./generate.js"),
    walk: () => import("./walk.js"),
    plane: () => import("./plane.js"),
  };
  const opened = new Map();
  const show = async (name) => {
    if (!opened.has(name)) opened.set(name, panels[name]().then((module) => module.open($(`#${name}`), pads)));
    (await opened.get(name))?.shown?.();
  };
  tabs($(".explore [role=tablist]"), show);
  show("search");
}
