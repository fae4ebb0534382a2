/** What is asked before letters are redriven or deleted: the first sends nothing, the second wants the number. */

import { announce, button, h } from "../dom.js";
import { count } from "../format.js";
import { showDialog } from "../keyboard.js";

/** Shows what a redrive would send, and redrives on request. */
export async function askRedrive({ api, selection, title, done }) {
  const trial = await api.redrive(selection, true);
  const output = h("div", {}, lines(trial.lines, "What would be sent"));
  const confirm = button(`Redrive ${count(trial.matched, "letter")}`, redrive, { class: "primary", disabled: trial.matched === 0 });
  const text = trial.matched ? `${count(trial.matched, "letter")} would be sent again. Nothing is sent yet.` : "No letter matches any more.";
  const dialog = showDialog("Redrive", h("p", {}, title), h("p", { class: "muted" }, text), output, h("div", { class: "actions" }, confirm));

  async function redrive() {
    confirm.disabled = true;
    await report(dialog, async () => {
      const { sent } = await api.redrive(selection, false);
      announce(`Sent ${count(sent, "letter")} again.`);
      dialog.close();
      done(`Sent ${count(sent, "letter")} again.`);
    });
  }
}

/** Asks for the number of letters, and deletes them. */
export async function askPurge({ api, selection, title, done }) {
  const { matched } = await api.redrive(selection, true);
  const input = h("input", { type: "text", inputmode: "numeric", id: "purge-number", autocomplete: "off", oninput: () => (confirm.disabled = input.value.trim() !== String(matched)) });
  const confirm = h("button", { type: "submit", class: "danger", disabled: true }, `Delete ${count(matched, "letter")}`);
  const form = h("form", { onsubmit: purge }, h("div", { class: "labelled" }, h("label", { for: "purge-number" }, `Type ${matched} to confirm`), input), h("div", { class: "actions" }, confirm));
  const warning = `${count(matched, "letter")} will be deleted for good, with what ${matched === 1 ? "it holds" : "they hold"}.`;
  const dialog = showDialog("Purge", h("p", {}, title), h("p", { class: "bad-text" }, warning), form);
  input.focus();

  async function purge(event) {
    event.preventDefault();
    await report(dialog, async () => {
      const { deleted } = await api.purge(selection, matched);
      announce(`Deleted ${count(deleted, "letter")}.`);
      dialog.close();
      done(`Deleted ${count(deleted, "letter")}.`);
    });
  }
}

/** Shows what a letter holds, masked. */
export async function showLetter({ api, letter }) {
  const { lines: content } = await api.letter(letter.queue, letter.message_id);
  showDialog("Dead letter", h("p", { class: "muted" }, `${letter.queue} · ${letter.reason}. Personal data are masked.`), lines(content, "Masked content"));
}

function lines(content, label) {
  return content.length ? h("pre", { class: "lines", tabindex: "0", role: "group", "aria-label": label }, content.join("\n").replace(/^\n+|\n+$/g, "")) : null;
}

async function report(dialog, call) {
  try {
    await call();
  } catch (error) {
    dialog.querySelector("[role=alert]")?.remove();
    dialog.append(h("p", { class: "bad-text", role: "alert" }, error.message));
  }
}
