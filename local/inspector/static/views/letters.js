/** Dead letters: what was given up, why, and what to do about it. */

import { button, debounced, emptyState, h, viewHead } from "../dom.js";
import { day } from "../format.js";
import { askPurge, askRedrive, showLetter } from "../letters/dialogs.js";

const REFRESH_AFTER_MS = 700;

/** Makes the view. */
export function lettersView({ api, live }) {
  const body = h("div", { class: "letters-body" });
  const message = h("p", { class: "message", role: "status" });
  const element = h("section", { class: "view letters scrolls" }, viewHead("Dead letters", "What your API refused for good, and what was tried too often.", button("Refresh", refresh, { class: "small" })), message, body);
  const refreshSoon = debounced(REFRESH_AFTER_MS, () => element.isConnected && refresh());

  async function refresh() {
    await tell(async () => render(await api.letters()));
  }

  async function tell(call) {
    try {
      await call();
    } catch (error) {
      message.replaceChildren(h("span", { class: "bad-text" }, error.message));
    }
  }

  async function done(text) {
    await refresh();
    message.replaceChildren(text);
    element.querySelector("h1").focus();
  }

  function render({ groups, letters }) {
    if (!groups.length) {
      body.replaceChildren(emptyState("No dead letters", "Everything that was acknowledged is delivered or still in a queue. To see one here, let the fake API refuse a message in Break it."));
      return;
    }
    const total = groups.reduce((sum, group) => sum + group.count, 0);
    body.replaceChildren(
      h("h2", {}, "Groups"),
      table("Groups of dead letters", ["Queue", "Reason", "Account", "Type", "Letters", "When", ""], groups.map(groupRow)),
      h("h2", {}, total > letters.length ? `Letters, the newest ${letters.length} of ${total}` : "Letters"),
      table("Dead letters", ["When", "Queue", "Reason", "Account", "Type", "Attempts", ""], letters.map(letterRow)),
    );
  }

  function groupRow(group) {
    const selection = { queue: group.queue, reason: group.reason, account: group.account ?? undefined };
    const context = { api, selection, done, title: [group.queue, group.reason, group.account === null ? null : `account ${group.account}`].filter(Boolean).join(" · ") };
    const name = `${group.reason} in ${group.queue}`;
    const actions = [
      button("Redrive …", () => tell(() => askRedrive(context)), { class: "small", "aria-label": `Redrive: ${name}` }),
      button("Purge …", () => tell(() => askPurge(context)), { class: "small danger", "aria-label": `Purge: ${name}` }),
    ];
    return [h("code", {}, group.queue), group.reason, whole(group.account ?? "–"), type(group.type), String(group.count), between(group), h("div", { class: "actions" }, actions)];
  }

  function letterRow(letter) {
    const show = button("Show", () => tell(() => showLetter({ api, letter })), { class: "small", "aria-label": `Show the letter of ${day(letter.at)}` });
    return [whole(day(letter.at)), h("code", {}, letter.queue), letter.reason, whole(letter.account ?? "–"), type(letter.type), String(letter.attempts ?? "–"), show];
  }

  live.addEventListener("traces", ({ detail: { changed } }) => changed.some((trace) => trace.steps.some((step) => step.kind === "dead_letter")) && refreshSoon());
  return {
    element,
    show: () => {
      message.replaceChildren();
      refresh();
    },
  };
}

const whole = (text) => h("span", { class: "whole" }, text);

/** Says between which times the letters of a group came. */
function between({ oldest, newest }) {
  return day(oldest) === day(newest) ? whole(day(newest)) : h("span", {}, whole(day(oldest)), " – ", whole(day(newest)));
}

const type = (name) => (name ? h("code", {}, name) : "–");

function table(label, heads, rows) {
  const head = h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text || h("span", { class: "visually-hidden" }, "Actions"))));
  const lines = rows.map((cells) => h("tr", {}, cells.map((cell, index) => h("td", { "data-label": heads[index] }, cell))));
  return h("table", { "aria-label": label }, h("thead", {}, head), h("tbody", {}, lines));
}
