/** Where the values of a JSON text are, and where a text stops being JSON. */

import { placeKey } from "./json.js";

const TOKEN = /\s+|"(?:[^"\\\n]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+|"/gy;

/** Reads a text token by token; `expected` says what may come next. */
class Scanner {
  found = new Map();
  stack = [];
  expected = "value";

  /** Takes a token and returns whether it may stand here. */
  take(token, offset) {
    if (token === "}" || token === "]") return this.#close(token);
    if (token === ",") return this.#comma();
    if (token === ":") return this.#colon();
    if (this.expected.startsWith("name")) return this.#name(token);
    return this.expected.startsWith("value") && this.#value(token, offset);
  }

  #value(token, offset) {
    this.found.set(placeKey(this.stack.map((frame) => frame.at)), offset);
    if (token === "{" || token === "[") {
      this.stack.push({ isArray: token === "[", at: token === "[" ? 0 : "" });
      this.expected = token === "[" ? "value or end" : "name or end";
      return true;
    }
    this.#after();
    return isScalar(token);
  }

  #name(token) {
    if (!token.startsWith('"') || !isScalar(token)) return false;
    this.stack.at(-1).at = JSON.parse(token);
    this.expected = "colon";
    return true;
  }

  #colon() {
    const fits = this.expected === "colon";
    this.expected = "value";
    return fits;
  }

  #comma() {
    const top = this.stack.at(-1);
    if (!top || this.expected !== "comma or end") return false;
    if (top.isArray) top.at += 1;
    this.expected = top.isArray ? "value" : "name";
    return true;
  }

  #close(token) {
    const top = this.stack.at(-1);
    if (!top || top.isArray !== (token === "]") || !this.expected.endsWith("or end")) return false;
    this.stack.pop();
    this.#after();
    return true;
  }

  #after() {
    this.expected = this.stack.length ? "comma or end" : "nothing";
  }
}

function isScalar(token) {
  try {
    JSON.parse(token);
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads a text.
 * @returns {{found: Map<string, number>, wrongAt: number|null}} the offset of each value by its place, and the offset
 *   from which the text is not JSON
 */
export function scan(text) {
  const scanner = new Scanner();
  for (const match of text.matchAll(TOKEN)) {
    if (!match[0].trim()) continue;
    if (!scanner.take(match[0], match.index)) return { found: scanner.found, wrongAt: match.index };
  }
  return { found: scanner.found, wrongAt: scanner.expected === "nothing" ? null : text.length };
}

/** Returns where a place begins; a place that is absent begins where the value that lacks it begins. */
export function offsetOf(found, place) {
  for (let length = place.length; length >= 0; length -= 1) {
    const offset = found.get(placeKey(place.slice(0, length)));
    if (offset !== undefined) return offset;
  }
  return 0;
}

/** Returns the line of an offset, from 1. */
export const lineAt = (text, offset) => text.slice(0, offset).split("\n").length;
