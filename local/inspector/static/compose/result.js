/** What came of the message that was sent. The link stays the same element while the rest changes, or a click would miss it. */

import { h } from "../dom.js";
import { count, duration, STATES } from "../format.js";
import { jsonView } from "../json_view.js";

/** Shows the result of the last sending. */
export class Result {
  #ids = [];
  #shown = null;

  constructor(traces) {
    this.traces = traces;
    this.text = h("span", {});
    this.link = h("a", { hidden: true });
    this.box = h("div", {});
    this.element = h("div", { class: "result", role: "region", "aria-label": "Result", hidden: true }, h("p", {}, this.text, " ", this.link), this.box);
  }

  clear() {
    this.#ids = [];
    this.element.hidden = true;
  }

  /** Shows a sentence, until something was sent. */
  say(text, { isError = false } = {}) {
    this.#ids = [];
    this.link.hidden = true;
    this.#show(text, isError, null);
  }

  /** Shows what comes of the traces with these ids. */
  follow(ids) {
    this.#ids = ids;
    this.link.hidden = false;
    this.link.href = `#/trace/${encodeURIComponent(ids.at(-1))}`;
    this.link.replaceChildren(ids.length === 1 ? "Open the trace" : "Open the last trace");
    this.update();
  }

  /** Shows how far the followed traces have come. */
  update() {
    if (!this.#ids.length) return;
    const known = this.#ids.map((id) => this.traces.get(id)).filter(Boolean);
    if (this.#ids.length > 1) this.#show(summaryOf(known, this.#ids.length), false, null);
    else this.#showOne(known[0]);
  }

  #showOne(trace) {
    if (!trace || trace.milliseconds === null) {
      this.#show(trace?.failed ? "The call failed." : "Sent. Waiting for the answer.", Boolean(trace?.failed), trace?.answer ?? null);
      return;
    }
    const late = trace.is_slow ? `, more than the ${trace.limit_ms} ms that mParticle allows` : "";
    const cold = trace.is_cold && trace.is_slow ? " It was a cold start, which takes the emulator longer than AWS." : "";
    const text = `${trace.failed ? "The call failed" : "Answered"} in ${duration(trace.milliseconds)}${late}.${cold} ${STATES[trace.state]}.`;
    this.#show(text, trace.failed || trace.is_slow, trace.answer);
  }

  #show(text, isBad, answer) {
    this.element.hidden = false;
    this.text.className = isBad ? "bad-text" : "";
    if (this.text.textContent !== text) this.text.replaceChildren(text);
    if (this.#shown !== answer) this.box.replaceChildren(...(answer === null ? [] : [jsonView(answer, "Answer")]));
    this.#shown = answer;
  }
}

function slowText(slow) {
  const cold = slow.filter((trace) => trace.is_cold).length;
  return `${slow.length} too slow${cold ? `, ${cold} of them ${cold === 1 ? "a cold start" : "cold starts"}` : ""}`;
}

function summaryOf(known, total) {
  const times = known.map((trace) => trace.milliseconds).filter((time) => time !== null).sort((one, other) => one - other);
  const parts = [
    `${times.length} of ${total} answered`,
    count(known.filter((trace) => trace.failed).length, "failure"),
    slowText(known.filter((trace) => trace.is_slow)),
  ];
  if (times.length) parts.push(`median ${duration(times[Math.floor(times.length / 2)])}`, `slowest ${duration(times.at(-1))}`);
  return parts.join(" · ");
}
