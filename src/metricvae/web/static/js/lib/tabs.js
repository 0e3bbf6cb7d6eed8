// Tabs as the ARIA practices describe them: arrows move, the panel of the chosen tab alone is shown.

export function tabs(list, onshow = () => {}) {
  const all = [...list.querySelectorAll('[role="tab"]')];
  const panelOf = (tab) => document.getElementById(tab.getAttribute("aria-controls"));
  const show = (tab, focus = false) => {
    for (const one of all) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      panelOf(one).hidden = one !== tab;
    }
    if (focus) tab.focus();
    tab.scrollIntoView?.({ block: "nearest", inline: "nearest" });
    onshow(tab.getAttribute("aria-controls"));
  };
  for (const tab of all) tab.addEventListener("click", () => show(tab));
  list.addEventListener("keydown", (event) => {
    const place = all.indexOf(document.activeElement);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || place < 0) return;
    event.preventDefault();
    show(all[(to + all.length) % all.length], true);
  });
  return (id) => {
    const tab = all.find((one) => one.getAttribute("aria-controls") === id);
    if (tab) show(tab);
  };
}
