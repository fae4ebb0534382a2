/** The list of traces, newest first. Rows stay the same elements while they change, so that the focus stays. */

import { h, roving, tabStop } from "../dom.js";
import { duration, STATES, time } from "../format.js";
import { routeText } from "./steps.js";

/** Shows traces; `choose` is called with the id of the one that the arrow keys reach. */
export class TraceList {
  #rows = new Map();

  constructor(choose) {
    this.element = h("ul", { class: "trace-list", "aria-label": "Traces, newest first" });
    roving(this.element, "a", { onmove: (row) => choose(row.dataset.id) });
  }

  render(traces, selected) {
    const wanted = new Set(traces.map((trace) => trace.id));
    for (const [id, { item }] of this.#rows) {
      if (wanted.has(id)) continue;
      item.remove();
      this.#rows.delete(id);
    }
    traces.forEach((trace, index) => this.#place(this.#row(trace), index));
    this.select(selected);
  }

  select(id) {
    for (const [each, { link }] of this.#rows) {
      if (each === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const links = [...this.element.querySelectorAll("a")];
    tabStop(links, this.#rows.get(id)?.link ?? links[0]);
  }

  #place({ item }, index) {
    const there = this.element.children[index] ?? null;
    if (there !== item) this.element.insertBefore(item, there);
  }

  #row(trace) {
    const row = this.#rows.get(trace.id) ?? newRow(trace.id);
    this.#rows.set(trace.id, row);
    if (row.trace !== trace) row.link.replaceChildren(...content(trace));
    row.trace = trace;
    return row;
  }
}

function newRow(id) {
  const link = h("a", { href: `#/trace/${encodeURIComponent(id)}`, "data-id": id });
  return { link, item: h("li", {}, link), trace: null };
}

function slowness(trace) {
  if (!trace.is_slow) return null;
  return trace.is_cold ? " cold start" : " slow";
}

function content(trace) {
  const isBad = trace.failed || trace.is_slow;
  return [
    h("span", { class: "row-title" }, trace.title),
    h("span", { class: `row-ms${isBad ? " bad-text" : ""}` }, trace.milliseconds === null ? "…" : duration(trace.milliseconds), slowness(trace)),
    h("span", { class: "row-sub" }, h("span", { class: "state", "data-state": trace.state }, STATES[trace.state] ?? trace.state), h("span", {}, trace.failed ? "call failed" : routeText(trace))),
    h("time", { datetime: trace.at }, time(trace.at)),
  ];
}
