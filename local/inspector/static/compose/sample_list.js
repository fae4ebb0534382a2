/** The list of message types, in groups, with a search. */

import { h, roving, tabStop } from "../dom.js";

/** Makes the list; `choose` is called with the sample that is chosen. */
export function sampleList(samples, choose) {
  const items = samples.map((sample) => ({ sample, element: item(sample) }));
  const groups = [...Map.groupBy(items, ({ sample }) => sample.group)].map(([name, members]) => group(name, members));
  const none = h("p", { class: "muted none", hidden: true }, "No message type matches.");
  const search = h("input", {
    type: "search", placeholder: "Search message types", "aria-label": "Search message types", "data-search": true,
    oninput: () => filter(search.value.trim().toLowerCase()),
    onkeydown: (event) => event.key === "Enter" && chooseFirst(),
  });
  const list = h("div", { class: "sample-groups" }, groups.map(({ element }) => element), none);
  const elements = items.map(({ element }) => element);
  roving(list, "button");

  function item(sample) {
    const label = [h("span", {}, sample.title), sample.offered ? null : h("span", { class: "tag" }, "not offered")];
    return h("button", { type: "button", class: "sample", onclick: () => pick(sample) }, label);
  }

  function pick(sample) {
    mark(sample.name);
    choose(sample);
  }

  /** Chooses the first that matches. The focus goes with it: in the search the single keys would be text. */
  function chooseFirst() {
    const first = items.find(({ element }) => !element.closest("[hidden]"))?.element;
    first?.click();
    first?.focus();
  }

  function mark(name) {
    for (const { sample, element } of items) element.setAttribute("aria-pressed", String(sample.name === name));
    tabStop(elements, items.find(({ sample }) => sample.name === name)?.element ?? elements[0]);
  }

  function filter(text) {
    for (const { sample, element } of items) {
      element.parentElement.hidden = !`${sample.title} ${sample.name} ${sample.group}`.toLowerCase().includes(text);
    }
    for (const { element, members } of groups) element.hidden = members.every((member) => member.element.parentElement.hidden);
    none.hidden = groups.some(({ element }) => !element.hidden);
    tabStop(elements, elements.find((element) => !element.closest("[hidden]")));
  }

  const element = h("aside", { class: "samples", "aria-label": "Message types" }, h("div", { class: "pane-head" }, search), list);
  return { element, pick, mark };
}

function group(name, members) {
  const id = `group-${name.replace(/\W+/g, "-").toLowerCase()}`;
  const list = h("ul", { "aria-labelledby": id }, members.map(({ element }) => h("li", {}, element)));
  return { element: h("section", {}, h("h2", { id }, name), list), members };
}
