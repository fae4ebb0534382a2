/** What is deployed, kept current: it is asked for again every few seconds while somebody looks. */

import { api } from "./api.js";

const EVERY_MS = 3000;
const RELOAD_MS = 1000;

/** Fires "changed" when there is something else to say of it, and "deployed" after another version was deployed. */
export class Deployment extends EventTarget {
  overview = null;
  #live;

  constructor(live) {
    super();
    this.#live = live;
  }

  start() {
    this.#ask();
    setInterval(() => this.#askIfSeen(), EVERY_MS);
    document.addEventListener("visibilitychange", () => this.#askIfSeen());
  }

  #askIfSeen() {
    if (document.visibilityState === "visible" && this.#live.connection === "live") this.#ask();
  }

  /** Asks. What the server cannot say stays as it was; the state of the connection is shown elsewhere. */
  async #ask() {
    const found = await api.overview().catch(() => this.overview);
    const earlier = this.overview;
    if (JSON.stringify(found) === JSON.stringify(earlier)) return;
    this.overview = found;
    this.dispatchEvent(new Event("changed"));
    // The server reads the code anew a moment after the deployment.
    if (earlier && earlier.deployed_at !== found.deployed_at) setTimeout(() => this.dispatchEvent(new Event("deployed")), RELOAD_MS);
  }
}
