/** The server's endpoints, below the page's own address with its token. Answers are read without loss of numbers. */

import { parse } from "./json.js";

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (method !== "GET") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body ?? {});
  }
  const response = await fetch(`api/${path}`, options).catch(() => {
    throw new Error("The inspector does not answer. Is the local cloud up? Start it with make up.");
  });
  const text = await response.text();
  if (!response.ok) throw new Error(errorIn(text) ?? `The inspector answered ${response.status}.`);
  return parse(text);
}

function errorIn(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return null;
  }
}

const segment = encodeURIComponent;

export const api = {
  overview: () => call("GET", "overview"),
  samples: () => call("GET", "samples"),
  schema: (type) => call("GET", `schema/${segment(type)}`),
  check: (content) => call("POST", "check", { content }),
  send: (content, route, count) => call("POST", "send", { content, route, count }),
  traces: (since) => call("GET", `traces?since=${since}`),
  clearTraces: () => call("DELETE", "traces"),
  replay: (id) => call("POST", `traces/${segment(id)}/replay`),
  faults: () => call("GET", "faults"),
  addFault: (fault) => call("POST", "faults", fault),
  heal: () => call("DELETE", "faults"),
  registration: () => call("GET", "registration"),
  letters: () => call("GET", "dead-letters"),
  letter: (queue, id) => call("GET", `dead-letters/${segment(queue)}/${segment(id)}`),
  redrive: (selection, isDryRun) => call("POST", "dead-letters/redrive", { ...selection, dry_run: isDryRun }),
  purge: (selection, confirm) => call("POST", "dead-letters/purge", { ...selection, confirm }),
};
