/** When each step of a server ran, and when the recovery ends. No function depends on the page. */

import { ACTIVE_STATES, decisiveJobs, goalOf, isBetweenWaves, toLabel, wavesOf } from "./model.js";
import { formatDuration, formatTime } from "./time.js";

/** @import { Answer, Comparison, Job, LogEntry, Rpo, Server, State, Step } from "./model.js" */

// All times are milliseconds since the epoch.

/** @typedef {{ step: Step, start: number, end: number | null, isFailed: boolean }} Span `end` is null while it runs. */
/** @typedef {{ kind: "failed" | "stalled", at: number }} Mark */

/**
 * What the schedule shows of a server.
 *
 * @typedef {object} Row
 * @property {Server} server
 * @property {Span[]} spans In the order of their times, of all jobs that launch the server.
 * @property {number | null} launchStart When the first step in the newest job began.
 * @property {number | null} expectedEnd
 * @property {Mark | null} mark
 */

/** @typedef {{ seconds: number, state: State }} Earlier The launch of a server in an earlier execution. */
/** @typedef {{ start: number, end: number }} Range */
/** @typedef {{ kind: "now" | "rto" | "wave", at: number, label: string }} Line */
/** @typedef {{ at: number, label: string, date: string }} Tick `date` is empty if it is that of the tick before. */

/** @type {Map<string, Step | null>} Event type → the step that it begins. It ends the step before. */
const NEXT_STEPS = new Map([
  ["SNAPSHOT_STARTED", "snapshot"],
  ["SNAPSHOT_COMPLETED", "wait"],
  ["SNAPSHOT_FAILED", null],
  ["CONVERSION_STARTED", "conversion"],
  // As in the API, the time between the conversion and the launch is a part of the launch.
  ["CONVERSION_COMPLETED", "launch"],
  ["CONVERSION_FAILED", null],
  ["SERVER_LAUNCHING", "launch"],
  ["SERVER_LAUNCHED", null],
  ["SERVER_LAUNCH_FAILED", null],
  ["SERVER_SKIPPED", null],
]);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The distances of ticks, in milliseconds. */
const DISTANCES = [
  ...[1, 5, 15, 30].map((seconds) => seconds * 1000),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR),
];

// ---------------------------------------------------------------------------------------------------------------------
// Servers
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @param {Server} server
 * @param {LogEntry[]} events The events of the server, the oldest first.
 * @param {Map<string, Job>} jobs By ID.
 * @param {number} now An event can have a time in the future, because senders set it.
 * @returns {Row}
 */
export function rowOf(server, events, jobs, now) {
  /** @type {Map<string, LogEntry[]>} */
  const byJob = new Map();
  for (const event of events) {
    const ofJob = byJob.get(event.jobId);
    if (ofJob) ofJob.push(event);
    else byJob.set(event.jobId, [event]);
  }
  // The newest job can have no event of the server yet.
  if (!byJob.has(server.jobId)) byJob.set(server.jobId, []);
  const spans = [...byJob].map(([jobId, ofJob]) => spansOfJob(ofJob, jobs.get(jobId), jobId, server, now));
  const newest = spans[[...byJob.keys()].indexOf(server.jobId)];
  const at = server.state === "FAILED" ? server.since : server.stalledAt;
  const end = ACTIVE_STATES.has(server.state) ? server.estimate?.expectedEnd : null;
  return {
    server,
    spans: spans.flat().sort((a, b) => a.start - b.start),
    launchStart: newest.find(({ step }) => step !== "wait")?.start ?? null,
    expectedEnd: end ? Date.parse(end) : null,
    mark: at ? { kind: server.state === "FAILED" ? "failed" : "stalled", at: Math.min(Date.parse(at), now) } : null,
  };
}

/**
 * Returns the steps of a server in one job. The time before the first step is a wait.
 *
 * @param {LogEntry[]} events
 * @param {Job | undefined} job Undefined if the API omitted it.
 * @param {string} jobId
 * @param {Server} server
 * @param {number} now
 * @returns {Span[]}
 */
function spansOfJob(events, job, jobId, server, now) {
  if (job && goalOf(job) === "TERMINATED") return [];
  /** @type {Span[]} */
  const spans = [];
  /** @type {Span | null} */
  let open = job ? { step: "wait", start: Date.parse(job.startedAt), end: null, isFailed: false } : null;
  for (const { eventType, timestamp } of events) {
    const next = NEXT_STEPS.get(eventType);
    // DRS can repeat the start of a step.
    if (next === undefined || (next && next === open?.step)) continue;
    const at = Math.min(Date.parse(timestamp), now);
    if (open) spans.push({ ...open, end: Math.max(at, open.start), isFailed: eventType.includes("FAIL") });
    open = next && { step: next, start: at, end: null, isFailed: false };
  }
  const isNewest = jobId === server.jobId;
  if (!open || (isNewest && server.state === "COMPLETED")) return spans;
  if (isNewest && ACTIVE_STATES.has(server.state) && !job?.endedAt) return [...spans, open];
  const isFailed = isNewest && server.state === "FAILED";
  const end = isFailed ? server.since : (job?.endedAt ?? (isNewest ? server.since : null));
  return [...spans, { ...open, end: Math.max(end ? Date.parse(end) : 0, open.start), isFailed }];
}

