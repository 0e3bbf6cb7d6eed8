// Binding affinity with its interval, and what speaks against believing it.
import { announce, button, h, message } from "../lib/dom.js";
import { download } from "../lib/files.js";
import { csv, fixed } from "../lib/format.js";
import { runJob } from "../lib/jobs.js";
import { resultFoot } from "../lib/result.js";
import { ligandsOf } from "./dock.js";
import { guarded } from "./results.js";

const [LEAST, MOST] = [2, 12];
const share = (pk) => Math.min(1, Math.max(0, (pk - LEAST) / (MOST - LEAST)));

export function open(place, results, bench) {
  const run = guarded(() => start, results, "No affinity", async () => {
    const progress = h("div", { class: "panel" });
    results.replaceChildren(progress);
    const receptor = await bench.receptor.send();
    const job = await runJob("affinity", { receptor, ligands: await ligandsOf(bench.a) }, progress);
    if (job) results.replaceChildren(report(job));
    else results.replaceChildren(h("div", { class: "panel" }, message("", "Cancelled", "The job was stopped.")));
  });
  const start = button("Predict affinity", run, { kind: "primary" });
  place.replaceChildren(h("p", { class: "soft small" }, "A file with coordinates in the site is taken where it lies; a SMILES is docked first. Give an SDF of several ligands to compare them."),
    h("div", { class: "row" }, start));
  const look = async () => {
    const sdf = await bench.a.record();
    bench.stage.show({ receptor: bench.receptor.shown, molecules: sdf ? [{ role: "a", sdf, name: bench.a.title }] : [] });
  };
  return { shown: look, changed: look };
}

function report(job) {
  const { rows = [], notes = [] } = job.result;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const table = () => download("affinities.csv", csv([columns, ...rows.map((row) => columns.map((name) => row[name]))]), "text/csv");
  const known = rows.filter((row) => row.pK !== null && row.pK !== undefined);
  announce(known.length ? `Predicted pK ${fixed(known[0].pK, 1)}, 90 percent interval ${fixed(known[0].low, 1)} to ${fixed(known[0].high, 1)}` : "No affinity");
  return h("div", { class: "panel stack" }, h("h2", {}, "Binding affinity, pK"), h("ul", { class: "stack" }, rows.map(entry)),
    h("p", { class: "soft small" }, h("i", { class: "tick" }), " what the number of heavy atoms alone says. On proteins that were not trained on, the correlation with measured values is modest: compare both before you believe more."),
    notes.map((note) => message("", "", note)), resultFoot(job.command, [["CSV", table], ["JSON", () => download("affinities.json", JSON.stringify(job.result, null, 2), "application/json")]]));
}

function entry(row) {
  if (row.pK === null || row.pK === undefined) return h("li", {}, message("error", row.name || "No number", row.reason ?? ""));
  const bar = h("div", { class: "interval affinity-bar", "aria-hidden": "true" }, h("i", { class: "band" }), h("i", { class: "dot" }), h("i", { class: "exact" }));
  bar.style.setProperty("--low", share(row.low));
  bar.style.setProperty("--high", share(row.high));
  bar.style.setProperty("--value", share(row.pK));
  if (typeof row.heavy_atoms_pK === "number") {
    bar.classList.add("has-exact");
    bar.style.setProperty("--exact", share(row.heavy_atoms_pK));
  }
  const outside = row.outside === "yes" || row.outside === true;
  return h("li", { class: "stack tight" },
    h("div", { class: "row apart" }, h("h3", {}, row.name || "ligand"), h("span", { class: "number" }, h("b", { class: "affinity-value" }, fixed(row.pK, 1)), ` 90 % interval ${fixed(row.low, 1)} to ${fixed(row.high, 1)}`)),
    bar, h("div", { class: "interval-scale soft small number", "aria-hidden": "true" }, h("span", {}, `${LEAST}, weak`), h("span", {}, `${MOST}, strong`)),
    outside ? message("warning", "Outside of the model's data", "Complexes of this sort have larger errors: take the number as a guess.") : null,
    h("p", { class: "soft small" }, [row.pose, row.nearest && `nearest in the training: ${row.nearest}`, row.novelty !== undefined && row.novelty !== null && `novelty ${fixed(row.novelty)}`].filter(Boolean).join("; ")));
}
