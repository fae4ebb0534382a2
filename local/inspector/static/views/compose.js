/** Compose: a message of any type, as a form or as JSON, checked while one types, and sent. */

import { Draft } from "../compose/draft.js";
import { Form } from "../compose/form.js";
import { JsonEditor } from "../compose/json_editor.js";
import { Result } from "../compose/result.js";
import { sampleList } from "../compose/sample_list.js";
import { sendBar } from "../compose/send_bar.js";
import { announce, button, h, viewHead } from "../dom.js";
import { count } from "../format.js";
import { placeText } from "../json.js";
import { tabs } from "../tabs.js";

/** Makes the view. */
export function composeView({ api, live, deployment }) {
  const draft = new Draft();
  const form = new Form(draft);
  const editor = new JsonEditor(draft);
  const title = h("h2", {}, "Message");
  const type = h("code", { class: "muted" });
  const problems = h("div", { class: "problems", id: "problems", role: "region", "aria-label": "Problems" });
  const result = new Result(live.traces);
  const bar = sendBar(send);
  const unreadable = h("div", { class: "empty" }, h("p", {}, "The JSON has a syntax error. The form is back once it is corrected."));
  const formPanel = h("div", {}, form.element);
  const panels = tabs("Editor", [
    { name: "form", label: "Form", panel: formPanel, onshow: showForm },
    { name: "json", label: "JSON", panel: editor.element, onshow: () => editor.render() },
  ]);
  let list = h("div", { class: "samples" });
  let chosen = null;
  const element = h(
    "section",
    { class: "view compose" },
    viewHead("Compose", "Send your integration any message of mParticle's."),
    h(
      "div",
      { class: "panes" },
      list,
      h("section", { class: "editor", "aria-label": "Message" }, h("div", { class: "pane-head" }, h("div", { class: "heading" }, title, type), panels.list), h("div", { class: "editor-body" }, panels.panels), problems, result.element, bar.element),
    ),
  );
  function showForm() {
    formPanel.replaceChildren(draft.syntax ? unreadable : form.element);
    if (!draft.syntax) form.render();
  }

  function showProblems() {
    form.showProblems();
    editor.showProblems();
    const found = draft.problems;
    const items = found.map((problem) => h("li", {}, button(placeLabel(problem), () => reveal(problem), { class: "link mono" }), " ", h("span", {}, problem.message)));
    const verdict = found.length ? count(found.length, "problem") : "No problems";
    problems.replaceChildren(h("p", { class: found.length ? "bad-text" : "good-text", "aria-live": "polite" }, verdict), found.length ? h("ul", {}, items) : "");
  }

  function placeLabel(problem) {
    return panels.current() === "json" || problem.line ? `Line ${editor.lineOf(problem)}` : placeText(problem.place);
  }

  function reveal(problem) {
    if (draft.syntax) panels.show("json");
    if (panels.current() === "json") editor.reveal(problem);
    else form.reveal(problem.place);
  }

  async function send(route, times) {
    result.say("Sending …");
    try {
      const { sent } = await api.send(draft.value, route, times);
      announce(sent.length === 1 ? "Sent." : `Sent ${sent.length} times.`);
      result.follow(sent);
    } catch (error) {
      announce(error.message);
      result.say(error.message, { isError: true });
    }
  }

  async function loadSamples() {
    const samples = await api.samples();
    const made = sampleList(samples, choose);
    list.replaceWith(made.element);
    list = made.element;
    if (chosen) return made.mark(chosen.name);
    const first = samples.find((sample) => sample.offered && sample.content.events?.length) ?? samples[0];
    if (first) made.pick(first);
  }

  /** Shows the samples of another version, and what is wrong with the message then. The message itself is the user's. */
  function renew() {
    loadSamples().catch(() => {});
    if (draft.value !== null) draft.check();
  }

  function choose(sample) {
    chosen = sample;
    title.replaceChildren(sample.title);
    type.replaceChildren(sample.type);
    result.clear();
    draft.load(sample.content);
  }

  draft.addEventListener("loaded", () => {
    form.reset();
    panels.refresh();
    bar.enable(!draft.syntax);
  });
  draft.addEventListener("changed", () => {
    editor.follow();
    bar.enable(!draft.syntax);
  });
  draft.addEventListener("problems", showProblems);
  panels.addEventListener("shown", showProblems);
  live.addEventListener("traces", () => result.update());
  deployment.addEventListener("deployed", renew);
  document.addEventListener("keydown", (event) => {
    const isOpen = element.isConnected && !document.querySelector("dialog[open]");
    if (isOpen && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      bar.submit();
    }
  });
  loadSamples().catch((error) => list.replaceChildren(h("p", { class: "bad-text", role: "alert" }, error.message)));
  return { element, show: () => {} };
}
