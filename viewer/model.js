/**
 * What the viewer shows: the types of the API's answers, the log, labels and counts. No function depends on the page or
 * sends a request.
 */

import {
  canContinue,
  isFailedStep,
  placeInPlan,
  planLabel,
  serversToCome,
  stepName,
  stepsByJob,
  stepsOf,
  stepsToCome,
} from "./plans.js";
import { toIsoTime } from "./time.js";

// ---------------------------------------------------------------------------------------------------------------------
// Types: the API's answers (docs/openapi.yaml)
// ---------------------------------------------------------------------------------------------------------------------

/**
 * @typedef {"PENDING" | "SNAPSHOT" | "CONVERSION" | "LAUNCHING" | "SKIPPED" | "COMPLETED" | "LAUNCHED" | "FAILED" |
 *   "TERMINATED"} State The state of a server or a resource.
 */
/** @typedef {"IN_PROGRESS" | "COMPLETED" | "PARTIAL" | "FAILED" | "TERMINATED"} JobStatus */
/** @typedef {"NO_EVENTS" | JobStatus} Status */

/**
 * An event of the log. `jobId`, `timestamp`, `eventId` and `source` together identify it.
 *
 * @typedef {object} LogEntry
 * @property {string} eventId
 * @property {string} timestamp ISO 8601 in UTC with microseconds; sorts as text.
 * @property {string} eventType For example `SERVER_LAUNCHED`. DRS can add types.
 * @property {string} jobId
 * @property {string | null} sourceServerId Null if the event is not about one server.
 * @property {string | null} serverName
 * @property {string | null} resourceId The source network of a network recovery.
 * @property {string | null} ec2InstanceId
 * @property {string | null} message
 * @property {string | null} error
 * @property {number | null} revision The number of the correction, if the event corrects an earlier end of its job.
 * @property {string} [source] The source of the EventBridge event. Earlier versions of the API do not return it.
 * @property {string | null} [account] The AWS account of the job. Earlier versions do not return the last three.
 * @property {string | null} [region]
 * @property {number | null} [durationSeconds] The duration of the step or job that the event ends.
 */

/** @typedef {{ name: string | null, error: string | null }} FailedAction A post-launch action that failed. */

/**
 * What is known about a failure.
 *
 * @typedef {object} Hint
 * @property {boolean} isKnown False if the error is not in the list of known errors. The texts then say so.
 * @property {string} cause
 * @property {string} firstStep
 * @property {string | null} source The URL of a public page.
 */

/**
 * @typedef {object} Server
 * @property {string} sourceServerId
 * @property {string | null} serverName
 * @property {State} state
 * @property {string | null} ec2InstanceId
 * @property {string} jobId The job that determines the state.
 * @property {string} since The time of the last state change.
 * @property {string | null} error Set only if the state is `FAILED`.
 * @property {Hint | null} [hint] Set only if the state is `FAILED`. Earlier versions of the API do not return it.
 * @property {string | null} stalledAt Null if the server has a newer event or its job has ended.
 * @property {string | null} terminatedAt When a later job terminated the launched instance.
 * @property {FailedAction[]} failedActions
 * @property {Partial<Record<Step, number>>} [stepSeconds] The durations of the steps that ended. Earlier versions of the
 *   API return none of the last three.
 * @property {Estimate | null} [estimate]
 * @property {boolean} [slow] True if its step takes longer than in nine of its last ten launches.
 * @property {string | null} [pointInTime] The recovery point of a launched server. Null or absent if it is not known.
 * @property {number | null} [rpoSeconds] From the recovery point until the creation of the job, at least 0.
 */

/** @typedef {"snapshot" | "wait" | "conversion" | "launch"} Step The steps of a launch, in their order. */

/**
 * When an execution, a job or a server is expected to end (docs/estimate.md).
 *
 * @typedef {object} Estimate
 * @property {string} expectedEnd
 * @property {string} earliestEnd
 * @property {string} latestEnd
 * @property {"server" | "execution" | "ledger"} basis
 */

/**
 * The recovery time objective.
 *
 * @typedef {object} Rto
 * @property {number} targetMinutes
 * @property {number | null} actualSeconds From the first LAUNCH job until the last launch. Null before a launch.
 * @property {"MET" | "MISSED" | "AT_RISK" | null} result Null if nothing is known against it, or no server is launched.
 */

