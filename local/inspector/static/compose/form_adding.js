/** What adds a field to an object, or an item to a list. */

import { button, h, select } from "../dom.js";
import { clone } from "../json.js";
import { blank, fieldNames, itemTypes, schemaOfPart } from "./schema.js";

/** Makes the row that adds a field: one that the schema knows, or any other. */
export function addField({ value, schema, root, add, id }) {
  const known = fieldNames(schema).filter((name) => !Object.hasOwn(value, name));
  const names = h("datalist", { id: id() }, known.map((name) => h("option", { value: name })));
  const input = h("input", { type: "text", list: names.id, placeholder: "Field name", "aria-label": "Name of a field to add", autocomplete: "off", spellcheck: "false" });
  const submit = (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!name || Object.hasOwn(value, name)) input.focus();
    else add(name, blank(schemaOfPart(schema, name), root));
  };
  return h("form", { class: "add", onsubmit: submit }, input, names, h("button", { type: "submit", class: "small" }, "Add field"));
}

/** Makes the row that adds an item to the end of a list. */
export function addItem({ value, schema, root, add }) {
  const types = itemTypes(schema, root);
  if (!types.size) {
    const made = () => (value.length ? clone(value.at(-1)) : blank(schema.items ?? {}, root));
    return h("div", { class: "add" }, button("Add item", () => add(value.length, made()), { class: "small" }));
  }
  const choice = select([...types.keys()].map((type) => [type, type]), { "aria-label": "Type of the item to add" });
  const onclick = () => add(value.length, { ...blank(types.get(choice.value), root), type: choice.value });
  return h("div", { class: "add" }, choice, button("Add item", onclick, { class: "small" }));
}
