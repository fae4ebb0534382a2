/** Trace: what became of each request, from the answer to the last retry, as it happens. */

import { announce, button, emptyState, h, viewHead } from "../dom.js";
import { count } from "../format.js";
import { showFailure } from "../keyboard.js";
import { TraceDetail } from "../trace/detail.js";
import { TraceList } from "../trace/list.js";

/** Makes the view. */
export function traceView({ api, live, go }) {
  const choose = (id) => go("trace", id, { isStep: true });
  const list = new TraceList(choose);
  const detail = new TraceDetail({ replay, faultTitle: (name) => live.faults.kinds.find((kind) => kind.name === name)?.title ?? name });
  const search = h("input", { type: "search", placeholder: "Filter by request id or type", "aria-label": "Filter by request id or type", "data-search": true, oninput: render });
  const number = h("span", { class: "muted number" });
  const none = h("p", { class: "muted none", hidden: true }, "No trace matches.");
  const pane = h("div", { class: "detail-pane" });
  const clear = button("Clear", clearAll, { class: "small" });
  const listPane = h("aside", { class: "list-pane", "aria-label": "Traces" }, h("div", { class: "pane-head" }, search, number), list.element, none);
  const panes = h("div", { class: "panes" }, listPane, pane);
  const nothing = emptyState(
    "Nothing has arrived yet",
    "Send a message in Compose, or with make invoke. Each request shows here with its answer, its queues, the calls to the fake API and what is tried again.",
    h("a", { class: "button primary", href: "#/compose" }, "Compose a message"),
  );
  const body = h("div", { class: "view-body" });
  const element = h("section", { class: "view trace" }, viewHead("Trace", "What became of each request, as it happens.", clear), body);
  let selected = "";

  function matching() {
    const text = search.value.trim().toLowerCase();
    return live.newest().filter((trace) => `${trace.id} ${trace.request_id ?? ""} ${trace.type} ${trace.title}`.toLowerCase().includes(text));
  }

  function render() {
    const isEmpty = live.traces.size === 0;
    const shown = isEmpty ? nothing : panes;
    if (body.firstChild !== shown) body.replaceChildren(shown);
    clear.disabled = isEmpty;
    if (isEmpty) return;
    const traces = matching();
    if (!selected) selected = traces[0]?.id ?? "";
    none.hidden = traces.length > 0;
    number.replaceChildren(count(traces.length, "trace"));
    list.render(traces, selected);
    renderDetail();
  }

  function renderDetail() {
    const trace = live.traces.get(selected);
    if (trace) detail.show(trace);
    const shown = trace ? detail.element : emptyState("This trace is gone", "The latest 200 traces are kept. Choose another one.");
    if (pane.firstChild !== shown) pane.replaceChildren(shown);
  }

  async function replay(trace) {
    try {
      const { sent } = await api.replay(trace.id);
      announce("Sent again.");
      go("trace", sent[0]);
    } catch (error) {
      showFailure("Replay", error);
    }
  }

  async function clearAll() {
    try {
      await api.clearTraces();
      announce("All traces are removed.");
      element.querySelector("h1").focus();
    } catch (error) {
      showFailure("Clear", error);
    }
  }

  live.addEventListener("traces", render);
  live.addEventListener("cleared", () => {
    selected = "";
    render();
  });
  render();
  return {
    element,
    show: (item) => {
      if (item) selected = item;
      render();
    },
  };
}