/**
 * The recovery point objective.
 *
 * @typedef {object} Rpo
 * @property {number | null} targetMinutes Null without an objective.
 * @property {number | null} seconds The largest `rpoSeconds` of the launched servers. Null if none is known.
 * @property {"MET" | "MISSED" | null} result
 * @property {number | null} serversOver
 */

/**
 * An answer of `GET /executions/{executionId}/comparison`, as far as the viewer uses it.
 *
 * @typedef {object} Comparison
 * @property {EarlierExecution | null} other Null if there is no earlier execution with these servers.
 * @property {ComparedServer[]} servers
 */
/**
 * @typedef {object} EarlierExecution
 * @property {string} executionId
 * @property {string} startedAt
 * @property {boolean | null} isDrill
 * @property {number | null} durationSeconds
 */
/**
 * @typedef {object} ComparedServer
 * @property {string} sourceServerId
 * @property {State} otherState
 * @property {Partial<Record<Step, { otherSeconds: number | null }>>} steps
 */

/**
 * A resource of a job: the source network of a network recovery.
 *
 * @typedef {object} Resource
 * @property {string} resourceId
 * @property {State} state
 * @property {string} since The time of the last state change.
 * @property {string | null} error Set only if the state is `FAILED`.
 * @property {Hint | null} [hint] As for a server.
 */

/**
 * @typedef {object} Job
 * @property {string} jobId
 * @property {string | null} jobType For example `LAUNCH`. DRS can add types.
 * @property {string | null} initiatedBy For example `START_DRILL`. DRS can add initiators.
 * @property {JobStatus} status
 * @property {boolean | null} isDrill Null if it is not known yet.
 * @property {string} startedAt
 * @property {string | null} endedAt Null while the job runs.
 * @property {Resource[]} resources
 * @property {string | null} [requestedBy] Who started the job, for example an ARN. Null or absent if it is not known.
 * @property {DrillInstances | null} [drillInstances] Null or absent if no check found any.
 */

/** @typedef {{ count: number, instanceIds: string[], checkedAt: string }} DrillInstances Not terminated at a check. */

/**
 * A LAUNCH job, or a step of a recovery plan, which can have no job or several. Only a step has the properties from
 * `name` on. Earlier versions of the API return neither them nor `jobIds`.
 *
 * @typedef {object} Wave
 * @property {number} number
 * @property {string | null} [jobId] The newest job. Null for a step without a job.
 * @property {string[]} [jobIds]
 * @property {string | null} [startedAt] Null for a step without a job.
 * @property {string | null} endedAt
 * @property {string | null} [name]
 * @property {"SERVERS" | "WAIT"} [kind]
 * @property {"NOT_STARTED" | "EXECUTING" | "WAITING" | "COMPLETED" | "FAILED" | "TIMED_OUT" | "SKIPPED"} [stepStatus]
 * @property {number | null} [attempt]
 * @property {number | null} [waitMinutes]
 * @property {string | null} [waitingUntil] Set only while the step waits.
 * @property {string[]} [criticalServers] The failure of one of these servers fails the step.
 * @property {string[]} [optionalServers]
 * @property {string | null} [error]
 */

/**
 * The execution of a recovery plan of DRS.
 *
 * @typedef {object} RecoveryPlan
 * @property {string | null} name
 * @property {string} status For example `IN_PROGRESS`. DRS can add some.
 * @property {boolean | null} [isDrill]
 * @property {string} startedAt
 * @property {string | null} endedAt Null while it runs. It is set while it waits for a person.
 * @property {string | null} error
 * @property {string | null} [executionArn]
 */

/**
 * The number of servers by state.
 *
 * @typedef {object} Summary
 * @property {number} totalServers
 * @property {number} pending
 * @property {number} converting
 * @property {number} launching
 * @property {number} skipped
 * @property {number} completed
 * @property {number} launched
 * @property {number} failed
 * @property {number} terminated
 */

