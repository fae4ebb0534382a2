/** One trace: what it is, and its timeline. While it grows, what one has opened stays open. */

import { copyButton } from "../copy.js";
import { button, h } from "../dom.js";
import { duration, STATES, time } from "../format.js";
import { routeText, stepRow, stepsOf } from "./steps.js";

const STORED_LOGS = "logs";

/** Shows one trace at a time. */
export class TraceDetail {
  #rows = new Map();
  #trace = null;

  constructor({ replay, faultTitle }) {
    this.faultTitle = faultTitle;
    this.title = h("h2", { tabindex: "-1" });
    this.type = h("code", { class: "muted" });
    this.badge = h("span", { class: "state" });
    this.replay = button("Replay", () => replay(this.#trace), { class: "small" });
    this.leftOut = h("p", { class: "muted left-out", hidden: true });
    this.facts = h("dl", { class: "facts" });
    this.list = h("ol", { class: "timeline", "aria-label": "Timeline" });
    const logs = h("input", { type: "checkbox", checked: localStorage.getItem(STORED_LOGS) === "shown", onchange: () => this.#showLogs(logs.checked) });
    this.#showLogs(logs.checked);
    this.element = h(
      "article",
      { class: "trace-detail", "aria-label": "Trace" },
      h("header", { class: "pane-head" }, h("div", { class: "heading" }, this.title, this.badge, this.type), h("div", { class: "actions" }, h("label", { class: "check" }, logs, "Logs"), this.replay)),
      h("div", { class: "detail-body", tabindex: "0", role: "group", "aria-label": "Timeline and facts" }, this.facts, this.list, this.leftOut),
    );
  }

  show(trace) {
    if (this.#trace?.id !== trace.id) this.#rows.clear();
    this.#trace = trace;
    this.title.replaceChildren(trace.title);
    this.type.replaceChildren(trace.type);
    this.badge.replaceChildren(STATES[trace.state] ?? trace.state);
    this.badge.dataset.state = trace.state;
    this.replay.disabled = !trace.type;
    this.leftOut.hidden = !trace.steps_left_out;
    this.leftOut.replaceChildren(`${trace.steps_left_out} more steps are not shown.`);
    this.#showFacts(trace);
    this.#showSteps(stepsOf(trace));
  }

  #showFacts(trace) {
    const key = JSON.stringify([trace.id, trace.milliseconds, trace.failed, trace.request_id]);
    if (this.facts.dataset.key === key) return;
    this.facts.dataset.key = key;
    const id = trace.request_id;
    const facts = [
      ["Answer", answerText(trace)],
      ["Route", routeText(trace)],
      ["Sent", time(trace.at)],
      ["Request id", id ? [h("code", {}, id), copyButton(id, "request id")] : "none"],
    ];
    this.facts.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  #showSteps(steps) {
    const total = Math.max(1, ...steps.map((step) => step.offset_ms + (step.kind === "answer" ? 0 : (step.milliseconds ?? 0))));
    const rows = new Map();
    for (const step of steps) {
      const key = uniqueKey(JSON.stringify(step), rows);
      const row = this.#rows.get(key) ?? stepRow(step, this.faultTitle);
      place(row, step, total);
      rows.set(key, row);
    }
    for (const [key, row] of this.#rows) if (rows.get(key) !== row) row.remove();
    [...rows.values()].forEach((row, index) => {
      if (this.list.children[index] !== row) this.list.insertBefore(row, this.list.children[index] ?? null);
    });
    while (this.list.children.length > rows.size) this.list.lastChild.remove();
    this.#rows = rows;
  }

  #showLogs(areShown) {
    localStorage.setItem(STORED_LOGS, areShown ? "shown" : "hidden");
    this.list.classList.toggle("without-logs", !areShown);
  }
}

function answerText(trace) {
  if (trace.milliseconds === null) return "none yet";
  const text = `${duration(trace.milliseconds)} of ${trace.limit_ms} ms`;
  return h("span", { class: trace.is_slow || trace.failed ? "bad-text" : "good-text" }, trace.failed ? `Failed after ${text}` : text);
}

function uniqueKey(key, taken) {
  let unique = key;
  for (let number = 2; taken.has(unique); number += 1) unique = `${key} ${number}`;
  return unique;
}

function place(row, step, total) {
  const bar = row.querySelector(".bar i");
  const length = step.milliseconds ?? 0;
  const start = step.kind === "answer" ? step.offset_ms - length : step.offset_ms;
  bar.style.setProperty("--start", `${(100 * start) / total}%`);
  bar.style.setProperty("--length", `${(100 * length) / total}%`);
}
