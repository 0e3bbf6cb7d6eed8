// Learn a metric from a table and files: import, train with live losses, download the model.
import { list, upload, uploadAll } from "../lib/api.js";
import { $, announce, button, field, h, message, select, slider } from "../lib/dom.js";
import { downloadFrom, dropBox } from "../lib/files.js";
import { fixed, percent, whole } from "../lib/format.js";
import { runJob } from "../lib/jobs.js";
import { commandLine, resultFoot } from "../lib/result.js";
import { LossCurves } from "./curves.js";
import { sample } from "./sample.js";
import { guessColumns, guessKind, matchFiles, namesFiles, readCsv } from "./table.js";

const SHOWN_ROWS = 5;

class MetricPage {
  constructor(place, kinds) {
    this.table = null;
    this.files = [];
    this.tableDrop = dropBox("Drop a table", "CSV: a row a pair, with a value", { accept: ".csv,.tsv,text/csv", take: ([file]) => this.takeTable(file) });
    this.filesDrop = dropBox("Drop the files", "The objects that the table names; a folder will do", { multiple: true, take: (files) => this.takeFiles(files) });
    this.preview = h("div", { class: "stack" });
    this.matched = h("div", { "aria-live": "polite" });
    this.kind = select("Kind of the objects", kinds.map((one) => [one.name, `${one.name} (${one.objects ?? one.name})`]), null, () => {});
    this.columns = ["a", "b", "value"].map((name) => select({ a: "First object", b: "Second object", value: "Value" }[name], [], null, () => this.check()));
    this.unit = h("input", { class: "input", placeholder: "none", maxLength: 24 });
    this.steps = slider("Steps of the training", { min: 100, max: 3000, step: 100, value: 400, say: whole });
    this.start = button("Train a model", () => this.train(), { kind: "primary", disabled: true });
    this.results = h("div", { class: "stack", "aria-live": "polite" }, this.#empty());
    place.replaceChildren(this.#form(), this.results);
  }

  #form() {
    this.settings = h("div", { class: "stack", hidden: true }, h("div", { class: "trio" }, this.columns.map((one) => one.field)),
      h("div", { class: "pair" }, this.kind.field, field("Unit", this.unit)), this.steps.field, h("div", { class: "row" }, this.start));
    const example = button("Try it with an example", () => this.example(), { kind: "tiny" });
    return h("div", { class: "stack" },
      h("div", { class: "panel stack" }, h("div", { class: "row apart" }, h("h2", {}, "1. Table"), example), this.tableDrop.box, this.preview),
      h("div", { class: "panel stack" }, h("h2", {}, "2. Files"), this.filesDrop.box, this.matched),
      h("div", { class: "panel stack" }, h("h2", {}, "3. Train"), this.settings, this.later = h("p", { class: "soft" }, "Needs a table first.")));
  }

  #empty() {
    return h("div", { class: "panel" }, message("empty", "No training yet", "The four losses will be drawn here while the model learns; it can be downloaded when it is done."));
  }

  async example() {
    const { table, files } = await sample();
    await this.takeTable(table);
    this.takeFiles(files);
    announce("The example is loaded: ink drops, and the Wasserstein distance of their profiles");
  }

  async takeTable(file) {
    const table = readCsv(await file.text());
    if (table.names.length < 3 || !table.rows.length) {
      this.preview.replaceChildren(message("error", "", `${file.name}: expected a line of names, then rows with two objects and a value`));
      return;
    }
    Object.assign(this, { table, tableFile: file });
    const guess = guessColumns(table);
    ["a", "b", "value"].forEach((name, at) => {
      const { input } = this.columns[at];
      input.replaceChildren(...table.names.map((one) => h("option", { value: one }, one)));
      input.value = guess[name];
    });
    this.tableDrop.say(file.name, `${whole(table.rows.length)} pairs; drop another to replace it`);
    this.preview.replaceChildren(preview(table));
    this.check();
  }

  takeFiles(files) {
    this.files = files;
    this.filesDrop.say(`${whole(files.length)} files`, "drop others to replace them");
    this.check();
  }

