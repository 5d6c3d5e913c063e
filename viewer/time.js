/** The format of all times. One time zone applies to all viewers of a page: that of the browser, or UTC. */

const STORAGE_KEY = "drs-job-log-time-zone";
const LOCAL = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The time zones that the user can select, that of the browser first. */
export const TIME_ZONES = [...new Set([LOCAL, "UTC"])];

/** @type {Set<() => void>} */
const listeners = new Set();

let format = formatOf(storedZone());

/** @param {string} timeZone */
function formatOf(timeZone) {
  // The Swedish format is that of ISO 8601: 2026-11-24 17:34:05.
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone });
}

function storedZone() {
  try {
    return localStorage.getItem(STORAGE_KEY) === "UTC" ? "UTC" : LOCAL;
  } catch {
    return LOCAL; // The browser can forbid the storage.
  }
}

/** The selected time zone, for example `Europe/Berlin`. */
export function timeZone() {
  return format.resolvedOptions().timeZone;
}

/**
 * Selects a time zone, keeps it for the next visit, and calls the listeners.
 *
 * @param {string} name One of `TIME_ZONES`.
 */
export function selectTimeZone(name) {
  format = formatOf(name);
  try {
    localStorage.setItem(STORAGE_KEY, name === "UTC" ? "UTC" : "local");
  } catch {
    // The selection is valid until the page is closed.
  }
  for (const listener of listeners) listener();
}

/**
 * Calls a function after each change of the time zone. Returns a function that ends this.
 *
 * @param {() => void} listener
 */
export function onTimeZone(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Formats a time with its date: `2026-11-24 18:34:05`.
 *
 * @param {string | number} timestamp
 */
export function formatTime(timestamp) {
  return format.format(new Date(timestamp));
}

/**
 * Formats a time for another program: `2026-11-24T18:34:05.026000+01:00`.
 *
 * @param {string} timestamp A time of the API, in UTC.
 */
export function toIsoTime(timestamp) {
  const time = new Date(timestamp);
  const offset = new Intl.DateTimeFormat("en", { timeZone: timeZone(), timeZoneName: "longOffset" })
    .formatToParts(time)
    .find((part) => part.type === "timeZoneName")
    ?.value.slice("GMT".length);
  const [, fraction = ""] = /(\.\d+)?Z$/.exec(timestamp) ?? [];
  return `${formatTime(timestamp).replace(" ", "T")}${fraction}${offset || "+00:00"}`;
}

/** @param {string} timestamp */
export function formatUtc(timestamp) {
  return `${timestamp.slice(0, 23).replace("T", " ")} UTC`;
}

/** @param {number} milliseconds */
export function formatDuration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
