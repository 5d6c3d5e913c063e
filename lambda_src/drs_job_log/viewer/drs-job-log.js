/**
 * <drs-job-log>: a web component that shows the job log and the progress of a recovery by AWS Elastic Disaster Recovery
 * (DRS). It updates while the recovery runs.
 *
 *   <script type="module" src="…/drs-job-log.js"></script>
 *   <drs-job-log execution-id="exec-abc123" api-url="https://abc.execute-api.us-east-1.amazonaws.com"></drs-job-log>
 *
 * Attributes: `execution-id` or `job-id`. `api-url`: the URL of the API without `/logs`.
 * Property:   `fetch`: the function that sends requests instead of `window.fetch`, for example to sign them or to add a
 *             token. Keep the headers in its options. If you set it, the component sends a request.
 * Events:     `drs-job-log-update`: after each answer. `detail` is the answer; its `logs` contains all events so far.
 *             `drs-job-log-unauthorized`: the API answered 401 or 403. `detail.status` is the status code.
 *
 * Security: the component inserts log texts as text nodes, never as markup. It sends requests only to `api-url`.
 */

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
 * @property {LogEntry[]} logs
 * @property {Summary} summary
 * @property {Server[]} servers
 * @property {Job[]} jobs
 * @property {string | null} nextToken Null on the last page.
 * @property {string} [readAt] When the API read the log. Earlier versions of the API do not return it.
 * @property {boolean} [truncated] True if the API shortened `servers` or `jobs`, because the answer was too large.
 */

/**
 * A function that sends a request, like `window.fetch`. `options.headers` is an object. Without its headers, the API
 * returns complete answers only.
 *
 * @callback Fetch
 * @param {string} url
 * @param {RequestInit & { headers: Record<string, string> }} options
 * @returns {Promise<Response>}
 */

/** @typedef {HTMLElement & { fetch: Fetch }} DrsJobLogElement */

/** @typedef {{ status?: number, name?: string, message?: string }} RequestError */

// ---------------------------------------------------------------------------------------------------------------------
// Log and polling
// ---------------------------------------------------------------------------------------------------------------------

const POLL_SECONDS = 3;
const POLL_SECONDS_BETWEEN_WAVES = 15;
const POLL_SECONDS_HIDDEN = 30;
const MAX_RETRY_SECONDS = 60;

// Each poll reads this part of the log again, because events can arrive slightly out of order.
const OVERLAP_MS = 60_000;

// Every n-th poll reads the full log to include events that arrived or were linked late.
const FULL_READ_INTERVAL = 10;
const FULL_READ_INTERVAL_LARGE = 40;

const PAGE_SIZE = 1000;
const TIMEOUT_MS = 30_000;

