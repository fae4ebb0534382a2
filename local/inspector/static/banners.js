/** What one must know in every view: faults that are switched on, and code that is newer than what is deployed. */

import { announce, button, h } from "./dom.js";
import { isExact } from "./json.js";
import { showFailure } from "./keyboard.js";

/** Shows the banners and keeps them current. */
export function showBanners(container, { api, live, deployment }) {
  const faults = h("div", { class: "banner fault", role: "region", "aria-label": "Active faults", hidden: true });
  const stale = note("Deployment", "The code has changed since it was deployed. Run make up to deploy it.");
  stale.hidden = true;
  container.append(faults, stale);
  deployment.addEventListener("changed", () => (stale.hidden = !deployment.overview.is_stale));
  if (!isExact) container.append(note("Browser", "This browser changes numbers of more than 15 digits, such as mParticle's ids. Use a newer one."));
  const heal = async () => {
    try {
      live.setFaults(await api.heal());
      announce("The fake API is healed.");
      document.querySelector("main h1")?.focus();
    } catch (error) {
      showFailure("Heal", error);
    }
  };
  const show = () => {
    const { active, kinds } = live.faults;
    faults.hidden = active.length === 0;
    faults.replaceChildren(
      h("p", {}, h("strong", {}, "The fake API is broken on purpose. "), active.map((fault) => faultText(fault, kinds)).join(", ")),
      button("Heal", heal),
    );
  };
  live.addEventListener("faults", show);
  show();
}

const note = (label, text) => h("div", { class: "banner stale", role: "region", "aria-label": label }, h("p", {}, text));

/** Writes an active fault as text. */
function faultText({ kind, route, left }, kinds) {
  const title = kinds.find((each) => each.name === kind)?.title ?? kind;
  const where = route ? ` at ${route}` : " at every route";
  return title + where + (left === null ? "" : ` (${left} more)`);
}
