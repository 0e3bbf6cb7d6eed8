// How many jobs run now, beside the name of the tab.
import { list } from "../lib/api.js";

const PAUSE = 15_000;

export function countJobs(badge) {
  const tell = async () => {
    if (document.hidden) return;
    const active = (await list("jobs")).filter((job) => ["queued", "running"].includes(job.state)).length;
    badge.hidden = !active;
    badge.textContent = active || "";
    badge.setAttribute("aria-label", `${active} active`);
  };
  document.addEventListener("jobs-changed", tell);
  setInterval(tell, PAUSE);
  tell();
}
