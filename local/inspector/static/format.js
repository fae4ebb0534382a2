/** Times, numbers and states as text. */

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const STATES = {
  running: "Running",
  waiting: "In a queue",
  done: "Done",
  failed: "Failed",
  dead: "Dead letter",
};

export const ROUTES = { alias: "Alias", https: "HTTPS", other: "Other" };

export const time = (iso) => TIME.format(new Date(iso));
export const day = (iso) => (iso ? DAY.format(new Date(iso)) : "–");
export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Writes a duration with three digits at most: 8.3 ms, 231 ms, 2.1 s. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds >= 10_000) return `${Math.round(milliseconds / 1000)} s`;
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return milliseconds >= 10 ? `${Math.round(milliseconds)} ms` : `${Number(milliseconds).toFixed(1)} ms`;
}

/** Writes a size in bytes. */
export function bytes(number) {
  return number < 1024 ? `${number} B` : number < 1024 * 1024 ? `${(number / 1024).toFixed(1)} KB` : `${(number / 1024 / 1024).toFixed(1)} MB`;
}
