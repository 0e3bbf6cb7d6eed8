// A table of molecules of which one is chosen and shown on the stage; columns can be sorted.
import { h } from "../lib/dom.js";
import { fixed } from "../lib/format.js";
import { picture } from "./depict.js";

// `columns`: [name, value of a row, how it is written: (value, row)]; `onpick(row)` when a row is chosen.
export function moleculeTable(rows, columns, onpick, caption) {
  let order = { by: null, down: true };
  const body = h("tbody");
  const heads = columns.map(([name, value]) => {
    const turn = () => {
      order = { by: value, down: order.by === value ? !order.down : true };
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      fill();
    };
    const cell = h("th", { scope: "col", class: "right" }, h("button", { type: "button", class: "sort", onclick: turn }, name));
    return cell;
  });
  const lines = rows.map((row) => ({ row, line: line(row, columns, pick) }));
  function pick(row) {
    for (const one of lines) one.line.setAttribute("aria-selected", String(one.row === row));
    onpick(row);
  }
  function fill() {
    const sorted = order.by === null ? lines : [...lines].sort((a, b) => compare(order.by(a.row), order.by(b.row)) * (order.down ? -1 : 1));
    body.replaceChildren(...sorted.map((one) => one.line));
  }
  fill();
  const element = h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h("table", { class: "table" }, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Structure"), h("th", { scope: "col" }, "Name"), heads)), body));
  return { element, pick };
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""));
}

function line(row, columns, pick) {
  const drawn = h("td", { class: "formula-cell" });
  if (row.picture) drawn.append(h("img", { class: "formula", src: row.picture, alt: "", loading: "lazy" }));
  else if (row.smiles) picture(row.smiles, 144, 88).then((image) => { if (image) { image.alt = ""; drawn.append(image); } });
  const name = h("td", {}, h("button", { type: "button", class: "pick", onclick: () => pick(row) }, row.name || row.smiles || "molecule"), row.note ? h("div", { class: "small soft" }, row.note) : null);
  return h("tr", {}, drawn, name, columns.map(([, value, write = (found) => fixed(found)]) => h("td", { class: "right" }, write(value(row), row))));
}
