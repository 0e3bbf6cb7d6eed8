// Dock a molecule into the site of a dropped structure: poses with scores, each shown in the site.
import { fetchText } from "../lib/api.js";
import { announce, button, h, message, slider } from "../lib/dom.js";
import { download, downloadFrom } from "../lib/files.js";
import { fixed } from "../lib/format.js";
import { runJob } from "../lib/jobs.js";
import { resultFoot } from "../lib/result.js";
import { guarded } from "./results.js";
import { read, split } from "./sdf.js";
import { moleculeTable } from "./table.js";

export function open(place, results, bench) {
  const poses = slider("Poses of a molecule", { min: 1, max: 20, value: 9 });
  let scene = null;
  const run = guarded(() => start, results, "Not docked", async () => {
    const progress = h("div", { class: "panel" });
    results.replaceChildren(progress);
    const receptor = await bench.receptor.send();
    const ligands = await ligandsOf(bench.a);
    const job = await runJob("dock", { receptor, ligands, poses: poses.value() }, progress);
    if (!job) { results.replaceChildren(h("div", { class: "panel" }, message("", "Cancelled", "The job was stopped."))); return; }
    await show(job, results, bench, (now) => { scene = now; });
  });
  const start = button("Dock", run, { kind: "primary" });
  place.replaceChildren(poses.field, h("p", { class: "soft small" }, "A docking score orders poses and molecules; it is not an affinity."), h("div", { class: "row" }, start));
  const look = () => bench.stage.show(scene ?? { receptor: bench.receptor.shown });
  return { shown: look, changed: () => { scene = null; look(); } };
}

// What a job takes as ligands: the id of a file as it is, or of a SMILES.
export const ligandsOf = async (input) => (await input.send(input.value.file ? "file" : "molecule")).id;

async function show(job, results, bench, keep) {
  const { ligands } = job.result;
  const good = ligands.filter((one) => one.file);
  if (!good.length) {
    const why = ligands.map((one) => one.fault).filter(Boolean)[0] ?? "no pose fits the site";
    results.replaceChildren(h("div", { class: "panel" }, message("error", "No pose", why)));
    return;
  }
  const records = await Promise.all(good.map(async (one) => split(await fetchText(`jobs/${job.id}/files/${one.file.split("/").map(encodeURIComponent).join("/")}`)).map((record, at) => ({ ...read(record), of: one, rank: at + 1 }))));
  const rows = records.flat().map((one) => ({ ...one, name: `${(bench.a.value.file && one.of.name) || "A"}, pose ${one.rank}`, smiles: one.rank === 1 ? one.of.smiles ?? bench.a.value.smiles : null }));
  const names = ["score", "energy", "clashes", "strain"].filter((name) => rows.some((row) => row.fields[name] !== undefined));
  const columns = names.map((name) => [name, (row) => Number(row.fields[name])]);
  const pick = (row) => {
    const now = { receptor: bench.receptor.shown, molecules: [{ role: "a", sdf: row.record, name: row.name }] };
    keep(now);
    bench.stage.show(now);
  };
  const table = moleculeTable(rows, columns, pick, "Poses");
  const best = good[0].best ?? {};
  const valid = best.valid === false ? message("warning", "The first pose has faults", String(best.faults ?? "")) : null;
  results.replaceChildren(h("div", { class: "panel stack" }, h("h2", {}, `${rows.length} poses`), valid, table.element,
    resultFoot(job.command, [["SDF", () => download("poses.sdf", rows.map((row) => `${row.record.trimEnd()}\n$$$$\n`).join(""))], ["All files", () => downloadFrom(`jobs/${job.id}/archive.zip`, "docked.zip")]])));
  table.pick(rows[0]);
  announce(`${rows.length} poses, best score ${fixed(columns[0]?.[1](rows[0]))}`);
}