/**
 * An answer of `GET /logs?executionId=…` or `GET /logs?jobId=…`.
 *
 * @typedef {object} Answer
 * @property {string | null} [executionId] Null for a job that is not linked to an execution.
 * @property {string} [jobId] Only for a job.
 * @property {Status} status
 * @property {string | null} [requestedBy] Who started the execution or the job. Null or absent if it is not known.
 * @property {string | null} [statusReason] Why the executions table does not decide the status. Only for an execution.
 * @property {boolean} settled True if no more events are expected.
 * @property {string | null} [report] The path of the report of an execution that has settled. Absent without reports.
 * @property {LogEntry[]} logs
 * @property {Summary} summary
 * @property {Server[]} servers
 * @property {Job[]} jobs
 * @property {Wave[]} [waves] The LAUNCH jobs, the oldest first, or the steps of the recovery plan. Earlier versions of
 *   the API return neither waves nor their planned number.
 * @property {RecoveryPlan | null} [recoveryPlan] Null without one. Earlier versions do not return it.
 * @property {number | null} [plannedWaves] Null if it is not known.
 * @property {string | null} nextToken Null on the last page.
 * @property {string} [readAt] When the API read the log. Earlier versions of the API return neither this nor `now`.
 * @property {string} [now] The time of the answer.
 * @property {number | null} [durationSeconds] From the creation of the first job until the end of the last one, or `now`.
 *   Earlier versions of the API return none of these three.
 * @property {Estimate | null} [estimate]
 * @property {Rto | null} [rto]
 * @property {Rpo | null} [rpo]
 * @property {boolean} [truncated] True if the API shortened `servers` or `jobs`, because the answer was too large.
 */

// ---------------------------------------------------------------------------------------------------------------------
// The log
// ---------------------------------------------------------------------------------------------------------------------

// Each poll reads this part of the log again, because events can arrive slightly out of order.
const OVERLAP_MS = 60_000;

/** The source of launch results. Only AWS can send events with it. */
export const LAUNCH_RESULT_SOURCE = "aws.drs";

// A launch result arrives within seconds of the item of the job log that reports the same fact.
const SAME_FACT_MS = 5 * 60_000;

/** The events of an execution or a job, without duplicates, in the order of the API. */
export class EventLog {
  /** @type {LogEntry[]} */
  events = [];
  /** @type {Map<string | null, LogEntry[]>} */
  byServer = new Map();
  /** @type {Map<LogEntry, LogEntry>} Event of a server → the launch result of DRS that reports the same fact. */
  results = new Map();
  /** @type {Map<string, number>} The number of events by source. */
  sources = new Map();
  /** @type {Set<string>} */
  jobIds = new Set();
  /** @type {Set<string>} */
  accounts = new Set();
  /** @type {Set<string>} */
  regions = new Set();
  /** @type {Map<string, string>} Job ID → Region. */
  regionsOfJobs = new Map();
  /** @type {Set<string>} */
  #keys = new Set();

  /**
   * Adds entries that the log does not contain yet.
   *
   * @param {LogEntry[]} entries
   * @returns {number} The number of entries added.
   */
  add(entries) {
    const added = [];
    for (const entry of entries) {
      const key = JSON.stringify([entry.timestamp, entry.jobId, entry.eventId, entry.source]);
      if (this.#keys.has(key)) continue;
      this.#keys.add(key);
      added.push(entry);
      if (!isPlanEvent(entry)) this.jobIds.add(entry.jobId);
      if (entry.account) this.accounts.add(entry.account);
      if (entry.region) {
        this.regions.add(entry.region);
        this.regionsOfJobs.set(entry.jobId, entry.region);
      }
      if (entry.source) this.sources.set(entry.source, (this.sources.get(entry.source) ?? 0) + 1);
    }
    if (!added.length) return 0;
    this.events = [...this.events, ...added].sort(compareEvents);
    this.byServer = new Map();
    for (const entry of this.events) {
      const events = this.byServer.get(entry.sourceServerId);
      if (events) events.push(entry);
      else this.byServer.set(entry.sourceServerId, [entry]);
    }
    this.results = this.#findResults();
    return added.length;
  }

  /** The sources of events that are no launch results. */
  get senders() {
    return [...this.sources.keys()].filter((source) => source !== LAUNCH_RESULT_SOURCE);
  }

  /** Finds the launch results, which have no details. None of several senders, because one of them can forge events. */
  #findResults() {
    /** @type {Map<LogEntry, LogEntry>} */
    const results = new Map();
    if (this.senders.length > 1) return results;
    for (const result of this.events) {
      if (result.source !== LAUNCH_RESULT_SOURCE || !result.sourceServerId) continue;
      const event = this.byServer
        .get(result.sourceServerId)
        ?.find(
          (one) =>
            one.source !== LAUNCH_RESULT_SOURCE &&
            one.jobId === result.jobId &&
            one.eventType === result.eventType &&
            Math.abs(Date.parse(one.timestamp) - Date.parse(result.timestamp)) <= SAME_FACT_MS &&
            !results.has(one),
        );
      if (event) results.set(event, result);
    }
    return results;
  }

