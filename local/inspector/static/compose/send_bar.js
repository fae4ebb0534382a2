/** How the message is sent. */

import { h } from "../dom.js";
import { ROUTES } from "../format.js";

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
