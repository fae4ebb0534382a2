/** JSON to read: indented, coloured by kind, in a box that the keyboard can scroll. */

import { copyButton } from "./copy.js";
import { h } from "./dom.js";
import { stringify } from "./json.js";

const PART = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;
const MAX_COLOURED = 60_000;

function coloured(text) {
  if (text.length > MAX_COLOURED) return [text];
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(PART)) {
    parts.push(text.slice(end, match.index), h("span", { class: className(match) }, match[1] ?? match[0]), match[2] ?? "");
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

function className([, string, colon, number]) {
  if (string) return colon ? "json-name" : "json-string";
  return number ? "json-number" : "json-word";
}

/** Makes a box with a value; a string that is the value itself is shown as text. */
export function jsonView(value, label) {
  const text = typeof value === "string" ? value : stringify(value);
  const content = typeof value === "string" ? [value] : coloured(text);
  return h(
    "figure",
    { class: "json" },
    h("figcaption", {}, label, copyButton(text, label)),
    h("pre", { tabindex: "0", role: "group", "aria-label": label }, content),
  );
}
