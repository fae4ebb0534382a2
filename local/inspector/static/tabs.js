/** Tabs as the ARIA practices describe them: Tab enters at the chosen one, arrow keys choose another. */

import { h, roving, tabStop } from "./dom.js";

class Tabs extends EventTarget {
  #name;

  constructor(label, entries) {
    super();
    this.entries = new Map(entries.map((entry) => [entry.name, { ...entry, ...parts(entry, () => this.show(entry.name)) }]));
    const all = [...this.entries.values()];
    this.list = h("div", { class: "tabs", role: "tablist", "aria-label": label }, all.map(({ tab }) => tab));
    this.panels = all.map(({ box }) => box);
    roving(this.list, "[role=tab]", { onmove: (tab) => tab.click() });
    this.#mark(entries[0].name);
  }

  current() {
    return this.#name;
  }

  show(name) {
    if (name === this.#name) return;
    this.#mark(name);
    this.refresh();
    this.dispatchEvent(new Event("shown"));
  }

  /** Renders the panel that is shown anew. */
  refresh() {
    this.entries.get(this.#name).onshow();
  }

  #mark(name) {
    this.#name = name;
    for (const [each, { tab, box }] of this.entries) {
      tab.setAttribute("aria-selected", String(each === name));
      box.hidden = each !== name;
    }
    tabStop([...this.entries.values()].map(({ tab }) => tab), this.entries.get(name).tab);
  }
}

function parts({ name, label, panel }, onclick) {
  const tab = h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick }, label);
  return { tab, box: h("div", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": tab.id, class: `panel ${name}` }, panel) };
}

/** Makes tabs of entries with `name`, `label`, `panel` and `onshow`; `list` and `panels` are put where they belong. */
export const tabs = (label, entries) => new Tabs(label, entries);
