// Long work on the server: start it, follow it by its events, show how far it is, cancel it.
import { get, post, readEvents } from "./api.js";
import { button, h } from "./dom.js";
import { duration } from "./format.js";

export const ENDS = ["done", "failed", "cancelled"];

export async function startJob(verb, args) {
  const job = await post("jobs", { verb, arguments: args });
  document.dispatchEvent(new CustomEvent("jobs-changed"));
  return job;
}

export const cancelJob = async (id) => {
  await post(`jobs/${id}/cancel`, {});
  document.dispatchEvent(new CustomEvent("jobs-changed"));
};

// Follow a job to its end: `onjob(job)` at each change, `onevent(name, data)` for what else its events say, as lines of
// a training's log. Reconnects when the stream breaks: after each `open` all of them come again from the first. `end` resolves with the last job document. Returns {end, stop}.
export function followJob(id, onjob, onevent = () => {}) {
  const control = new AbortController();
  return { end: follow(id, control.signal, onjob, onevent), stop: () => control.abort() };
}

async function follow(id, signal, onjob, onevent) {
  let job = { id, state: "queued" };
  const tell = (now) => { job = { ...job, ...now }; onjob(job); };
  for (let pause = 250; ; pause = Math.min(2 * pause, 5000)) {
    try {
      await readEvents(`jobs/${id}/events`, signal, (name, data) => {
        if (data.state) tell(data);
        else if (name === "progress") tell(progressOf(data));
        else onevent(name, data);
      });
    } catch (error) {
      if (signal.aborted || error.status === 404) throw error;
    }
    const now = await get(`jobs/${id}`).catch((error) => { if (error.status === 404) throw error; return null; });
    if (now) tell(now);
    if (ENDS.includes(job.state)) break;
    await new Promise((go) => setTimeout(go, pause));
  }
  document.dispatchEvent(new CustomEvent("jobs-changed"));
  return job;
}

const progressOf = ({ stage, done, total, detail, seconds_left }) => ({ stage, detail, seconds_left, progress: total ? Math.min(1, done / total) : 0 });

export const WORDS = { queued: "Waiting for its turn", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

// A progress bar with words and a button to cancel.
export function progressBar(oncancel) {
  const words = h("span", {}, "Starting");
  const left = h("span", { class: "soft" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const cancel = button("Cancel", oncancel, { kind: "tiny" });
  const box = h("div", { class: "progress" }, h("div", { class: "words" }, words, left), bar, h("div", { class: "row" }, cancel));
  const show = (job) => {
    const stage = job.stage ? job.stage[0].toUpperCase() + job.stage.slice(1) : "Running";
    words.textContent = job.state === "running" ? stage : WORDS[job.state] ?? job.state;
    left.textContent = job.state === "running" && job.seconds_left !== null && job.seconds_left !== undefined ? `${duration(job.seconds_left)} left` : "";
    if (job.state === "running" && !job.progress) bar.removeAttribute("value");
    else bar.value = ENDS.includes(job.state) ? 1 : job.progress ?? 0;
    cancel.hidden = ENDS.includes(job.state);
  };
  return { box, show };
}

// Run a job with a bar in `place`: returns the job when it is done, null when it was cancelled; throws when it failed.
export async function runJob(verb, args, place, { onjob = () => {}, onevent = () => {} } = {}) {
  const job = await startJob(verb, args);
  const bar = progressBar(() => cancelJob(job.id));
  place.replaceChildren(bar.box);
  const { end } = followJob(job.id, (now) => { bar.show(now); onjob(now); }, (name, data) => onevent(name, data, job.id));
  const last = await end;
  place.replaceChildren();
  if (last.state === "failed") throw new Error(last.error ?? "the job failed");
  return last.state === "done" ? last : null;
}
