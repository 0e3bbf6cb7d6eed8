// Small helpers to make and find elements.

export const $ = (selector, root = document) => root.querySelector(selector);

// An element with properties, attributes (aria-*, role, data-*, for) and listeners (on...), and its children.
export function h(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const ICONS = {
  pen: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  eraser: "M8 20h12M5 15l9-9 5 5-8 8H8zM10 10l5 5",
  fill: "M5 12l7-7 7 7-7 7zM5 12h14M12 5L9 2M20 16c1 2 2 3 2 4a2 2 0 0 1-4 0c0-1 1-2 2-4",
  undo: "M4 9h10a5 5 0 0 1 0 10h-4M8 5L4 9l4 4",
  redo: "M20 9H10a5 5 0 0 0 0 10h4M16 5l4 4-4 4",
  clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  open: "M12 16V4M8 8l4-4 4 4M4 16v4h16v-4",
  download: "M12 4v12M8 12l4 4 4-4M4 16v4h16v-4",
  copy: "M9 9h10v11H9zM5 15V4h10",
  play: "M7 5l12 7-12 7z",
  cut: "M6 4l12 13M18 4L6 17M4 19a2 2 0 1 0 4 0 2 2 0 1 0-4 0M16 19a2 2 0 1 0 4 0 2 2 0 1 0-4 0",
  swap: "M4 8h14M14 4l4 4-4 4M20 16H6M10 12l-4 4 4 4",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  made.append(path);
  return made;
}

// A button with an icon, a text, or both; `label` is for screen readers where there is no text.
export function button(text, act, { kind = "", symbol = null, label = null, ...more } = {}) {
  const content = [symbol ? icon(symbol) : null, text || null];
  return h("button", { type: "button", class: `button ${kind}`, onclick: act, "aria-label": label, title: label, ...more }, content);
}

export function announce(text) {
  $("#announcer").textContent = text;
}

export function message(kind, title, text = "", ...more) {
  const role = kind === "error" ? "alert" : null;
  return h("div", { class: `message ${kind}`, role }, title ? h("strong", {}, title) : null, text ? h("span", {}, text) : null, ...more);
}

// A labelled select over [value, text] pairs.
export function select(label, choices, value, onchange, hint = "") {
  const made = h("select", { onchange: () => onchange(made.value) }, choices.map(([id, text]) => h("option", { value: id }, text)));
  if (value !== null) made.value = value;
  return { field: h("label", { class: "field" }, h("span", {}, label), made, hint ? h("span", { class: "hint" }, hint) : null), input: made };
}

// A labelled slider that says its value.
export function slider(label, { min, max, step = 1, value, say = String, oninput = () => {} }) {
  const output = h("span", { class: "slider-value", "aria-hidden": "true" }, say(value)); // an <output> would take the label
  const input = h("input", { type: "range", min, max, step });
  input.value = value;
  const tell = () => {
    output.textContent = say(Number(input.value));
    input.setAttribute("aria-valuetext", say(Number(input.value)));
  };
  input.addEventListener("input", () => { tell(); oninput(Number(input.value)); });
  tell();
  const set = (next, most = null) => {
    if (most !== null) input.max = most;
    input.value = next;
    tell();
  };
  return { field: h("label", { class: "slider" }, h("span", {}, label), output, input), input, set, value: () => Number(input.value) };
}

export const field = (label, input, hint = "") =>
  h("label", { class: "field" }, h("span", {}, label), input, hint ? h("span", { class: "hint" }, hint) : null);

export const checkbox = (label, checked, onchange = () => {}) => {
  const input = h("input", { type: "checkbox", checked, onchange: () => onchange(input.checked) });
  return { field: h("label", { class: "check" }, input, h("span", {}, label)), input };
};

let made = 0;
export const uniqueId = (stem) => `${stem}-${++made}`;

export const themeColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
