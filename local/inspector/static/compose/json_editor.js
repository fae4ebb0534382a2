/** The JSON text of the draft, with line numbers. Tab moves on to the next control, as everywhere. */

import { h } from "../dom.js";
import { lineAt, offsetOf, scan } from "../positions.js";

const LINE_HEIGHT = 20;

/** Shows a draft as JSON. */
export class JsonEditor {
  #lines = 0;

  constructor(draft) {
    this.draft = draft;
    this.numbers = h("pre", { class: "numbers", "aria-hidden": "true" });
    this.area = h("textarea", {
      spellcheck: "false", autocomplete: "off", wrap: "off", "aria-label": "The message as JSON", "aria-describedby": "problems",
      oninput: () => this.draft.setText(this.area.value),
      onscroll: () => (this.numbers.scrollTop = this.area.scrollTop),
    });
    this.element = h("div", { class: "json-editor" }, this.numbers, this.area);
  }

  render() {
    this.area.value = this.draft.text;
    this.showProblems();
  }

  /** Marks the lines that have a problem. */
  showProblems() {
    const wrong = new Set(this.draft.problems.map((problem) => this.lineOf(problem)));
    const lines = this.area.value.split("\n").length;
    const marks = Array.from({ length: lines }, (_, index) => h("span", wrong.has(index + 1) ? { class: "wrong" } : {}, `${index + 1}\n`));
    this.#lines = lines;
    this.numbers.replaceChildren(...marks);
    this.area.setAttribute("aria-invalid", String(wrong.size > 0));
  }

  /** Adds or removes line numbers while one types. */
  follow() {
    if (this.area.value.split("\n").length !== this.#lines) this.showProblems();
  }

  lineOf({ place, line }) {
    const text = this.draft.text;
    return line ?? lineAt(text, offsetOf(scan(text).found, place));
  }

  /** Puts the cursor at the line of a problem. */
  reveal(problem) {
    const line = this.lineOf(problem);
    const start = this.area.value.split("\n").slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    this.area.focus();
    this.area.setSelectionRange(start, start + this.area.value.split("\n")[line - 1].length);
    this.area.scrollTop = Math.max(0, (line - 5) * LINE_HEIGHT);
  }
}
