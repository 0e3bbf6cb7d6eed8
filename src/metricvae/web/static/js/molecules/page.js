// The page of molecules: inputs that all tasks share, the stage, and the task that is chosen.
import { $, button, h } from "../lib/dom.js";
import { tabs } from "../lib/tabs.js";
import { MoleculeInput } from "./input.js";
import { ReceptorInput } from "./receptor.js";
import { Stage } from "./stage.js";

const IBUPROFEN = "CC(C)Cc1ccc(cc1)C(C)C(=O)O";
const NAPROXEN = "COc1ccc2cc(ccc2c1)C(C)C(=O)O";

const TASKS = {
  overlay: { inputs: ["a", "b"], load: () => import("./overlay.js") },
  msearch: { inputs: ["a"], load: () => import("./search.js") },
  dock: { inputs: ["receptor", "a"], load: () => import("./dock.js") },
  affinity: { inputs: ["receptor", "a"], load: () => import("./affinity.js") },
  autocomplete: { inputs: ["receptor"], load: () => import("./autocomplete.js") },
};

export function open() {
  const stage = new Stage($("#stage"));
  let chosen = "overlay";
  const opened = new Map();
  const changed = async () => (await opened.get(chosen))?.changed?.();
  const bench = {
    stage,
    a: new MoleculeInput("a", "Molecule A", IBUPROFEN, () => changed()),
    b: new MoleculeInput("b", "Molecule B", NAPROXEN, () => changed()),
    receptor: new ReceptorInput(() => changed()),
  };
  const swap = button("Swap A and B", () => {
    const [first, second] = [bench.a.value, bench.b.value];
    bench.a.set(second);
    bench.b.set(first);
  }, { kind: "quiet tiny", symbol: "swap" });
  const inputs = { receptor: bench.receptor.element, a: bench.a.element, b: h("div", { class: "stack" }, bench.b.element, h("div", { class: "row" }, swap)) };
  $("#molecule-inputs").replaceChildren(...Object.values(inputs));
  const show = async (name) => {
    chosen = name;
    for (const [input, element] of Object.entries(inputs)) element.hidden = !TASKS[name].inputs.includes(input);
    const results = resultsOf(name);
    for (const one of $("#molecule-results").children) one.hidden = one !== results;
    if (!opened.has(name)) opened.set(name, TASKS[name].load().then((module) => module.open($(`#${name}`), results, bench)));
    const task = await opened.get(name);
    if (chosen === name) task?.shown?.();
  };
  tabs($("#molecules > [role=tablist]"), show);
  show("overlay");
}

// Each task has results of its own, which stay while others are looked at.
function resultsOf(name) {
  const id = `results-${name}`;
  const place = document.getElementById(id) ?? h("div", { id, class: "stack", "aria-live": "polite" });
  $("#molecule-results").append(place);
  return place;
}
