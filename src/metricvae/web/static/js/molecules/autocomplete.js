// Candidates for the pocket of a protein: proposed, docked, scored; each is shown in the pocket.
import { fetchText, list } from "../lib/api.js";
import { announce, button, h, message, select, slider } from "../lib/dom.js";
import { downloadFrom } from "../lib/files.js";
import { duration, fixed } from "../lib/format.js";
import { runJob } from "../lib/jobs.js";
import { resultFoot } from "../lib/result.js";
import { guarded } from "./results.js";
import { read, split } from "./sdf.js";
import { moleculeTable } from "./table.js";

// Each number beside what it is to be compared with.
const COLUMNS = [
  ["pK, 90 % interval", "pK", (value, row) => `${fixed(value, 1)} (${fixed(row.pK_low, 1)} to ${fixed(row.pK_high, 1)})`],
  ["pK by size alone", "pK_by_size", (value) => fixed(value, 1)],
  ["docking score", "score"],
  ["score of others of its size", "random_score"],
  ["QED", "qed"],
  ["SA", "sa", (value) => fixed(value, 1)],
  ["heavy atoms", "heavy_atoms", (value) => fixed(value, 0)],
];

export async function open(place, results, bench) {
  const libraries = (await list("libraries")).filter((one) => /pocket/.test(one.model) || one.kind.startsWith("molecule"));
  const library = select("Begin with", [["", "Listed fragments"], ...libraries.map((one) => [one.name, `Library ${one.name}`])], "", () => {});
  const count = slider("Candidates", { min: 5, max: 50, step: 5, value: 20 });
  const seconds = slider("Time", { min: 60, max: 900, step: 30, value: 300, say: duration });
  let scene = null;
  const run = guarded(() => start, results, "No candidates", async () => {
    const progress = h("div", { class: "panel" });
    results.replaceChildren(progress);
    const args = { receptor: await bench.receptor.send(), n: count.value(), seconds: seconds.value() };
    if (library.input.value) args.library = library.input.value;
    const job = await runJob("autocomplete", args, progress);
    if (job) await show(job, results, bench, (now) => { scene = now; });
    else results.replaceChildren(h("div", { class: "panel" }, message("", "Cancelled", "The job was stopped.")));
  });
  const start = button("Find candidates", run, { kind: "primary" });
  place.replaceChildren(library.field, count.field, seconds.field,
    h("p", { class: "soft small" }, "Candidates are proposals to look at: docking scores are not affinities, and predicted affinities have wide intervals."), h("div", { class: "row" }, start));
  const look = () => bench.stage.show(scene ?? { receptor: bench.receptor.shown });
  return { shown: look, changed: () => { scene = null; look(); } };
}

async function show(job, results, bench, keep) {
  const told = job.result.candidates ?? job.result.rows ?? [];
  const records = split(await fetchText(`jobs/${job.id}/files/candidates.sdf`)).map(read);
  const rows = records.map((one, at) => ({ ...one.fields, ...(told.find((row) => row.name === one.name) ?? told[at] ?? {}), name: one.name || `candidate ${at + 1}`, record: one.record }))
    .map((row) => ({ ...row, note: [row.pK_outside === "yes" && "outside of the affinity model's data", row.pose_faults].filter(Boolean).join("; ") }));
  if (!rows.length) {
    results.replaceChildren(h("div", { class: "panel" }, message("empty", "No candidate", "Nothing that was proposed fits this pocket. Give it more time or another site.")));
    return;
  }
  const number = (row, name) => (row[name] === undefined || row[name] === null || row[name] === "" || Number.isNaN(Number(row[name])) ? null : Number(row[name]));
  const columns = COLUMNS.filter(([, name]) => rows.some((row) => number(row, name) !== null)).map(([title, name, ...write]) => [title, (row) => number(row, name), ...write]);
  const pick = (row) => {
    const now = { receptor: bench.receptor.shown, molecules: [{ role: "a", sdf: row.record, name: row.name }] };
    keep(now);
    bench.stage.show(now);
  };
  const table = moleculeTable(rows, columns, pick, "Candidates");
  const file = (name) => [name.split(".").pop().toUpperCase(), () => downloadFrom(`jobs/${job.id}/files/${name}`, name)];
  results.replaceChildren(h("div", { class: "panel stack" }, h("h2", {}, `${rows.length} candidates`), table.element,
    resultFoot(job.command, [file("candidates.sdf"), file("candidates.csv"), ["All files", () => downloadFrom(`jobs/${job.id}/archive.zip`, "candidates.zip")]])));
  table.pick(rows[0]);
  announce(`${rows.length} candidates, the first is ${rows[0].name}`);
}