  /**
   * Returns the start time of the next incremental read. Null if the log is empty.
   *
   * @param {string} [readAt] When the API read the log. The newest event can be later, because senders set its time.
   */
  since(readAt) {
    const newest = this.events.at(-1)?.timestamp;
    if (!newest) return null;
    return new Date(Math.min(Date.parse(newest), Date.parse(readAt ?? newest)) - OVERLAP_MS).toISOString();
  }
}

/**
 * Reports whether an event is about a recovery plan. Its job ID is then that of the execution of the plan.
 *
 * @param {LogEntry} event
 */
export function isPlanEvent({ eventType }) {
  return eventType.startsWith("PLAN_");
}

/**
 * @param {LogEntry} a
 * @param {LogEntry} b
 */
function compareEvents(a, b) {
  return (
    compare(a.timestamp, b.timestamp) ||
    compare(a.jobId, b.jobId) ||
    compare(a.eventId, b.eventId) ||
    compare(a.source ?? "", b.source ?? "")
  );
}

/**
 * @param {string} a
 * @param {string} b
 */
export function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @type {(keyof LogEntry)[]} In addition to the time in the selected time zone. */
const CSV_COLUMNS = [
  "timestamp",
  "eventType",
  "jobId",
  "sourceServerId",
  "serverName",
  "ec2InstanceId",
  "message",
  "error",
  "eventId",
  "resourceId",
  "revision",
  "source",
  "account",
  "region",
  "durationSeconds",
];

/**
 * Converts events to CSV (RFC 4180). If a spreadsheet would interpret a cell as a formula, the cell starts with an
 * apostrophe.
 *
 * @param {LogEntry[]} events
 */
