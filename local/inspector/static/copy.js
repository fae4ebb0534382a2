/** A button that copies a text. */

import { announce, h } from "./dom.js";

/** Makes the button; `name` says what it copies. */
export function copyButton(text, name) {
  const made = h("button", { type: "button", class: "quiet small", "aria-label": `Copy: ${name}` }, "Copy");
  made.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    made.replaceChildren("Copied");
    announce("Copied.");
    setTimeout(() => made.replaceChildren("Copy"), 1500);
  });
  return made;
}
