/** What is running: the dialog with the addresses of the local cloud, and the state of the connection to it. */

import { copyButton } from "./copy.js";
import { h } from "./dom.js";
import { day } from "./format.js";
import { showDialog } from "./keyboard.js";

const CONNECTION = { connecting: "Connecting", live: "Live", lost: "No connection: open the URL that make up prints" };

export const connectionText = (state) => CONNECTION[state];

/** Shows where the local cloud and its parts are. */
export function showCloud(overview) {
  const rows = [
    ["Alias", overview.alias],
    ["HTTPS endpoint", overview.https],
    ["AWS endpoint", overview.endpoint],
    ["Fake API", overview.partner_url],
  ].filter(([, value]) => value);
  showDialog(
    "Local cloud",
    h("p", { class: "muted" }, `Deployed ${day(overview.deployed_at)}.`),
    h("dl", { class: "facts wide" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("code", {}, value), copyButton(value, name))))),
  );
}