export function toCsv(events) {
  /** @param {string | number | null | undefined} value */
  const cell = (value) => {
    const text = String(value ?? "");
    return `"${(/^\s*[=+\-@＝＋－＠\t\r\n]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  const rows = events.map((event) => [toIsoTime(event.timestamp), ...CSV_COLUMNS.map((column) => event[column])]);
  return [["time", ...CSV_COLUMNS], ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

// ---------------------------------------------------------------------------------------------------------------------
// Labels
// ---------------------------------------------------------------------------------------------------------------------

/** @type {State[]} The sort order of the server list. */
export const STATES = [
  "FAILED",
  "LAUNCHING",
  "CONVERSION",
  "SNAPSHOT",
  "PENDING",
  "LAUNCHED",
  "COMPLETED",
  "SKIPPED",
  "TERMINATED",
];
/** @type {State[]} The segments of the progress bar, from left to right. */
export const BAR_STATES = [
  "LAUNCHED",
  "COMPLETED",
  "LAUNCHING",
  "CONVERSION",
  "SNAPSHOT",
  "PENDING",
  "SKIPPED",
  "TERMINATED",
  "FAILED",
];
/** @type {Set<State>} */
export const ACTIVE_STATES = new Set(["LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING"]);

/** The event types of each stage of a server's launch: snapshot, conversion, launch. */
export const STAGES = [/SNAPSHOT/, /^CONVERSION/, /^SERVER_LAUNCH/];

/** @type {Record<string, string>} */
const STATUS_LABELS = {
  NO_EVENTS: "No events yet",
  IN_PROGRESS: "In progress",
  COMPLETED: "Completed",
  PARTIAL: "Partial",
  FAILED: "Failed",
  TERMINATED: "Cancelled",
};

/** @param {string} status */
export function statusLabel(status) {
  return STATUS_LABELS[status] ?? toLabel(status);
}

/**
 * Converts an enumeration value to a label: `CONVERSION_STARTED` → "Conversion started".
 *
 * @param {string} name
 */
export function toLabel(name) {
  const text = name.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @type {[RegExp, string][]} The parts of an event type that its label does not repeat unchanged. */
const EVENT_TYPE_PARTS = [
  [/^JOB_TERMINATED$/, "JOB_CANCELLED"],
  [/^LAUNCH_ACTION/, "POST-LAUNCH_ACTION"],
  [/^DEPLOY_NETWORK_CONFIGURATION/, "NETWORK_DEPLOYMENT"],
  [/^UPDATE_NETWORK_CONFIGURATION/, "NETWORK_UPDATE"],
  [/^UPDATE_LAUNCH_TEMPLATE/, "TEMPLATE_UPDATE"],
  [/_START$/, "_STARTED"],
  [/_END$/, "_COMPLETED"],
  [/_FAIL$/, "_FAILED"],
];

/** @param {LogEntry} event */
export function eventLabel({ eventType, resourceId, revision }) {
  const type = resourceId ? eventType.replace(/^SERVER_/, "NETWORK_") : eventType;
  const label = toLabel(EVENT_TYPE_PARTS.reduce((name, [part, replacement]) => name.replace(part, replacement), type));
  return revision ? `${label} (correction ${revision})` : label;
}

/** @param {LogEntry} event */
export function isFailure({ eventType }) {
  return /FAIL|^PLAN_STEP_TIMED_OUT$/.test(eventType);
}

/** Event types that need attention but are not failures. */
export const WARNINGS = new Set(["SERVER_STALLED", "JOB_DELETED"]);

/** Event types that are no step of a server. */
export const NO_STEPS = new Set(["SERVER_STALLED", "LAUNCH_ACTION_FAILED"]);

/** The labels of jobs by `initiatedBy` and `jobType`. A map, because senders can state any text, also "constructor". */
const JOB_LABELS = new Map(
  Object.entries({
    START_DRILL: "Drill",
    START_RECOVERY: "Recovery",
    FAILBACK: "Failback",
    TERMINATE_RECOVERY_INSTANCES: "Termination",
    CREATE_NETWORK_RECOVERY: "Network recovery",
    UPDATE_NETWORK_RECOVERY: "Network update",
    ASSOCIATE_NETWORK_RECOVERY: "Network association",
    TERMINATE: "Termination",
    CREATE_CONVERTED_SNAPSHOT: "Converted snapshot",
  }),
);

/**
 * Returns what a job does, for example "Drill". Empty if it is not known.
 *
 * @param {Pick<Job, "initiatedBy" | "jobType" | "isDrill" | "resources">} job
 */
export function jobLabel({ initiatedBy, jobType, isDrill, resources }) {
  const known = JOB_LABELS.get(initiatedBy ?? "") ?? JOB_LABELS.get(jobType ?? "");
  if (known) return known;
  if (initiatedBy) return toLabel(initiatedBy);
  if (resources.length) return "Network recovery";
  return isDrill === null ? "" : isDrill ? "Drill" : "Recovery";
}

/**
 * Returns what the jobs of an answer do. Before the first job of a recovery plan: what the plan does.
 *
 * @param {Answer} answer
 */
export function kindsOf(answer) {
  const jobs = decisiveJobs(answer);
  const { isDrill = null } = answer.recoveryPlan ?? {};
  const ofPlan = { initiatedBy: null, jobType: null, isDrill, resources: [] };
  return new Set((jobs.length ? jobs : [ofPlan]).map(jobLabel).filter(Boolean));
}

/**
 * @param {{ serverName?: string | null, sourceServerId?: string | null, resourceId?: string | null }} subject A server,
 *   a resource or an event.
 */
export function displayName(subject) {
  return subject.serverName || subject.sourceServerId || subject.resourceId || "";
}

/**
 * Returns the part of an ARN that names a person or a role, or any other identity unchanged:
 * `arn:aws:sts::111122223333:assumed-role/Operator/alice` → `Operator/alice`.
 *
 * @param {string} identity
 */
export function identityName(identity) {
  const [, account, resource] = /^arn:[^:]*:[^:]*:[^:]*:([^:]*):(.+)$/.exec(identity) ?? [];
  if (resource === "root") return `root of ${account}`;
  return resource?.replace(/^[\w-]+\/(?=.)/, "") ?? identity;
}

/**
 * @param {number} number
 * @param {string} noun
 */
export function formatCount(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * Names the accounts and Regions of a log, for example "Account 111122223333, us-east-1". Empty if they are not known.
 *
 * @param {EventLog} log
 */
export function placeText({ accounts, regions }) {
  if (!accounts.size) return "";
  return [`${accounts.size > 1 ? "Accounts" : "Account"} ${[...accounts].join(", ")}`, ...regions].join(", ");
}

/** @type {[RegExp, string][]} The domains of the consoles by Region, of the partitions other than `aws`. */
const CONSOLE_DOMAINS = [
  [/^us-gov-/, "console.amazonaws-us-gov.com"],
  [/^eusc-/, "console.amazonaws-eusc.eu"],
];

/** @type {Record<string, (id: string, region: string) => string>} The path of a page of the console by the kind of ID. */
const CONSOLE_PATHS = {
  instance: (id, region) => `ec2/home?region=${region}#InstanceDetails:instanceId=${id}`,
  server: (id, region) => `drs/home?region=${region}#/sourceServers/${id}`,
  job: (id, region) => `drs/home?region=${region}#/launchHistory/${id}`,
  // The address of the page of a recovery plan is not documented.
  drs: (_, region) => `drs/home?region=${region}`,
};

/**
 * Returns the URL of a page of the AWS console. Null if the Region is not known or no Region, since senders state it.
 *
 * @param {"instance" | "server" | "job" | "drs"} kind
 * @param {string} id
 * @param {string | undefined} region
 */
export function consoleUrl(kind, id, region) {
  if (!region || !/^[a-z]+(-[a-z]+)+-\d+$/.test(region)) return null;
  const domain = CONSOLE_DOMAINS.find(([pattern]) => pattern.test(region))?.[1] ?? "console.aws.amazon.com";
  return `https://${region}.${domain}/${CONSOLE_PATHS[kind](encodeURIComponent(id), region)}`;
}

// ---------------------------------------------------------------------------------------------------------------------
// Failures
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Returns the full error of a server. An answer that is too large has only its beginning; the log has all of it.
 *
 * @param {Server} server
 * @param {LogEntry[]} events The events of the server.
 */
export function fullError({ error, jobId }, events) {
  if (!error) return error;
  const full = events.findLast((event) => event.jobId === jobId && event.error?.startsWith(error))?.error;
  return full ?? error;
}

/**
 * Returns an error without the parts that differ from server to server: IDs of resources and requests.
 *
 * @param {string} error
 */
function shapeOf(error) {
  return error
    .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, "ID")
    .replace(/\b[a-z]+-[0-9a-f]{8,}\b/g, "ID")
    .replace(/(authorization failure message: )\S+/g, "$1ID");
}