/**
 * Returns the launches of an earlier execution, by server.
 *
 * @param {Comparison | null} comparison
 * @returns {Map<string, Earlier>}
 */
export function earlierLaunches(comparison) {
  /** @type {Map<string, Earlier>} */
  const launches = new Map();
  for (const { sourceServerId, otherState, steps } of comparison?.other ? comparison.servers : []) {
    const seconds = Object.values(steps).reduce((sum, { otherSeconds }) => sum + (otherSeconds ?? 0), 0);
    if (seconds) launches.set(sourceServerId, { seconds, state: otherState });
  }
  return launches;
}

// ---------------------------------------------------------------------------------------------------------------------
// The time axis
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Reports whether the end of an execution or job is not known yet.
 *
 * @param {Answer} answer
 */
export function isRunning(answer) {
  return answer.status === "IN_PROGRESS" || isBetweenWaves(answer);
}

/**
 * Returns the time range of some servers. It contains the target and the earlier ends only if they are not far away,
 * because the steps would be too short otherwise.
 *
 * @param {Row[]} rows
 * @param {Answer} answer
 * @param {Map<string, Earlier>} earlier
 * @param {number} now
 * @returns {Range}
 */
export function rangeOf(rows, answer, earlier, now) {
  const times = rows.flatMap(({ spans, expectedEnd, mark }) => [
    ...spans.flatMap(({ start, end }) => [start, end ?? now]),
    ...(expectedEnd === null ? [] : [expectedEnd]),
    ...(mark ? [mark.at] : []),
  ]);
  if (isRunning(answer)) times.push(now);
  if (answer.estimate) times.push(Date.parse(answer.estimate.expectedEnd));
  const start = times.reduce((a, b) => Math.min(a, b), Infinity);
  const end = times.reduce((a, b) => Math.max(a, b), start + MINUTE);
  const optional = rows.map(({ server, launchStart }) => {
    const launch = earlier.get(server.sourceServerId);
    return launch && launchStart !== null ? launchStart + launch.seconds * 1000 : 0;
  });
  const last = [targetOf(answer) ?? 0, ...optional]
    .filter((time) => time <= start + 2 * (end - start))
    .reduce((a, b) => Math.max(a, b), end);
  return { start, end: last + (last - start) / 50 };
}

/**
 * Returns the ticks in a range, at round times.
 *
 * @param {Range} range
 * @param {number} most How many fit.
 * @returns {Tick[]}
 */
export function ticksOf({ start, end }, most) {
  const least = (end - start) / Math.max(most, 1);
  const distance = DISTANCES.find((one) => one >= least) ?? Math.ceil(least / (24 * HOUR)) * 24 * HOUR;
  // Round in the selected time zone.
  const offset = Date.parse(`${formatTime(start).replace(" ", "T")}Z`) - Math.floor(start / 1000) * 1000;
  const first = Math.ceil((start + offset) / distance) * distance - offset;
  const ticks = [];
  let date = "";
  for (let at = first; at <= end; at += distance) {
    const [day, time] = formatTime(at).split(" ");
    ticks.push({ at, label: time.slice(0, distance < MINUTE ? 8 : 5), date: day === date ? "" : day });
    date = day;
  }
  return ticks;
}

/**
 * Returns the marked times of a range: the start of each wave after the first one, the target, and now.
 *
 * @param {Range} range
 * @param {Answer} answer
 * @param {number} now
 * @returns {Line[]}
 */
export function linesOf({ start, end }, answer, now) {
  const waves = (answer.waves ?? []).slice(1);
  const target = targetOf(answer);
  /** @type {Line[]} */
  const lines = waves.flatMap(({ number, startedAt }) =>
    startedAt
      ? [{ kind: "wave", at: Date.parse(startedAt), label: `${answer.recoveryPlan ? "Step" : "Wave"} ${number}` }]
      : [],
  );
  if (target !== null) lines.push({ kind: "rto", at: target, label: "RTO" });
  if (isRunning(answer)) lines.push({ kind: "now", at: now, label: "Now" });
  return lines.filter(({ at }) => at >= start && at <= end);
}

