// All jobs of the server: how far they are, their files, and how to end them.
import { get } from "../lib/api.js";
import { $, button, h, message } from "../lib/dom.js";
import { downloadFrom } from "../lib/files.js";
import { duration, size, when } from "../lib/format.js";
import { ENDS, WORDS, cancelJob } from "../lib/jobs.js";
import { commandLine } from "../lib/result.js";

const PAUSE = 1500;

class JobCard {
  constructor(job) {
    this.state = h("span", { class: "badge" });
    this.time = h("span", { class: "soft small number" });
    this.bar = h("progress", { max: 1, "aria-label": `Progress of ${job.verb}` });
    this.stage = h("p", { class: "soft small number" });
    this.problem = h("div");
    this.cancel = button("Cancel", () => cancelJob(job.id), { kind: "tiny" });
    this.files = button("Files", () => this.#files(), { kind: "tiny", "aria-expanded": "false" });
    this.archive = button("All as ZIP", () => downloadFrom(`jobs/${job.id}/archive.zip`, `${job.verb}-${job.id.slice(0, 8)}.zip`), { kind: "tiny", symbol: "download" });
    this.list = h("ul", { class: "job-files", hidden: true });
    this.element = h("li", { class: "panel job stack" },
      h("div", { class: "row apart" }, h("div", { class: "row gap" }, h("h2", {}, job.verb), this.state), this.time),
      this.bar, this.stage, this.problem, job.command ? commandLine(job.command) : null,
      h("div", { class: "row" }, this.cancel, this.files, this.archive), this.list);
    this.id = job.id;
    this.show(job);
  }

  show(job) {
    const over = ENDS.includes(job.state);
    this.state.textContent = WORDS[job.state] ?? job.state;
    this.state.className = `badge ${job.state}`;
    this.time.textContent = timeOf(job);
    this.bar.hidden = over;
    if (job.state === "running" && !job.progress) this.bar.removeAttribute("value");
    else this.bar.value = job.progress ?? 0;
    this.stage.hidden = job.state !== "running";
    this.stage.textContent = [job.stage, job.total && `${job.done} of ${job.total}`, job.seconds_left && `${duration(job.seconds_left)} left`].filter(Boolean).join(", ");
    this.cancel.hidden = over;
    this.cancel.disabled = job.cancelling;
    this.files.hidden = this.archive.hidden = job.state !== "done";
    if (job.error && this.said !== job.error) {
      this.said = job.error;
      this.problem.replaceChildren(message("error", "", job.error));
    }
  }

  async #files() {
    this.list.hidden = !this.list.hidden;
    this.files.setAttribute("aria-expanded", String(!this.list.hidden));
    if (this.list.hidden) return;
    const { files } = await get(`jobs/${this.id}/files`);
    const path = (name) => `jobs/${this.id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
    this.list.replaceChildren(...(files.length ? files.map((file) => h("li", { class: "row apart" },
      button(file.name, () => downloadFrom(path(file.name), file.name.split("/").pop()), { kind: "quiet tiny", symbol: "download" }),
      h("span", { class: "soft small number" }, size(file.bytes ?? file.size)))) : [h("li", { class: "soft" }, "This job wrote no files; its answer is in what it said.")]));
  }
}

function timeOf(job) {
  const from = job.created ? when(typeof job.created === "number" ? job.created * 1000 : job.created) : "";
  const took = job.started && job.ended ? `, took ${duration(job.ended - job.started)}` : "";
  return from + took;
}

export function open() {
  const place = $("#jobs-body");
  const cards = new Map();
  const row = h("ul", { class: "stack" });
  const problem = h("div");
  const empty = message("empty", "No jobs yet", "What takes longer (generating, docking, training) is listed here.");
  place.replaceChildren(problem, empty, row);
  const load = async () => {
    let jobs;
    try {
      ({ jobs } = await get("jobs"));
      problem.replaceChildren();
    } catch (error) {
      problem.replaceChildren(message("error", "The jobs cannot be read", error.message));
      return;
    }
    empty.hidden = jobs.length > 0;
    for (const job of jobs) {
      if (cards.has(job.id)) cards.get(job.id).show(job);
      else cards.set(job.id, new JobCard(job));
    }
    const wanted = jobs.map((job) => cards.get(job.id).element);
    if (wanted.some((element, at) => row.children[at] !== element)) row.replaceChildren(...wanted);
  };
  let timer = null;
  const shown = () => {
    clearInterval(timer);
    load();
    timer = setInterval(() => (!$("#jobs").hidden && !document.hidden ? load() : null), PAUSE);
  };
  document.addEventListener("jobs-changed", load);
  return { shown };
}
