/** How the message is sent, and what came of it. */

import { h } from "../dom.js";
import { count, duration, ROUTES, STATES } from "../format.js";
import { jsonView } from "../json_view.js";

const MAX_COUNT = 100;

/** Makes the bar; `send` is called with the route and the number of times. */
export function sendBar(send) {
  const route = h(
    "fieldset",
    { class: "segmented" },
    h("legend", { class: "visually-hidden" }, "Route"),
    ["alias", "https"].map((name) => h("label", {}, h("input", { type: "radio", name: "route", value: name, checked: name === "alias" }), h("span", {}, ROUTES[name]))),
  );
  const times = h("input", { type: "number", min: "1", max: String(MAX_COUNT), value: "1", "aria-label": "How often it is sent" });
  const submit = h("button", { type: "submit", class: "primary" }, "Send ", h("kbd", { "aria-hidden": "true" }, /Mac/.test(navigator.platform) ? "⌘↵" : "Ctrl ↵"));
  const element = h("form", { class: "send-bar" }, route, h("label", { class: "times" }, h("span", { "aria-hidden": "true" }, "×"), times), submit);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    send(element.elements.route.value, Number(times.value));
  });
  return { element, enable: (isEnabled) => (submit.disabled = !isEnabled), submit: () => !submit.disabled && element.requestSubmit() };
}

/** Makes the line, and the box, that say what came of the traces that were sent. */
export function sentResult(ids, traces) {
  const known = ids.map((id) => traces.get(id)).filter(Boolean);
  const link = (text, id) => h("a", { href: `#/trace/${encodeURIComponent(id)}` }, text);
  if (ids.length === 1) return oneResult(known[0], link("Open the trace", ids[0]));
  const answered = known.filter((trace) => trace.milliseconds !== null).map((trace) => trace.milliseconds).sort((one, other) => one - other);
  const failed = known.filter((trace) => trace.failed).length;
  const slow = known.filter((trace) => trace.is_slow).length;
  const parts = [`${answered.length} of ${ids.length} answered`, count(failed, "failure"), `${slow} too slow`];
  if (answered.length) parts.push(`median ${duration(answered[Math.floor(answered.length / 2)])}`, `slowest ${duration(answered.at(-1))}`);
  return [h("p", {}, parts.join(" · "), " ", link("Open the last trace", ids.at(-1)))];
}

function oneResult(trace, link) {
  if (!trace || trace.milliseconds === null) return [h("p", {}, "Sent. Waiting for the answer. ", link)];
  const verdict = trace.failed ? "The call failed" : "Answered";
  const text = `${verdict} in ${duration(trace.milliseconds)}${trace.is_slow ? `, more than the ${trace.limit_ms} ms that mParticle allows` : ""}. `;
  const line = h("p", { class: trace.failed || trace.is_slow ? "bad-text" : "" }, text, h("span", { class: "muted" }, `${STATES[trace.state]}. `), link);
  return [line, trace.answer === null ? null : jsonView(trace.answer, "Answer")].filter(Boolean);
}
