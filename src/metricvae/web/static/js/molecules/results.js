// What stands among the results while something runs, and when it went wrong.
import { h, message } from "../lib/dom.js";

export const waiting = (text) => h("div", { class: "panel" }, h("p", { class: "row soft" }, h("span", { class: "spinner" }), text));

export const failed = (title, error) => h("div", { class: "panel" }, message("error", title, error.message));

// Run what a button starts: the button is off meanwhile, and what goes wrong stands in `results`.
export function guarded(start, results, title, act) {
  return async () => {
    start().disabled = true;
    try {
      await act();
    } catch (error) {
      results.replaceChildren(failed(title, error));
    } finally {
      start().disabled = false;
    }
  };
}
