/** The inputs of single values: texts, numbers, choices, yes or no, null. */

import { button, h, select } from "../dom.js";
import { kindOf, parse, textOf } from "../json.js";
import { blank, choicesOf } from "./schema.js";

const LONG_TEXT = 70;
const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** Makes the input for a value. What the schema does not allow is shown as it is, and can be changed. */
export function inputFor(context) {
  const choices = choicesOf(context.schema, context.root);
  const kind = kindOf(context.value);
  if (kind === "null") return nullInput(context);
  if (kind === "boolean") return booleanInput(context);
  if (kind === "number") return numberInput(context);
  return choices ? choiceInput(context, choices) : textInput(context);
}

function nullInput({ schema, root, id, set, rebuild }) {
  const first = blank(schema, root);
  const onclick = () => {
    set(first ?? "");
    rebuild();
  };
  return button("null – enter a value", onclick, { id, class: "null" });
}

function booleanInput({ value, id, set }) {
  return select([["true", "true"], ["false", "false"]], { id, value: String(value), onchange: (event) => set(event.target.value === "true") });
}

function numberInput({ value, id, set }) {
  const oninput = (event) => {
    const text = event.target.value.trim();
    set(NUMBER.test(text) ? numberOf(text) : text);
  };
  return h("input", { id, type: "text", inputmode: "decimal", class: "mono", autocomplete: "off", value: textOf(value), oninput });
}

/** A number as JSON writes it; what JSON does not allow, such as leading zeros, stays a text and is shown as a problem. */
function numberOf(text) {
  try {
    return parse(text);
  } catch {
    return text;
  }
}

function choiceInput({ value, id, set }, choices) {
  const all = choices.includes(value) ? choices : [value, ...choices];
  return select(all.map((each) => [each, each]), { id, value, onchange: (event) => set(event.target.value) });
}

function textInput({ value, id, set }) {
  const oninput = (event) => set(event.target.value);
  const isLong = value.length > LONG_TEXT || value.includes("\n");
  const attributes = { id, value, oninput, spellcheck: "false", autocomplete: "off" };
  return isLong ? h("textarea", { ...attributes, rows: "3" }) : h("input", { ...attributes, type: "text" });
}
