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

// Follow a job to its end: `onjob(job)` at each change, `onpart(data)` for results as they come. Reconnects when the
// stream breaks; resolves with the last job document. Returns {end, stop}.
export function followJob(id, onjob, onpart = () => {}) {
  const control = new AbortController();
  const end = (async () => {
    for (let pause = 250; ; pause = Math.min(2 * pause, 5000)) {
      try {
        await readEvents(`jobs/${id}/events`, control.signal, (name, data) => {
          if (name === "partial") onpart(data);
          else if (data.state) onjob(data);
        });
      } catch (error) {
        if (control.signal.aborted || error.status === 404) throw error;
      }
      const job = await get(`jobs/${id}`).catch((error) => { if (error.status === 404) throw error; return null; });
      if (job) onjob(job);
      if (job && ENDS.includes(job.state)) break;
      await new Promise((go) => setTimeout(go, pause));
    }
    document.dispatchEvent(new CustomEvent("jobs-changed"));
    return get(`jobs/${id}`);
  })();
  return { end, stop: () => control.abort() };
}

export const WORDS = { queued: "Waiting for its turn", running: "Running", done: "Done", failed: "Failed", cancelled: "Cancelled" };

// A progress bar with words and a button to cancel.
export function progressBar(oncancel) {
  const words = h("span", {}, "Starting");
  const left = h("span", { class: "soft" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const cancel = button("Cancel", oncancel, { kind: "tiny" });
  const box = h("div", { class: "progress" }, h("div", { class: "words" }, words, left), bar, h("div", { class: "row" }, cancel));
  const show = (job) => {
    words.textContent = job.state === "running" ? job.stage || "Running" : WORDS[job.state] ?? job.state;
    left.textContent = job.state === "running" && job.seconds_left !== null && job.seconds_left !== undefined ? `${duration(job.seconds_left)} left` : "";
    if (job.state === "running" && !job.progress) bar.removeAttribute("value");
    else bar.value = ENDS.includes(job.state) ? 1 : job.progress ?? 0;
    cancel.hidden = ENDS.includes(job.state);
  };
  return { box, show };
}

// Run a job with a bar in `place`: returns the job when it is done, null when it was cancelled; throws when it failed.
export async function runJob(verb, args, place, { onjob = () => {}, onpart = () => {} } = {}) {
  const job = await startJob(verb, args);
  const bar = progressBar(() => cancelJob(job.id));
  place.replaceChildren(bar.box);
  const { end } = followJob(job.id, (now) => { bar.show(now); onjob(now); }, (data) => onpart(data, job.id));
  const last = await end;
  place.replaceChildren();
  if (last.state === "failed") throw new Error(last.error ?? "the job failed");
  return last.state === "done" ? last : null;
}
