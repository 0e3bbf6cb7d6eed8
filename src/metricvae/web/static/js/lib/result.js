// What every result ends with: the command line that gives the same, to copy, and files to download.
import { announce, button, h } from "./dom.js";

export function commandLine(command) {
  const copy = button("Copy", async () => {
    await copyText(command);
    copy.lastChild.textContent = "Copied";
    announce("Command copied");
    setTimeout(() => { copy.lastChild.textContent = "Copy"; }, 1500);
  }, { kind: "quiet tiny", symbol: "copy" });
  return h("div", { class: "command" }, h("code", { tabIndex: 0, role: "group", "aria-label": "Command line that gives the same" }, command), copy);
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission, or no secure context
    const area = h("textarea", { class: "unseen", value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// A command with the names of shapes that were drawn, which the server does not know.
export const named = (command, ...names) => names.reduce((text, name) => text.replace("drawn.png", name), command ?? "");

// `downloads`: [text, act] for each.
export function resultFoot(command, downloads) {
  const buttons = downloads.map(([text, act]) => button(text, act, { kind: "tiny", symbol: "download" }));
  return h("div", { class: "result-foot" }, command ? commandLine(command) : null, ...buttons);
}
