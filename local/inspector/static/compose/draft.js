/** The message that is composed: one value, which the form and the JSON text both edit. */

import { api } from "../api.js";
import { debounced } from "../dom.js";
import { clone, parse, stringify } from "../json.js";
import { lineAt, scan } from "../positions.js";

const CHECK_AFTER_MS = 250;

/** Fires "loaded", "changed" and "problems". */
export class Draft extends EventTarget {
  value = null;
  text = "";
  schema = {};
  problems = [];
  /** What is wrong with the text as JSON: {line, message}, or null. `value` is then the last that could be read. */
  syntax = null;
  #schemaType = null;
  #checks = 0;
  #checkSoon = debounced(CHECK_AFTER_MS, () => this.check());

  async load(content) {
    this.value = clone(content);
    this.text = stringify(this.value);
    this.syntax = null;
    this.problems = [];
    await this.#loadSchema();
    this.#fire("loaded");
    this.check();
  }

  setText(text) {
    this.text = text;
    const { wrongAt } = scan(text);
    this.syntax = wrongAt === null ? null : { line: lineAt(text, wrongAt), message: messageOf(text, wrongAt) };
    if (!this.syntax) this.value = parse(text);
    this.#changed();
  }

  set(place, value) {
    this.#parent(place)[place.at(-1)] = value;
    this.#edited();
  }

  remove(place) {
    const parent = this.#parent(place);
    if (Array.isArray(parent)) parent.splice(place.at(-1), 1);
    else delete parent[place.at(-1)];
    this.#edited();
  }

  insert(place, value) {
    this.#parent(place).splice(place.at(-1), 0, value);
    this.#edited();
  }

  #parent(place) {
    return place.slice(0, -1).reduce((value, part) => value[part], this.value);
  }

  #edited() {
    this.text = stringify(this.value);
    this.#changed();
  }

  #changed() {
    this.#fire("changed");
    this.#checkSoon();
  }

  async #loadSchema() {
    const type = this.value?.type;
    if (typeof type !== "string" || type === this.#schemaType) return;
    this.schema = await api.schema(type).catch(() => ({}));
    this.#schemaType = type;
  }

  /** Asks what is wrong with it. */
  async check() {
    this.#checks += 1;
    const mine = this.#checks;
    const place = [];
    const found = this.syntax
      ? [{ place, line: this.syntax.line, message: this.syntax.message }]
      : await api.check(this.value).then(({ problems }) => problems, (error) => [{ place, message: error.message }]);
    if (mine !== this.#checks) return;
    await this.#loadSchema();
    this.problems = found;
    this.#fire("problems");
  }

  #fire(name) {
    this.dispatchEvent(new Event(name));
  }
}

function messageOf(text, offset) {
  return offset >= text.trimEnd().length ? "The JSON ends too early." : "This is not valid JSON.";
}
