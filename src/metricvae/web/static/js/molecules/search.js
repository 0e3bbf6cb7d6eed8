// Search a library of molecules for those like molecule A, with filters.
import { list, post } from "../lib/api.js";
import { announce, button, field, h, message, select } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { csv, fixed, whole } from "../lib/format.js";
import { resultFoot } from "../lib/result.js";
import { noLibrary, withExact } from "../shapes/search.js";
import { guarded, waiting } from "./results.js";
import { join, placed, sceneOf } from "./scene.js";
import { moleculeTable } from "./table.js";

export async function open(place, results, bench) {
  const libraries = (await list("libraries")).filter((one) => one.kind.startsWith("molecule"));
  if (!libraries.length) {
    place.replaceChildren(noLibrary("molecules", "library.smi"));
    return { shown: () => bench.stage.show({}) };
  }
  const library = select("Library", libraries.map((one) => [one.name, `${one.name}, ${whole(one.items)} molecules`]), libraries[0].name, () => {});
  const names = libraries[0].columns?.length ? `Columns: ${libraries[0].columns.join(", ")}` : "For example mw < 450 and logp < 4";
  const where = h("input", { class: "input", placeholder: "mw < 450 and logp < 4", spellcheck: false });
  const contains = h("input", { class: "input", placeholder: "SMARTS, as c1ccccc1", spellcheck: false });
  const exact = select("Order", [["0", "In one shot"], ["200", "Exact overlay of the best 200"]], "200", () => {});
  const by = select("By", [["combo", "Shape and colour"], ["shape", "Shape"], ["colour", "Colour"]], "combo", () => {});
  const count = select("Hits", [["10", "10"], ["25", "25"], ["100", "100"]], "10", () => {});
  let scene = {};
  const run = guarded(() => start, results, "No search", async () => {
    results.replaceChildren(waiting("Searching"));
    const query = await bench.a.send();
    const depth = Number(exact.input.value);
    const asked = { library: library.input.value, query: query.id, count: Number(count.input.value) };
    if (depth) Object.assign(asked, { exact: depth, by: by.input.value });
    if (where.value.trim()) asked.where = where.value.trim();
    if (contains.value.trim()) asked.contains = [contains.value.trim()];
    const found = withExact(await post("search", asked));
    show({ ...found, query: await sceneOf(query.id) }, results, bench, (now) => { scene = now; });
  });
  const start = button("Search", run, { kind: "primary" });
  place.replaceChildren(library.field, field("Filter", where, names), field("Contains", contains),
    h("div", { class: "pair" }, count.field, by.field), exact.field, h("div", { class: "row" }, start));
  return { shown: () => bench.stage.show(scene) };
}

function show(found, results, bench, keep) {
  if (!found.hits.length) {
    results.replaceChildren(h("div", { class: "panel" }, message("empty", "No hit", "Nothing in this library satisfies the filters. Loosen one.")));
    return;
  }
  const extra = Object.keys(found.hits[0].properties ?? {}).filter((name) => typeof found.hits[0].properties[name] === "number").slice(0, 5);
  const exact = found.hits.some((hit) => typeof hit.exact === "number");
  const columns = [["predicted shape", (hit) => hit.tanimoto ?? hit.value], ...(exact ? [[`exact ${found.score_name.replace("_tanimoto", "")}`, (hit) => hit.exact]] : []),
    ...extra.map((name) => [name, (hit) => hit.properties?.[name], (value) => fixed(value, Number.isInteger(value) ? 0 : 2)])];
  const { hits } = found;
  const pick = async (hit) => {
    const laid = placed(await sceneOf(hit.id), hit.pose);
    const now = { molecules: [{ ...found.query, role: "a", name: "query" }, { ...laid, role: "b", name: hit.name }] };
    keep(now);
    bench.stage.show(now);
  };
  const table = moleculeTable(hits, columns, pick, "Hits");
  const rows = [["rank", "name", ...columns.map(([name]) => name)], ...hits.map((hit, at) => [at + 1, hit.name, ...columns.map(([, value]) => value(hit) ?? "")])];
  const sdf = async () => download("hits.sdf", join([found.query, ...(await Promise.all(hits.map(async (hit) => placed(await sceneOf(hit.id), hit.pose))))]));
  const files = [["CSV", () => download("hits.csv", csv(rows), "text/csv")], ["SDF", sdf]];
  results.replaceChildren(h("div", { class: "panel stack" }, h("h2", {}, `${hits.length} hits`), table.element, resultFoot(found.command, files)));
  table.pick(hits[0]);
  announce(`${hits.length} hits`);
}
