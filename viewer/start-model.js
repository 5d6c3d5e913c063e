/**
 * What the start page shows: the types of the API's lists, the views and their URLs, and texts. No function depends on the
 * page or sends a request.
 */

import { jobLabel, statusLabel, toLabel } from "./model.js";
import { formatDuration, timeZone } from "./time.js";

/** @import { Hint, State, Status, Summary } from "./model.js" */

// ---------------------------------------------------------------------------------------------------------------------
// Types: the API's answers (docs/openapi.yaml)
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @typedef {object} Rto The recovery time objective.
 * @property {number} targetMinutes
 * @property {number | null} actualMinutes
 * @property {string | null} result For example `MET`.
 */

/**
 * An entry of `GET /executions`.
 *
 * @typedef {object} Recovery
 * @property {string | null} executionId Null for a job without an execution.
 * @property {string | null} jobId Null for an execution.
 * @property {Status} status
 * @property {boolean} settled
 * @property {boolean | null} isDrill
 * @property {string} startedAt
 * @property {number | null} durationSeconds Until now if it runs.
 * @property {Summary} counts
 * @property {Rto | null} rto
 * @property {string | null} requestedBy
 */

/**
 * An entry of `GET /failures`.
 *
 * @typedef {object} FailureGroup
 * @property {string | null} shape Null: the servers failed without an error text.
 * @property {string | null} service
 * @property {string | null} operation
 * @property {string | null} code
 * @property {Hint} hint
 * @property {number} count
 * @property {number} serverCount
 * @property {string[]} servers At most 20 IDs.
 * @property {number} executionCount
 * @property {string[]} executions At most 20 IDs.
 * @property {NewestFailure} newest
 * @property {boolean} [isMinimum] True if there can be more servers or executions. Only of groups that were added up.
 */

/**
 * @typedef {object} NewestFailure
 * @property {string | null} error
 * @property {string} time
 * @property {string} jobId
 * @property {string | null} executionId
 * @property {string} sourceServerId
 * @property {string | null} serverName
 */

/**
 * An entry of `GET /servers/{sourceServerId}`.
 *
 * @typedef {object} Launch
 * @property {string} jobId
 * @property {string | null} jobType
 * @property {string | null} executionId
 * @property {boolean | null} isDrill
 * @property {State} state
 * @property {string | null} ec2InstanceId
 * @property {string | null} endedAt
 * @property {number | null} durationSeconds
 * @property {Record<string, number>} stepSeconds
 * @property {string | null} error
 */

// ---------------------------------------------------------------------------------------------------------------------
// Views and URLs
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What the query of the page's URL selects.
 *
 * @typedef {object} Selection
 * @property {"recoveries" | "failures" | "server" | "log"} view `log`: the page of an execution or a job.
 * @property {string} id The ID of the server, the execution or the job. Otherwise empty.
 * @property {Record<string, string>} filters
 */

/** The filters in the query of the page's URL. */
export const FILTERS = ["from", "to", "status", "isDrill", "withServer"];

const JOB_ID = /^drsjob-/;
const SERVER_ID = /^s-[0-9A-Za-z]{17}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** The API searches running executions in this period. */
const RUNNING_DAYS = 7;

/**
 * Reads the query of the page's URL: `?id=…`, `?server=…`, `?view=failures`, and the filters.
 *
 * @param {string} search
 * @returns {Selection}
 */
export function readQuery(search) {
  const query = new URLSearchParams(search);
  const value = (/** @type {string} */ name) => query.get(name)?.trim() ?? "";
  const id = value("id");
  if (id && !SERVER_ID.test(id)) return { view: "log", id, filters: {} };
  const server = id || value("server");
  if (server) return { view: "server", id: server, filters: {} };
  const isFailures = value("view") === "failures";
  const names = isFailures ? ["from", "to"] : FILTERS;
  const filters = Object.fromEntries(names.map((name) => [name, value(name)]).filter(([, text]) => text));
  return { view: isFailures ? "failures" : "recoveries", id: "", filters };
}

/**
 * Returns the relative URL of a view.
 *
 * @param {Record<string, string>} parameters Empty values are omitted.
 */
export function viewUrl(parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return query.size ? `?${query}` : "./";
}

/** @param {string} id */
export function serverUrl(id) {
  return viewUrl({ server: id });
}

/**
 * Returns the relative URL of the page of an execution or a job. A path cannot contain every ID (docs/viewer.md).
 *
 * @param {{ executionId: string | null, jobId: string | null }} log
 */
export function logUrl({ executionId, jobId }) {
  const id = executionId ?? jobId ?? "";
  if (id.includes("/") || id === "." || id === "..")
    return `viewer/page?${new URLSearchParams(executionId === null ? { jobId: id } : { executionId: id })}`;
  return `${executionId === null ? "jobs" : "executions"}/${encodeURIComponent(id)}`;
}

/**
 * Returns the execution or the job that an ID names. The IDs of jobs have a prefix.
 *
 * @param {string} id
 */
export function logOf(id) {
  return JOB_ID.test(id) ? { executionId: null, jobId: id } : { executionId: id, jobId: null };
}

/**
 * Returns the parameters of the API for the filters of the page. A date is a day in the selected time zone.
 *
 * @param {Record<string, string>} filters
 * @returns {Record<string, string>}
 */