  get chosen() {
    const [a, b, value] = this.columns.map((one) => one.input.value);
    return { a, b, value };
  }

  // What is there and what is missing.
  check() {
    this.settings.hidden = !this.table;
    this.later.hidden = Boolean(this.table);
    if (!this.table) return;
    this.match = matchFiles(this.table, this.chosen, this.files);
    const needed = namesFiles(this.table);
    const { asked, missing } = this.match;
    if (!needed) this.matched.replaceChildren(message("", "", "The table holds the objects themselves: no files are needed."));
    else if (!missing.length) this.matched.replaceChildren(message("", "", `All ${whole(asked)} objects of the table are here.`));
    else this.matched.replaceChildren(message("warning", `${whole(missing.length)} of ${whole(asked)} objects are missing`, `${missing.slice(0, 3).join(", ")}${missing.length > 3 ? ", …" : ""}. Rows that name them will be left out.`));
    if (this.kindFor !== this.tableFile || !this.kind.input.value) this.kind.input.value = guessKind(this.match.found, this.table);
    this.kindFor = this.files.length ? this.tableFile : null;
    this.start.disabled = needed && missing.length === asked;
  }

  async train() {
    this.start.disabled = true;
    const bar = h("div");
    const curves = new LossCurves();
    this.results.replaceChildren(h("div", { class: "panel stack" }, h("h2", {}, "Training"), bar, curves.element));
    try {
      const imported = await this.#import(bar);
      const told = imported && await runJob("train", { dataset: [`job:${imported.id}`], steps: this.steps.value(), evaluate_every: Math.max(50, Math.round(this.steps.value() / 8)) }, bar,
        { onevent: (name, data) => name === "log" && curves.add(data, this.steps.value()) });
      if (told) this.#done(told, imported, curves);
      else bar.replaceChildren(message("", "Cancelled", "Nothing was kept."));
    } catch (error) {
      bar.replaceChildren(message("error", "No model", error.message));
    } finally {
      this.start.disabled = false;
    }
  }

  async #import(bar) {
    const words = h("p", { class: "row soft" }, h("span", { class: "spinner" }), h("span", {}, "Sending files"));
    bar.replaceChildren(words);
    const { found } = this.match;
    const table = await upload(this.tableFile, "file");
    const sent = await uploadAll(found, this.kind.input.value, (count) => { words.lastChild.textContent = `Sending files: ${count} of ${found.length}`; });
    const args = { table: table.id, kind: this.kind.input.value, ...this.chosen };
    if (sent.length) args.files = sent.map((one) => one.id);
    if (this.unit.value.trim()) args.unit = this.unit.value.trim();
    return runJob("import", args, bar);
  }

  #done(job, imported, curves) {
    const score = curves.log.findLast((one) => one.validation_r2 !== undefined && one.validation_r2 !== null)?.validation_r2 ?? job.result?.validation_r2;
    const pairs = imported.result?.pairs;
    const quality = score === undefined || score === null ? null : h("p", {}, "On pairs of objects that the training never saw it explains ", h("b", { class: "number" }, percent(Math.max(0, score))), ` of the variance (R² ${fixed(score)}).`);
    this.results.firstChild.prepend(h("div", { class: "stack" }, h("h2", {}, "The model is ready"), quality,
      typeof pairs === "number" ? h("p", { class: "soft" }, `${whole(pairs)} pairs were imported.`) : null,
      commandLine(imported.command), resultFoot(job.command, [["Model", () => downloadFrom(`jobs/${job.id}/archive.zip`, "model.zip")], ["Data set", () => downloadFrom(`jobs/${imported.id}/archive.zip`, "data.zip")]])));
    announce(`The model is ready${score === undefined || score === null ? "" : `, R squared ${fixed(score)}`}`);
  }
}

function preview({ names, rows }) {
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "First rows of the table" },
    h("table", { class: "table" }, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.slice(0, SHOWN_ROWS).map((row) => h("tr", {}, names.map((_, at) => h("td", {}, row[at] ?? "")))))));
}

export async function open() {
  const kinds = await list("kinds");
  new MetricPage($("#metric-body"), kinds.length ? kinds : [{ name: "image" }]);
}
