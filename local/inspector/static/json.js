/**
 * JSON without loss. A number that JavaScript cannot hold as it is written, such as a 64-bit id or 1.0, is kept as
 * JSON.rawJSON: it is shown and sent as it came.
 */

/** Whether this browser can do that; one that cannot would change large numbers. */
export const isExact = typeof JSON.rawJSON === "function";

function keepLiteral(_key, value, context) {
  return typeof value === "number" && context && String(value) !== context.source ? JSON.rawJSON(context.source) : value;
}

export const parse = (text) => (isExact ? JSON.parse(text, keepLiteral) : JSON.parse(text));
export const stringify = (value, indent = 2) => JSON.stringify(value, null, indent);
export const isRaw = (value) => isExact && JSON.isRawJSON(value);
/** Writes a value as a text; a number that was kept as it was written stays so. */
export const textOf = (value) => (isRaw(value) ? value.rawJSON : String(value));
/** Returns a number to count with, of one that may have been kept as it was written. */
export const asNumber = (value) => (isRaw(value) ? Number(value.rawJSON) : value);
export const clone = (value) => (value === undefined ? undefined : parse(JSON.stringify(value)));

/** Returns "object", "array", "string", "number", "boolean" or "null". */
export function kindOf(value) {
  if (value === null || value === undefined) return "null";
  if (isRaw(value)) return "number";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Returns what identifies a place, a list of names and indexes, in maps and attributes. */
export const placeKey = (place) => JSON.stringify(place.map(String));

/** Writes a place as engineers do: events[0].data. */
export function placeText(place) {
  return place.reduce((text, part) => (typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${part}` : String(part)), "") || "(the whole message)";
}
