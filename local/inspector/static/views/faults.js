/** Break it: faults of the fake API, and what the product does about each. */

import { announce, button, h, select, viewHead } from "../dom.js";

const SECONDS = {
  wait_seconds: { label: "Retry-After, in seconds", value: 2, step: 1 },
  delay_seconds: { label: "Delay, in seconds", value: 0.5, step: 0.1 },
};

/** Makes the view. */
export function faultsView({ api, live }) {
  const route = select([["", "Every route"]], { id: "fault-route" });
  const times = h("input", { type: "number", id: "fault-times", min: "1", max: "1000", value: "1" });
  const healthy = h("p", { class: "muted" }, "The fake API is healthy.");
  const cards = h("div", { class: "cards" });
  const marks = new Map();
  const absent = h("div", { class: "absent muted" });
  const failure = h("p", { class: "bad-text", role: "alert" });
  const settings = h(
    "div",
    { class: "fault-settings" },
    h("div", { class: "labelled" }, h("label", { for: "fault-route" }, "Where"), route),
    h("div", { class: "labelled" }, h("label", { for: "fault-times" }, "For how many calls"), times),
  );
  const element = h("section", { class: "view faults scrolls" }, viewHead("Break it", "Make the fake API fail, then send a message and watch its trace."), settings, failure, h("div", { class: "health" }, healthy), cards, absent);

  async function start(kind, seconds) {
    failure.replaceChildren();
    const extra = seconds ? { [kind.seconds]: Number(seconds.value) } : {};
    try {
      live.setFaults(await api.addFault({ kind: kind.name, route: route.value, times: Number(times.value), ...extra }));
      announce(`${kind.title} is on.`);
    } catch (error) {
      tell(error);
    }
  }

  function tell(error) {
    failure.replaceChildren(error.message);
  }

  function card(kind) {
    const wanted = SECONDS[kind.seconds];
    const id = `fault-${kind.name}`;
    const mark = h("span", { class: "tag fault", hidden: true }, "On");
    marks.set(kind.name, mark);
    const seconds = wanted ? h("input", { type: "number", id, min: 0, max: 3600, step: wanted.step, value: wanted.value }) : null;
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
    const { kinds, routes, active: on, left_out: leftOut = [] } = live.faults;
    const chosen = route.value;
    route.replaceChildren(...["", ...routes].map((value) => h("option", { value }, value || "Every route")));
    route.value = chosen;
    if (cards.children.length !== kinds.length) cards.replaceChildren(...kinds.map(card));
    absent.replaceChildren(...leftOut.map(({ reason }) => h("p", {}, reason)));
    for (const [name, mark] of marks) mark.hidden = !on.some((fault) => fault.kind === name);
    healthy.hidden = on.length > 0;
  }

  live.addEventListener("faults", render);
  render();
  return { element, show: () => live.refreshFaults().catch(tell) };
}
