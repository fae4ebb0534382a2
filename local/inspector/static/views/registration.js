/** Registration: what mParticle learns of the integration, as its customers will see it, and the JSON to send. */

import { h, select, viewHead } from "../dom.js";
import { textOf } from "../json.js";
import { jsonView } from "../json_view.js";

const SCOPES = { account: "For each account", subscription: "For each audience subscription", connection: "For each connection" };
const NUMBERS = { integer: "1", float: "any" };
const LEVELS = { breaking: ["bad", "Breaking"], compatible: ["good", "Compatible"] };

/** Makes the view. */
export function registrationView({ api, deployment }) {
  const body = h("div", { class: "registration-body" }, h("p", { class: "muted" }, "Reading the registration …"));
  const lead = "What you give to mParticle, and the form that its customers fill in.";
  const element = h("section", { class: "view registration scrolls" }, viewHead("Registration", lead), body);

  async function show() {
    try {
      body.replaceChildren(...content(await api.registration()));
    } catch (error) {
      body.replaceChildren(h("p", { class: "bad-text", role: "alert" }, error.message));
    }
  }

  deployment.addEventListener("deployed", () => element.isConnected && show());
  return { element, show };
}

function content(registration) {
  return [
    h("div", { class: "columns" }, settingsForm(registration), h("div", { class: "stack" }, changes(registration), sentences("Permissions", registration.permissions), eventTypes(registration.event_types))),
    jsonView(registration.json, "The JSON to send to mParticle"),
  ];
}

function settingsForm({ module, settings }) {
  const parts = [...Map.groupBy(settings, (setting) => `${setting.part}: ${SCOPES[setting.scope] ?? setting.scope}`)];
  return h(
    "section",
    { class: "card preview", "aria-label": "Preview of the settings" },
    h("header", {}, h("h2", {}, module.name), h("p", { class: "muted" }, plainText(module.description ?? "")), h("p", { class: "hint" }, "A preview. What you type is sent nowhere.")),
    parts.length ? parts.map(([name, members]) => h("fieldset", {}, h("legend", {}, name), members.map(setting))) : h("p", { class: "muted" }, "There are no settings."),
  );
}

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&" };

/** Returns the text of a description, which may hold links in HTML. It is inserted as text, so it need not be safe. */
function plainText(html) {
  return html.replace(/<\/?[a-z][^>]*>/gi, "").replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity]);
}

let settings = 0;

function setting(declared) {
  settings += 1;
  const id = `setting-${settings}`;
  const text = [plainText(declared.help ?? ""), rangeText(declared)].filter(Boolean).join(" ");
  const help = text ? h("p", { class: "hint", id: `${id}-help` }, text) : null;
  const described = help ? { "aria-describedby": help.id } : {};
  const input = settingInput(declared, { id, required: declared.required, ...described });
  const marks = [declared.required ? "required" : null, declared.is_secret ? "secret" : null, declared.is_visible ? null : "not shown to customers"].filter(Boolean).map((text) => [" ", h("span", { class: "tag" }, text)]);
  return h("div", { class: "setting" }, h("label", { for: id }, declared.name, marks), input, help, h("code", { class: "muted" }, declared.id));
}

function rangeText({ min, max }) {
  if (min !== null && max !== null) return `From ${textOf(min)} to ${textOf(max)}.`;
  if (min !== null) return `At least ${textOf(min)}.`;
  return max === null ? "" : `At most ${textOf(max)}.`;
}

function settingInput(declared, attributes) {
  const [value, min, max] = [declared.default, declared.min, declared.max].map((each) => textOf(each ?? ""));
  if (declared.type === "boolean") return select([["true", "Yes"], ["false", "No"]], { ...attributes, value });
  if (declared.is_secret) return h("input", { type: "password", autocomplete: "new-password", ...attributes, value });
  if (NUMBERS[declared.type]) return h("input", { type: "number", step: NUMBERS[declared.type], min, max, ...attributes, value });
  return h("input", { type: "text", autocomplete: "off", ...attributes, value });
}

function changes({ changes: found, has_accepted: hasAccepted }) {
  const none = hasAccepted ? "The same as the accepted registration." : "No registration is accepted yet: make registration-accept keeps this one to compare with.";
  const items = found.map(({ level, sentence }) => h("li", {}, h("span", { class: `tag ${LEVELS[level][0]}` }, LEVELS[level][1]), h("span", {}, sentence)));
  return h("section", { class: "card" }, h("h2", {}, "Changes since it was accepted"), items.length ? h("ul", { class: "plain" }, items) : h("p", { class: "muted" }, none));
}

function sentences(title, texts) {
  return h("section", { class: "card" }, h("h2", {}, title), texts.length ? h("ul", {}, texts.map((text) => h("li", {}, text))) : h("p", { class: "muted" }, "None."));
}

function eventTypes(types) {
  const rows = types.map(({ name, sentence }) => h("div", {}, h("dt", {}, h("code", {}, name)), h("dd", {}, sentence)));
  return h("section", { class: "card" }, h("h2", {}, "Event types"), rows.length ? h("dl", { class: "pairs" }, rows) : h("p", { class: "muted" }, "None."));
}
