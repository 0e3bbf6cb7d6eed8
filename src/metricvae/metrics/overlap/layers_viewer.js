"use strict";
// The query and chosen hits as layers of colour, one on another.
function makeViewer(box, controls, data) {
  const stack = document.createElement("div");
  stack.className = "stack";
  box.append(stack);
  const layer = (one, colour) => {
    const made = document.createElement("div");
    made.className = "layer";
    made.style.setProperty("--mask", `url("${one.view.layer}")`);
    made.style.color = colour;
    return made;
  };
  return {
    show(chosen) {
      stack.replaceChildren(layer(data.query, "var(--query)"), ...chosen.map(({ hit, colour }) => layer(hit, colour)));
    },
  };
}