export function apiParameters({ from, to, withServer, ...others }) {
  return {
    ...others,
    ...(withServer && { server: withServer }),
    ...(from && { from: toTime(from, "T00:00:00.000") }),
    ...(to && { to: toTime(to, "T23:59:59.999") }),
  };
}

/** @param {string} text */
export function isDate(text) {
  return DATE.test(text);
}

/**
 * @param {string} text A date, or any other text, which the API validates.
 * @param {string} time The time of this day.
 */
function toTime(text, time) {
  const zone = timeZone() === "UTC" ? "Z" : ""; // Without a zone, JavaScript uses that of the browser.
  const date = new Date(isDate(text) ? `${text}${time}${zone}` : Number.NaN);
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}

/**
 * Returns the parameters of the API for the running executions. An early `from` is omitted, because each refresh would
 * otherwise search the whole history.
 *
 * @param {Record<string, string>} parameters
 * @param {number} now Milliseconds since the epoch.
 */
export function runningParameters({ from, ...others }, now) {
  const isEarly = Date.parse(from ?? "") < now - RUNNING_DAYS * 86_400_000;
  return { ...others, ...(from && !isEarly && { from }), status: "IN_PROGRESS", limit: "100" };
}

// ---------------------------------------------------------------------------------------------------------------------
// Lists
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Returns what identifies an entry of a list.
 *
 * @param {{ executionId: string | null, jobId: string | null }} entry
 */
export function keyOf({ executionId, jobId }) {
  return JSON.stringify([executionId, executionId === null ? jobId : null]);
}

/**
 * Separates the recoveries that run from those that ended. Each is in one list.
 *
 * @param {Recovery[]} running The answer for the running ones. It is newer than the list.
 * @param {Recovery[]} listed
 */
export function separate(running, listed) {
  const keys = new Set(running.map(keyOf));
  const others = listed.filter((entry) => !keys.has(keyOf(entry)));
  const isRunning = (/** @type {Recovery} */ { status }) => status === "IN_PROGRESS";
  return {
    running: [...running, ...others.filter(isRunning)],
    ended: others.filter((entry) => !isRunning(entry)),
  };
}

/**
 * Adds up the groups of several pages that have the same shape, the most frequent group first.
 *
 * @param {FailureGroup[]} groups In the order of the pages: the newest failures first.
 */
export function mergeGroups(groups) {
  /** @type {Map<string, FailureGroup>} */
  const merged = new Map();
  for (const group of groups) {
    const key = JSON.stringify([group.shape, group.service, group.operation, group.code]);
    const first = merged.get(key);
    merged.set(key, first ? addGroup(first, group) : group);
  }
  return [...merged.values()].sort((a, b) => b.count - a.count);
}

/**
 * @param {FailureGroup} first
 * @param {FailureGroup} second
 * @returns {FailureGroup}
 */
function addGroup(first, second) {
  const isIncomplete = (/** @type {FailureGroup} */ { isMinimum, ...group }) =>
    isMinimum || group.servers.length < group.serverCount || group.executions.length < group.executionCount;
  const servers = [...new Set([...first.servers, ...second.servers])];
  const executions = [...new Set([...first.executions, ...second.executions])];
  return {
    ...first,
    count: first.count + second.count,
    servers,
    serverCount: Math.max(first.serverCount, second.serverCount, servers.length),
    executions,
    executionCount: Math.max(first.executionCount, second.executionCount, executions.length),
    isMinimum: isIncomplete(first) || isIncomplete(second),
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Texts
// ---------------------------------------------------------------------------------------------------------------------

/** @param {Recovery} recovery */
export function recoveryStatus({ status, settled, executionId }) {
  // Another wave can follow.
  const isFinal = settled || status === "IN_PROGRESS" || executionId === null;
  return isFinal ? statusLabel(status) : `${statusLabel(status)} so far`;
}

/**
 * Returns what a recovery or a job does, for example "Drill".
 *
 * @param {{ isDrill: boolean | null, jobType?: string | null }} entry
 */
export function kindText({ isDrill, jobType = null }) {
  return jobLabel({ isDrill, jobType, initiatedBy: null, resources: [] }) || "Not known";
}

/**
 * @param {number | null} seconds
 * @returns {string}
 */
export function durationText(seconds) {
  return seconds === null ? "–" : formatDuration(seconds * 1000);
}

/**
 * Returns how many servers reached the goal, for example "10 of 12 launched".
 *
 * @param {Summary} counts
 */
export function serversText({ totalServers, launched, terminated, completed }) {
  if (!totalServers) return "None";
  const goal = launched || !(terminated || completed) ? "launched" : terminated ? "terminated" : "completed";
  return `${{ launched, terminated, completed }[goal]} of ${totalServers} ${goal}`;
}

/**
 * Returns the result of the recovery time objective. If servers failed, the time of the others is not the reason.
 *
 * @param {Rto | null} rto
 */
export function rtoText(rto) {
  if (!rto) return "–";
  const { targetMinutes, actualMinutes, result } = rto;
  const target = `${targetMinutes.toLocaleString()} min`;
  if (!result) return `Objective: ${target}`;
  const isReason = actualMinutes !== null && (result === "MET" || actualMinutes > targetMinutes);
  return `${toLabel(result)} (${isReason ? `${actualMinutes.toLocaleString()} of ${target}` : target})`;
}