// ---------------------------------------------------------------------------------------------------------------------
// The end
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Returns the end of the recovery time objective. Null without one.
 *
 * @param {Answer} answer
 */
export function targetOf(answer) {
  const start = answer.rto ? creationOf(answer) : null;
  return start === null || !answer.rto ? null : start + answer.rto.targetMinutes * MINUTE;
}

/**
 * Returns the creation of the first LAUNCH job. Its first event is up to some seconds later. Null if it is not known.
 *
 * @param {Answer} answer
 */
function creationOf(answer) {
  const { waves = [], durationSeconds, status, now, truncated, recoveryPlan } = answer;
  const first = waves.find(({ startedAt }) => startedAt)?.startedAt;
  // The duration of a recovery plan begins before its first job.
  if (recoveryPlan) return first ? Date.parse(first) : null;
  const ends = status === "IN_PROGRESS" ? [now] : waves.map(({ endedAt }) => endedAt);
  // The duration begins with the first job of any type.
  const hasOthers = truncated || decisiveJobs(answer).some((job) => goalOf(job) !== "LAUNCHED");
  if (durationSeconds != null && !hasOthers && ends.length && ends.every(Boolean))
    return Math.round(Math.max(...ends.map((end) => Date.parse(end ?? ""))) / 1000 - durationSeconds) * 1000;
  return first ? Date.parse(first) : null;
}

const BASES = {
  server: "Based on earlier launches of these servers.",
  execution: "Based, for at least one server, on other servers of this execution.",
  ledger: "Based, for at least one server, on earlier launches of other servers.",
};

/**
 * Says what an estimate is based on, or why there is none. Empty if this is not known.
 *
 * @param {Answer} answer
 */
export function basisText(answer) {
  const { estimate, servers } = answer;
  if (estimate) {
    const basis = BASES[estimate.basis];
    return basis && `${basis} The end is in this range in 80 % of the cases.`;
  }
  // The API estimates the servers of the current waves nevertheless.
  const isPlanMissing =
    estimate === null &&
    !answer.recoveryPlan &&
    wavesOf(answer).toCome > 0 &&
    servers.some((server) => server.estimate);
  return isPlanMissing ? "No expected end: the servers of a later wave are not known." : "";
}

/**
 * Says how long it takes until a time: "in 12 min 3 s".
 *
 * @param {string} time
 * @param {number} now
 */
export function remainingText(time, now) {
  const rest = Date.parse(time) - now;
  return rest >= 1000 ? `in ${formatDuration(rest)}` : "now";
}

/**
 * Says how an execution compares with its recovery time objective: "met in 41 min 3 s". Empty if nothing is known.
 *
 * @param {Answer} answer
 * @param {number} now
 */
export function rtoText(answer, now) {
  const { rto, summary, status } = answer;
  if (!rto) return "";
  const target = targetOf(answer);
  const left = target === null ? 0 : target - now;
  const isLaunched = summary.launched === summary.totalServers;
  const actual = (rto.actualSeconds ?? 0) * 1000;
  const over = actual - rto.targetMinutes * MINUTE;
  switch (rto.result) {
    case "MET":
      return `met in ${formatDuration(actual)}`;
    case "AT_RISK":
      return "at risk";
    case "MISSED":
      if (status === "IN_PROGRESS" && !isLaunched) return `missed by ${formatDuration(Math.max(over, -left))} so far`;
      return [
        over > 0 ? `missed by ${formatDuration(over)}` : "missed",
        isLaunched ? "" : "not all servers were launched",
      ]
        .filter(Boolean)
        .join(": ");
  }
  return status === "IN_PROGRESS" && left > 0 ? `${formatDuration(left)} left` : "";
}

/**
 * Says how old the data of an execution was: "missed: 22 min 0 s, 1 server over". Empty if nothing is known.
 *
 * @param {Rpo} rpo
 */
export function rpoText({ seconds, result, serversOver }) {
  if (seconds === null) return "";
  const age = formatDuration(seconds * 1000);
  if (result === "MET") return `met: ${age}`;
  return result ? `missed: ${age}, ${serversOver} server${serversOver === 1 ? "" : "s"} over` : age;
}

/**
 * Describes the schedule for screen readers.
 *
 * @param {Row[]} rows
 * @param {Range} range
 */
export function descriptionOf(rows, { start, end }) {
  /** @type {Map<State, number>} */
  const counts = new Map();
  for (const { server } of rows) counts.set(server.state, (counts.get(server.state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${toLabel(state).toLowerCase()}`).join(", ");
  return `The steps of each server from ${formatTime(start)} to ${formatTime(end)}: ${states}. The list of servers has the same facts as text.`;
}
