// Search a library of shapes for those most like one that is drawn.
import { list, post } from "../lib/api.js";
import { announce, button, h, message, select } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { csv, whole } from "../lib/format.js";
import { named, resultFoot } from "../lib/result.js";
import { fromBitmap } from "./mask.js";

export async function open(place, pads) {
  const results = h("div", { class: "stack", "aria-live": "polite" });
  const libraries = (await list("libraries")).filter((one) => one.kind === "silhouette");
  if (!libraries.length) {
    place.replaceChildren(noLibrary("overlap", "FOLDER"));
    return;
  }
  const chosen = select("Library", libraries.map((one) => [one.name, `${one.name}, ${whole(one.items)} shapes`]), libraries[0].name, () => {});
  const query = select("Query", [["0", "Shape A"], ["1", "Shape B"]], "0", () => {});
  const count = select("Hits", [["12", "12"], ["24", "24"], ["48", "48"]], "12", () => {});
  const exact = select("Order", [["0", "Predicted"], ["50", "Exact, of the best 50"]], "0", () => {});
  const go = async () => {
    const pad = pads[Number(query.input.value)];
    if (pad.empty) { results.replaceChildren(message("error", "", `Shape ${pad.letter} is empty: draw it first`)); return; }
    results.replaceChildren(h("p", { class: "row soft" }, h("span", { class: "spinner" }), "Searching"));
    const asked = { library: chosen.input.value, query: pad.object(), count: Number(count.input.value), exact: Number(exact.input.value) || null };
    try {
      const found = await post("search", asked);
      show(results, withExact({ ...found, command: named(found.command, `${pad.letter}.png`) }), pads);
    } catch (error) {
      results.replaceChildren(message("error", "No search", error.message));
    }
  };
  place.replaceChildren(h("div", { class: "stack" },
    h("div", { class: "form-row" }, query.field, chosen.field, count.field, exact.field, button("Search", go, { kind: "primary" })),
    results));
  results.append(message("empty", "Nothing searched yet", "The shapes of the library that overlap most with yours will stand here."));
}

// The exact value of each hit, which the server calls by the name of the score.
export function withExact(found) {
  return { ...found, hits: found.hits.map((hit) => ({ ...hit, exact: found.score_name ? hit[found.score_name] ?? null : null })) };
}

export function noLibrary(model, objects) {
  return message("empty", "No library is open", "Make an index once, and start the server with it:",
    h("code", { tabIndex: 0 }, `metricvae index ${model} ${objects} --out INDEX`), h("code", { tabIndex: 0 }, "metricvae serve --library NAME=INDEX"));
}

function show(results, found, pads) {
  if (!found.hits.length) {
    results.replaceChildren(message("empty", "No hit", "Nothing in this library fits. Draw another shape."));
    return;
  }
  const rows = [["rank", "name", "value", "exact"], ...found.hits.map((hit, place) => [place + 1, hit.name, hit.value, hit.exact ?? ""])];
  results.replaceChildren(
    h("ol", { class: "thumbs" }, found.hits.map((hit) => thumb(hit, pads[1]))),
    resultFoot(found.command, [["CSV", () => download("hits.csv", csv(rows), "text/csv")]]));
  announce(`${found.hits.length} hits, the best is ${found.hits[0].name}`);
}

function thumb(hit, target) {
  const image = h("img", { src: hit.picture, alt: "", loading: "lazy", width: 120, height: 120 });
  const use = async () => {
    const bitmap = await createImageBitmap(image);
    target.set(fromBitmap(bitmap), hit.name);
    target.element.scrollIntoView({ block: "nearest" });
  };
  const value = hit.exact ?? hit.value;
  return h("li", {}, h("button", { type: "button", class: "thumb", title: "Take as shape B", onclick: use }, image,
    h("span", { class: "thumb-name" }, hit.name), h("span", { class: "soft number small" }, `${whole(value)} px${hit.exact === null || hit.exact === undefined ? "" : " exact"}`)));
}
