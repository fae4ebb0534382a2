/** What each step of a trace says: a label, a title, tags, and what can be opened to read. */

import { h } from "../dom.js";
import { bytes, count, duration, ROUTES } from "../format.js";
import { jsonView } from "../json_view.js";

const OUTCOMES = {
  done: ["good", "Done"],
  again: ["warn", "Comes again"],
  failed: ["bad", "Failed"],
};
const CALLED = { alias: " by its alias", https: " over HTTPS" };
const LOST = { hang: "No answer in time", reset: "Connection reset" };
const LOG_TONES = { WARNING: "warn", ERROR: "bad", CRITICAL: "bad" };

const KINDS = {
  request: (step) => ({
    label: "Request",
    title: `The handler is called${CALLED[step.route] ?? ""}`,
    boxes: () => [jsonView(step.body, "Request")],
  }),
  answer: (step) => ({
    label: "Answer",
    title: step.failed ? "The call failed" : "The handler answered",
    tone: step.failed || step.isSlow ? "bad" : "good",
    tags: [step.status ? [step.failed ? "bad" : "", `HTTP ${step.status}`] : null, step.isCold ? ["", "Cold start"] : null, step.isSlow ? ["bad", `Over ${step.limit} ms`] : null],
    boxes: () => (step.body === null ? [] : [jsonView(step.body, "Answer")]),
  }),
  queued: (step) => ({
    label: "Queue",
    title: `Put on the queue ${step.queue}`,
    note: [step.group ? `group ${shortened(step.group)}` : null, bytes(step.bytes)],
    tags: [step.is_duplicate ? ["warn", "Duplicate, dropped"] : null],
    boxes: () => [jsonView({ ...(step.group ? { MessageGroupId: step.group } : {}), ...step.attributes }, "Attributes"), step.body === null ? null : jsonView(step.body, "Message")],
  }),
  delivery: (step) => ({
    label: "Delivery",
    title: `The ${step.function} takes ${count(step.messages, "message")}`,
    note: [`queue ${step.queue}`, step.receive_count > 1 ? `receive ${step.receive_count}` : null],
    tone: OUTCOMES[step.outcome]?.[0],
    tags: [OUTCOMES[step.outcome]],
  }),
  call: (step, faultTitle) => ({
    label: "Call",
    title: `${step.method} ${step.path}`,
    isCode: true,
    note: [step.attempt > 1 ? `attempt ${step.attempt}` : null],
    tone: isRefused(step) ? "bad" : "good",
    fault: step.fault ? `Fault: ${faultTitle(step.fault)}` : null,
    tags: [[isRefused(step) ? "bad" : "good", step.lost ? (LOST[step.lost] ?? step.lost) : String(step.status ?? "No answer")]],
    boxes: () => [jsonView(step.headers, `Headers, to ${step.site}`), step.body === null ? null : jsonView(step.body, "Body"), step.answer === null ? null : jsonView(step.answer, "The partner's answer")],
  }),
  dead_letter: (step) => ({
    label: "Dead letter",
    title: `Put on the queue ${step.queue}`,
    note: [step.reason],
    tone: "bad",
  }),
  log: (step) => ({
    label: "Log",
    title: step.message,
    note: [step.function, step.level === "INFO" ? null : step.level],
    tone: LOG_TONES[step.level] ?? "quiet",
    boxes: () => (Object.keys(step.fields ?? {}).length ? [jsonView(step.fields, "Fields")] : []),
  }),
};

const MAX_GROUP = 16;
const shortened = (group) => (group.length > MAX_GROUP ? `${group.slice(0, 8)}…` : group);
const isRefused = (step) => Boolean(step.lost) || step.status === null || step.status >= 300;

/** Returns all steps of a trace in order, the request and its answer among them. */
export function stepsOf(trace) {
  const { request, answer, failed, status, milliseconds, answer_offset_ms: offset, route } = trace;
  const own = [{ kind: "request", at: trace.at, offset_ms: 0, milliseconds: null, body: request, route }];
  if (milliseconds !== null) {
    own.push({ kind: "answer", at: trace.at, offset_ms: offset ?? milliseconds, milliseconds, body: answer, failed, status, isSlow: trace.is_slow, isCold: trace.is_cold, limit: trace.limit_ms });
  }
  return [...own, ...trace.steps].sort((one, other) => one.offset_ms - other.offset_ms);
}

/** Makes a row of the timeline; `faultTitle` returns the title of a fault by its name. */
export function stepRow(step, faultTitle) {
  const { label, title, note = [], tone = "", fault = null, tags = [], boxes = () => [], isCode = false } = (KINDS[step.kind] ?? unknown)(step, faultTitle);
  const notes = note.filter(Boolean).join(" · ");
  const took = step.milliseconds ? h("span", { class: "took" }, duration(step.milliseconds)) : null;
  const line = [
    h("span", { class: "offset" }, step.offset_ms ? `+${duration(step.offset_ms)}` : "0 ms"),
    h("span", { class: "label" }, label),
    h("span", { class: "what" }, h(isCode ? "code" : "span", { class: "title" }, title), notes ? h("span", { class: "note" }, notes) : null, fault ? h("span", { class: "tag fault" }, fault) : null),
    h("span", { class: "tags" }, tags.filter(Boolean).map(([kind, text]) => h("span", { class: `tag ${kind}` }, text)), took),
    h("span", { class: "bar", "aria-hidden": "true" }, h("i", {})),
  ];
  const opens = boxes().filter(Boolean).length > 0;
  const content = opens ? opening(line, boxes) : h("div", { class: "line" }, line);
  return h("li", { class: `step ${step.kind}`, "data-tone": tone, "data-kind": step.kind }, content);
}

function opening(line, boxes) {
  const body = h("div", { class: "boxes" });
  const details = h("details", {}, h("summary", { class: "line" }, line), body);
  details.addEventListener("toggle", () => {
    if (details.open && !body.hasChildNodes()) body.append(...boxes().filter(Boolean));
  });
  return details;
}

function unknown(step) {
  return { label: step.kind, title: "", boxes: () => [jsonView(step, "Step")] };
}

/** Says how a request came to the handler. */
export const routeText = (trace) => ROUTES[trace.route] ?? trace.route;
