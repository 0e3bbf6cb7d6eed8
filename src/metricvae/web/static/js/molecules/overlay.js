// Two molecules laid on one another, by shape, colour or both.
import { post } from "../lib/api.js";
import { announce, button, h, select } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { fixed } from "../lib/format.js";
import { resultFoot } from "../lib/result.js";
import { guarded, waiting } from "./results.js";
import { join, placed, sceneOf } from "./scene.js";

const WORDS = { combo: "Combo", shape_tanimoto: "Shape", tanimoto: "Shape", colour_tanimoto: "Colour", shape: "Shape", colour: "Colour" };

export function open(place, results, bench) {
  const by = select("Laid by", [["combo", "Shape and colour"], ["shape", "Shape"], ["colour", "Colour: pharmacophore features"]], "combo", () => {});
  let scene = null;
  const run = guarded(() => start, results, "No overlay", async () => {
    results.replaceChildren(waiting("Making conformers, trying rotations"));
    const [a, b] = await Promise.all([bench.a.send(), bench.b.send()]);
    const asked = { metric: "shape", by: by.input.value, first: a.id, second: b.id };
    const [found, predicted] = await Promise.all([post("solve", asked), post("predict", { model: "molecules", first: a.id, second: b.id }).catch(() => null)]);
    const molecules = await sides(found, a, b, bench);
    scene = { molecules };
    await bench.stage.show(scene);
    results.replaceChildren(report(found, by.input.value, predicted, molecules));
    announce(`Overlay done, ${WORDS[by.input.value]} ${fixed(found.score)}`);
  });
  const start = button("Overlay", run, { kind: "primary" });
  place.replaceChildren(by.field, h("div", { class: "row" }, start));
  return { shown: () => (scene ? bench.stage.show(scene) : run()) };
}

// Both molecules where they lie, the second moved onto the first.
async function sides(found, a, b, bench) {
  const [first, second] = await Promise.all([a, b].map((one) => sceneOf(one.id)));
  return [
    { ...first, role: "a", name: bench.a.value.file?.name ?? "A" },
    { ...placed(second, found.pose), role: "b", name: bench.b.value.file?.name ?? "B" },
  ];
}

function report(found, by, predicted, molecules) {
  const scores = found.scores ?? { [by]: found.score };
  const bars = Object.entries(WORDS).filter(([name]) => typeof scores[name] === "number").map(([name, word]) => meter(word, scores[name]));
  const one = predicted?.tanimoto;
  const said = one === undefined || one === null ? null
    : h("p", { class: "soft number" }, `Shape in one shot, without laying them on one another: ${fixed(one)}`);
  const sdf = () => download("overlay.sdf", join(molecules), "chemical/x-mdl-sdfile");
  return h("div", { class: "panel stack" }, h("h2", {}, "Similarity"), bars, said,
    resultFoot(found.command, [["SDF", sdf], ["JSON", () => download("overlay.json", JSON.stringify(found, null, 2), "application/json")]]));
}

export function meter(name, value) {
  const bar = h("i", { "aria-hidden": "true" });
  bar.style.width = `${100 * Math.min(1, Math.max(0, value))}%`;
  return h("div", { class: "meter" }, h("span", {}, name), h("div", { class: "meter-bar" }, bar), h("b", { class: "number" }, fixed(value)));
}
