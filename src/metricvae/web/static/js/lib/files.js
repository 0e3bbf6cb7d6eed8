// Files that come in by drop or choice, and files that go out.
import { fetchBlob } from "./api.js";
import { h, icon } from "./dom.js";

export function download(name, content, type = "text/plain") {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export const downloadFrom = async (path, name) => download(name, await fetchBlob(path));

// Calls `take(files)` for files dropped on an element, which is marked meanwhile.
export function takeDrops(target, take) {
  let depth = 0;
  const mark = (on) => target.classList.toggle("dropping", on);
  target.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; mark(true); });
  target.addEventListener("dragover", (event) => event.preventDefault());
  target.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) mark(false); });
  target.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    mark(false);
    const files = await filesOf(event.dataTransfer);
    if (files.length) take(files);
  });
}

// The files of a drop, those inside dropped folders too.
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(filesIn))).flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((take, fail) => entry.file(take, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const part = await new Promise((take, fail) => reader.readEntries(take, fail));
    if (!part.length) return (await Promise.all(found.map(filesIn))).flat();
    found.push(...part);
  }
}

export function chooseFiles(accept, multiple, take) {
  const input = h("input", { type: "file", accept, multiple });
  input.addEventListener("change", () => input.files.length && take([...input.files]));
  input.click();
}

// A box to drop files on or to click; `say(text, detail)` changes what it says.
export function dropBox(text, detail, { accept = "", multiple = false, take }) {
  const strong = h("strong", {}, text);
  const small = h("span", { class: "small" }, detail);
  const box = h("button", { type: "button", class: "drop", onclick: () => chooseFiles(accept, multiple, take) }, icon("open"), strong, small);
  takeDrops(box, take);
  return { box, say: (title, more) => { strong.textContent = title; small.textContent = more; } };
}