/** @type {State[]} The sort order of the server list. */
const STATES = [
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
const BAR_STATES = [
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
const ACTIVE_STATES = new Set(["LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING"]);

/** The event types of each stage of a server's launch: snapshot, conversion, launch. */
const STAGES = [/SNAPSHOT/, /^CONVERSION/, /^SERVER_LAUNCH/];

/** The events of an execution or a job, without duplicates, in the order of the API. */
export class EventLog {
  /** @type {LogEntry[]} */
  events = [];
  /** @type {Map<string | null, LogEntry[]>} */
  byServer = new Map();
  /** @type {Map<string, number>} The number of events by source. */
  sources = new Map();
  /** @type {Set<string>} */
  jobIds = new Set();
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
      this.jobIds.add(entry.jobId);
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
    return added.length;
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
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * @param {Answer | null} answer The last answer.
 * @param {number} failures The number of failed requests since the last answer.
 * @param {boolean} isHidden True if the browser tab is hidden.
 * @returns {number | null} Seconds until the next poll. Null if polling ends.
 */
export function secondsToNext(answer, failures, isHidden) {
  if (failures) return Math.min(POLL_SECONDS * 2 ** (failures - 1), MAX_RETRY_SECONDS);
  if (!answer || answer.settled) return null;
  const seconds = ["IN_PROGRESS", "NO_EVENTS"].includes(answer.status) ? POLL_SECONDS : POLL_SECONDS_BETWEEN_WAVES;
  return isHidden ? Math.max(seconds, POLL_SECONDS_HIDDEN) : seconds;
}

/** @type {(keyof LogEntry)[]} */
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
  return [CSV_COLUMNS, ...events.map((event) => CSV_COLUMNS.map((column) => event[column]))]
    .map((row) => `${row.map(cell).join(",")}\r\n`)
    .join("");
}

class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Labels and formats
// ---------------------------------------------------------------------------------------------------------------------

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
function statusLabel(status) {
  return STATUS_LABELS[status] ?? toLabel(status);
}

/**
 * Converts an enumeration value to a label: `CONVERSION_STARTED` → "Conversion started".
 *
 * @param {string} name
 */
function toLabel(name) {
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
function eventLabel({ eventType, resourceId, revision }) {
  const type = resourceId ? eventType.replace(/^SERVER_/, "NETWORK_") : eventType;
  const label = toLabel(EVENT_TYPE_PARTS.reduce((name, [part, replacement]) => name.replace(part, replacement), type));
  return revision ? `${label} (correction ${revision})` : label;
}

/** The source of launch results. Only AWS can send events with it. */
const LAUNCH_RESULT_SOURCE = "aws.drs";

/** Event types that need attention but are not failures. */
const WARNINGS = new Set(["SERVER_STALLED", "JOB_DELETED"]);

/** Event types that are no step of a server. */
const NO_STEPS = new Set(["SERVER_STALLED", "LAUNCH_ACTION_FAILED"]);

/** @type {Record<string, string>} The labels of jobs by `initiatedBy` and `jobType`. */
const JOB_LABELS = {
  START_DRILL: "Drill",
  START_RECOVERY: "Recovery",
  FAILBACK: "Failback",
  TERMINATE_RECOVERY_INSTANCES: "Termination",
  CREATE_NETWORK_RECOVERY: "Network recovery",
  UPDATE_NETWORK_RECOVERY: "Network update",
  ASSOCIATE_NETWORK_RECOVERY: "Network association",
  TERMINATE: "Termination",
  CREATE_CONVERTED_SNAPSHOT: "Converted snapshot",
};

/**
 * Returns what a job does, for example "Drill". Empty if it is not known.
 *
 * @param {Job} job
 */
function jobLabel({ initiatedBy, jobType, isDrill, resources }) {
  const known = JOB_LABELS[initiatedBy ?? ""] ?? JOB_LABELS[jobType ?? ""];
  if (known) return known;
  if (initiatedBy) return toLabel(initiatedBy);
  if (resources.length) return "Network recovery";
  return isDrill === null ? "" : isDrill ? "Drill" : "Recovery";
}

/** @param {number} milliseconds */
function formatDuration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateTimeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const { timeZone } = timeFormat.resolvedOptions();
const TIME_ZONE_TEXT =
  timeZone === "UTC" ? "Times are in UTC." : `Times are in the ${timeZone} time zone. Hover over a time to see UTC.`;

/**
 * Formats a time in the browser's time zone. The date is omitted for times of the current day.
 *
 * @param {string | number} timestamp
 */
function formatLocal(timestamp) {
  const time = new Date(timestamp);
  return (time.toDateString() === new Date().toDateString() ? timeFormat : dateTimeFormat).format(time);
}

/** @param {string} timestamp */
function formatUtc(timestamp) {
  return `${timestamp.slice(0, 23).replace("T", " ")} UTC`;
}

/**
 * @param {{ serverName?: string | null, sourceServerId?: string | null, resourceId?: string | null }} subject A server,
 *   a resource or an event.
 */
function displayName(subject) {
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
function formatCount(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
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
function goalOf({ jobType }) {
  if (jobType === null || jobType === "LAUNCH") return "LAUNCHED";
  return jobType === "TERMINATE" ? "TERMINATED" : "COMPLETED";
}

/**
 * Returns the jobs that decide the result. A TERMINATE job after a recovery does not change it.
 *
 * @param {Answer} answer
 */
function decisiveJobs({ jobs }) {
  const others = jobs.filter((job) => job.jobType !== "TERMINATE");
  return others.length ? others : jobs;
}

/**
 * @param {{ state: State }[]} items
 * @param {State} state
 */
function countOf(items, state) {
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
function hasAllServers({ servers, summary }) {
  return servers.length === summary.totalServers;
}

/**
 * Returns each network once, with its state in the newest job that recovers it.
 *
 * @param {Answer} answer
 */
function networksOf({ jobs }) {
  const networks = jobs.flatMap((job) => job.resources);
  return [...new Map(networks.map((network) => [network.resourceId, network])).values()];
}

/**
 * @param {Resource[]} networks
 * @param {boolean} [isTruncated] True if the API omitted networks.
 */
function networksText(networks, isTruncated) {
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
  const goal = goals.has("LAUNCHED") ? "LAUNCHED" : goals.has("COMPLETED") ? "COMPLETED" : "TERMINATED";
  const { totalServers } = answer.summary;
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

/** @param {Server} server */
function hasWarning({ stalledAt, failedActions }) {
  return stalledAt !== null || failedActions.length > 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// DOM helpers and parts
// ---------------------------------------------------------------------------------------------------------------------

/** @typedef {Record<string, string | boolean | null | ((event: Event) => void)>} Attributes */

/**
 * Creates an element. Functions become event listeners (`onclick`, …), and strings in `children` become text nodes.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {(string | Node)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/**
 * @param {string} text
 * @param {() => void} onclick
 * @param {Attributes} attributes
 */
function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

/**
 * Sets the text only if it changed, so that live regions and selections are not disturbed.
 *
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {HTMLTimeElement} element
 * @param {string} timestamp
 * @param {string} text
 */
function setTime(element, timestamp, text = formatLocal(timestamp)) {
  element.dateTime = timestamp;
  element.title = formatUtc(timestamp);
  setText(element, text);
}

/**
 * Creates a box with the full error text and a copy button.
 *
 * @param {string} error
 * @param {string} name The server's name. Empty for an error of the job.
 */
function errorBox(error, name) {
  const text = h("pre", { tabindex: "0", role: "group", "aria-label": `Error for ${name || "the job"}` }, error);
  const copyButton = button("Copy error", copy, { class: "small" });
  async function copy() {
    try {
      await navigator.clipboard.writeText(error);
      copyButton.textContent = "Copied";
    } catch {
      // The clipboard requires HTTPS and permission.
      getSelection()?.selectAllChildren(text);
      copyButton.textContent = "Selected. Press Ctrl+C to copy.";
    }
    setTimeout(() => {
      copyButton.textContent = "Copy error";
    }, 3000);
  }
  return h("div", { class: "error" }, text, copyButton);
}

/**
 * Returns the host of an HTTPS URL. Null for any other text, which must not become a link.
 *
 * @param {string | null} source
 */
function hostOf(source) {
  const url = source && URL.canParse(source) ? new URL(source) : null;
  return url?.protocol === "https:" ? url.host : null;
}

/**
 * Creates the list with the cause, the first step and the source of a hint.
 *
 * @param {Hint} hint
 */
function hintList({ isKnown, cause, firstStep, source }) {
  const host = hostOf(source);
  const attributes = { href: source, target: "_blank", rel: "noreferrer noopener" };
  const link = host && h("a", attributes, host, h("span", { class: "hidden" }, " (opens a new tab)"));
  const rows = { Cause: cause, "First step": firstStep, Source: link };
  return h(
    "dl",
    { class: isKnown ? "hint" : "hint unknown" },
    ...Object.entries(rows).flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
  );
}

/** @param {string} identity Who started a job. */
function startedBy(identity) {
  return h("span", { class: "requester", title: identity }, `Started by: ${identityName(identity)}`);
}

/** @param {Resource} resource */
function resourceItem({ resourceId, state, error, hint }) {
  return h(
    "li",
    { class: "resource", "data-state": state },
    h("span", { class: "badge" }, toLabel(state)),
    h("span", {}, "Network ", h("span", { class: "id" }, resourceId)),
    ...(error ? [errorBox(error, resourceId)] : []),
    ...(hint ? [hintList(hint)] : []),
  );
}

/** A row of the server list. It is created once and updated in place. */
class ServerCard {
  #rendered = "";
  #renderedErrors = "";
  #state = h("span", { class: "badge" });
  #name = h("strong", { class: "name" });
  #id = h("span", { class: "muted id" });
  #stages = h("span", { class: "stages", "aria-hidden": "true" }, ...STAGES.map(() => h("i")));
  #step = h("span", { class: "step" });
  #since = h("time");
  #age = h("span", { class: "muted" });
  #note = h("span", { class: "note" });
  #instance = h("code", { class: "instance" });
  #error = h("div", { class: "errors" });
  #timelineSuffix = h("span", { class: "hidden" });

  /**
   * @param {Server} server
   * @param {(server: Server) => void} showInTimeline
   */
  constructor(server, showInTimeline) {
    this.server = server;
    this.element = h(
      "li",
      { class: "server" },
      this.#state,
      h("span", { class: "who" }, this.#name, this.#id),
      h("span", { class: "where" }, this.#stages, this.#step),
      h("span", { class: "when" }, this.#since, this.#age, this.#note),
      this.#instance,
      h(
        "button",
        { type: "button", class: "small quiet", onclick: () => showInTimeline(this.server) },
        h("span", {}, "Timeline"),
        this.#timelineSuffix,
      ),
      this.#error,
    );
  }

  /**
   * @param {Server} server
   * @param {LogEntry[]} events The events of the server.
   */
  update(server, events) {
    const content = JSON.stringify([server, events.length]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.server = server;
    this.element.dataset.state = server.state;
    this.element.classList.toggle("warning", hasWarning(server));
    setText(this.#state, toLabel(server.state));
    setText(this.#name, displayName(server));
    setText(this.#id, server.serverName ? server.sourceServerId : "");
    setText(this.#timelineSuffix, ` for ${displayName(server)}`);
    setTime(this.#since, server.since);
    setText(this.#instance, server.ec2InstanceId ?? "");
    const jobEvents = events.filter((event) => event.jobId === server.jobId);
    const last = jobEvents.findLast((event) => !NO_STEPS.has(event.eventType));
    setText(this.#step, last ? eventLabel(last) : server.state === "PENDING" ? "Waiting" : "");
    const current = STAGES.findLastIndex((pattern) => jobEvents.some((event) => pattern.test(event.eventType)));
    const currentClass = server.state === "FAILED" ? "failed" : ACTIVE_STATES.has(server.state) ? "now" : "";
    [...this.#stages.children].forEach((stage, index) => {
      const isDone =
        server.state === "LAUNCHED" || index < current || (server.state === "COMPLETED" && index === current);
      stage.className = isDone ? "done" : index === current ? currentClass : "";
    });
    this.#renderNote(server);
    this.#renderErrors(server);
  }

  /** @param {Server} server */
  #renderNote({ stalledAt, terminatedAt, state }) {
    const [text, timestamp] = stalledAt
      ? ["Stalled since ", stalledAt]
      : ["Terminated at ", state === "TERMINATED" ? null : terminatedAt];
    if (!timestamp) return this.#note.replaceChildren();
    const time = h("time");
    setTime(time, timestamp);
    this.#note.replaceChildren(text, time);
  }

  /** @param {Server} server */
  #renderErrors(server) {
    const { error, hint, failedActions } = server;
    const content = JSON.stringify([error, hint, failedActions]);
    // An unchanged error keeps the selection and the focus.
    if (this.#renderedErrors === content) return;
    this.#renderedErrors = content;
    const name = displayName(server);
    this.#error.replaceChildren(
      ...(error ? [errorBox(error, name)] : []),
      ...(hint ? [hintList(hint)] : []),
      ...failedActions.flatMap((action) => [
        h("p", { class: "action" }, `Post-launch action failed${action.name ? `: ${action.name}` : ""}`),
        ...(action.error ? [errorBox(action.error, `${action.name ?? "a post-launch action"} on ${name}`)] : []),
      ]),
    );
  }

  /** @param {number} now Milliseconds since the epoch. */
  tick(now) {
    const isActive = ACTIVE_STATES.has(this.server.state);
    setText(this.#age, isActive ? `for ${formatDuration(now - Date.parse(this.server.since))}` : "");
  }
}

/** A virtual list: only the visible rows exist in the DOM. All rows have the height that the style sheet sets. */
class Timeline {
  /** @type {LogEntry[]} */
  #events = [];
  /** @type {Map<LogEntry, HTMLLIElement>} */
  #rows = new Map();
  #isPrinting = false;
  #showsSource = false;
  /** @type {number | undefined} The row height at the last resize. */
  #lastRowHeight;
  #list = h("ol", { class: "rows" });
  #showDetails;

  /** @param {(event: LogEntry) => void} showDetails */
  constructor(showDetails) {
    this.#showDetails = showDetails;
    this.element = h(
      "div",
      { class: "timeline", tabindex: "0", role: "region", "aria-label": "Timeline, newest first" },
      this.#list,
    );
    this.element.addEventListener("scroll", () => this.#render(), { passive: true });
  }

  get #rowHeight() {
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 40;
  }

  /**
   * Shows events. If the user has scrolled down, the visible rows keep their position.
   *
   * @param {LogEntry[]} events Newest first.
   * @param {boolean} showsSource True if each row shows the source of its event.
   */
  show(events, showsSource) {
    if (this.#showsSource !== showsSource) for (const event of this.#rows.keys()) this.#removeRow(event);
    this.#showsSource = showsSource;
    const top = this.element.scrollTop;
    if (top > 0 && this.#events.length) {
      const index = Math.floor(top / this.#rowHeight);
      const newIndex = events.indexOf(this.#events[index]);
      this.#list.style.height = `${events.length * this.#rowHeight}px`;
      if (newIndex > index) this.element.scrollTop = top + (newIndex - index) * this.#rowHeight;
    }
    this.#events = events;
    this.#render();
  }

  #render() {
    const height = this.#rowHeight;
    this.#list.style.height = this.#isPrinting ? "auto" : `${this.#events.length * height}px`;
    const visible = this.element.clientHeight || 400;
    const first = this.#isPrinting ? 0 : Math.max(0, Math.floor(this.element.scrollTop / height) - 8);
    const end = this.#isPrinting
      ? this.#events.length
      : Math.min(this.#events.length, Math.ceil((this.element.scrollTop + visible) / height) + 8);
    const wanted = new Set(this.#events.slice(first, end));
    for (const event of this.#rows.keys()) if (!wanted.has(event)) this.#removeRow(event);
    let previous = null;
    for (let index = first; index < end; index += 1) {
      const event = this.#events[index];
      const row = this.#rows.get(event) ?? this.#createRow(event);
      this.#rows.set(event, row);
      row.style.top = this.#isPrinting ? "" : `${index * height}px`;
      row.setAttribute("aria-posinset", String(index + 1));
      row.setAttribute("aria-setsize", String(this.#events.length));
      // Screen readers use the DOM order. A row in the right place is not moved, because it would lose the focus.
      if (row.previousElementSibling !== previous || row.parentNode !== this.#list) {
        if (previous) previous.after(row);
        else this.#list.prepend(row);
      }
      previous = row;
    }
  }

  /** @param {LogEntry} event */
  #removeRow(event) {
    const row = this.#rows.get(event);
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    if (row?.contains(root.activeElement)) this.element.focus({ preventScroll: true });
    row?.remove();
    this.#rows.delete(event);
  }

  /** @param {LogEntry} event */
  #createRow(event) {
    const time = h("time");
    setTime(time, event.timestamp, this.#isPrinting ? formatUtc(event.timestamp) : undefined);
    const mark = /FAIL/.test(event.eventType) ? " failure" : WARNINGS.has(event.eventType) ? " warning" : "";
    return h(
      "li",
      { class: `row${mark}` },
      time,
      h("span", { class: "type" }, eventLabel(event)),
      h(
        "span",
        { class: "what" },
        // The source comes first, so that a long message does not hide it.
        ...(this.#showsSource && event.source ? [h("span", { class: "source" }, event.source), " "] : []),
        event.message || displayName(event),
      ),
      h(
        "button",
        { type: "button", class: "small quiet", onclick: () => this.#showDetails(event) },
        event.error ? "Error" : "Details",
        h("span", { class: "hidden" }, ` for ${eventLabel(event)} ${displayName(event)}`),
      ),
      ...(this.#isPrinting && event.error ? [h("pre", {}, event.error)] : []),
    );
  }

  /** Keeps the visible rows in place when the row height changes. Rows are higher on narrow screens. */
  resize() {
    const height = this.#rowHeight;
    const top = (this.element.scrollTop * height) / (this.#lastRowHeight ?? height);
    this.#lastRowHeight = height;
    this.#render();
    this.element.scrollTop = top;
  }

  /** @param {boolean} isPrinting True to render all rows, for print. */
  print(isPrinting) {
    this.#isPrinting = isPrinting;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#render();
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The custom element
// ---------------------------------------------------------------------------------------------------------------------

class DrsJobLog extends HTMLElement {
  static observedAttributes = ["execution-id", "job-id", "api-url"];

  // Polling.
  /** @type {Fetch} */
  #fetch = (url, options) => window.fetch(url, options);
  #controller = new AbortController(); // Replaced on each restart, so that answers to earlier requests are discarded.
  #timer = 0;
  #ticker = 0;
  #isRequesting = false;
  #isStarted = false; // Not `isConnected`, which is true before connectedCallback runs.
  #log = new EventLog();
  /** @type {Answer | null} */
  #answer = null;
  #answeredAt = 0;
  #answerCount = 0;
  /** @type {string | null} The start time of incremental reads. It changes only if the log gets a new event. */
  #since = null;
  /** @type {Map<string, { etag: string, answer: Answer }>} By URL: the last answer since the log got a new event. */
  #cache = new Map();
  /** @type {RequestError | null} */
  #error = null;
  #failures = 0;
  #failingSince = 0;
  #requestedAt = 0;
  /** @type {number | null} */
  #nextPollAt = null;

  // Rendering.
  #root = this.attachShadow({ mode: "open" });
  /** @type {Record<string, string>} The last rendered content by part. */
  #rendered = {};
  /** @type {Set<string>} What failed or stalled and was announced to screen readers. */
  #announced = new Set();
  /** @type {Map<string, ServerCard>} */
  #cards = new Map();
  #heading = h("h2", { tabindex: "-1" });
  #kind = h("span", { class: "kind" });
  #status = h("span", { class: "badge" });
  #requester = h("p", { class: "muted" });
  #reason = h("p", { class: "reason muted" });
  #connection = h("p", { class: "connection muted" });
  #errorText = h("p");
  #banner = h(
    "div",
    { class: "banner", role: "alert", hidden: true },
    this.#errorText,
    button("Retry now", () => this.#retry(), { class: "small" }),
  );
  #headline = h("strong", { class: "big" });
  #elapsed = h("span", { class: "elapsed" });
  #segments = new Map(BAR_STATES.map((state) => [state, h("i", { "data-state": state })]));
  #bar = h(
    "div",
    { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0" },
    ...this.#segments.values(),
  );
  #counts = h("ul", { class: "counts", "aria-label": "Counts by state" });
  #truncation = h("p", { class: "truncation", role: "status" });
  #empty = h("p", { class: "empty" });
  #jobList = h("ul", { class: "jobs" });
  #serversTitle = h("h3");
  #serverList = h("ul", { class: "servers" });
  #serverSection = h("section", { "aria-label": "Servers" }, this.#serversTitle, this.#serverList);
  #timelineTitle = h("h3");
  #sources = h("p", { class: "muted sources" });
  #timeline = new Timeline((event) => this.#showDetails(event));
  #textFilter = h("input", {
    type: "search",
    placeholder: "Name, ID, instance ID, message, or error",
    oninput: () => this.#onFilter(),
  });
  #stateFilter = h(
    "select",
    { onchange: () => this.#onFilter() },
    h("option", { value: "" }, "All states"),
    ...STATES.map((state) => h("option", { value: state }, toLabel(state))),
  );
  #serverFilter = h("select", { onchange: () => this.#onFilter() }, h("option", { value: "" }, "All servers"));
  #matches = h("p", { class: "muted" });
  #polite = h("p", { class: "hidden", "aria-live": "polite" });
  #assertive = h("p", { class: "hidden", "aria-live": "assertive" });
  #details = h("dialog", { "aria-label": "Event details" });
  #downloadStatus = h("span", { role: "status" });
  #summary = h(
    "div",
    { class: "summary" },
    h("p", { class: "headline" }, this.#headline, this.#elapsed),
    this.#bar,
    this.#counts,
    this.#truncation,
  );
  #content = h(
    "div",
    { class: "content" },
    h("section", { "aria-label": "Jobs" }, h("h3", {}, "Jobs"), this.#jobList),
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h("label", {}, "Text", this.#textFilter),
      h("label", {}, "State", this.#stateFilter),
      h("label", {}, "Server", this.#serverFilter),
      button("Clear filters", () => this.#clearFilters(), { class: "quiet" }),
      this.#matches,
    ),
    this.#serverSection,
    h(
      "section",
      { "aria-label": "Timeline" },
      this.#timelineTitle,
      h("p", { class: "muted zone" }, TIME_ZONE_TEXT),
      this.#sources,
      this.#timeline.element,
    ),
    h(
      "p",
      { class: "downloads" },
      "Download the full log: ",
      button("CSV", () => this.#download("csv")),
      button("JSON", () => this.#download("json")),
      this.#downloadStatus,
    ),
  );

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(
      h(
        "article",
        {},
        h(
          "header",
          {},
          this.#heading,
          h("p", { class: "badges" }, this.#kind, this.#status),
          this.#requester,
          this.#connection,
          this.#reason,
        ),
        this.#banner,
        this.#empty,
        this.#summary,
        this.#content,
        this.#polite,
        this.#assertive,
        this.#details,
      ),
    );
    this.#reset();
  }

  /** The function that sends requests. The default is `window.fetch`. */
  get fetch() {
    return this.#fetch;
  }

  set fetch(value) {
    this.#fetch = value;
    if (!this.#isStarted) return;
    // Delay repeated attempts: a listener can set a new fetch each time the API rejects the previous one.
    const wait = this.#failures > 1 ? this.#requestedAt + POLL_SECONDS * 1000 - Date.now() : 0;
    this.#stop();
    if (wait > 0) this.#timer = setTimeout(() => this.#poll(), wait);
    else this.#restart();
  }

  connectedCallback() {
    // The page can set the property before this module defines the element. Move the value to the accessor.
    if (Object.hasOwn(this, "fetch")) {
      const { fetch } = this;
      Reflect.deleteProperty(this, "fetch");
      this.#fetch = fetch;
    }
    document.addEventListener("visibilitychange", this.#onVisibilityChange);
    window.addEventListener("beforeprint", this.#onPrint);
    window.addEventListener("afterprint", this.#onPrint);
    this.#resizeObserver.observe(this.#timeline.element);
    this.#ticker = setInterval(() => this.#tick(), 1000);
    this.#isStarted = true;
    this.#render();
    this.#restart();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#onVisibilityChange);
    window.removeEventListener("beforeprint", this.#onPrint);
    window.removeEventListener("afterprint", this.#onPrint);
    this.#resizeObserver.disconnect();
    clearInterval(this.#ticker);
    this.#isStarted = false;
    this.#stop();
  }

  /**
   * @param {string} _name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(_name, before, after) {
    if (!this.#isStarted || before === after) return;
    this.#reset();
    this.#restart();
  }

  #onVisibilityChange = () => {
    // Also after the execution is complete, because another wave can have started.
    if (!document.hidden) this.#poll();
  };

  /** @param {Event} event */
  #onPrint = (event) => this.#timeline.print(event.type === "beforeprint");

  #resizeObserver = new ResizeObserver(() => this.#timeline.resize());

  // --- Polling -------------------------------------------------------------------------------------------------------

  /** The execution or job that the attributes name, and the URL of its log. A URL path cannot contain every ID. */
  get #resource() {
    const jobId = this.getAttribute("job-id");
    const [name, id] = jobId ? ["jobId", jobId] : ["executionId", this.getAttribute("execution-id")];
    const base = (this.getAttribute("api-url") ?? "").replace(/\/+$/, "");
    return { id, url: `${base}/logs?${name}=${encodeURIComponent(id ?? "")}` };
  }

  #reset() {
    this.#log = new EventLog();
    this.#answer = null;
    this.#answeredAt = 0;
    this.#answerCount = 0;
    this.#since = null;
    this.#cache.clear();
    this.#failures = 0;
    this.#failingSince = 0;
    this.#error = null;
    this.#announced = new Set();
    this.#cards = new Map();
    this.#rendered = {};
    this.#serverList.replaceChildren();
    this.#serverFilter.replaceChildren(h("option", { value: "" }, "All servers"));
    this.#textFilter.value = this.#stateFilter.value = "";
    this.#polite.textContent = this.#assertive.textContent = "";
    this.#details.close();
    delete this.dataset.kind;
    this.#renderError();
    this.#render();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#isRequesting = false;
  }

  #restart() {
    this.#stop();
    if (this.#resource.id) this.#poll();
  }

  #retry() {
    this.#heading.focus();
    this.#restart();
  }

  /** Reads the log once, renders the answer and schedules the next poll. */
  async #poll() {
    if (this.#isRequesting || !this.#resource.id) return;
    this.#isRequesting = true;
    this.#requestedAt = Date.now();
    clearTimeout(this.#timer);
    const controller = this.#controller;
    this.#renderConnection();
    try {
      const interval = this.#log.events.length < PAGE_SIZE ? FULL_READ_INTERVAL : FULL_READ_INTERVAL_LARGE;
      const since = this.#answerCount % interval === 0 ? null : this.#since;
      let answer = await this.#read(since, controller.signal);
      // The last read covers the full log.
      if (answer.settled && since) answer = await this.#read(null, controller.signal);
      if (controller !== this.#controller) return;
      const isShown = answer === this.#answer;
      this.#onAnswer(answer);
      if (!isShown) this.#render();
    } catch (error) {
      if (controller !== this.#controller) return;
      this.#onError(/** @type {RequestError} */ (error));
    }
    // An event listener can remove this element, or change its attributes or its fetch function.
    if (controller !== this.#controller) return;
    this.#isRequesting = false;
    const seconds = secondsToNext(this.#answer, this.#failures, document.hidden);
    this.#nextPollAt = seconds === null ? null : Date.now() + seconds * 1000;
    if (seconds !== null && !this.#isInvalidRequest) this.#timer = setTimeout(() => this.#poll(), seconds * 1000);
    this.#renderConnection();
  }

  /**
   * Reads all pages and combines them into one answer. A single page that did not change is the same object again.
   *
   * @param {string | null} since The start time. Null for the full log.
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  async #read(since, signal) {
    /** @type {Answer[]} */
    const pages = [];
    /** @type {string | null | undefined} */
    let nextToken;
    do {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
      if (since) query.set("since", since);
      if (nextToken) query.set("nextToken", nextToken);
      const page = await this.#readPage(`${this.#resource.url}&${query}`, signal);
      pages.push(page);
      ({ nextToken } = page);
    } while (nextToken);
    if (pages.length === 1) return pages[0];
    // The pages do not contain the events that were stored between the reads, so `readAt` is that of the first page.
    return { ...pages[pages.length - 1], logs: pages.flatMap(({ logs }) => logs), readAt: pages[0].readAt };
  }

  /**
   * Reads a page, or returns the previous answer if it did not change.
   *
   * @param {string} url
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  async #readPage(url, signal) {
    const cached = this.#cache.get(url);
    /** @type {Record<string, string>} */
    const headers = cached ? { "If-None-Match": cached.etag } : {};
    const fetch = this.#fetch; // Called without `this`, because window.fetch rejects any other `this`.
    const aborted = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    // A custom fetch function can ignore the signal.
    const rejected = new Promise((_, reject) => {
      aborted.addEventListener("abort", () => reject(aborted.reason));
    });
    const request = fetch(url, { signal: aborted, cache: "no-store", headers });
    const response = /** @type {Response} */ (await Promise.race([request, rejected]));
    if (cached && response.status === 304) return cached.answer;
    if (!response.ok) throw new ApiError(response.status, await readErrorMessage(response));
    const answer = await response.json();
    const etag = response.headers.get("ETag");
    if (etag) this.#cache.set(url, { etag, answer });
    return answer;
  }

  /** @param {Answer} answer */
  #onAnswer(answer) {
    this.#answerCount += 1;
    this.#failures = 0;
    this.#error = null;
    this.#answeredAt = Date.now();
    this.#answer = answer;
    this.#renderError();
    if (this.#log.add(answer.logs)) {
      this.#since = this.#log.since(answer.readAt);
      this.#cache.clear();
    }
    this.#announce(answer);
    this.#dispatch("drs-job-log-update", { ...answer, logs: [...this.#log.events] });
  }

  /** @param {RequestError} error */
  #onError(error) {
    this.#failingSince = this.#failures ? this.#failingSince : Date.now();
    this.#failures += 1;
    this.#error = error;
    this.#renderError();
    if (isAccessDenied(error.status)) this.#dispatch("drs-job-log-unauthorized", { status: error.status });
  }

  /**
   * @param {string} type
   * @param {object} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  /** True if the API rejected the request as invalid. A retry would give the same result. */
  get #isInvalidRequest() {
    return this.#error?.status === 400;
  }

  // --- Rendering -----------------------------------------------------------------------------------------------------

  #render() {
    const answer = this.#answer;
    setText(this.#heading, this.#resource.id ?? "");
    const isEmpty = !answer || (answer.status === "NO_EVENTS" && !this.#log.events.length);
    this.#empty.hidden = !isEmpty;
    this.#summary.hidden = this.#content.hidden = isEmpty;
    if (isEmpty) {
      setText(this.#empty, this.#emptyText());
      this.#status.hidden = this.#kind.hidden = this.#requester.hidden = this.#reason.hidden = true;
      return;
    }
    this.#renderSummary(answer);
    this.#renderJobs(answer);
    this.#renderServers(answer);
    this.#renderSources();
    this.#applyFilters();
    this.#tick();
  }

  #emptyText() {
    const { id } = this.#resource;
    if (!id) return "Set the execution-id or job-id attribute of this element.";
    if (!this.#answer) return this.#error ? "" : "Loading…";
    return `No events for ${id} yet. The first event appears within about one minute after the start. If you expect events already, verify the ID.`;
  }

  /** @param {Answer} answer */
  #renderSummary(answer) {
    this.#status.hidden = false;
    this.#status.dataset.state = answer.status;
    setText(this.#status, statusLabel(answer.status));
    this.#reason.hidden = !answer.statusReason;
    setText(this.#reason, answer.statusReason ?? "");
    this.#requester.hidden = !answer.requestedBy;
    if (this.#isChanged("requester", answer.requestedBy ?? ""))
      this.#requester.replaceChildren(...(answer.requestedBy ? [startedBy(answer.requestedBy)] : []));
    const jobs = decisiveJobs(answer);
    const [label, ...labels] = new Set(jobs.map(jobLabel).filter(Boolean));
    this.#kind.hidden = !label;
    setText(this.#kind, label ? [label, ...labels.map((other) => other.toLowerCase())].join(" and ") : "");
    const drills = new Set(jobs.map((job) => job.isDrill).filter((isDrill) => isDrill !== null));
    this.dataset.kind = drills.has(false) ? "recovery" : drills.has(true) ? "drill" : "";

    const { total, done, counts, text } = progressOf(answer);
    const isComplete = hasAllServers(answer);
    setText(this.#headline, text);
    this.#bar.setAttribute("aria-valuemax", String(Math.max(total, 1)));
    this.#bar.setAttribute("aria-valuenow", String(done));
    this.#bar.setAttribute("aria-valuetext", text);
    for (const [state, segment] of this.#segments) segment.style.flexGrow = String(counts.get(state) ?? 0);
    const stalled = answer.servers.filter((server) => server.stalledAt).length;
    const withFailedAction = answer.servers.filter((server) => server.failedActions.length).length;
    this.#counts.replaceChildren(
      ...STATES.map((state) => ({ state, number: counts.get(state) ?? 0 }))
        .filter(({ number }) => number)
        .map(({ state, number }) => {
          const isCombined = !isComplete && state === "CONVERSION";
          const label = isCombined ? "snapshot or conversion" : toLabel(state).toLowerCase();
          return h("li", { "data-state": state }, h("b", {}, number.toLocaleString()), ` ${label}`);
        }),
      ...[
        { number: stalled, text: "stalled" },
        { number: withFailedAction, text: "with a failed post-launch action" },
      ]
        .filter(({ number }) => number)
        .map(({ number, text }) => {
          const label = isComplete ? text : `listed ${text}`;
          return h("li", { class: "warning" }, h("b", {}, number.toLocaleString()), ` ${label}`);
        }),
    );
    setText(this.#truncation, this.#truncationText(answer));
  }

  /** @param {Answer} answer */
  #truncationText({ truncated, servers, summary, jobs }) {
    if (!truncated) return "";
    const texts = [
      { listed: servers.length, total: summary.totalServers, noun: "server" },
      { listed: jobs.length, total: this.#log.jobIds.size, noun: "job" },
    ]
      .filter(({ listed, total }) => listed < total)
      .map(({ listed, total, noun }) => `${listed.toLocaleString()} of ${formatCount(total, noun)}`);
    const lists = texts.length ? `The page lists only ${texts.join(" and ")}. ` : "";
    return `The API shortened its answer, because it was too large. ${lists}Error texts of servers and jobs can be shortened.`;
  }

  /** @param {Answer} answer */
  #renderJobs(answer) {
    const states = answer.servers.map((server) => [server.jobId, server.state]);
    const { jobs, summary, truncated } = answer;
    const content = [jobs, states, summary.totalServers, truncated, this.#log.events.length];
    if (!this.#isChanged("jobs", content)) return;
    const hasAllJobs = this.#hasAllJobs(answer);
    const jobsText = `${answer.jobs.length}${hasAllJobs ? "" : " listed"}`;
    // The API reports a server only under its latest job. Omit the counts of an earlier job, which would be incomplete.
    const latestJobs = new Map(answer.servers.map((server) => [server.sourceServerId, server.jobId]));
    /** @param {Job} job */
    const isSuperseded = (job) =>
      this.#log.events.some(
        (event) =>
          event.jobId === job.jobId && event.sourceServerId && latestJobs.get(event.sourceServerId) !== job.jobId,
      );
    this.#jobList.replaceChildren(
      ...answer.jobs.map((job, index) => {
        const servers = answer.servers.filter((server) => server.jobId === job.jobId);
        const goal = goalOf(job);
        /** @type {State[]} */
        const others = ["FAILED", "TERMINATED"];
        const counts = [goal, ...others.filter((state) => state !== goal && countOf(servers, state))]
          .map((state) => `${countOf(servers, state)} ${state.toLowerCase()}`)
          .join(", ");
        const texts = [
          ...(servers.length && hasAllServers(answer) && !isSuperseded(job)
            ? [`${formatCount(servers.length, "server")}: ${counts}`]
            : []),
          ...(job.resources.length ? [networksText(job.resources, answer.truncated)] : []),
        ];
        const start = h("time");
        setTime(start, job.startedAt, dateTimeFormat.format(new Date(job.startedAt)));
        const item = h(
          "li",
          {},
          h("span", { class: "badge", "data-state": job.status }, statusLabel(job.status)),
          h("strong", {}, `Job ${index + 1} of ${jobsText}`),
          h("span", { class: "muted id" }, job.jobId),
          h("span", { class: "label" }, jobLabel(job)),
          ...(texts.length ? [h("span", {}, texts.join(", "))] : []),
          h("span", {}, "Started: ", start),
          ...(job.requestedBy ? [startedBy(job.requestedBy)] : []),
        );
        if (job.endedAt) {
          const duration = formatDuration(Date.parse(job.endedAt) - Date.parse(job.startedAt));
          item.append(h("span", {}, `Duration: ${duration}`));
        }
        if (job.resources.length) item.append(h("ul", { class: "resources" }, ...job.resources.map(resourceItem)));
        return item;
      }),
    );
  }

  /**
   * Reports whether the answer contains all jobs. The API shortens an answer that is too large.
   *
   * @param {Answer} answer
   */
  #hasAllJobs({ truncated, jobs }) {
    return !truncated || jobs.length >= this.#log.jobIds.size;
  }

  /**
   * Reports whether the content of a part changed since the last call, so that unchanged parts are not rendered again.
   *
   * @param {string} part
   * @param {unknown} value
   */
  #isChanged(part, value) {
    const content = JSON.stringify(value);
    if (this.#rendered[part] === content) return false;
    this.#rendered[part] = content;
    return true;
  }

  /** @param {Answer} answer */
  #renderServers(answer) {
    this.#serverSection.hidden = !answer.summary.totalServers;
    const ids = new Set(answer.servers.map((server) => server.sourceServerId));
    for (const [id, { element }] of this.#cards) {
      if (ids.has(id)) continue;
      element.remove();
      this.#cards.delete(id);
    }
    /** @param {Server} server Failed servers come first, then servers with a warning. */
    const rank = (server) =>
      hasWarning(server) ? Math.min(STATES.indexOf(server.state), 0.5) : STATES.indexOf(server.state);
    const servers = answer.servers.toSorted((a, b) => rank(a) - rank(b) || compare(displayName(a), displayName(b)));
    const focused = this.#root.activeElement;
    servers.forEach((server, index) => {
      let card = this.#cards.get(server.sourceServerId);
      if (!card) {
        card = new ServerCard(server, (selected) => this.#showInTimeline(selected));
        this.#cards.set(server.sourceServerId, card);
      }
      card.update(server, this.#log.byServer.get(server.sourceServerId) ?? []);
      if (this.#serverList.children[index] !== card.element)
        this.#serverList.insertBefore(card.element, this.#serverList.children[index] ?? null);
    });
    // A moved element loses the focus.
    if (focused instanceof HTMLElement && focused !== this.#root.activeElement) focused.focus({ preventScroll: true });
    const options = servers
      .map((server) => ({ name: displayName(server), id: server.sourceServerId }))
      .sort((a, b) => compare(a.name, b.name));
    if (this.#isChanged("options", options)) {
      const selected = this.#serverFilter.value;
      this.#serverFilter.replaceChildren(
        h("option", { value: "" }, "All servers"),
        ...options.map(({ name, id }) => h("option", { value: id }, name)),
      );
      this.#serverFilter.value = selected;
    }
  }

  #renderSources() {
    const sources = [...this.#log.sources].sort(([a], [b]) => compare(a, b));
    if (!this.#isChanged("sources", sources)) return;
    this.#sources.replaceChildren(
      ...(sources.length ? ["Event sources: "] : []),
      ...sources.flatMap(([source, number], index) => [
        index ? ", " : "",
        h("code", {}, source),
        ` (${formatCount(number, "event")})`,
      ]),
    );
  }

  /** Shows the servers and events that match the filters. */
  #applyFilters() {
    const text = this.#textFilter.value.trim().toLowerCase();
    const [state, serverId] = [this.#stateFilter.value, this.#serverFilter.value];
    /** @param {(string | null)[]} values */
    const matchesText = (...values) => values.some((value) => value?.toLowerCase().includes(text));
    /** @type {Map<string | null, State>} */
    const states = new Map(this.#answer?.servers.map((server) => [server.sourceServerId, server.state]));
    /** @param {string | null} id */
    const matchesServer = (id) => (!serverId || id === serverId) && (!state || states.get(id) === state);
    let serverCount = 0;
    for (const [id, { element, server }] of this.#cards) {
      const isMatch =
        matchesServer(id) &&
        (!text ||
          matchesText(
            ...[server.serverName, id, server.ec2InstanceId, server.error, toLabel(server.state)],
            ...server.failedActions.flatMap(({ name, error }) => [name, error]),
          ));
      element.hidden = !isMatch;
      if (isMatch) serverCount += 1;
    }
    const isFiltered = Boolean(text || state || serverId);
    const events = this.#log.events.filter(
      (event) =>
        (!isFiltered || matchesServer(event.sourceServerId)) &&
        (!text ||
          matchesText(
            event.message,
            event.error,
            event.serverName,
            event.sourceServerId,
            event.resourceId,
            event.ec2InstanceId,
            event.jobId,
            event.source ?? null,
            eventLabel(event),
          )),
    );
    const senders = [...this.#log.sources.keys()].filter((source) => source !== LAUNCH_RESULT_SOURCE);
    this.#timeline.show(events.reverse(), senders.length > 1);
    const total = this.#answer?.summary.totalServers ?? 0;
    const hasAll = !this.#answer || hasAllServers(this.#answer);
    const ofTotal = hasAll ? "" : ` of ${total.toLocaleString()}`;
    setText(this.#serversTitle, `Servers (${serverCount.toLocaleString()}${ofTotal})`);
    setText(this.#timelineTitle, `Timeline (${events.length.toLocaleString()})`);
    const matches = `${formatCount(serverCount, hasAll ? "server" : "listed server")} and ${formatCount(events.length, "event")} match`;
    setText(this.#matches, isFiltered ? matches : "");
  }

  /** Applies the filters after user input and announces the number of matches to screen readers. */
  #onFilter() {
    this.#applyFilters();
    setText(this.#polite, this.#matches.textContent);
  }

  #clearFilters() {
    this.#textFilter.value = this.#stateFilter.value = this.#serverFilter.value = "";
    this.#onFilter();
  }

  /** @param {Server} server */
  #showInTimeline(server) {
    this.#serverFilter.value = server.sourceServerId;
    this.#applyFilters();
    this.#timeline.element.scrollIntoView({ block: "nearest" });
    this.#timeline.element.focus({ preventScroll: true });
  }

  /** @param {LogEntry} event */
  #showDetails(event) {
    const time = h("time");
    setTime(time, event.timestamp);
    const rows = {
      Time: h("span", {}, time, ` (${formatUtc(event.timestamp)})`),
      Server: [event.serverName, event.sourceServerId].filter(Boolean).join(", "),
      Network: event.resourceId,
      "Instance ID": event.ec2InstanceId,
      "Job ID": event.jobId,
      Source: event.source,
      Message: event.message,
      "Event ID": event.eventId,
    };
    this.#details.replaceChildren(
      h("h3", {}, eventLabel(event)),
      h(
        "dl",
        {},
        ...Object.entries(rows).flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
      ),
      ...(event.error ? [errorBox(event.error, displayName(event))] : []),
      h("form", { method: "dialog" }, h("button", {}, "Close")),
    );
    this.#details.showModal();
  }

  /** Updates the durations. Runs once per second. */
  #tick() {
    this.#renderConnection();
    if (!this.#answer?.jobs.length || document.hidden) return;
    const now = Date.now();
    const jobs = decisiveJobs(this.#answer);
    const starts = jobs.map((job) => Date.parse(job.startedAt));
    const ends = jobs.map((job) => (job.endedAt ? Date.parse(job.endedAt) : now));
    const elapsed = formatDuration(Math.max(...ends) - Math.min(...starts));
    setText(this.#elapsed, this.#hasAllJobs(this.#answer) ? elapsed : "");
    for (const card of this.#cards.values()) card.tick(now);
  }

  #renderError() {
    this.#banner.hidden = !this.#error;
    const age = this.#answeredAt ? ` The data shown is from ${formatLocal(this.#answeredAt)}.` : "";
    if (this.#error) setText(this.#errorText, `${this.#describeError(this.#error)}${age}`);
    if (!this.#answer) setText(this.#empty, this.#emptyText());
  }

  /** Updates the status of the connection. It is not a live region, because it changes every second. */
  #renderConnection() {
    if (this.#error) {
      const seconds = this.#nextPollAt && Math.max(0, Math.ceil((this.#nextPollAt - Date.now()) / 1000));
      const retry = this.#isRequesting ? "Retrying…" : `Next retry in ${seconds} s.`;
      return setText(this.#connection, this.#isInvalidRequest ? "" : retry);
    }
    if (!this.#answer) return setText(this.#connection, "");
    const { status, jobId } = this.#answer;
    const seconds = secondsToNext(this.#answer, 0, document.hidden);
    let text;
    if (seconds === null) text = jobId ? "The job is complete." : "The execution is complete.";
    else if (["IN_PROGRESS", "NO_EVENTS"].includes(status)) text = "Live.";
    else if (jobId) text = "The job has ended. Late events are possible.";
    else text = "All known jobs have ended. Another wave can follow.";
    setText(this.#connection, `${text} Last updated at ${formatLocal(this.#answeredAt)}.`);
  }

  /** @param {RequestError} error */
  #describeError({ status, name, message }) {
    if (isAccessDenied(status)) return `The API denied access (${status}: ${message}).`;
    if (status === 400) return `The request is not valid: ${message}.`;
    const cause = status ? `${status}: ${message}` : name === "TimeoutError" ? "timeout" : "no connection";
    return `Requests to the API have failed since ${formatLocal(this.#failingSince)} (${cause}).`;
  }

  /**
   * Announces the progress, and each failed or stalled server and network once, to screen readers.
   *
   * @param {Answer} answer
   */
  #announce(answer) {
    const { servers, summary } = answer;
    const failedServers = servers.filter((server) => server.state === "FAILED");
    const failedNetworks = networksOf(answer).filter((network) => network.state === "FAILED");
    const stalledServers = servers.filter((server) => server.stalledAt);
    const groups = [
      { noun: "server", verb: "failed", items: failedServers, number: summary.failed },
      { noun: "network", verb: "failed", items: failedNetworks, number: failedNetworks.length },
      { noun: "server", verb: "stalled", items: stalledServers, number: stalledServers.length },
    ];
    /**
     * @param {string} verb
     * @param {Server | Resource} item
     */
    const keyOf = (verb, item) => `${verb} ${"sourceServerId" in item ? item.sourceServerId : item.resourceId}`;
    const texts = groups.flatMap(({ noun, verb, items, number }) => {
      if (this.#answerCount === 1) return number ? [`${formatCount(number, noun)} ${verb}.`] : [];
      const added = items.filter((item) => !this.#announced.has(keyOf(verb, item))).map(displayName);
      if (!added.length) return [];
      const others = added.length > 3 ? ` and ${added.length - 3} more` : "";
      return [`${toLabel(verb)}: ${added.slice(0, 3).join(", ")}${others}.`];
    });
    if (texts.length) this.#assertive.textContent = texts.join(" ");
    this.#announced = new Set(groups.flatMap(({ verb, items }) => items.map((item) => keyOf(verb, item))));
    const { total, failed, text } = progressOf(answer);
    // The API can omit failed servers, so that their names are not announced.
    const failures = hasAllServers(answer) ? "" : `, ${failed.toLocaleString()} failed`;
    if (total) setText(this.#polite, `${text}${failures}. ${STATUS_LABELS[answer.status] ?? ""}`);
  }

  /** @param {"csv" | "json"} format */
  async #download(format) {
    const { id } = this.#resource;
    let answer;
    setText(this.#downloadStatus, "Downloading…");
    this.#cache.clear(); // The file has the time of its own read.
    try {
      answer = await this.#read(null, this.#controller.signal);
      setText(this.#downloadStatus, "");
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      return setText(this.#downloadStatus, name === "AbortError" ? "" : `Download failed: ${message}. Try again.`);
    }
    const isCsv = format === "csv";
    const text = isCsv ? `\ufeff${toCsv(answer.logs)}` : JSON.stringify(answer, null, 2);
    const blob = new Blob([text], { type: isCsv ? "text/csv" : "application/json" });
    const fileName = `drs-job-log-${(id ?? "").replace(/[^\w.-]+/g, "_")}.${format}`;
    const link = h("a", { href: URL.createObjectURL(blob), download: fileName });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}

/** @param {number | undefined} status */
function isAccessDenied(status) {
  return status === 401 || status === 403;
}

/**
 * Returns the message of an error response, or its status text if it has no message.
 *
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function readErrorMessage(response) {
  try {
    return (await response.json()).message || response.statusText;
  } catch {
    return response.statusText;
  }
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host {
  --page: #fff; --ink: #1b1f24; --muted: #57606a; --line: #d0d7de; --soft: #f6f8fa; --focus: #0550ae;
  --green: #116329; --green-soft: #dafbe1; --red: #a40e26; --red-soft: #ffebe9; --blue: #0550ae; --blue-soft: #ddf4ff;
  --amber: #7d4e00; --amber-soft: #fff8c5; --violet: #6639ba; --grey-soft: #eaeef2;
  --row: 40px;
  color-scheme: light dark; display: block; container-type: inline-size;
  background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :host {
    --page: #0d1117; --ink: #e6edf3; --muted: #9aa4ae; --line: #3d444d; --soft: #161b22; --focus: #79c0ff;
    --green: #7ee787; --green-soft: #12361f; --red: #ffa198; --red-soft: #4b1113; --blue: #79c0ff; --blue-soft: #0c2d4d;
    --amber: #e3b341; --amber-soft: #3b2a05; --violet: #d2a8ff; --grey-soft: #262c36;
  }
}
* { box-sizing: border-box; }
[hidden], .hidden:not(:focus) { position: absolute !important; }
[hidden] { display: none !important; }
.hidden { clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
article { padding: 16px; }
article::before { content: ""; display: block; height: 6px; margin: -16px -16px 16px; background: var(--line); }
:host([data-kind="recovery"]) article::before { background: var(--red); }
:host([data-kind="drill"]) article::before { background: repeating-linear-gradient(45deg, var(--blue) 0 10px, transparent 10px 20px); }
h2, h3, p, ul, ol, dl, dd { margin: 0; padding: 0; }
h2 { font-size: 1.3rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 24px 0 8px; }
ul, ol { list-style: none; }
.muted, dt { color: var(--muted); }
.id, code, pre, .what { overflow-wrap: anywhere; }
.id, code, pre { font: 13px/1.5 ui-monospace, monospace; }
button, input, select { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 6px; padding: 4px 12px; min-height: 32px; max-width: 100%; }
button { cursor: pointer; background: var(--soft); }
button:hover { border-color: var(--muted); }
.small { font-size: 13px; padding: 1px 8px; min-height: 26px; }
.quiet { background: transparent; }
header { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }
.badges { display: flex; gap: 8px; }
.connection { margin-left: auto; font-size: 13px; }
.reason { flex-basis: 100%; font-size: 14px; overflow-wrap: anywhere; }
.badge, .kind { display: inline-block; border-radius: 999px; padding: 1px 10px; font-size: 13px; font-weight: 600; white-space: nowrap; background: var(--grey-soft); }
.kind { border-radius: 4px; text-transform: uppercase; letter-spacing: .06em; }
:host([data-kind="recovery"]) .kind { background: var(--red); color: var(--page); }
:host([data-kind="drill"]) .kind { background: var(--page); color: var(--blue); box-shadow: inset 0 0 0 2px var(--blue); }
.badge[data-state="FAILED"], [data-state="FAILED"] > .badge { background: var(--red); color: var(--page); }
.badge:is([data-state="LAUNCHED"], [data-state="COMPLETED"]), :is([data-state="LAUNCHED"], [data-state="COMPLETED"]) > .badge { background: var(--green-soft); color: var(--green); }
.badge[data-state="IN_PROGRESS"], :is([data-state="LAUNCHING"], [data-state="CONVERSION"], [data-state="SNAPSHOT"]) > .badge { background: var(--blue-soft); color: var(--blue); }
.badge[data-state="PARTIAL"] { background: var(--amber-soft); color: var(--amber); }
.banner { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; margin-top: 12px; padding: 8px 12px; border: 1px solid var(--red); border-radius: 6px; background: var(--red-soft); color: var(--red); font-weight: 600; }
.banner p { flex: 1 1 16em; }
.empty { padding: 48px 0; text-align: center; color: var(--muted); overflow-wrap: anywhere; }
.headline { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 16px; margin-top: 16px; }
.big { font-size: 1.7rem; line-height: 1.3; }
.elapsed { font-variant-numeric: tabular-nums; color: var(--muted); }
.elapsed:not(:empty)::after { content: " elapsed"; }
.bar { display: flex; height: 16px; margin: 8px 0; border-radius: 8px; overflow: hidden; background: var(--grey-soft); }
.bar i { flex: 0 0 0; background: var(--muted); transition: flex-grow .3s; }
.bar i:not([style*="flex-grow: 0"]) ~ i:not([style*="flex-grow: 0"]) { margin-left: 2px; }
.bar :is([data-state="LAUNCHED"], [data-state="COMPLETED"]) { background: var(--green); }
.bar [data-state="FAILED"] { background: var(--red); }
.bar [data-state="LAUNCHING"] { background: var(--blue); }
.bar :is([data-state="CONVERSION"], [data-state="SNAPSHOT"]) { background: color-mix(in srgb, var(--blue) 55%, var(--page)); }
.bar [data-state="PENDING"] { background: transparent; }
.counts { display: flex; flex-wrap: wrap; gap: 2px 16px; color: var(--muted); }
.counts b { color: var(--ink); font-size: 1.05rem; }
.counts [data-state="FAILED"], .counts [data-state="FAILED"] b { color: var(--red); font-weight: 700; }
.counts .warning, .counts .warning b { color: var(--amber); }
.truncation { margin-top: 8px; color: var(--amber); font-weight: 600; }
.truncation:empty { display: none; }
.jobs li { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: center; padding: 4px 0; }
.resources { flex-basis: 100%; padding-left: 16px; }
.resource :is(.error, .hint) { flex-basis: 100%; min-width: 0; }
.filters { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: end; margin-top: 24px; padding-top: 16px; border-top: 1px solid var(--line); }
.filters label { display: grid; font-size: 13px; color: var(--muted); min-width: 0; }
.filters label:first-child { flex: 1 1 16em; }
.filters :is(input, select) { color: var(--ink); font-size: 15px; width: 100%; }
.filters .muted { flex-basis: 100%; font-size: 13px; }
.filters .muted:empty { display: none; }
.server { display: grid; grid-template-columns: 7.5em minmax(10em, 1.4fr) minmax(9em, 1fr) minmax(9em, 1fr) minmax(11em, auto) auto; gap: 2px 16px; align-items: center; padding: 6px 8px; border-top: 1px solid var(--line); }
.server[data-state="FAILED"] { background: var(--red-soft); border-left: 4px solid var(--red); padding-left: 4px; }
.server.warning:not([data-state="FAILED"]) { border-left: 4px solid var(--amber); padding-left: 4px; }
.server > .badge { justify-self: start; }
.who, .where, .when { display: flex; flex-direction: column; min-width: 0; }
.name { overflow-wrap: anywhere; }
.when { font-variant-numeric: tabular-nums; font-size: 14px; }
.when .muted { font-size: 13px; }
.note { font-size: 13px; }
.warning .note, .action { color: var(--amber); font-weight: 600; }
.step { font-size: 14px; }
.stages { display: flex; gap: 3px; max-width: 9em; }
.stages i { flex: 1; height: 5px; border-radius: 3px; background: var(--grey-soft); border: 1px solid var(--line); }
.stages .done { background: var(--green); border-color: var(--green); }
.stages .now { background: var(--blue); border-color: var(--blue); }
.stages .failed { background: var(--red); border-color: var(--red); }
.errors { grid-column: 1 / -1; }
.error { display: flex; flex-wrap: wrap; gap: 8px; align-items: start; margin: 4px 0; color: var(--ink); }
.error pre { flex: 1 1 20em; min-width: 0; margin: 0; padding: 8px; max-height: 12em; overflow: auto; white-space: pre-wrap; background: var(--page); border: 1px solid var(--red); border-radius: 6px; }
.hint { margin: 4px 0; padding: 4px 8px; gap: 0 12px; font-size: 14px; color: var(--ink); background: var(--page); border-left: 3px solid var(--blue); }
.hint.unknown { border-left-color: var(--muted); }
.hint dt { font-weight: 600; }
a { color: var(--blue); }
.requester { overflow-wrap: anywhere; }
.timeline { position: relative; max-height: 580px; overflow: auto; border: 1px solid var(--line); border-radius: 6px; overflow-anchor: none; }
.rows { position: relative; }
.row { position: absolute; left: 0; right: 0; height: var(--row); display: grid; grid-template-columns: 11em 15em minmax(0, 1fr) auto; gap: 0 12px; align-items: center; padding: 0 8px; border-bottom: 1px solid var(--line); }
.row > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.source { display: inline-block; max-width: 50%; padding: 0 6px; border: 1px solid var(--line); border-radius: 4px; font: 12px/1.5 ui-monospace, monospace; overflow: hidden; text-overflow: ellipsis; vertical-align: middle; }
.row time { font-variant-numeric: tabular-nums; color: var(--muted); }
.row .type { font-weight: 600; }
.failure .type { color: var(--red); }
.row.warning .type { color: var(--amber); }
.row button { overflow: visible; }
.zone, .sources { font-size: 13px; margin: -6px 0 8px; overflow-wrap: anywhere; }
.sources:empty { display: none; }
.sources code { font-size: 12px; }
.downloads { margin-top: 24px; display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
dialog { width: min(44rem, calc(100% - 32px)); color: var(--ink); background: var(--page); border: 1px solid var(--line); border-radius: 8px; }
dialog h3 { margin-top: 0; }
dialog::backdrop { background: rgb(0 0 0 / .5); }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 4px 16px; margin-bottom: 16px; }
dd { overflow-wrap: anywhere; }
@container (max-width: 900px) {
  .server { grid-template-columns: 7.5em minmax(0, 1fr) auto; }
  .where { grid-column: 2; flex-direction: row; align-items: center; gap: 8px; }
  .stages { flex: 0 0 6em; }
  .when { grid-column: 2; flex-flow: row wrap; gap: 0 8px; }
  .instance { grid-column: 2; }
  .server button.quiet { grid-column: 3; grid-row: 1; }
}
@container (max-width: 600px) {
  :host { --row: 68px; }
  .timeline { --row: 68px; }
  .connection { margin-left: 0; flex-basis: 100%; }
  .server { grid-template-columns: minmax(0, 1fr) auto; }
  .server > * { grid-column: 1 !important; }
  .server > .badge { grid-row: 1; }
  .server button.quiet { grid-column: 2 !important; grid-row: 1; }
  .server .errors { grid-column: 1 / -1 !important; }
  .row { grid-template-columns: minmax(0, 1fr) auto; align-content: center; gap: 0 8px; font-size: 14px; line-height: 1.35; }
  .row > * { grid-column: 1; }
  .row time { order: 3; font-size: 13px; }
  .row button { grid-column: 2; grid-row: 1 / 4; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
@media (forced-colors: active) { .bar i, .stages i { forced-color-adjust: none; } }
@media print {
  :host { --page: #fff; --ink: #000; --muted: #444; --line: #999; --soft: #fff; --red: #a40e26; --green: #116329; --blue: #0550ae; --red-soft: #fff; --green-soft: #fff; --blue-soft: #fff; --amber-soft: #fff; --grey-soft: #eee; font-size: 11px; }
  .filters, .downloads, .zone, button, dialog { display: none !important; }
  .badge, .kind { background: none !important; color: var(--ink) !important; box-shadow: none !important; border: 1px solid var(--ink); }
  .server { grid-template-columns: 8em 1.4fr 1fr 1fr 1fr; break-inside: avoid; padding: 2px 8px; }
  .server > :not(.errors) { grid-column: auto !important; grid-row: auto !important; }
  .where, .when { flex-direction: column; align-items: start; gap: 0; }
  .server *, .row *, .jobs * { font-size: 11px !important; }
  .row pre { grid-column: 1 / -1 !important; margin: 0; white-space: pre-wrap !important; }
  .stages { display: none; }
  .timeline { max-height: none; overflow: visible; border: 0; }
  .row { position: static; height: auto; break-inside: avoid; grid-template-columns: 11em 15em minmax(0, 1fr); padding: 2px 0; }
  .row > * { white-space: normal; overflow: visible; grid-column: auto !important; grid-row: auto !important; order: 0 !important; }
  .error pre { max-height: none; }
  .hint a::after { content: ": " attr(href); }
}
`);

if (!customElements.get("drs-job-log")) customElements.define("drs-job-log", DrsJobLog);