/**
 * Groups the failed servers and networks by their error, the largest group first.
 *
 * @param {Answer} answer
 * @returns {{ error: string, hint: Hint | null, items: (Server | Resource)[] }[]} `error` is that of the first item.
 */
export function failuresOf(answer) {
  const failed = [...answer.servers, ...networksOf(answer)].filter((item) => item.state === "FAILED");
  /** @type {Map<string, { error: string, hint: Hint | null, items: (Server | Resource)[] }>} */
  const groups = new Map();
  for (const item of failed) {
    const { error, hint } = item;
    const shape = shapeOf(error ?? "");
    const group = groups.get(shape) ?? { error: error ?? "", hint: hint ?? null, items: [] };
    group.items.push(item);
    groups.set(shape, group);
  }
  return [...groups.values()].sort((a, b) => b.items.length - a.items.length);
}

/** @type {Record<string, (server: Server) => string | number>} What sorts the servers, in the order of the choices. */
const SORT_KEYS = {
  State: rankOf,
  Name: displayName,
  "Last change": (server) => -Date.parse(server.since),
  "Longest in its step": (server) => (ACTIVE_STATES.has(server.state) ? Date.parse(server.since) : Infinity),
};
export const SORT_ORDERS = Object.keys(SORT_KEYS);

/**
 * Failed servers come first, then servers with a warning.
 *
 * @param {Server} server
 */
function rankOf(server) {
  const rank = STATES.indexOf(server.state);
  return hasWarning(server) ? Math.min(rank, 0.5) : rank;
}

/**
 * @param {Server[]} servers
 * @param {string} order One of `SORT_ORDERS`.
 */
