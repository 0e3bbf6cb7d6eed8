"use strict";
(() => {
  const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  const data = JSON.parse(document.getElementById("data").textContent);
  const body = document.querySelector("tbody");
  const rows = [...body.rows];
  const chosen = new Map(); // row -> colour, in the order in which they were chosen
  const viewer = makeViewer(document.getElementById("box"), document.getElementById("controls"), data);

  const hitOf = (row) => data.hits[Number(row.dataset.hit)];
  const freeColour = () => {
    const used = new Set(chosen.values());
    return COLOURS.find((colour) => !used.has(colour)) ?? COLOURS[chosen.size % COLOURS.length];
  };

  function legendOf(name, colour) {
    const item = document.createElement("li");
    item.append(document.createElement("i"), name);
    item.style.setProperty("--colour", colour);
    return item;
  }

  function refresh() {
    for (const row of rows) {
      const colour = chosen.get(row);
      row.querySelector("input").checked = colour !== undefined;
      if (colour) row.style.setProperty("--colour", colour);
      else row.style.removeProperty("--colour");
    }
    const legend = [...chosen].map(([row, colour]) => legendOf(hitOf(row).id, colour));
    document.getElementById("legend").replaceChildren(legendOf(`${data.query.id} (${data.query.word})`, "var(--query)"), ...legend);
    viewer.show([...chosen].map(([row, colour]) => ({ hit: hitOf(row), colour })));
  }

  function activate(row) {
    for (const other of rows) {
      other.tabIndex = other === row ? 0 : -1;
      if (other === row) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
  }

  function showAlone(row) {
    chosen.clear();
    chosen.set(row, freeColour());
    activate(row);
    refresh();
  }

  function toggle(row) {
    if (chosen.has(row)) chosen.delete(row);
    else chosen.set(row, freeColour());
    activate(row);
    refresh();
  }

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (event.target.closest(".tick") || event.ctrlKey || event.metaKey) toggle(row);
    else showAlone(row);
  });

  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    const order = [...body.rows];
    const place = order.indexOf(row);
    const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: order.length - 1 }[event.key];
    if (event.key === " ") toggle(row);
    else if (event.key === "Enter") showAlone(row);
    else if (next === undefined) return;
    else if (order[next]) {
      showAlone(order[next]);
      order[next].focus();
    }
    event.preventDefault();
  });

  function sortBy(button) {
    const head = button.closest("th");
    const numeric = head.classList.contains("number") || head.classList.contains("rank");
    const before = head.getAttribute("aria-sort");
    const firstWay = head.classList.contains("number") ? "descending" : "ascending";
    const way = before === null ? firstWay : before === "ascending" ? "descending" : "ascending";
    const sign = way === "ascending" ? 1 : -1;
    const keys = new Map(rows.map((row) => [row, row.cells[head.cellIndex].dataset.sort]));
    const compare = (a, b) => {
      const [left, right] = [keys.get(a), keys.get(b)];
      if (left === "" || right === "") return (left === "") - (right === "");
      return sign * (numeric ? left - right : left.localeCompare(right, "en", { numeric: true }));
    };
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    body.append(...[...rows].sort(compare));
  }

  function download(ending) {
    const text = [data.query, ...data.hits].map((one) => one.records[ending]).join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: ending === "csv" ? "text/csv" : "text/plain" }));
    link.download = `hits.${ending}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  document.querySelector("thead").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) sortBy(button);
  });
  for (const button of document.querySelectorAll("[data-file]")) {
    button.addEventListener("click", () => download(button.dataset.file));
  }
  showAlone(rows[0]);
})();
