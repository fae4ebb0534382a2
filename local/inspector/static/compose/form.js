/** The form: a field for each value of the draft, as its schema describes it. Unknown fields are edited like known ones. */

import { button, h } from "../dom.js";
import { clone, kindOf, placeKey } from "../json.js";
import { addField, addItem } from "./form_adding.js";
import { inputFor } from "./form_inputs.js";
import { isOptional, schemaFor, schemaOfPart } from "./schema.js";

const OPEN_AT_FIRST = new Set(["events", "user_profiles"].map((name) => placeKey([name])));

/** Shows a draft as a form. Parts that are closed are built when they are opened. */
export class Form {
  #open = new Set(OPEN_AT_FIRST);
  #fields = new Map();
  #ids = 0;

  constructor(draft) {
    this.draft = draft;
    this.element = h("div", { class: "form" });
  }

  /** Forgets which parts are open, for another message. */
  reset() {
    this.#open = new Set(OPEN_AT_FIRST);
    this.render();
  }

  render() {
    this.#fields.clear();
    const { value, schema } = this.draft;
    const isContainer = ["object", "array"].includes(kindOf(value));
    this.element.replaceChildren(isContainer ? this.#parts(value, schema, []) : this.#leaf("Message", value, schema, []));
    this.showProblems();
  }

  /** Shows each problem at its field, or at the innermost part that is shown. */
  showProblems() {
    for (const field of this.#fields.values()) field.show([], 0);
    const shown = new Map();
    for (const { place, message } of this.draft.problems) {
      const key = this.#shownPlace(place);
      shown.set(key, [...(shown.get(key) ?? []), message]);
      for (let length = 0; length < place.length; length += 1) this.#fields.get(placeKey(place.slice(0, length)))?.addInside();
    }
    for (const [key, messages] of shown) this.#fields.get(key)?.show(messages);
  }

  #shownPlace(place) {
    for (let length = place.length; length > 0; length -= 1) {
      const key = placeKey(place.slice(0, length));
      if (this.#fields.has(key)) return key;
    }
    return null;
  }

  /** Opens what hides a place and puts the focus there. */
  reveal(place) {
    for (let length = 1; length <= place.length; length += 1) this.#fields.get(placeKey(place.slice(0, length)))?.open?.();
    const field = this.#fields.get(this.#shownPlace(place));
    field?.focus();
  }

  #parts(value, schema, place) {
    const chosen = schemaFor(value, schema, this.draft.schema);
    const isList = Array.isArray(value);
    const parts = isList ? [...value.keys()] : Object.keys(value);
    const fields = parts.map((part) => this.#field(part, value[part], chosen, [...place, part]));
    const context = { value, schema: chosen, root: this.draft.schema, add: (part, made) => this.#add(place, part, made), id: () => this.#id() };
    return h("div", { class: "parts" }, fields, isList ? addItem(context) : addField(context));
  }

  #field(part, value, parentSchema, place) {
    const schema = schemaOfPart(parentSchema, part);
    const made = ["object", "array"].includes(kindOf(value)) ? this.#section(part, value, schema, place) : this.#leaf(part, value, schema, place);
    const name = typeof part === "number" ? `item ${part + 1}` : part;
    const actions = [];
    if (typeof part === "number") actions.push(button("Duplicate", () => this.#duplicate(place), { class: "quiet small", "aria-label": `Duplicate ${name}` }));
    if (typeof part === "number" || isOptional(parentSchema, part)) {
      actions.push(button("Remove", () => this.#remove(place), { class: "quiet small", "aria-label": `Remove ${name}` }));
    }
    return h("div", { class: made.matches("details") ? "field holds-section" : "field" }, made, h("div", { class: "field-actions" }, actions));
  }

  #leaf(part, value, schema, place) {
    const id = this.#id();
    const input = inputFor({ value, schema, root: this.draft.schema, id, set: (changed) => this.draft.set(place, changed), rebuild: () => this.#rebuild(place) });
    const problem = h("p", { class: "problem", id: `${id}-problem`, hidden: true });
    input.setAttribute("aria-describedby", problem.id);
    const label = typeof part === "number" ? `${part + 1}` : part;
    const show = (messages) => {
      problem.hidden = messages.length === 0;
      problem.replaceChildren(messages.join(" "));
      input.toggleAttribute("aria-invalid", messages.length > 0);
      if (messages.length) input.setAttribute("aria-invalid", "true");
    };
    this.#fields.set(placeKey(place), { show, addInside: () => {}, focus: () => input.focus() });
    return h("div", { class: "leaf" }, h("label", { for: id }, label), h("div", { class: "control" }, input, problem));
  }

  #section(part, value, schema, place) {
    const key = placeKey(place);
    const body = h("div", { class: "section-body" });
    const problem = h("p", { class: "problem", hidden: true });
    const inside = h("span", { class: "count bad", hidden: true });
    const label = typeof part === "number" ? `${part + 1}` : part;
    const summary = h("summary", {}, h("span", { class: "name" }, label), h("span", { class: "hint" }, summaryOf(value)), inside);
    const details = h("details", { class: "section" }, summary, problem, body);
    const open = () => {
      details.open = true;
      this.#open.add(key);
      if (!body.hasChildNodes()) body.append(this.#parts(value, schema, place));
    };
    details.addEventListener("toggle", () => {
      if (!details.open) this.#open.delete(key);
      else if (!body.hasChildNodes()) {
        open();
        this.showProblems();
      }
    });
    this.#fields.set(key, { ...sectionProblems(problem, inside), open, focus: () => summary.focus() });
    if (this.#open.has(key)) open();
    return details;
  }

  #add(place, part, value) {
    const whole = [...place, part];
    if (typeof part === "number") this.draft.insert(whole, value);
    else this.draft.set(whole, value);
    this.#rebuild(whole);
  }

  #duplicate(place) {
    const parent = place.slice(0, -1);
    const original = place.reduce((value, part) => value[part], this.draft.value);
    this.#add(parent, place.at(-1) + 1, clone(original));
  }

  #remove(place) {
    const parent = place.slice(0, -1);
    const below = placeKey(parent).slice(0, -1);
    this.draft.remove(place);
    if (typeof place.at(-1) === "number") this.#open = new Set([...this.#open].filter((key) => key === placeKey(parent) || !key.startsWith(below)));
    this.#rebuild(parent);
  }

  #rebuild(place) {
    this.render();
    this.reveal(place);
  }

  #id() {
    this.#ids += 1;
    return `field-${this.#ids}`;
  }
}

function sectionProblems(problem, inside) {
  let number = 0;
  const show = (messages) => {
    problem.hidden = messages.length === 0;
    problem.replaceChildren(messages.join(" "));
    if (messages.length === 0) number = 0;
    inside.hidden = number === 0;
  };
  const addInside = () => {
    number += 1;
    inside.hidden = false;
    inside.replaceChildren(number === 1 ? "1 problem" : `${number} problems`);
  };
  return { show, addInside };
}

function summaryOf(value) {
  if (Array.isArray(value)) return value.length === 1 ? "1 item" : `${value.length} items`;
  const names = [value.type, value.name, value.event_name].filter((text) => typeof text === "string");
  if (names.length) return names.join(" · ");
  const size = Object.keys(value).length;
  return size === 1 ? "1 field" : `${size} fields`;
}