export function sortServers(servers, order) {
  const keyOf = SORT_KEYS[order];
  const keyed = servers.map((server) => ({ server, key: keyOf(server), name: displayName(server) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : compare(a.name, b.name)));
  return keyed.map(({ server }) => server);
}

// ---------------------------------------------------------------------------------------------------------------------
// Counts
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Returns the state that the servers of a job are to reach.
 *
 * @param {Job} job
 * @returns {"LAUNCHED" | "TERMINATED" | "COMPLETED"}
 */
export function goalOf({ jobType }) {
  if (jobType === null || jobType === "LAUNCH") return "LAUNCHED";
  return jobType === "TERMINATE" ? "TERMINATED" : "COMPLETED";
}

/**
 * Returns the jobs that decide the result. A TERMINATE job after a recovery does not change it.
 *
 * @param {Answer} answer
 */
export function decisiveJobs({ jobs }) {
  const others = jobs.filter((job) => job.jobType !== "TERMINATE");
  return others.length ? others : jobs;
}

/**
 * @param {{ state: State }[]} items
 * @param {State} state
 */
export function countOf(items, state) {
  return items.filter((item) => item.state === state).length;
}

/**
 * @param {{ state: State }[]} items
 * @returns {Map<State, number>} The number of items by state.
 */
function countsOf(items) {
  return new Map(STATES.map((state) => [state, countOf(items, state)]));
}

/**
 * @param {Summary} summary
 * @returns {Map<State, number>} The number of servers by state. CONVERSION includes SNAPSHOT.
 */
function countsOfSummary(summary) {
  return new Map([
    ["FAILED", summary.failed],
    ["LAUNCHING", summary.launching],
    ["CONVERSION", summary.converting],
    ["PENDING", summary.pending],
    ["LAUNCHED", summary.launched],
    ["COMPLETED", summary.completed],
    ["SKIPPED", summary.skipped],
    ["TERMINATED", summary.terminated],
  ]);
}

/**
 * Reports whether the answer contains all servers. The API shortens an answer that is too large.
 *
 * @param {Answer} answer
 */
export function hasAllServers({ servers, summary }) {
  return servers.length === summary.totalServers;
}

/**
 * Returns each network once, with its state in the newest job that recovers it.
 *
 * @param {Answer} answer
 */
export function networksOf({ jobs }) {
  const networks = jobs.flatMap((job) => job.resources);
  return [...new Map(networks.map((network) => [network.resourceId, network])).values()];
}

/**
 * @param {Resource[]} networks
 * @param {boolean} [isTruncated] True if the API omitted networks.
 */
export function networksText(networks, isTruncated) {
  const noun = isTruncated ? "listed network" : "network";
  return `${countOf(networks, "LAUNCHED")} of ${formatCount(networks.length, noun)} recovered`;
}

/**
 * Counts what the jobs are to launch, terminate or recover: the servers, or the networks if there are no servers.
 *
 * @param {Answer} answer
 * @returns {{ total: number, done: number, failed: number, counts: Map<State, number>, text: string }}
 */
export function progressOf(answer) {
  const jobs = decisiveJobs(answer);
  const goals = new Set(jobs.map(goalOf));
  // A plan launches servers, also before its first job.
  const goal =
    answer.recoveryPlan || goals.has("LAUNCHED") ? "LAUNCHED" : goals.has("COMPLETED") ? "COMPLETED" : "TERMINATED";
  const totalServers = answer.summary.totalServers + serversToCome(answer);
  const serverCounts = hasAllServers(answer) ? countsOf(answer.servers) : countsOfSummary(answer.summary);
  const networks = networksOf(answer);
  const counts = totalServers ? serverCounts : countsOf(networks);
  const serversText = `${serverCounts.get(goal)} of ${formatCount(totalServers, "server")} ${goal.toLowerCase()}`;
  const texts = [
    ...(totalServers ? [serversText] : []),
    ...(networks.length ? [networksText(networks, answer.truncated)] : []),
  ];
  return {
    total: totalServers || networks.length,
    done: counts.get(totalServers ? goal : "LAUNCHED") ?? 0,
    failed: counts.get("FAILED") ?? 0,
    counts,
    text: texts.join(", ") || "No servers",
  };
}

/**
 * Returns how far a server got in each of `STAGES`.
 *
 * @param {Server} server
 * @param {LogEntry[]} events The events of the server in its job.
 * @returns {("" | "done" | "now" | "stalled" | "failed")[]}
 */
export function stagesOf({ state, stalledAt }, events) {
  const seen = STAGES.map((pattern) => events.some((event) => pattern.test(event.eventType)));
  const current = seen.lastIndexOf(true);
  const ofCurrent = state === "FAILED" ? "failed" : stalledAt ? "stalled" : ACTIVE_STATES.has(state) ? "now" : "";
  return seen.map((isSeen, index) => {
    if (state === "LAUNCHED") return "done";
    // DRS can fail a server without any step.
    if (!isSeen) return "";
    return index < current || state === "COMPLETED" ? "done" : ofCurrent;
  });
}

/**
 * Returns what is known about the waves of an execution, or about the steps of a recovery plan.
 *
 * @param {Answer} answer
 * @returns {{ text: string, noun: string, toCome: number, servers: number }} `text`: for example "Wave 1 of 2" or "Step 2
 *   of 3 waits". Empty for one wave, if no number is planned. `toCome`: the number of planned waves that have not
 *   started. `servers`: the number of their servers. Without a plan, they are not known: each wave then has as many as
 *   the waves before on average.
 */
export function wavesOf(answer) {
  const { waves = [], plannedWaves, summary, recoveryPlan } = answer;
  if (recoveryPlan)
    return {
      text: placeInPlan(answer),
      noun: "step",
      toCome: stepsToCome(answer).length,
      servers: serversToCome(answer),
    };
  const toCome = Math.max(0, (plannedWaves ?? 0) - waves.length);
  const all = waves.length + toCome;
  const text = plannedWaves ? `Wave ${waves.length} of ${all}` : `Wave ${waves.length}`;
  return {
    text: all > 1 && waves.length ? text : "",
    noun: "wave",
    toCome,
    servers: waves.length ? (summary.totalServers * toCome) / waves.length : 0,
  };
}

/**
 * Returns the names of the jobs. A LAUNCH job is a wave, or belongs to a step of a recovery plan.
 *
 * @param {Answer} answer
 * @returns {{ jobId: string, name: string }[]}
 */
export function waveNames(answer) {
  let wave = 0;
  const steps = stepsByJob(answer);
  return answer.jobs.map((job, index) => {
    const step = steps.get(job.jobId);
    const isWave = goalOf(job) === "LAUNCHED" && !answer.recoveryPlan;
    if (isWave) wave += 1;
    const kind = step ? `step ${step.number}` : isWave ? `wave ${wave}` : jobLabel(job).toLowerCase();
    return { jobId: job.jobId, name: `Job ${index + 1}${kind ? ` (${kind})` : ""}` };
  });
}

/**
 * Returns the status of an answer as a text. It is final only if no further wave can follow.
 *
 * @param {Answer} answer
 */
export function statusText(answer) {
  const label = statusLabel(answer.status);
  return isBetweenWaves(answer) && answer.status !== "IN_PROGRESS" ? `${label} so far` : label;
}

/**
 * Reports whether all known jobs of an execution ended, and a further one can follow.
 *
 * @param {Answer} answer
 */
export function isBetweenWaves(answer) {
  const { jobId, jobs, settled, recoveryPlan } = answer;
  const canFollow = recoveryPlan ? canContinue(answer) : jobs.length > 0;
  return !jobId && !settled && canFollow && jobs.every((job) => job.endedAt !== null);
}

/**
 * Names a plan and its status in DRS, which can differ from that of the execution. Empty without a plan.
 *
 * @param {Answer} answer
 */
export function planText({ recoveryPlan }) {
  if (!recoveryPlan) return "";
  return `Recovery plan${recoveryPlan.name ? ` ${recoveryPlan.name}` : ""}. Status in DRS: ${planLabel(recoveryPlan.status)}`;
}

/**
 * Returns the failed steps of the plan by step and attempt.
 *
 * @param {Answer} answer
 * @returns {Map<string, string>} The names of the steps.
 */
export function failedStepsOf(answer) {
  const failed = stepsOf(answer).filter(isFailedStep);
  return new Map(failed.map((step) => [`step ${step.number}, attempt ${step.attempt}`, stepName(step)]));
}

/** @param {Server} server */
export function hasWarning({ stalledAt, failedActions }) {
  return stalledAt !== null || failedActions.length > 0;
}
