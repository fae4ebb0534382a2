/** Keys that work everywhere, and the list of them. */

import { button, h } from "./dom.js";

const STORED = "single-keys";
const HELP = [
  [["1", "2", "3", "4", "5"], "Compose, Trace, Break it, Registration, Dead letters"],
  [["/"], "Search or filter in the view"],
  [["Ctrl", "Enter"], "Send the message that is composed (⌘ on a Mac)"],
  [["↑", "↓"], "Move in a list; Home and End go to its ends"],
  [["←", "→"], "Move among tabs"],
  [["Esc"], "Close a dialog"],
  [["?"], "Show this list"],
];

const areSingleKeysOn = () => localStorage.getItem(STORED) !== "off";

function isTyping(target) {
  return target.closest("input:not([type=radio], [type=checkbox]), textarea, select") !== null;
}

/** Listens for the single keys, unless the user types or has switched them off. */
export function listenForKeys({ views, go }) {
  document.addEventListener("keydown", (event) => {
    const isOurs = !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    if (!isOurs || !areSingleKeysOn() || document.querySelector("dialog[open]")) return;
    const view = views[Number(event.key) - 1];
    if (view) go(view);
    else if (event.key === "?") showHelp();
    else if (event.key === "/") document.querySelector("main [data-search]")?.focus();
    else return;
    event.preventDefault();
  });
}

/** Shows the list of keys, with the switch that turns the single ones off. */
export function showHelp() {
  const keys = HELP.map(([names, meaning]) =>
    h("div", { class: "key-row" }, h("dt", {}, names.map((name) => h("kbd", {}, name))), h("dd", {}, meaning)),
  );
  const onchange = (event) => localStorage.setItem(STORED, event.target.checked ? "on" : "off");
  showDialog(
    "Keyboard",
    h("dl", { class: "keys" }, keys),
    h("label", { class: "check" }, h("input", { type: "checkbox", checked: areSingleKeysOn(), onchange }), "Single keys (1–5, / and ?) are on"),
  );
}

/** Shows in a dialog why something could not be done. */
export function showFailure(title, error) {
  showDialog(title, h("p", { class: "bad-text" }, error.message));
}

/** Shows a dialog that Escape and its button close, and that is removed when it closes. */
export function showDialog(title, ...content) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h("header", {}, h("h2", { id: "dialog-title" }, title), button("Close", () => dialog.close(), { class: "quiet" })),
    content,
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
