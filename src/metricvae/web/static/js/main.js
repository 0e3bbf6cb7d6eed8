// The frame of the page: tabs, colours, and each page's script when it is first shown.
import "./lib/api.js"; // reads the token from the address before tabs write theirs there
import { $ } from "./lib/dom.js";
import { tabs } from "./lib/tabs.js";

const PAGES = {
  shapes: () => import("./shapes/page.js"),
  molecules: () => import("./molecules/page.js"),
  metric: () => import("./metric/page.js"),
  jobs: () => import("./jobs/page.js"),
};
const TITLES = { shapes: "Shapes", molecules: "Molecules", metric: "Your metric", jobs: "Jobs" };
const opened = new Map();

async function show(name) {
  document.title = `${TITLES[name]} · metricvae`;
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
  if (!opened.has(name)) opened.set(name, PAGES[name]().then((module) => module.open()));
  const page = await opened.get(name);
  page?.shown?.();
}

function themeSwitch() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const tell = () => {
    $("#theme").setAttribute("aria-pressed", String(dark()));
    document.dispatchEvent(new CustomEvent("theme-changed"));
  };
  $("#theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    localStorage.setItem("metricvae-theme", root.dataset.theme);
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  tell();
}

const wanted = location.hash.slice(1);
const go = tabs($(".top-tabs"), show);
addEventListener("hashchange", () => TITLES[location.hash.slice(1)] && go(location.hash.slice(1)));
themeSwitch();
go(TITLES[wanted] ? wanted : "shapes");
import("./jobs/counter.js").then((module) => module.countJobs($("#tab-jobs .count")));
