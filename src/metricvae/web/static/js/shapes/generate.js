// Generate shapes that satisfy what sliders ask; answers stand here as they come.
import { fetchBlob, post } from "../lib/api.js";
import { announce, button, checkbox, h, message, slider } from "../lib/dom.js";
import { downloadFrom } from "../lib/files.js";
import { whole } from "../lib/format.js";
import { runJob } from "../lib/jobs.js";
import { resultFoot } from "../lib/result.js";
import { area, fromBitmap } from "./mask.js";

const pixels = (value) => `${whole(value)} px`;

export function open(place, pads) {
  const wishes = pads.map((pad, number) => {
    const on = checkbox(`Overlap with ${pad.letter}`, number === 0);
    const bar = slider("", { min: 100, max: 10_000, step: 10, value: 3000, say: pixels });
    bar.input.setAttribute("aria-label", `Overlap with ${pad.letter}`);
    return { pad, on, bar, row: h("div", { class: "wish" }, on.field, bar.field) };
  });
  const sized = checkbox("Area", false);
  const areaBar = slider("", { min: 500, max: 16_000, step: 50, value: 5000, say: pixels });
  areaBar.input.setAttribute("aria-label", "Area");
  const plausible = checkbox("Plausible only", true);
  const count = slider("How many", { min: 1, max: 24, value: 8 });
  const problem = h("div");
  const answers = h("ul", { class: "thumbs", "aria-live": "polite" });
  const progress = h("div");
  const foot = h("div");
  const limits = () => wishes.forEach(({ pad, bar }) => {
    const most = Math.max(200, area(pad.mask));
    bar.set(Math.min(bar.value(), most), most);
  });

  const go = async () => {
    problem.replaceChildren();
    foot.replaceChildren();
    answers.replaceChildren();
    try {
      const require = await requirements(wishes, sized.input.checked ? areaBar.value() : null, plausible.input.checked);
      start.disabled = true;
      const add = (rows) => rows.filter((row) => row.picture).forEach((row) => answers.append(thumb(row, row.picture, pads[1])));
      const onevent = (name, data) => {
        if (name === "open") answers.replaceChildren();
        else if (name === "partial") add(data.answers ?? []);
      };
      const job = await runJob("generate", { model: "overlap", require, n: count.value(), seconds: 30, seed: 0 }, progress, { onevent });
      if (job) finish(job);
      else problem.replaceChildren(message("", "Cancelled", "What was found before is shown."));
    } catch (error) {
      problem.replaceChildren(message("error", "Nothing generated", error.message));
    } finally {
      start.disabled = false;
    }
  };
  const finish = (job) => {
    const rows = job.result?.answers ?? [];
    answers.replaceChildren(...rows.map((row) => thumb(row, fetchBlob(`jobs/${job.id}/files/${row.file}`), pads[1])));
    if (!rows.length) problem.replaceChildren(message("empty", "No shape satisfies all of this", "Loosen a slider, or ask for another area."));
    foot.replaceChildren(resultFoot(job.command, [["All files", () => downloadFrom(`jobs/${job.id}/archive.zip`, "generated.zip")]]));
    announce(`${rows.length} shapes generated`);
  };
  const start = button("Generate", go, { kind: "primary" });
  place.replaceChildren(h("div", { class: "split" },
    h("div", { class: "stack" }, wishes.map((wish) => wish.row), h("div", { class: "wish" }, sized.field, areaBar.field), count.field, plausible.field, h("div", { class: "row" }, start)),
    h("div", { class: "stack" }, problem, progress, answers, foot)));
  answers.append(h("li", { class: "thumbs-wide" }, message("empty", "Nothing generated yet", "Each shape is verified by the exact search before it is shown.")));
  document.addEventListener("predicted", limits);
  limits();
  wishes[0].bar.set(Math.round(area(pads[0].mask) / 2));
}

async function requirements(wishes, wanted, plausible) {
  const texts = [];
  for (const { pad, on, bar } of wishes) {
    if (!on.input.checked) continue;
    if (pad.empty) throw new Error(`shape ${pad.letter} is empty: draw it, or do not ask for an overlap with it`);
    const { id } = await post("objects", pad.file());
    texts.push(`{${id}}=${Math.round(bar.value())}`);
  }
  if (wanted !== null) texts.push(`area=${Math.round(wanted)}`);
  if (!texts.length) throw new Error("nothing is asked: tick an overlap or an area");
  if (plausible) texts.push("plausible");
  return texts;
}

// `picture`: an address, or a promise of a blob.
function thumb(row, picture, target) {
  const image = h("img", { alt: "", width: 120, height: 120 });
  if (typeof picture === "string") image.src = picture;
  else picture.then((found) => { image.src = URL.createObjectURL(found); });
  const use = async () => {
    target.set(fromBitmap(await createImageBitmap(image)), row.file ?? "What was generated");
    target.element.scrollIntoView({ block: "nearest" });
  };
  const overlaps = Object.values(row.verified ?? {}).filter((value) => typeof value === "number" && value > 1);
  return h("li", {}, h("button", { type: "button", class: "thumb", title: "Take as shape B", onclick: use }, image,
    h("span", { class: "number small" }, overlaps.length ? overlaps.map(pixels).join(", ") : pixels(row.area ?? 0)),
    h("span", { class: "soft small" }, "verified")));
}
