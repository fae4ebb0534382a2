/** What happens in the local cloud, kept current: the traces by the server's stream, the faults after each change. */

import { api } from "./api.js";
import { asNumber } from "./json.js";

const MAX_TRACES = 200;

/** Fires "traces" with the changed ones, "cleared" when somebody has removed all, "faults" and "connection". */
export class Live extends EventTarget {
  traces = new Map();
  faults = { kinds: [], routes: [], active: [] };
  connection = "connecting";
  #version = 0;
  #refreshing = false;
  #isOutdated = false;
  #asked = 0;
  #known = 0;

  /** Begins to listen. The faults come first: traces name them. */
  async start() {
    await this.refreshFaults().catch(() => this.#connected("lost"));
    const stream = new EventSource("api/stream");
    stream.addEventListener("open", () => this.#connected("live"));
    stream.addEventListener("error", () => this.#connected("lost"));
    stream.addEventListener("version", () => this.refresh());
    this.refresh();
  }

  /** Returns the traces, newest first. */
  newest() {
    return [...this.traces.values()].sort((one, other) => compare(other, one));
  }

  /** Asks for what has changed. While it asks, further calls cost one more request at most. */
  async refresh() {
    this.#isOutdated = true;
    if (this.#refreshing) return;
    this.#refreshing = true;
    try {
      while (this.#isOutdated) {
        this.#isOutdated = false;
        await this.#ask();
      }
    } catch {
      this.#connected("lost");
    } finally {
      this.#refreshing = false;
    }
  }

  async #ask() {
    const { version, cleared, traces } = await api.traces(this.#version);
    if (cleared > this.#version) this.#clear();
    this.#version = version;
    const fresh = traces.filter((trace) => !this.traces.has(trace.id));
    for (const trace of traces) this.traces.set(trace.id, measured(trace));
    for (const old of this.newest().slice(MAX_TRACES)) this.traces.delete(old.id);
    if (traces.length) this.#fire("traces", { changed: traces, fresh });
    await this.refreshFaults(); // each call uses up one, and another tab may have switched some on
  }

  #clear() {
    this.traces.clear();
    this.#fire("cleared", {});
  }

  /** Asks which faults are on. An answer that something newer has overtaken is dropped. */
  async refreshFaults() {
    this.#asked += 1;
    const mine = this.#asked;
    const faults = await api.faults();
    if (mine > this.#known) this.#showFaults(faults, mine);
  }

  /** Shows the faults that are on since the user has switched some on or off. */
  setFaults(faults) {
    this.#asked += 1;
    this.#showFaults(faults, this.#asked);
  }

  #showFaults(faults, number) {
    this.#known = number;
    this.faults = faults;
    this.#fire("faults", faults);
  }

  #connected(state) {
    if (this.connection === state) return;
    this.connection = state;
    this.#fire("connection", { state });
    if (state === "live") this.refresh();
  }

  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function compare(one, other) {
  return one.at.localeCompare(other.at) || one.id.localeCompare(other.id, "en", { numeric: true });
}

/** Makes the durations of a trace numbers to count with. */
function measured(trace) {
  for (const each of [trace, ...trace.steps]) {
    for (const name of ["milliseconds", "limit_ms", "offset_ms", "answer_offset_ms"]) if (name in each) each[name] = asNumber(each[name]);
  }
  return trace;
}
