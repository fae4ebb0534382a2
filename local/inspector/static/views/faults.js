/** Break it: faults of the fake API, and what the product does about each. */

import { announce, button, h, select, viewHead } from "../dom.js";
import { faultText } from "../banners.js";

const SECONDS = {
  status_429: { field: "wait_seconds", label: "Retry-After, in seconds", value: 2, min: 0, max: 3600 },
  slow: { field: "delay_seconds", label: "Delay, in seconds", value: 0.5, min: 0.1, max: 60 },
};

/** Makes the view. */
export function faultsView({ api, live }) {
  const route = select([["", "Every route"]], { id: "fault-route" });
  const times = h("input", { type: "number", id: "fault-times", min: "1", max: "1000", value: "1" });
  const active = h("div", { class: "active-faults", role: "region", "aria-label": "Faults that are on" });
  const cards = h("div", { class: "cards" });
  const marks = new Map();
  const failure = h("p", { class: "bad-text", role: "alert" });
  const settings = h(
    "div",
    { class: "fault-settings" },
    h("div", { class: "labelled" }, h("label", { for: "fault-route" }, "Where"), route),
    h("div", { class: "labelled" }, h("label", { for: "fault-times" }, "For how many calls"), times),
  );
  const element = h("section", { class: "view faults scrolls" }, viewHead("Break it", "Make the fake API fail, then send a message and watch its trace."), settings, failure, active, cards);

  async function start(kind, seconds) {
    failure.replaceChildren();
    const extra = seconds ? { [SECONDS[kind.name].field]: Number(seconds.value) } : {};
    try {
      live.setFaults(await api.addFault({ kind: kind.name, route: route.value, times: Number(times.value), ...extra }));
      announce(`${kind.title} is on.`);
    } catch (error) {
      failure.replaceChildren(error.message);
    }
  }

  function card(kind) {
    const wanted = SECONDS[kind.name];
    const id = `fault-${kind.name}`;
    const mark = h("span", { class: "tag fault", hidden: true }, "On");
    marks.set(kind.name, mark);
    const seconds = wanted ? h("input", { type: "number", id, min: wanted.min, max: wanted.max, step: "any", value: wanted.value }) : null;
    return h(
      "article",
      { class: "card" },
      h("h2", {}, kind.title, mark),
      h("p", {}, kind.explanation),
      seconds ? h("div", { class: "labelled" }, h("label", { for: id }, wanted.label), seconds) : null,
      button("Break it", () => start(kind, seconds), { "aria-label": `Break it: ${kind.title}` }),
    );
  }

  function render() {
    const { kinds, routes, active: on } = live.faults;
    const chosen = route.value;
    route.replaceChildren(...["", ...routes].map((value) => h("option", { value }, value || "Every route")));
    route.value = chosen;
    if (cards.children.length !== kinds.length) cards.replaceChildren(...kinds.map(card));
    for (const [name, mark] of marks) mark.hidden = !on.some((fault) => fault.kind === name);
    const list = on.length ? h("ul", {}, on.map((fault) => h("li", {}, faultText(fault, kinds)))) : h("p", { class: "muted" }, "The fake API is healthy.");
    active.replaceChildren(list);
  }

  live.addEventListener("faults", render);
  render();
  return { element, show: () => live.refreshFaults() };
}
