// @ts-nocheck: generated from the folder viewer by `make package`. Do not edit.

// viewer/plans.js
var STEP_LABELS = {
  NOT_STARTED: "Not started",
  EXECUTING: "In progress",
  WAITING: "Waiting",
  COMPLETED: "Completed",
  FAILED: "Failed",
  TIMED_OUT: "Timed out",
  SKIPPED: "Skipped"
};
var LOOKS = { EXECUTING: "IN_PROGRESS", WAITING: "PARTIAL", TIMED_OUT: "FAILED" };
var FAILURES = /* @__PURE__ */ new Set(["FAILED", "TIMED_OUT"]);
var PERSON_NEEDED = "The plan waits for a person: retry or skip the step in DRS.";
function stepsOf({ recoveryPlan, waves = [] }) {
  return recoveryPlan ? (
    /** @type {PlanStep[]} */
    waves
  ) : [];
}
function planLabel(status) {
  const text = status.replaceAll("_", " ").toLowerCase();
  return STEP_LABELS[status] ?? text.charAt(0).toUpperCase() + text.slice(1);
}
function lookOf({ stepStatus }) {
  return LOOKS[stepStatus] ?? stepStatus;
}
function isFailedStep({ stepStatus }) {
  return FAILURES.has(stepStatus);
}
function stepName({ number, name }) {
  return name ? `Step ${number} "${name}"` : `Step ${number}`;
}
function canContinue(answer) {
  const { recoveryPlan } = answer;
  return Boolean(recoveryPlan) && (!recoveryPlan?.endedAt || needsPerson(answer));
}
function needsPerson(answer) {
  return answer.recoveryPlan?.status === "FAILED" && stepsOf(answer).some(({ stepStatus }) => stepStatus === "FAILED");
}
function stepsToCome(answer) {
  return canContinue(answer) ? stepsOf(answer).filter(({ stepStatus }) => stepStatus === "NOT_STARTED") : [];
}
function serversToCome(answer) {
  if (!canContinue(answer)) return 0;
  const known = new Set(answer.servers.map(({ sourceServerId }) => sourceServerId));
  const open = stepsOf(answer).filter(({ stepStatus }) => ["NOT_STARTED", "EXECUTING", "FAILED"].includes(stepStatus));
  const ids = new Set(open.flatMap(({ criticalServers, optionalServers }) => [...criticalServers, ...optionalServers]));
  return [...ids].filter((id) => !known.has(id)).length;
}
function currentStep(answer) {
  const steps = stepsOf(answer);
  const isOpen = (step) => ["EXECUTING", "WAITING"].includes(step.stepStatus) || isFailedStep(step);
  const isOver = ({ stepStatus }) => stepStatus === "COMPLETED" || stepStatus === "SKIPPED";
  const firstToCome = steps.findIndex(({ stepStatus }) => stepStatus === "NOT_STARTED");
  return steps.find(isOpen) ?? (firstToCome < 0 ? steps : steps.slice(0, firstToCome)).findLast(isOver) ?? null;
}
function placeInPlan(answer) {
  const step = currentStep(answer);
  const total = stepsOf(answer).length;
  if (!step) return total && canContinue(answer) ? `Step 1 of ${total} has not started` : "";
  const verbs = { WAITING: " waits", FAILED: " failed", TIMED_OUT: " timed out" };
  return `Step ${step.number} of ${total}${verbs[step.stepStatus] ?? ""}`;
}
function waitingText(answer) {
  const step = currentStep(answer);
  if (step?.stepStatus === "WAITING") return `step ${step.number} waits`;
  return needsPerson(answer) ? "waits for a person" : "";
}
function optionalServersOf(answer) {
  return new Set(stepsOf(answer).flatMap(({ optionalServers }) => optionalServers));
}
function stepsByJob(answer) {
  return new Map(stepsOf(answer).flatMap((step) => step.jobIds.map((jobId) => [jobId, step])));
}
function serversText({ criticalServers, optionalServers, jobIds }, servers) {
  const count = (ids2, kind) => ids2.length ? [`${ids2.length.toLocaleString()} ${kind} server${ids2.length === 1 ? "" : "s"}`] : [];
  const text = [...count(criticalServers, "critical"), ...count(optionalServers, "optional")].join(", ");
  const ids = /* @__PURE__ */ new Set([...criticalServers, ...optionalServers]);
  const known = servers.filter(({ sourceServerId }) => ids.has(sourceServerId));
  if (!text || !jobIds.length || known.length < ids.size) return text;
  const failed = known.filter(({ state }) => state === "FAILED").length;
  const launched = known.filter(({ state }) => state === "LAUNCHED").length;
  return `${text}: ${launched.toLocaleString()} launched${failed ? `, ${failed.toLocaleString()} failed` : ""}`;
}
function unlistedServers({ criticalServers, optionalServers }, servers) {
  const listed = new Set(servers.map(({ sourceServerId }) => sourceServerId));
  return [...criticalServers, ...optionalServers.map((id) => `${id} (optional)`)].filter(
    (text) => !listed.has(text.split(" ")[0])
  );
}

// viewer/time.js
var STORAGE_KEY = "drs-job-log-time-zone";
var LOCAL = new Intl.DateTimeFormat().resolvedOptions().timeZone;
var TIME_ZONES = [.../* @__PURE__ */ new Set([LOCAL, "UTC"])];
var listeners = /* @__PURE__ */ new Set();
var format = formatOf(storedZone());
function formatOf(timeZone2) {
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: timeZone2 });
}
function storedZone() {
  try {
    return localStorage.getItem(STORAGE_KEY) === "UTC" ? "UTC" : LOCAL;
  } catch {
    return LOCAL;
  }
}
function timeZone() {
  return format.resolvedOptions().timeZone;
}
function selectTimeZone(name) {
  format = formatOf(name);
  try {
    localStorage.setItem(STORAGE_KEY, name === "UTC" ? "UTC" : "local");
  } catch {
  }
  for (const listener of listeners) listener();
}
function onTimeZone(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
function formatTime(timestamp) {
  return format.format(new Date(timestamp));
}
function toIsoTime(timestamp) {
  const time = new Date(timestamp);
  const offset = new Intl.DateTimeFormat("en", { timeZone: timeZone(), timeZoneName: "longOffset" }).formatToParts(time).find((part) => part.type === "timeZoneName")?.value.slice("GMT".length);
  const [, fraction = ""] = /(\.\d+)?Z$/.exec(timestamp) ?? [];
  return `${formatTime(timestamp).replace(" ", "T")}${fraction}${offset || "+00:00"}`;
}
function formatUtc(timestamp) {
  return `${timestamp.slice(0, 23).replace("T", " ")} UTC`;
}
function formatDuration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1e3));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// viewer/model.js
var OVERLAP_MS = 6e4;
var LAUNCH_RESULT_SOURCE = "aws.drs";
var SAME_FACT_MS = 5 * 6e4;
var EventLog = class {
  /** @type {LogEntry[]} */
  events = [];
  /** @type {Map<string | null, LogEntry[]>} */
  byServer = /* @__PURE__ */ new Map();
  /** @type {Map<LogEntry, LogEntry>} Event of a server → the launch result of DRS that reports the same fact. */
  results = /* @__PURE__ */ new Map();
  /** @type {Map<string, number>} The number of events by source. */
  sources = /* @__PURE__ */ new Map();
  /** @type {Set<string>} */
  jobIds = /* @__PURE__ */ new Set();
  /** @type {Set<string>} */
  accounts = /* @__PURE__ */ new Set();
  /** @type {Set<string>} */
  regions = /* @__PURE__ */ new Set();
  /** @type {Map<string, string>} Job ID → Region. */
  regionsOfJobs = /* @__PURE__ */ new Map();
  /** @type {Set<string>} */
  #keys = /* @__PURE__ */ new Set();
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
    this.byServer = /* @__PURE__ */ new Map();
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
    const results = /* @__PURE__ */ new Map();
    if (this.senders.length > 1) return results;
    for (const result of this.events) {
      if (result.source !== LAUNCH_RESULT_SOURCE || !result.sourceServerId) continue;
      const event = this.byServer.get(result.sourceServerId)?.find(
        (one) => one.source !== LAUNCH_RESULT_SOURCE && one.jobId === result.jobId && one.eventType === result.eventType && Math.abs(Date.parse(one.timestamp) - Date.parse(result.timestamp)) <= SAME_FACT_MS && !results.has(one)
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
};
function isPlanEvent({ eventType }) {
  return eventType.startsWith("PLAN_");
}
function compareEvents(a, b) {
  return compare(a.timestamp, b.timestamp) || compare(a.jobId, b.jobId) || compare(a.eventId, b.eventId) || compare(a.source ?? "", b.source ?? "");
}
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
var CSV_COLUMNS = [
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
  "durationSeconds"
];
function toCsv(events) {
  const cell = (value) => {
    const text = String(value ?? "");
    return `"${(/^\s*[=+\-@＝＋－＠\t\r\n]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  const rows = events.map((event) => [toIsoTime(event.timestamp), ...CSV_COLUMNS.map((column) => event[column])]);
  return [["time", ...CSV_COLUMNS], ...rows].map((row) => `${row.map(cell).join(",")}\r
`).join("");
}
var STATES = [
  "FAILED",
  "LAUNCHING",
  "CONVERSION",
  "SNAPSHOT",
  "PENDING",
  "LAUNCHED",
  "COMPLETED",
  "SKIPPED",
  "TERMINATED"
];
var BAR_STATES = [
  "LAUNCHED",
  "COMPLETED",
  "LAUNCHING",
  "CONVERSION",
  "SNAPSHOT",
  "PENDING",
  "SKIPPED",
  "TERMINATED",
  "FAILED"
];
var ACTIVE_STATES = /* @__PURE__ */ new Set(["LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING"]);
var STAGES = [/SNAPSHOT/, /^CONVERSION/, /^SERVER_LAUNCH/];
var STATUS_LABELS = {
  NO_EVENTS: "No events yet",
  IN_PROGRESS: "In progress",
  COMPLETED: "Completed",
  PARTIAL: "Partial",
  FAILED: "Failed",
  TERMINATED: "Cancelled"
};
function statusLabel(status) {
  return STATUS_LABELS[status] ?? toLabel(status);
}
function toLabel(name) {
  const text = name.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
var EVENT_TYPE_PARTS = [
  [/^JOB_TERMINATED$/, "JOB_CANCELLED"],
  [/^LAUNCH_ACTION/, "POST-LAUNCH_ACTION"],
  [/^DEPLOY_NETWORK_CONFIGURATION/, "NETWORK_DEPLOYMENT"],
  [/^UPDATE_NETWORK_CONFIGURATION/, "NETWORK_UPDATE"],
  [/^UPDATE_LAUNCH_TEMPLATE/, "TEMPLATE_UPDATE"],
  [/_START$/, "_STARTED"],
  [/_END$/, "_COMPLETED"],
  [/_FAIL$/, "_FAILED"]
];
function eventLabel({ eventType, resourceId, revision }) {
  const type = resourceId ? eventType.replace(/^SERVER_/, "NETWORK_") : eventType;
  const label = toLabel(EVENT_TYPE_PARTS.reduce((name, [part, replacement]) => name.replace(part, replacement), type));
  return revision ? `${label} (correction ${revision})` : label;
}
function isFailure({ eventType }) {
  return /FAIL|^PLAN_STEP_TIMED_OUT$/.test(eventType);
}
var WARNINGS = /* @__PURE__ */ new Set(["SERVER_STALLED", "JOB_DELETED"]);
var NO_STEPS = /* @__PURE__ */ new Set(["SERVER_STALLED", "LAUNCH_ACTION_FAILED"]);
var JOB_LABELS = new Map(
  Object.entries({
    START_DRILL: "Drill",
    START_RECOVERY: "Recovery",
    FAILBACK: "Failback",
    TERMINATE_RECOVERY_INSTANCES: "Termination",
    CREATE_NETWORK_RECOVERY: "Network recovery",
    UPDATE_NETWORK_RECOVERY: "Network update",
    ASSOCIATE_NETWORK_RECOVERY: "Network association",
    TERMINATE: "Termination",
    CREATE_CONVERTED_SNAPSHOT: "Converted snapshot"
  })
);
function jobLabel({ initiatedBy, jobType, isDrill, resources }) {
  const known = JOB_LABELS.get(initiatedBy ?? "") ?? JOB_LABELS.get(jobType ?? "");
  if (known) return known;
  if (initiatedBy) return toLabel(initiatedBy);
  if (resources.length) return "Network recovery";
  return isDrill === null ? "" : isDrill ? "Drill" : "Recovery";
}
function kindsOf(answer) {
  const jobs = decisiveJobs(answer);
  const { isDrill = null } = answer.recoveryPlan ?? {};
  const ofPlan = { initiatedBy: null, jobType: null, isDrill, resources: [] };
  return new Set((jobs.length ? jobs : [ofPlan]).map(jobLabel).filter(Boolean));
}
function displayName(subject) {
  return subject.serverName || subject.sourceServerId || subject.resourceId || "";
}
function identityName(identity) {
  const [, account, resource] = /^arn:[^:]*:[^:]*:[^:]*:([^:]*):(.+)$/.exec(identity) ?? [];
  if (resource === "root") return `root of ${account}`;
  return resource?.replace(/^[\w-]+\/(?=.)/, "") ?? identity;
}
function formatCount(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}
function placeText({ accounts, regions }) {
  if (!accounts.size) return "";
  return [`${accounts.size > 1 ? "Accounts" : "Account"} ${[...accounts].join(", ")}`, ...regions].join(", ");
}
var CONSOLE_DOMAINS = [
  [/^us-gov-/, "console.amazonaws-us-gov.com"],
  [/^eusc-/, "console.amazonaws-eusc.eu"]
];
var CONSOLE_PATHS = {
  instance: (id, region) => `ec2/home?region=${region}#InstanceDetails:instanceId=${id}`,
  server: (id, region) => `drs/home?region=${region}#/sourceServers/${id}`,
  job: (id, region) => `drs/home?region=${region}#/launchHistory/${id}`,
  // The address of the page of a recovery plan is not documented.
  drs: (_, region) => `drs/home?region=${region}`
};
function consoleUrl(kind, id, region) {
  if (!region || !/^[a-z]+(-[a-z]+)+-\d+$/.test(region)) return null;
  const domain = CONSOLE_DOMAINS.find(([pattern]) => pattern.test(region))?.[1] ?? "console.aws.amazon.com";
  return `https://${region}.${domain}/${CONSOLE_PATHS[kind](encodeURIComponent(id), region)}`;
}
function fullError({ error, jobId }, events) {
  if (!error) return error;
  const full = events.findLast((event) => event.jobId === jobId && event.error?.startsWith(error))?.error;
  return full ?? error;
}
function shapeOf(error) {
  return error.replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, "ID").replace(/\b[a-z]+-[0-9a-f]{8,}\b/g, "ID").replace(/(authorization failure message: )\S+/g, "$1ID");
}
function failuresOf(answer) {
  const failed = [...answer.servers, ...networksOf(answer)].filter((item) => item.state === "FAILED");
  const groups = /* @__PURE__ */ new Map();
  for (const item of failed) {
    const { error, hint } = item;
    const shape = shapeOf(error ?? "");
    const group = groups.get(shape) ?? { error: error ?? "", hint: hint ?? null, items: [] };
    group.items.push(item);
    groups.set(shape, group);
  }
  return [...groups.values()].sort((a, b) => b.items.length - a.items.length);
}
var SORT_KEYS = {
  State: rankOf,
  Name: displayName,
  "Last change": (server) => -Date.parse(server.since),
  "Longest in its step": (server) => ACTIVE_STATES.has(server.state) ? Date.parse(server.since) : Infinity
};
var SORT_ORDERS = Object.keys(SORT_KEYS);
function rankOf(server) {
  const rank = STATES.indexOf(server.state);
  return hasWarning(server) ? Math.min(rank, 0.5) : rank;
}
function sortServers(servers, order) {
  const keyOf = SORT_KEYS[order];
  const keyed = servers.map((server) => ({ server, key: keyOf(server), name: displayName(server) }));
  keyed.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : compare(a.name, b.name));
  return keyed.map(({ server }) => server);
}
function goalOf({ jobType }) {
  if (jobType === null || jobType === "LAUNCH") return "LAUNCHED";
  return jobType === "TERMINATE" ? "TERMINATED" : "COMPLETED";
}
function decisiveJobs({ jobs }) {
  const others = jobs.filter((job) => job.jobType !== "TERMINATE");
  return others.length ? others : jobs;
}
function countOf(items, state) {
  return items.filter((item) => item.state === state).length;
}
function countsOf(items) {
  return new Map(STATES.map((state) => [state, countOf(items, state)]));
}
function countsOfSummary(summary) {
  return /* @__PURE__ */ new Map([
    ["FAILED", summary.failed],
    ["LAUNCHING", summary.launching],
    ["CONVERSION", summary.converting],
    ["PENDING", summary.pending],
    ["LAUNCHED", summary.launched],
    ["COMPLETED", summary.completed],
    ["SKIPPED", summary.skipped],
    ["TERMINATED", summary.terminated]
  ]);
}
function hasAllServers({ servers, summary }) {
  return servers.length === summary.totalServers;
}
function networksOf({ jobs }) {
  const networks = jobs.flatMap((job) => job.resources);
  return [...new Map(networks.map((network) => [network.resourceId, network])).values()];
}
function networksText(networks, isTruncated) {
  const noun = isTruncated ? "listed network" : "network";
  return `${countOf(networks, "LAUNCHED")} of ${formatCount(networks.length, noun)} recovered`;
}
function progressOf(answer) {
  const jobs = decisiveJobs(answer);
  const goals = new Set(jobs.map(goalOf));
  const goal = answer.recoveryPlan || goals.has("LAUNCHED") ? "LAUNCHED" : goals.has("COMPLETED") ? "COMPLETED" : "TERMINATED";
  const totalServers = answer.summary.totalServers + serversToCome(answer);
  const serverCounts = hasAllServers(answer) ? countsOf(answer.servers) : countsOfSummary(answer.summary);
  const networks = networksOf(answer);
  const counts = totalServers ? serverCounts : countsOf(networks);
  const serversText2 = `${serverCounts.get(goal)} of ${formatCount(totalServers, "server")} ${goal.toLowerCase()}`;
  const texts = [
    ...totalServers ? [serversText2] : [],
    ...networks.length ? [networksText(networks, answer.truncated)] : []
  ];
  return {
    total: totalServers || networks.length,
    done: counts.get(totalServers ? goal : "LAUNCHED") ?? 0,
    failed: counts.get("FAILED") ?? 0,
    counts,
    text: texts.join(", ") || "No servers"
  };
}
function stagesOf({ state, stalledAt }, events) {
  const seen = STAGES.map((pattern) => events.some((event) => pattern.test(event.eventType)));
  const current = seen.lastIndexOf(true);
  const ofCurrent = state === "FAILED" ? "failed" : stalledAt ? "stalled" : ACTIVE_STATES.has(state) ? "now" : "";
  return seen.map((isSeen, index) => {
    if (state === "LAUNCHED") return "done";
    if (!isSeen) return "";
    return index < current || state === "COMPLETED" ? "done" : ofCurrent;
  });
}
function wavesOf(answer) {
  const { waves = [], plannedWaves, summary, recoveryPlan } = answer;
  if (recoveryPlan)
    return {
      text: placeInPlan(answer),
      noun: "step",
      toCome: stepsToCome(answer).length,
      servers: serversToCome(answer)
    };
  const toCome = Math.max(0, (plannedWaves ?? 0) - waves.length);
  const all = waves.length + toCome;
  const text = plannedWaves ? `Wave ${waves.length} of ${all}` : `Wave ${waves.length}`;
  return {
    text: all > 1 && waves.length ? text : "",
    noun: "wave",
    toCome,
    servers: waves.length ? summary.totalServers * toCome / waves.length : 0
  };
}
function waveNames(answer) {
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
function statusText(answer) {
  const label = statusLabel(answer.status);
  return isBetweenWaves(answer) && answer.status !== "IN_PROGRESS" ? `${label} so far` : label;
}
function isBetweenWaves(answer) {
  const { jobId, jobs, settled, recoveryPlan } = answer;
  const canFollow = recoveryPlan ? canContinue(answer) : jobs.length > 0;
  return !jobId && !settled && canFollow && jobs.every((job) => job.endedAt !== null);
}
function planText({ recoveryPlan }) {
  if (!recoveryPlan) return "";
  return `Recovery plan${recoveryPlan.name ? ` ${recoveryPlan.name}` : ""}. Status in DRS: ${planLabel(recoveryPlan.status)}`;
}
function failedStepsOf(answer) {
  const failed = stepsOf(answer).filter(isFailedStep);
  return new Map(failed.map((step) => [`step ${step.number}, attempt ${step.attempt}`, stepName(step)]));
}
function hasWarning({ stalledAt, failedActions }) {
  return stalledAt !== null || failedActions.length > 0;
}

// viewer/poll.js
var POLL_SECONDS = 3;
var POLL_SECONDS_BETWEEN_WAVES = 15;
var POLL_SECONDS_HIDDEN = 30;
var POLL_SECONDS_SETTLED = 300;
var MAX_RETRY_SECONDS = 60;
var FULL_READ_INTERVAL = 10;
var FULL_READ_INTERVAL_LARGE = 40;
var PAGE_SIZE = 1e3;
var TIMEOUT_MS = 3e4;
var KINDS_BY_STATUS = { 400: "invalid-request", 401: "sign-in", 403: "permission" };
var RequestError = class extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message
   * @param {number} [status] The status code, if there is a response.
   */
  constructor(kind, message, status) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
};
function secondsToNext(answer, failures, isHidden) {
  if (failures) return Math.min(POLL_SECONDS * 2 ** (failures - 1), MAX_RETRY_SECONDS);
  if (answer?.settled && !needsPerson(answer)) return POLL_SECONDS_SETTLED;
  const isBetweenWaves2 = answer && !["IN_PROGRESS", "NO_EVENTS"].includes(answer.status);
  const seconds = isBetweenWaves2 ? POLL_SECONDS_BETWEEN_WAVES : POLL_SECONDS;
  return isHidden ? Math.max(seconds, POLL_SECONDS_HIDDEN) : seconds;
}
var Poller = class {
  /** @type {Fetch} Call `restart` or `restartSoon` to use another function at once. */
  fetch = (url, options) => globalThis.fetch(url, options);
  log = new EventLog();
  /** @type {Answer | null} */
  answer = null;
  /** The time of the last answer, in milliseconds since the epoch, of the clock of the API. */
  answeredAt = 0;
  answerCount = 0;
  /** @type {RequestError | null} The error of the last request. */
  error = null;
  failingSince = 0;
  isRequesting = false;
  nextPollAt = 0;
  #listener;
  #isHidden;
  /** @type {string | null} */
  #url = null;
  #controller = new AbortController();
  // Replaced on each restart, so that answers to earlier requests are discarded.
  #timer = 0;
  #failures = 0;
  #requestedAt = 0;
  /** How far the clock of this computer is behind that of the API, in milliseconds. */
  #clockOffset = 0;
  /** @type {string | null} The start time of incremental reads. It changes only if the log gets a new event. */
  #since = null;
  /** @type {Map<string, { etag: string, answer: Answer }>} By URL: the last answer since the log got a new event. */
  #cache = /* @__PURE__ */ new Map();
  /**
   * @param {Listener} listener
   * @param {() => boolean} isHidden Tells whether nobody sees the viewer.
   */
  constructor(listener, isHidden) {
    this.#listener = listener;
    this.#isHidden = isHidden;
  }
  /** The current time of the API, in milliseconds since the epoch. The clock of this computer can be wrong. */
  get now() {
    return Date.now() + this.#clockOffset;
  }
  /** The URL of the log with its first query parameter. */
  get url() {
    return this.#url;
  }
  /** True if the API rejected the request as invalid. A retry would give the same result. */
  get isInvalidRequest() {
    return this.error?.kind === "invalid-request";
  }
  /**
   * Forgets the log. The next start reads another one.
   *
   * @param {string | null} url The URL of the log with its first query parameter. Null: there is nothing to read.
   */
  reset(url) {
    this.stop();
    this.#url = url;
    this.log = new EventLog();
    this.answer = this.error = this.#since = null;
    this.answeredAt = this.nextPollAt = this.answerCount = this.failingSince = this.#failures = 0;
    this.#cache.clear();
  }
  stop() {
    clearTimeout(this.#timer);
    this.#controller.abort();
    this.#controller = new AbortController();
    this.isRequesting = false;
  }
  restart() {
    this.stop();
    this.poll();
  }
  /** Restarts with another function. Delays repeated attempts: a listener can set a new one after each rejection. */
  restartSoon() {
    const wait = this.#failures > 1 ? this.#requestedAt + POLL_SECONDS * 1e3 - Date.now() : 0;
    if (wait <= 0) return this.restart();
    this.stop();
    this.#timer = setTimeout(() => this.poll(), wait);
  }
  /** Reads the log once and schedules the next poll. */
  async poll() {
    if (this.isRequesting || !this.#url) return;
    this.isRequesting = true;
    this.#requestedAt = Date.now();
    clearTimeout(this.#timer);
    const controller = this.#controller;
    this.#listener.onRequest();
    let result;
    try {
      result = await this.#readNext(controller.signal);
    } catch (error) {
      result = asRequestError(error);
    }
    if (controller !== this.#controller) return;
    this.isRequesting = false;
    if (result instanceof RequestError) this.#keepError(result);
    else this.#keepAnswer(result);
    const milliseconds = 1e3 * secondsToNext(this.answer, this.#failures, this.#isHidden());
    this.nextPollAt = Date.now() + milliseconds;
    if (!this.isInvalidRequest) this.#timer = setTimeout(() => this.poll(), milliseconds);
    if (result instanceof RequestError) this.#listener.onError(result);
    else this.#listener.onAnswer(result);
  }
  /**
   * Reads the full log now.
   *
   * @returns {Promise<Answer>}
   */
  readAll() {
    this.#cache.clear();
    return this.#read(null, this.#controller.signal);
  }
  /** @param {AbortSignal} signal */
  async #readNext(signal) {
    const interval = this.log.events.length < PAGE_SIZE ? FULL_READ_INTERVAL : FULL_READ_INTERVAL_LARGE;
    const since = this.answerCount % interval === 0 ? null : this.#since;
    const answer = await this.#read(since, signal);
    return answer.settled && since ? this.#read(null, signal) : answer;
  }
  /** @param {Answer} answer */
  #keepAnswer(answer) {
    this.answerCount += 1;
    this.#failures = 0;
    this.error = null;
    if (answer.now && answer !== this.answer) this.#clockOffset = Date.parse(answer.now) - Date.now();
    this.answeredAt = this.now;
    this.answer = answer;
    if (this.log.add(answer.logs)) {
      this.#since = this.log.since(answer.readAt);
      this.#cache.clear();
    }
  }
  /** @param {RequestError} error */
  #keepError(error) {
    this.failingSince = this.#failures ? this.failingSince : this.now;
    this.#failures += 1;
    this.error = error;
  }
  /**
   * Reads all pages and combines them into one answer. A single page that did not change is the same object again.
   *
   * @param {string | null} since The start time. Null for the full log.
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  async #read(since, signal) {
    const pages = [];
    let nextToken;
    do {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
      if (since) query.set("since", since);
      if (nextToken) query.set("nextToken", nextToken);
      const page = await this.#readPage(`${this.#url}&${query}`, signal);
      pages.push(page);
      ({ nextToken } = page);
    } while (nextToken);
    if (pages.length === 1) return pages[0];
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
    const headers = cached ? { "If-None-Match": cached.etag } : {};
    const response = await send(this.fetch, url, headers, signal);
    if (cached && response.status === 304) return cached.answer;
    if (!response.ok) throw await errorOf(response);
    const answer = await readAnswer(response);
    const etag = response.headers.get("ETag");
    if (etag) this.#cache.set(url, { etag, answer });
    return answer;
  }
};
async function send(fetch, url, headers, signal) {
  const aborted = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const rejected = new Promise((_, reject) => {
    aborted.addEventListener("abort", () => reject(aborted.reason));
  });
  const request = fetch(url, { signal: aborted, cache: "no-store", headers });
  return (
    /** @type {Response} */
    await Promise.race([request, rejected])
  );
}
async function errorOf(response) {
  const kind = KINDS_BY_STATUS[response.status] ?? "api";
  return new RequestError(kind, await readErrorMessage(response), response.status);
}
async function readComparison({ url, fetch }) {
  const [base, id] = url?.split("/logs?executionId=") ?? [];
  if (!id || /%2F|^\.{1,2}$/i.test(id)) return null;
  try {
    const response = await send(fetch, `${base}/executions/${id}/comparison`, {}, AbortSignal.any([]));
    const comparison = response.ok ? await response.json() : null;
    return Array.isArray(comparison?.servers) && comparison.other !== void 0 ? comparison : null;
  } catch {
    return null;
  }
}
async function readReport({ url, fetch }, path, signal) {
  const [base] = url?.split("/logs?") ?? [];
  const response = await send(fetch, `${base}${path}`, {}, signal);
  if (!response.ok) throw await errorOf(response);
  if (response.status === 202) return { report: null, retryAfter: Number(response.headers.get("Retry-After")) || null };
  const report = await response.json().catch(() => null);
  const isLink = URL.canParse(report?.url) && ["https:", "http:"].includes(new URL(report.url).protocol);
  if (!isLink || !Date.parse(report.expiresAt))
    throw new RequestError("invalid-answer", "the response is no report", response.status);
  return { report, retryAfter: null };
}
async function readAnswer(response) {
  const text = await response.text();
  try {
    const answer = JSON.parse(text);
    if (Array.isArray(answer.logs) && Array.isArray(answer.servers) && Array.isArray(answer.jobs) && answer.summary)
      return answer;
  } catch {
  }
  throw new RequestError("invalid-answer", "the response is no job log", response.status);
}
function asRequestError(error) {
  if (error instanceof RequestError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return new RequestError(name === "TimeoutError" ? "timeout" : "network", message);
}
async function readErrorMessage(response) {
  try {
    return (await response.json()).message || response.statusText;
  } catch {
    return response.statusText;
  }
}

// viewer/drs-job-log.css
var drs_job_log_default = '/* A rule of a later layer applies, however specific it is. Rules without a layer apply last. */\n@layer base, narrow;\n\n@layer base {\n  :host {\n    --page: #fff;\n    --ink: #1b1f24;\n    --muted: #57606a;\n    --line: #d0d7de;\n    --soft: #f6f8fa;\n    --focus: #0550ae;\n    --green: #116329;\n    --green-soft: #dafbe1;\n    --red: #a40e26;\n    --red-soft: #ffebe9;\n    --blue: #0550ae;\n    --blue-soft: #ddf4ff;\n    --amber: #7d4e00;\n    --amber-soft: #fff8c5;\n    --violet: #6639ba;\n    --grey-soft: #eaeef2;\n    /* The bars of launched and failed servers differ in luminance, not only in hue. */\n    --bar-done: #2da44e;\n    --bar-failed: #82071e;\n    --row: 2.5rem;\n    color-scheme: light dark;\n    display: block;\n    container-type: inline-size;\n    background: var(--page);\n    color: var(--ink);\n    font:\n      0.9375rem / 1.5 system-ui,\n      sans-serif;\n  }\n  @media (prefers-color-scheme: dark) {\n    :host {\n      --page: #0d1117;\n      --ink: #e6edf3;\n      --muted: #9aa4ae;\n      --line: #3d444d;\n      --soft: #161b22;\n      --focus: #79c0ff;\n      --green: #7ee787;\n      --green-soft: #12361f;\n      --red: #ffa198;\n      --red-soft: #4b1113;\n      --blue: #79c0ff;\n      --blue-soft: #0c2d4d;\n      --amber: #e3b341;\n      --amber-soft: #3b2a05;\n      --violet: #d2a8ff;\n      --grey-soft: #262c36;\n      --bar-done: #7ee787;\n      --bar-failed: #da3633;\n    }\n  }\n  * {\n    box-sizing: border-box;\n  }\n  :is(span, strong, code, pre, dd, li, h2, option) {\n    unicode-bidi: isolate;\n  }\n  .hidden {\n    clip-path: inset(50%);\n    width: 1px;\n    height: 1px;\n    overflow: hidden;\n    white-space: nowrap;\n  }\n  :focus-visible {\n    outline: 2px solid var(--focus);\n    outline-offset: 2px;\n  }\n  article {\n    padding: 16px;\n  }\n  article::before {\n    content: "";\n    display: block;\n    height: 6px;\n    margin: -16px -16px 16px;\n    background: var(--line);\n  }\n  :host([data-kind="recovery"]) article::before {\n    background: var(--ink);\n  }\n  :host([data-kind="drill"]) article::before {\n    background: repeating-linear-gradient(45deg, var(--blue) 0 10px, transparent 10px 20px);\n  }\n  h2,\n  h3,\n  p,\n  ul,\n  ol,\n  dl,\n  dd {\n    margin: 0;\n    padding: 0;\n  }\n  h2 {\n    font-size: 1.3rem;\n    overflow-wrap: anywhere;\n  }\n  h3 {\n    font-size: 1rem;\n    margin: 24px 0 8px;\n  }\n  ul,\n  ol {\n    list-style: none;\n  }\n  .muted,\n  dt {\n    color: var(--muted);\n  }\n  .id,\n  code,\n  pre,\n  .what {\n    overflow-wrap: anywhere;\n  }\n  .id,\n  .instance,\n  code,\n  pre {\n    font:\n      0.8125rem / 1.5 ui-monospace,\n      monospace;\n  }\n  button,\n  input,\n  select {\n    font: inherit;\n    color: inherit;\n    background: var(--page);\n    border: 1px solid var(--line);\n    border-radius: 6px;\n    padding: 4px 12px;\n    min-height: 32px;\n    max-width: 100%;\n  }\n  button {\n    cursor: pointer;\n    background: var(--soft);\n  }\n  button:hover {\n    border-color: var(--muted);\n  }\n  .small {\n    font-size: 0.8125rem;\n    padding: 1px 8px;\n    min-height: 26px;\n  }\n  .quiet {\n    background: transparent;\n  }\n  header {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 4px 12px;\n    align-items: center;\n  }\n  .badges {\n    display: flex;\n    gap: 8px;\n  }\n  .connection {\n    margin-left: auto;\n    font-size: 0.8125rem;\n  }\n  .zone {\n    display: flex;\n    gap: 8px;\n    align-items: center;\n    font-size: 0.8125rem;\n    color: var(--muted);\n  }\n  .zone select {\n    min-height: 26px;\n    padding: 1px 4px;\n    color: var(--ink);\n  }\n  .report {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 4px 8px;\n    align-items: center;\n    font-size: 0.8125rem;\n  }\n  .reason {\n    flex-basis: 100%;\n    font-size: 0.875rem;\n    overflow-wrap: anywhere;\n  }\n  .badge,\n  .kind {\n    display: inline-block;\n    border-radius: 999px;\n    padding: 1px 10px;\n    font-size: 0.8125rem;\n    font-weight: 600;\n    white-space: nowrap;\n    background: var(--grey-soft);\n  }\n  .kind {\n    border-radius: 4px;\n    text-transform: uppercase;\n    letter-spacing: 0.06em;\n  }\n  :host([data-kind="recovery"]) .kind {\n    background: var(--ink);\n    color: var(--page);\n  }\n  :host([data-kind="drill"]) .kind {\n    background: var(--page);\n    color: var(--blue);\n    box-shadow: inset 0 0 0 2px var(--blue);\n  }\n  .badge[data-state="FAILED"] {\n    background: var(--red);\n    color: var(--page);\n  }\n  .badge:is([data-state="LAUNCHED"], [data-state="COMPLETED"]) {\n    background: var(--green-soft);\n    color: var(--green);\n  }\n  .badge:is([data-state="IN_PROGRESS"], [data-state="LAUNCHING"], [data-state="CONVERSION"], [data-state="SNAPSHOT"]) {\n    background: var(--blue-soft);\n    color: var(--blue);\n  }\n  .badge[data-state="PARTIAL"] {\n    background: var(--amber-soft);\n    color: var(--amber);\n  }\n  .banner {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 4px 12px;\n    align-items: center;\n    margin-top: 12px;\n    padding: 8px 12px;\n    border: 1px solid var(--red);\n    border-radius: 6px;\n    background: var(--red-soft);\n    color: var(--red);\n    font-weight: 600;\n  }\n  .banner p {\n    flex: 1 1 16em;\n  }\n  .empty {\n    padding: 48px 0;\n    text-align: center;\n    color: var(--muted);\n    overflow-wrap: anywhere;\n  }\n  .place {\n    overflow-wrap: anywhere;\n  }\n  .printed,\n  .skip:not(:focus-within) {\n    position: absolute;\n    clip-path: inset(50%);\n    width: 1px;\n    height: 1px;\n    overflow: hidden;\n    white-space: nowrap;\n  }\n  .skip {\n    display: flex;\n    gap: 8px;\n  }\n  .sticky {\n    position: sticky;\n    top: 0;\n    z-index: 1;\n    padding-bottom: 1px;\n    background: var(--page);\n  }\n  section,\n  .timeline {\n    scroll-margin-top: 6rem; /* below the part that is sticky */\n  }\n  .failures {\n    margin-top: 8px;\n    border-left: 4px solid var(--red);\n    background: var(--red-soft);\n  }\n  .failures li {\n    padding: 4px 8px;\n  }\n  .failures strong {\n    color: var(--red);\n    overflow-wrap: anywhere;\n  }\n  .excerpt {\n    display: -webkit-box;\n    -webkit-box-orient: vertical;\n    -webkit-line-clamp: 2;\n    overflow: hidden;\n    overflow-wrap: anywhere;\n  }\n  .headline {\n    display: flex;\n    flex-wrap: wrap;\n    justify-content: space-between;\n    align-items: baseline;\n    gap: 0 16px;\n    margin-top: 16px;\n  }\n  .big {\n    font-size: 1.7rem;\n    line-height: 1.3;\n  }\n  .wave {\n    margin-right: auto;\n  }\n  .elapsed {\n    font-variant-numeric: tabular-nums;\n    color: var(--muted);\n  }\n  .elapsed:not(:empty)::after {\n    content: " elapsed";\n  }\n  .bar {\n    display: flex;\n    height: 16px;\n    margin: 8px 0;\n    border-radius: 8px;\n    overflow: hidden;\n    background: var(--grey-soft);\n  }\n  .bar i {\n    flex: 0 0 0;\n    background: var(--muted);\n    transition: flex-grow 0.3s;\n  }\n  .bar i:not([style*="flex-grow: 0"]) ~ i:not([style*="flex-grow: 0"]) {\n    margin-left: 2px;\n  }\n  .bar :is([data-state="LAUNCHED"], [data-state="COMPLETED"]) {\n    background: var(--bar-done);\n  }\n  .bar [data-state="FAILED"] {\n    background: var(--bar-failed);\n  }\n  .bar [data-state="LAUNCHING"] {\n    background: var(--blue);\n  }\n  .bar :is([data-state="CONVERSION"], [data-state="SNAPSHOT"]) {\n    background: color-mix(in srgb, var(--blue) 55%, var(--page));\n  }\n  .bar .to-come {\n    background: repeating-linear-gradient(45deg, var(--line) 0 4px, transparent 4px 8px);\n  }\n  .bar [data-state="PENDING"] {\n    background: transparent;\n  }\n  .counts {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 2px 16px;\n    color: var(--muted);\n  }\n  .counts b {\n    color: var(--ink);\n    font-size: 1.05rem;\n  }\n  .counts [data-state="FAILED"],\n  .counts [data-state="FAILED"] b {\n    color: var(--red);\n    font-weight: 700;\n  }\n  .counts :is([data-state="stalled"], [data-state="action"]),\n  .counts :is([data-state="stalled"], [data-state="action"]) b {\n    color: var(--amber);\n  }\n  .truncation {\n    margin-top: 8px;\n    color: var(--amber);\n    font-weight: 600;\n  }\n  .truncation:empty {\n    display: none;\n  }\n  .jobs li,\n  .steps > li {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 2px 12px;\n    align-items: center;\n    padding: 4px 0;\n  }\n  .steps > li {\n    padding: 4px 0 4px 12px;\n    border-left: 4px solid var(--line);\n  }\n  .steps > li[data-status="COMPLETED"] {\n    border-left-color: var(--bar-done);\n  }\n  .steps > li[data-status="EXECUTING"] {\n    border-left-color: var(--blue);\n  }\n  .steps > li[data-status="WAITING"] {\n    border-left-color: var(--amber);\n  }\n  .steps > li:is([data-status="FAILED"], [data-status="TIMED_OUT"]) {\n    border-left-color: var(--red);\n  }\n  .steps strong,\n  .plan,\n  .message {\n    overflow-wrap: anywhere;\n  }\n  .wait {\n    font-variant-numeric: tabular-nums;\n  }\n  .mark {\n    padding: 0 6px;\n    border: 1px solid var(--line);\n    border-radius: 4px;\n    font-size: 0.75rem;\n  }\n  .who .mark {\n    align-self: start;\n  }\n  .problem {\n    flex-basis: 100%;\n    min-width: 0;\n  }\n  .person {\n    color: var(--red);\n    font-weight: 600;\n  }\n  .plan-error:not(:empty) {\n    margin-bottom: 8px;\n  }\n  .resources {\n    flex-basis: 100%;\n    padding-left: 16px;\n  }\n  .resource :is(.error, .hint) {\n    flex-basis: 100%;\n    min-width: 0;\n  }\n  .filters {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 8px 12px;\n    align-items: end;\n    margin-top: 24px;\n    padding-top: 16px;\n    border-top: 1px solid var(--line);\n  }\n  .filters label {\n    display: grid;\n    font-size: 0.8125rem;\n    color: var(--muted);\n    min-width: 0;\n  }\n  .filters label:first-child {\n    flex: 1 1 16em;\n  }\n  .filters :is(input, select) {\n    color: var(--ink);\n    font-size: 0.9375rem;\n    width: 100%;\n  }\n  .filters .muted {\n    flex-basis: 100%;\n    font-size: 0.8125rem;\n  }\n  .filters .muted:empty {\n    display: none;\n  }\n  .servers > [role="row"] {\n    display: grid;\n    grid-template-columns: 7.5rem minmax(10rem, 1.4fr) minmax(9rem, 1fr) 11rem 11.5rem 5.5rem;\n    gap: 2px 16px;\n    align-items: center;\n    padding: 6px 8px;\n    border-top: 1px solid var(--line);\n  }\n  .servers > .head {\n    border-top: 0;\n    font-size: 0.8125rem;\n    color: var(--muted);\n  }\n  .servers > .head :nth-last-child(-n + 2) {\n    position: absolute;\n    clip-path: inset(50%);\n  }\n  /* The browser lays out only the servers that are visible, or nearly so. */\n  .server {\n    content-visibility: auto;\n    contain-intrinsic-height: auto 3.5rem;\n  }\n  .server[data-state="FAILED"] {\n    background: var(--red-soft);\n    border-left: 4px solid var(--red);\n    padding-left: 4px;\n  }\n  .server.warning:not([data-state="FAILED"]) {\n    border-left: 4px solid var(--amber);\n    padding-left: 4px;\n  }\n  .server.stalled .badge {\n    background: var(--amber-soft);\n    color: var(--amber);\n  }\n  .who,\n  .where,\n  .when {\n    display: flex;\n    flex-direction: column;\n    min-width: 0;\n  }\n  .name {\n    overflow-wrap: anywhere;\n  }\n  .when {\n    font-variant-numeric: tabular-nums;\n    font-size: 0.875rem;\n  }\n  .when .muted {\n    font-size: 0.8125rem;\n  }\n  .note {\n    font-size: 0.8125rem;\n  }\n  .warning .note,\n  .action {\n    color: var(--amber);\n    font-weight: 600;\n  }\n  .step {\n    font-size: 0.875rem;\n  }\n  .stages {\n    display: flex;\n    gap: 3px;\n    max-width: 9em;\n  }\n  .stages i {\n    flex: 1;\n    height: 5px;\n    border-radius: 3px;\n    background: var(--grey-soft);\n    border: 1px solid var(--line);\n  }\n  .stages .done {\n    background: var(--bar-done);\n    border-color: var(--bar-done);\n  }\n  .stages .stalled {\n    background: var(--amber);\n    border-color: var(--amber);\n  }\n  .stages .now {\n    background: var(--blue);\n    border-color: var(--blue);\n  }\n  .stages .failed {\n    background: var(--bar-failed);\n    border-color: var(--bar-failed);\n  }\n  .errors {\n    grid-column: 1 / -1;\n  }\n  .error {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 8px;\n    align-items: start;\n    margin: 4px 0;\n    color: var(--ink);\n  }\n  .error pre {\n    flex: 1 1 20em;\n    min-width: 0;\n    margin: 0;\n    padding: 8px;\n    max-height: 12em;\n    overflow: auto;\n    white-space: pre-wrap;\n    background: var(--page);\n    border: 1px solid var(--red);\n    border-radius: 6px;\n  }\n  .hint {\n    margin: 4px 0;\n    padding: 4px 8px;\n    gap: 0 12px;\n    font-size: 0.875rem;\n    color: var(--ink);\n    background: var(--page);\n    border-left: 3px solid var(--blue);\n  }\n  .hint.unknown {\n    border-left-color: var(--muted);\n  }\n  .hint dt {\n    font-weight: 600;\n  }\n  a {\n    color: var(--blue);\n  }\n  .requester {\n    overflow-wrap: anywhere;\n  }\n  .timeline {\n    position: relative;\n    max-height: 580px;\n    overflow: auto;\n    border: 1px solid var(--line);\n    border-radius: 6px;\n    overflow-anchor: none;\n  }\n  .rows {\n    position: relative;\n  }\n  .row {\n    position: absolute;\n    left: 0;\n    right: 0;\n    height: var(--row);\n    display: grid;\n    grid-template-columns: 11em 15em minmax(0, 1fr) auto;\n    gap: 0 12px;\n    align-items: center;\n    padding: 0 8px;\n    border-bottom: 1px solid var(--line);\n  }\n  .row > * {\n    overflow: hidden;\n    text-overflow: ellipsis;\n    white-space: nowrap;\n  }\n  .source {\n    display: inline-block;\n    max-width: 50%;\n    padding: 0 6px;\n    border: 1px solid var(--line);\n    border-radius: 4px;\n    font:\n      0.75rem / 1.5 ui-monospace,\n      monospace;\n    overflow: hidden;\n    text-overflow: ellipsis;\n    vertical-align: middle;\n  }\n  .row .at {\n    font-variant-numeric: tabular-nums;\n    color: var(--muted);\n  }\n  .row .type {\n    font-weight: 600;\n  }\n  .failure .type {\n    color: var(--red);\n  }\n  .row.warning .type {\n    color: var(--amber);\n  }\n  .row .show {\n    overflow: visible;\n  }\n  .sources {\n    font-size: 0.8125rem;\n    margin: -6px 0 8px;\n    overflow-wrap: anywhere;\n  }\n  .sources:empty {\n    display: none;\n  }\n  .sources code {\n    font-size: 0.75rem;\n  }\n  .downloads {\n    margin-top: 24px;\n    display: flex;\n    flex-wrap: wrap;\n    gap: 8px;\n    align-items: center;\n  }\n  dialog {\n    width: min(44rem, calc(100% - 32px));\n    color: var(--ink);\n    background: var(--page);\n    border: 1px solid var(--line);\n    border-radius: 8px;\n  }\n  dialog h3 {\n    margin-top: 0;\n  }\n  dialog::backdrop {\n    background: rgb(0 0 0 / 0.5);\n  }\n  dl {\n    display: grid;\n    grid-template-columns: auto minmax(0, 1fr);\n    gap: 4px 16px;\n    margin-bottom: 16px;\n  }\n  dd {\n    overflow-wrap: anywhere;\n  }\n  @container (max-width: 56.25rem) {\n    .servers > .head {\n      position: absolute;\n      clip-path: inset(50%);\n      width: 1px;\n      height: 1px;\n      overflow: hidden;\n    }\n    .servers > [role="row"] {\n      grid-template-columns: 7.5em minmax(0, 1fr) auto;\n    }\n    .where {\n      grid-column: 2;\n      flex-direction: row;\n      align-items: center;\n      gap: 8px;\n    }\n    .stages {\n      flex: 0 0 6em;\n    }\n    .when {\n      grid-column: 2;\n      flex-flow: row wrap;\n      gap: 0 8px;\n    }\n    .instance {\n      grid-column: 2;\n    }\n    .server .show {\n      grid-column: 3;\n      grid-row: 1;\n    }\n  }\n}\n\n@layer narrow {\n  @container (max-width: 37.5rem) {\n    :host {\n      --row: 4.25rem;\n    }\n    .timeline {\n      --row: 4.25rem;\n    }\n    .connection,\n    .place {\n      margin-left: 0;\n      flex: 1 1 100%;\n    }\n    .servers > [role="row"] {\n      grid-template-columns: minmax(0, 1fr) auto;\n    }\n    .server > * {\n      grid-column: 1;\n    }\n    .server > .state {\n      grid-row: 1;\n    }\n    .server .show {\n      grid-column: 2;\n      grid-row: 1;\n    }\n    .big {\n      font-size: 1.25rem;\n    }\n    .server .errors {\n      grid-column: 1 / -1;\n    }\n    .row {\n      grid-template-columns: minmax(0, 1fr) auto;\n      align-content: center;\n      gap: 0 8px;\n      font-size: 0.875rem;\n      line-height: 1.35;\n    }\n    .row > * {\n      grid-column: 1;\n    }\n    .row .at {\n      order: 3;\n      font-size: 0.8125rem;\n    }\n    .row .show {\n      grid-column: 2;\n      grid-row: 1 / 4;\n    }\n  }\n}\n\n[hidden],\n.hidden:not(:focus) {\n  position: absolute;\n}\n[hidden] {\n  display: none;\n}\n@media (prefers-reduced-motion: reduce) {\n  * {\n    transition: none;\n  }\n}\n@media (forced-colors: active) {\n  .bar i,\n  .stages i {\n    forced-color-adjust: none;\n  }\n}\n@media print {\n  :host {\n    --page: #fff;\n    --ink: #000;\n    --muted: #444;\n    --line: #999;\n    --soft: #fff;\n    --red: #a40e26;\n    --green: #116329;\n    --blue: #0550ae;\n    --red-soft: #fff;\n    --green-soft: #fff;\n    --blue-soft: #fff;\n    --amber-soft: #fff;\n    --grey-soft: #eee;\n    font-size: 0.6875rem;\n  }\n  .filters,\n  .downloads,\n  .connection,\n  .report,\n  .zone,\n  .skip,\n  button,\n  dialog {\n    display: none;\n  }\n  .printed {\n    position: static;\n    clip-path: none;\n    width: auto;\n    height: auto;\n    white-space: normal;\n    flex-basis: 100%;\n  }\n  .sticky {\n    position: static;\n  }\n  .badge,\n  .kind {\n    background: none;\n    color: var(--ink);\n    box-shadow: none;\n    border: 1px solid var(--ink);\n  }\n  .servers > .head {\n    display: none;\n  }\n  .servers > [role="row"] {\n    grid-template-columns: 8em 1.4fr 1fr 1fr 1fr;\n    break-inside: avoid;\n    padding: 2px 8px;\n  }\n  .server {\n    content-visibility: visible;\n  }\n  .server > :not(.errors) {\n    grid-column: auto;\n    grid-row: auto;\n  }\n  .where,\n  .when {\n    flex-direction: column;\n    align-items: start;\n    gap: 0;\n  }\n  .server *,\n  .row *,\n  :is(.jobs, .steps) * {\n    font-size: 0.6875rem;\n  }\n  .row .show:has(pre) {\n    grid-column: 1 / -1;\n  }\n  .row .show:not(:has(pre)) {\n    display: none;\n  }\n  .row pre {\n    margin: 0;\n    white-space: pre-wrap;\n  }\n  .stages {\n    display: none;\n  }\n  .timeline {\n    max-height: none;\n    overflow: visible;\n    border: 0;\n  }\n  .row {\n    position: static;\n    height: auto;\n    break-inside: avoid;\n    grid-template-columns: 11em 15em minmax(0, 1fr);\n    padding: 0;\n    line-height: 1.25;\n  }\n  .row > * {\n    white-space: normal;\n    overflow: visible;\n    grid-column: auto;\n    grid-row: auto;\n    order: 0;\n  }\n  .error pre {\n    max-height: none;\n  }\n  .hint a::after {\n    content: ": " attr(href);\n  }\n}\n';

// viewer/elements.js
function visible(text) {
  const code = (control) => `<U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, code);
}
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => typeof child === "string" ? visible(child) : child));
  return element;
}
function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}
function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}
var contents = /* @__PURE__ */ new WeakMap();
function setChildren(element, content, create) {
  const text = JSON.stringify(content);
  if (contents.get(element) === text) return;
  contents.set(element, text);
  element.replaceChildren(...create());
}
function setTime(element, timestamp) {
  element.dateTime = timestamp;
  element.title = formatUtc(timestamp);
  setText(element, formatTime(timestamp));
}
function timeZoneControl() {
  const select = h(
    "select",
    { onchange: () => selectTimeZone(select.value) },
    ...TIME_ZONES.map((name) => h("option", {}, name))
  );
  return h("label", { class: "zone" }, "Time zone", select);
}
function showTimes(root, control) {
  if (control.control instanceof HTMLSelectElement) control.control.value = timeZone();
  for (const element of root.querySelectorAll("time")) setTime(element, element.dateTime);
}
function errorBox(error, name) {
  const text = h(
    "pre",
    { tabindex: "0", role: "group", "aria-label": visible(`Error for ${name || "the job"}`) },
    error
  );
  const copyButton = button("Copy error", copy, { class: "small" });
  async function copy() {
    try {
      await navigator.clipboard.writeText(error);
      copyButton.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(text);
      copyButton.textContent = "Selected. Press Ctrl+C to copy.";
    }
    setTimeout(() => {
      copyButton.textContent = "Copy error";
    }, 3e3);
  }
  return h("div", { class: "error" }, text, copyButton);
}
function hostOf(source) {
  const url = source && URL.canParse(source) ? new URL(source) : null;
  return url?.protocol === "https:" ? url.host : null;
}
function linkTo(url, text) {
  const attributes = { href: url, target: "_blank", rel: "noreferrer noopener" };
  return h("a", attributes, text, h("span", { class: "hidden" }, " (opens a new tab)"));
}
function consoleLink(kind, id, region) {
  const url = consoleUrl(kind, id, region);
  return url ? linkTo(url, id) : h("span", {}, id);
}
function hintList({ isKnown, cause, firstStep, source }) {
  const host = hostOf(source);
  const link = host && source && linkTo(source, host);
  const rows = { Cause: cause, "First step": firstStep, Source: link };
  return h(
    "dl",
    { class: isKnown ? "hint" : "hint unknown" },
    ...Object.entries(rows).flatMap(([name, value]) => value ? [h("dt", {}, name), h("dd", {}, value)] : [])
  );
}
function startedBy(identity) {
  return h("span", { class: "requester", title: visible(identity) }, `Started by: ${identityName(identity)}`);
}
function resourceItem({ resourceId, state, error, hint }) {
  return h(
    "li",
    { class: "resource", "data-state": state },
    h("span", { class: "badge", "data-state": state }, toLabel(state)),
    h("span", {}, "Network ", h("span", { class: "id" }, resourceId)),
    ...error ? [errorBox(error, resourceId)] : [],
    ...hint ? [hintList(hint)] : []
  );
}

// viewer/gantt.css
var gantt_default = '@layer base {\n  .outlook {\n    margin-top: 8px;\n    font-variant-numeric: tabular-nums;\n  }\n  .outlook .muted {\n    font-size: 0.8125rem;\n  }\n  :is(.rto, .rpo)[data-result="MET"] strong {\n    color: var(--green);\n  }\n  :is(.rto, .rpo)[data-result="MISSED"] strong {\n    color: var(--red);\n  }\n  .rto[data-result="AT_RISK"] strong {\n    color: var(--amber);\n  }\n  .compared {\n    font-size: 0.8125rem;\n    margin: -6px 0 8px;\n    overflow-wrap: anywhere;\n  }\n  .compared:empty {\n    display: none;\n  }\n  .legend {\n    display: flex;\n    flex-wrap: wrap;\n    gap: 2px 16px;\n    margin-bottom: 8px;\n    font-size: 0.8125rem;\n    color: var(--muted);\n  }\n  .legend li {\n    display: flex;\n    gap: 6px;\n    align-items: center;\n  }\n  .schedule:not(.has-earlier) .of-earlier {\n    display: none;\n  }\n  .gantt {\n    --gantt-row: 1.75rem;\n    --gantt-name: 12rem;\n    max-height: 24rem;\n    overflow: auto;\n    overflow-anchor: none;\n    border: 1px solid var(--line);\n    border-radius: 6px;\n  }\n  .chart {\n    position: relative;\n    padding: 0 8px;\n    overflow: clip;\n  }\n  .axis {\n    position: sticky;\n    z-index: 2;\n    top: 0;\n    margin: 0 -8px;\n    padding: 2px 8px 2px calc(var(--gantt-name) + 8px);\n    background: var(--page);\n    border-bottom: 1px solid var(--line);\n    font-size: 0.75rem;\n    line-height: 1.35;\n    font-variant-numeric: tabular-nums;\n    color: var(--muted);\n  }\n  .flags,\n  .ticks {\n    position: relative;\n    height: 1.05rem;\n  }\n  .ticks {\n    height: 2.1rem;\n  }\n  .tick,\n  .flag {\n    position: absolute;\n    display: flex;\n    flex-direction: column;\n    padding: 0 3px;\n    white-space: nowrap;\n  }\n  .flag {\n    font-weight: 600;\n    color: var(--page);\n    background: var(--muted);\n    border-radius: 0 3px 3px 0;\n  }\n  .flag.is-late {\n    transform: translateX(-100%);\n    border-radius: 3px 0 0 3px;\n  }\n  .flag.of-now {\n    background: var(--blue);\n  }\n  .flag.of-rto {\n    background: var(--red);\n  }\n  .lines {\n    position: absolute;\n    inset: 0 8px 0 calc(var(--gantt-name) + 8px);\n    pointer-events: none;\n  }\n  .line {\n    position: absolute;\n    top: 0;\n    bottom: 0;\n    border-left: 1px solid var(--line);\n  }\n  .line.of-now {\n    border-left: 2px solid var(--blue);\n  }\n  .line.of-rto {\n    border-left: 2px dashed var(--red);\n  }\n  .line.of-wave {\n    border-left: 2px dotted var(--muted);\n  }\n  .gantt-rows {\n    position: relative;\n  }\n  .gantt-row {\n    position: absolute;\n    left: 0;\n    right: 0;\n    height: var(--gantt-row);\n    display: grid;\n    grid-template-columns: var(--gantt-name) minmax(0, 1fr);\n    align-items: center;\n  }\n  .gantt-name {\n    padding-right: 8px;\n    font-size: 0.8125rem;\n    overflow: hidden;\n    text-overflow: ellipsis;\n    white-space: nowrap;\n  }\n  .track {\n    position: relative;\n    height: 1rem;\n  }\n  .schedule i {\n    position: absolute;\n    top: 0.125rem;\n    height: 0.75rem;\n    min-width: 2px;\n    border-radius: 2px;\n    font-style: normal;\n  }\n  .bar-snapshot {\n    background: var(--violet);\n  }\n  .bar-conversion {\n    background: color-mix(in srgb, var(--blue) 55%, var(--page));\n  }\n  .bar-launch {\n    background: var(--blue);\n  }\n  .schedule .bar-wait {\n    top: 0.375rem;\n    height: 0.25rem;\n    min-width: 0;\n    background: var(--line);\n  }\n  .schedule .is-failed {\n    background: var(--red);\n  }\n  .bar-expected {\n    border: 1px dashed var(--muted);\n    background: repeating-linear-gradient(45deg, var(--line) 0 3px, transparent 3px 6px);\n  }\n  .schedule .bar-earlier {\n    top: 1rem;\n    height: 0.1875rem;\n    background: var(--muted);\n  }\n  .schedule [class^="mark"] {\n    top: 0;\n    width: 1rem;\n    height: 1rem;\n    transform: translateX(-50%);\n    border-radius: 50%;\n    font-size: 0.6875rem;\n    font-weight: 700;\n    line-height: 1rem;\n    text-align: center;\n    color: var(--page);\n  }\n  .schedule .legend i {\n    position: static;\n    flex: none;\n    width: 1.25rem;\n    transform: none;\n  }\n  .schedule .legend i[class^="mark"] {\n    width: 1rem;\n  }\n  .schedule .mark-failed {\n    background: var(--red);\n  }\n  .schedule .mark-stalled {\n    background: var(--amber);\n  }\n}\n\n@layer narrow {\n  @container (max-width: 37.5rem) {\n    .gantt {\n      --gantt-row: 2.75rem;\n      --gantt-name: 0rem;\n    }\n    .gantt-row {\n      grid-template-columns: minmax(0, 1fr);\n      align-content: center;\n    }\n    .gantt-name {\n      line-height: 1.25rem;\n    }\n  }\n}\n\n@media (forced-colors: active) {\n  .schedule i,\n  .flag {\n    forced-color-adjust: none;\n  }\n}\n@media print {\n  .gantt {\n    max-height: none;\n    overflow: visible;\n    border: 0;\n  }\n  .axis {\n    position: static;\n  }\n  .gantt-row {\n    position: static;\n    break-inside: avoid;\n  }\n  .schedule i,\n  .flag {\n    print-color-adjust: exact;\n  }\n}\n';

// viewer/spans.js
var NEXT_STEPS = /* @__PURE__ */ new Map([
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
  ["SERVER_SKIPPED", null]
]);
var MINUTE = 6e4;
var HOUR = 60 * MINUTE;
var DISTANCES = [
  ...[1, 5, 15, 30].map((seconds) => seconds * 1e3),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR)
];
function rowOf(server, events, jobs, now) {
  const byJob = /* @__PURE__ */ new Map();
  for (const event of events) {
    const ofJob = byJob.get(event.jobId);
    if (ofJob) ofJob.push(event);
    else byJob.set(event.jobId, [event]);
  }
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
    mark: at ? { kind: server.state === "FAILED" ? "failed" : "stalled", at: Math.min(Date.parse(at), now) } : null
  };
}
function spansOfJob(events, job, jobId, server, now) {
  if (job && goalOf(job) === "TERMINATED") return [];
  const spans = [];
  let open = job ? { step: "wait", start: Date.parse(job.startedAt), end: null, isFailed: false } : null;
  for (const { eventType, timestamp } of events) {
    const next = NEXT_STEPS.get(eventType);
    if (next === void 0 || next && next === open?.step) continue;
    const at = Math.min(Date.parse(timestamp), now);
    if (open) spans.push({ ...open, end: Math.max(at, open.start), isFailed: eventType.includes("FAIL") });
    open = next && { step: next, start: at, end: null, isFailed: false };
  }
  const isNewest = jobId === server.jobId;
  if (!open || isNewest && server.state === "COMPLETED") return spans;
  if (isNewest && ACTIVE_STATES.has(server.state) && !job?.endedAt) return [...spans, open];
  const isFailed = isNewest && server.state === "FAILED";
  const end = isFailed ? server.since : job?.endedAt ?? (isNewest ? server.since : null);
  return [...spans, { ...open, end: Math.max(end ? Date.parse(end) : 0, open.start), isFailed }];
}
function earlierLaunches(comparison) {
  const launches = /* @__PURE__ */ new Map();
  for (const { sourceServerId, otherState, steps } of comparison?.other ? comparison.servers : []) {
    const seconds = Object.values(steps).reduce((sum, { otherSeconds }) => sum + (otherSeconds ?? 0), 0);
    if (seconds) launches.set(sourceServerId, { seconds, state: otherState });
  }
  return launches;
}
function isRunning(answer) {
  return answer.status === "IN_PROGRESS" || isBetweenWaves(answer);
}
function rangeOf(rows, answer, earlier, now) {
  const times = rows.flatMap(({ spans, expectedEnd, mark }) => [
    ...spans.flatMap(({ start: start2, end: end2 }) => [start2, end2 ?? now]),
    ...expectedEnd === null ? [] : [expectedEnd],
    ...mark ? [mark.at] : []
  ]);
  if (isRunning(answer)) times.push(now);
  if (answer.estimate) times.push(Date.parse(answer.estimate.expectedEnd));
  const start = times.reduce((a, b) => Math.min(a, b), Infinity);
  const end = times.reduce((a, b) => Math.max(a, b), start + MINUTE);
  const optional = rows.map(({ server, launchStart }) => {
    const launch = earlier.get(server.sourceServerId);
    return launch && launchStart !== null ? launchStart + launch.seconds * 1e3 : 0;
  });
  const last = [targetOf(answer) ?? 0, ...optional].filter((time) => time <= start + 2 * (end - start)).reduce((a, b) => Math.max(a, b), end);
  return { start, end: last + (last - start) / 50 };
}
function ticksOf({ start, end }, most) {
  const least = (end - start) / Math.max(most, 1);
  const distance = DISTANCES.find((one) => one >= least) ?? Math.ceil(least / (24 * HOUR)) * 24 * HOUR;
  const offset = Date.parse(`${formatTime(start).replace(" ", "T")}Z`) - Math.floor(start / 1e3) * 1e3;
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
function linesOf({ start, end }, answer, now) {
  const waves = (answer.waves ?? []).slice(1);
  const target = targetOf(answer);
  const lines = waves.flatMap(
    ({ number, startedAt }) => startedAt ? [{ kind: "wave", at: Date.parse(startedAt), label: `${answer.recoveryPlan ? "Step" : "Wave"} ${number}` }] : []
  );
  if (target !== null) lines.push({ kind: "rto", at: target, label: "RTO" });
  if (isRunning(answer)) lines.push({ kind: "now", at: now, label: "Now" });
  return lines.filter(({ at }) => at >= start && at <= end);
}
function targetOf(answer) {
  const start = answer.rto ? creationOf(answer) : null;
  return start === null || !answer.rto ? null : start + answer.rto.targetMinutes * MINUTE;
}
function creationOf(answer) {
  const { waves = [], durationSeconds, status, now, truncated, recoveryPlan } = answer;
  const first = waves.find(({ startedAt }) => startedAt)?.startedAt;
  if (recoveryPlan) return first ? Date.parse(first) : null;
  const ends = status === "IN_PROGRESS" ? [now] : waves.map(({ endedAt }) => endedAt);
  const hasOthers = truncated || decisiveJobs(answer).some((job) => goalOf(job) !== "LAUNCHED");
  if (durationSeconds != null && !hasOthers && ends.length && ends.every(Boolean))
    return Math.round(Math.max(...ends.map((end) => Date.parse(end ?? ""))) / 1e3 - durationSeconds) * 1e3;
  return first ? Date.parse(first) : null;
}
var BASES = {
  server: "Based on earlier launches of these servers.",
  execution: "Based, for at least one server, on other servers of this execution.",
  ledger: "Based, for at least one server, on earlier launches of other servers."
};
function basisText(answer) {
  const { estimate, servers } = answer;
  if (estimate) {
    const basis = BASES[estimate.basis];
    return basis && `${basis} The end is in this range in 80 % of the cases.`;
  }
  const isPlanMissing = estimate === null && !answer.recoveryPlan && wavesOf(answer).toCome > 0 && servers.some((server) => server.estimate);
  return isPlanMissing ? "No expected end: the servers of a later wave are not known." : "";
}
function remainingText(time, now) {
  const rest = Date.parse(time) - now;
  return rest >= 1e3 ? `in ${formatDuration(rest)}` : "now";
}
function rtoText(answer, now) {
  const { rto, summary, status } = answer;
  if (!rto) return "";
  const target = targetOf(answer);
  const left = target === null ? 0 : target - now;
  const isLaunched = summary.launched === summary.totalServers;
  const actual = (rto.actualSeconds ?? 0) * 1e3;
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
        isLaunched ? "" : "not all servers were launched"
      ].filter(Boolean).join(": ");
  }
  return status === "IN_PROGRESS" && left > 0 ? `${formatDuration(left)} left` : "";
}
function rpoText({ seconds, result, serversOver }) {
  if (seconds === null) return "";
  const age = formatDuration(seconds * 1e3);
  if (result === "MET") return `met: ${age}`;
  return result ? `missed: ${age}, ${serversOver} server${serversOver === 1 ? "" : "s"} over` : age;
}
function descriptionOf(rows, { start, end }) {
  const counts = /* @__PURE__ */ new Map();
  for (const { server } of rows) counts.set(server.state, (counts.get(server.state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${toLabel(state).toLowerCase()}`).join(", ");
  return `The steps of each server from ${formatTime(start)} to ${formatTime(end)}: ${states}. The list of servers has the same facts as text.`;
}

// viewer/gantt.js
var ganttSheet = new CSSStyleSheet();
ganttSheet.replaceSync(gantt_default);
var LABELS = {
  wait: "Waiting",
  snapshot: "Snapshot",
  conversion: "Conversion",
  launch: "Launch",
  failed: "Failed",
  stalled: "Stalled",
  expected: "Expected",
  earlier: "Earlier execution"
};
var SIGNS = { failed: "✕", stalled: "!" };
var MARGIN_ROWS = 8;
var LEAST_TICK_MS = 100;
var LABEL_REM = 4.5;
function barsOf({ spans, launchStart, expectedEnd, mark }, earlier, now) {
  const bars = spans.map(({ step, start, end, isFailed }) => {
    const duration = formatDuration((end ?? now) - start);
    const title = `${LABELS[step]}${isFailed ? ", failed" : ""}: ${duration} from ${formatTime(start)}`;
    return { className: `bar-${step}${isFailed ? " is-failed" : ""}`, start, end: end ?? now, title };
  });
  if (expectedEnd !== null && expectedEnd > now) {
    const title = `Expected end: ${formatTime(expectedEnd)}`;
    bars.push({ className: "bar-expected", start: now, end: expectedEnd, title });
  }
  if (earlier && launchStart !== null) {
    const duration = formatDuration(earlier.seconds * 1e3);
    const title = `${LABELS.earlier}: ${duration}, ${toLabel(earlier.state).toLowerCase()}`;
    bars.unshift({ className: "bar-earlier", start: launchStart, end: launchStart + earlier.seconds * 1e3, title });
  }
  if (mark) {
    const title = `${LABELS[mark.kind]} at ${formatTime(mark.at)}`;
    bars.push({ className: `mark-${mark.kind}`, start: mark.at, end: mark.at, title, text: SIGNS[mark.kind] });
  }
  return bars;
}
function place(element, range, start, end = start) {
  const percent = (time) => 100 * (time - range.start) / (range.end - range.start);
  const left = Math.max(0, percent(start));
  element.style.left = `${left.toFixed(3)}%`;
  element.style.width = end > start ? `${Math.max(0, Math.min(100, percent(end)) - left).toFixed(3)}%` : "";
}
var Outlook = class {
  #expectedEnd = h("time");
  #earliestEnd = h("time");
  #latestEnd = h("time");
  #remaining = h("span");
  #basis = h("p", { class: "muted" });
  #target = h("time");
  #targetText = h("span");
  #comma = h("span", {}, ", ");
  #result = h("strong");
  #estimate = h(
    "p",
    { class: "expected-end" },
    ...["Expected end: ", this.#expectedEnd, " (between ", this.#earliestEnd, " and ", this.#latestEnd, "), "],
    this.#remaining
  );
  #rto = h("p", { class: "rto" }, this.#targetText, this.#comma, this.#result);
  #rpoTarget = h("span");
  #rpoResult = h("strong");
  #rpo = h("p", { class: "rpo" }, this.#rpoTarget, this.#rpoResult);
  element = h("div", { class: "outlook" });
  /**
   * @param {Answer} answer
   * @param {number} now
   */
  update(answer, now) {
    const { estimate, rto, rpo } = answer;
    if (estimate) {
      setTime(this.#expectedEnd, estimate.expectedEnd);
      setTime(this.#earliestEnd, estimate.earliestEnd);
      setTime(this.#latestEnd, estimate.latestEnd);
      setText(this.#remaining, remainingText(estimate.expectedEnd, now));
    }
    const basis = basisText(answer);
    setText(this.#basis, basis);
    if (rto) this.#updateRto(rto, targetOf(answer), rtoText(answer, now));
    if (rpo) this.#updateRpo(rpo);
    const parts = [
      ...estimate ? [this.#estimate] : [],
      ...basis ? [this.#basis] : [],
      ...rto ? [this.#rto] : [],
      ...rpo ? [this.#rpo] : []
    ];
    if (parts.length !== this.element.children.length || parts.some((part) => !part.parentNode))
      this.element.replaceChildren(...parts);
  }
  /**
   * @param {Rto} rto
   * @param {number | null} target
   * @param {string} result
   */
  #updateRto({ targetMinutes, result: kind }, target, result) {
    setText(this.#targetText, `RTO: ${targetMinutes} min${target === null ? "" : ", target "}`);
    if (target === null) this.#target.remove();
    else {
      setTime(this.#target, new Date(target).toISOString());
      if (!this.#target.parentNode) this.#targetText.after(this.#target);
    }
    this.#comma.hidden = !result;
    setText(this.#result, result);
    this.#rto.dataset.result = kind ?? "";
  }
  /** @param {Rpo} rpo */
  #updateRpo(rpo) {
    const target = rpo.targetMinutes === null ? "no objective" : `${rpo.targetMinutes} min`;
    const result = rpoText(rpo);
    setText(this.#rpoTarget, `RPO: ${target}${result && ", "}`);
    setText(this.#rpoResult, result);
    this.#rpo.dataset.result = rpo.result ?? "";
  }
};
var GanttRow = class {
  #name = h("span", { class: "gantt-name" });
  #track = h("span", { class: "track" });
  element = h("li", { class: "gantt-row" }, this.#name, this.#track);
  /**
   * @param {Row} row
   * @param {Earlier | undefined} earlier
   * @param {Range} range
   * @param {number} now
   */
  update(row, earlier, range, now) {
    setText(this.#name, displayName(row.server));
    this.#name.title = this.#name.textContent;
    const bars = barsOf(row, earlier, now);
    while (this.#track.children.length > bars.length) this.#track.lastElementChild?.remove();
    bars.forEach(({ className, start, end, title, text }, index) => {
      const bar = (
        /** @type {HTMLElement} */
        this.#track.children[index] ?? this.#track.appendChild(h("i"))
      );
      if (bar.className !== className) bar.className = className;
      if (bar.title !== title) bar.title = title;
      setText(bar, text ?? "");
      place(bar, range, start, end);
    });
  }
};
var Gantt = class {
  #outlook = new Outlook();
  /** The expected end and the objectives. */
  outlook = this.#outlook.element;
  /** @type {Row[]} */
  #rows = [];
  /** @type {Map<string, GanttRow>} By server. */
  #elements = /* @__PURE__ */ new Map();
  /** @type {Map<string, Earlier>} By server. */
  #earlier = /* @__PURE__ */ new Map();
  /** @type {{ answer: Answer, now: number } | null} */
  #shown = null;
  #timeZone = "";
  #isPrinting = false;
  // Read only after a change, because a read of the layout during an update is slow.
  #size = { rem: 16, row: 28, height: 400, width: 800 };
  #top = 0;
  #compared = h("p", { class: "muted compared" });
  #ticks = h("div", { class: "ticks" });
  #flags = h("div", { class: "flags" });
  #lines = h("div", { class: "lines" });
  #list = h("ol", { class: "gantt-rows" });
  #description = h("p", { class: "hidden", id: "gantt-description" });
  #region = h(
    "div",
    {
      class: "gantt",
      tabindex: "0",
      role: "region",
      "aria-label": "Steps over time",
      "aria-describedby": "gantt-description"
    },
    // Its content is a drawing. The description and the list of servers are the text.
    h(
      "div",
      { class: "chart", "aria-hidden": "true" },
      h("div", { class: "axis" }, this.#flags, this.#ticks),
      this.#lines,
      this.#list
    )
  );
  section = h(
    "section",
    { class: "schedule", "aria-label": "Schedule", hidden: true },
    h("h3", {}, "Schedule"),
    this.#compared,
    h(
      "ul",
      { class: "legend", "aria-hidden": "true" },
      ...Object.entries(LABELS).map(([kind, label]) => {
        const sign = SIGNS[kind];
        return h(
          "li",
          { class: `of-${kind}` },
          h("i", { class: sign ? `mark-${kind}` : `bar-${kind}` }, sign ?? ""),
          label
        );
      })
    ),
    this.#region,
    this.#description
  );
  constructor() {
    this.#region.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    new ResizeObserver(() => this.#onResize()).observe(this.#region);
  }
  /**
   * Shows servers in this order.
   *
   * @param {Server[]} servers
   * @param {Poller} poller
   */
  show(servers, { answer, log, now }) {
    if (!answer) return;
    const jobs = new Map(answer.jobs.map((job) => [job.jobId, job]));
    this.#rows = servers.map((server) => rowOf(server, log.byServer.get(server.sourceServerId) ?? [], jobs, now));
    this.section.hidden = !this.#rows.some(({ spans }) => spans.length);
    this.#update(answer, now);
  }
  /**
   * Updates what depends on the time.
   *
   * @param {Poller} poller
   */
  tick({ answer, now }) {
    if (!answer || answer !== this.#shown?.answer) return;
    const isDue = isRunning(answer) && Math.abs(now - this.#shown.now) >= LEAST_TICK_MS;
    if (isDue || this.#timeZone !== timeZone()) this.#update(answer, now);
  }
  /** @param {Comparison | null} comparison Null if it is not known. */
  compare(comparison) {
    this.#earlier = earlierLaunches(comparison);
    this.section.classList.toggle("has-earlier", this.#earlier.size > 0);
    this.#compared.replaceChildren();
    if (comparison?.other) {
      const { executionId, startedAt, isDrill, durationSeconds } = comparison.other;
      const time = h("time");
      setTime(time, startedAt);
      this.#compared.append(
        ...["Compared with ", h("span", { class: "id" }, executionId), ", ", time],
        ...isDrill === null ? [] : [isDrill ? ", drill" : ", recovery"],
        ...durationSeconds === null ? [] : [`, ${formatDuration(durationSeconds * 1e3)}`]
      );
    } else if (comparison) this.#compared.append("No earlier execution with these servers.");
    this.#refresh();
  }
  /** @param {boolean} isPrinting True to render all servers, for print. */
  print(isPrinting) {
    this.#isPrinting = isPrinting;
    this.#elements.clear();
    this.#list.replaceChildren();
    this.#refresh();
  }
  #onScroll() {
    this.#top = this.#region.scrollTop;
    this.#refresh();
  }
  /** Keeps the visible rows in place when the row height changes. Rows are higher on narrow screens. */
  #onResize() {
    const before = this.#size.row;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const row = parseFloat(getComputedStyle(this.#region).getPropertyValue("--gantt-row")) * rem || before;
    this.#size = { rem, row, height: this.#region.clientHeight, width: this.#lines.clientWidth };
    const top = this.#region.scrollTop * row / before;
    this.#refresh();
    if (row !== before) this.#region.scrollTop = top;
  }
  #refresh() {
    if (this.#shown) this.#update(this.#shown.answer, this.#shown.now);
  }
  /**
   * @param {Answer} answer
   * @param {number} now
   */
  #update(answer, now) {
    this.#shown = { answer, now };
    this.#timeZone = timeZone();
    this.#outlook.update(answer, now);
    if (this.section.hidden) return;
    const range = rangeOf(this.#rows, answer, this.#earlier, now);
    this.#renderAxis(range, answer, now);
    this.#renderRows(range, now);
    setText(this.#description, descriptionOf(this.#rows, range));
  }
  /**
   * @param {Range} range
   * @param {Answer} answer
   * @param {number} now
   */
  #renderAxis(range, answer, now) {
    const ticks = ticksOf(range, this.#size.width / this.#size.rem / LABEL_REM);
    const lines = linesOf(range, answer, now);
    const center = (range.start + range.end) / 2;
    const placed = (className, at, ...texts) => {
      const element = h("span", { class: className }, ...texts.map((text) => h("span", {}, text)));
      place(element, range, at);
      return element;
    };
    const labelTime = LABEL_REM * this.#size.rem * (range.end - range.start) / this.#size.width;
    this.#ticks.replaceChildren(
      ...ticks.filter(({ at }) => at + labelTime <= range.end).map(({ at, label, date }) => placed("tick", at, label, date))
    );
    this.#flags.replaceChildren(
      ...lines.map(({ kind, at, label }) => placed(`flag of-${kind}${at > center ? " is-late" : ""}`, at, label))
    );
    this.#lines.replaceChildren(
      ...ticks.map(({ at }) => placed("line of-tick", at)),
      ...lines.map(({ kind, at }) => placed(`line of-${kind}`, at))
    );
  }
  /**
   * Renders the visible rows.
   *
   * @param {Range} range
   * @param {number} now
   */
  #renderRows(range, now) {
    const { row, height } = this.#size;
    this.#list.style.height = this.#isPrinting ? "auto" : `${this.#rows.length * row}px`;
    const first = this.#isPrinting ? 0 : Math.max(0, Math.floor(this.#top / row) - MARGIN_ROWS);
    const end = this.#isPrinting ? this.#rows.length : Math.ceil((this.#top + height) / row) + MARGIN_ROWS;
    const visible2 = this.#rows.slice(first, end);
    const ids = new Set(visible2.map(({ server }) => server.sourceServerId));
    for (const [id, { element }] of this.#elements) {
      if (ids.has(id)) continue;
      element.remove();
      this.#elements.delete(id);
    }
    visible2.forEach((one, index) => {
      const id = one.server.sourceServerId;
      const element = this.#elements.get(id) ?? new GanttRow();
      this.#elements.set(id, element);
      element.update(one, this.#earlier.get(id), range, now);
      element.element.style.top = this.#isPrinting ? "" : `${(first + index) * row}px`;
      if (!element.element.parentNode) this.#list.append(element.element);
    });
  }
};

// viewer/jobs.js
var JobItem = class {
  #rendered = "";
  #status = h("span", { class: "badge" });
  #name = h("strong");
  #label = h("span", { class: "label" });
  #text = h("span");
  #start = h("time");
  #requester = h("span");
  #duration = h("span");
  #instances = h("span", { class: "note drill-instances" });
  #resources = h("ul", { class: "resources" });
  #id = h("span", { class: "muted id" });
  element = h(
    "li",
    {},
    this.#status,
    this.#name,
    this.#id,
    this.#label,
    this.#text,
    h("span", {}, "Started: ", this.#start),
    this.#requester,
    this.#duration,
    this.#instances,
    this.#resources
  );
  /**
   * @param {Job} job
   * @param {{ name: string, text: string, region: string | undefined }} shown `text`: what the job did so far.
   */
  update(job, { name, text, region }) {
    setText(this.#name, name);
    setText(this.#text, text);
    this.#text.hidden = !text;
    const content = JSON.stringify([job, region]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.#status.dataset.state = job.status;
    setText(this.#status, statusLabel(job.status));
    setChildren(this.#id, [job.jobId, region], () => [consoleLink("job", job.jobId, region)]);
    setText(this.#label, jobLabel(job));
    setTime(this.#start, job.startedAt);
    setChildren(this.#requester, job.requestedBy ?? "", () => job.requestedBy ? [startedBy(job.requestedBy)] : []);
    this.#requester.hidden = !job.requestedBy;
    const milliseconds = job.endedAt ? Date.parse(job.endedAt) - Date.parse(job.startedAt) : null;
    setText(this.#duration, milliseconds === null ? "" : `Duration: ${formatDuration(milliseconds)}`);
    this.#duration.hidden = milliseconds === null;
    setChildren(this.#instances, [job.drillInstances, region], () => instancesLeft(job.drillInstances, region));
    this.#instances.hidden = !job.drillInstances;
    setChildren(this.#resources, job.resources, () => job.resources.map(resourceItem));
    this.#resources.hidden = !job.resources.length;
  }
};
function instancesLeft(left, region) {
  if (!left) return [];
  const time = h("time");
  setTime(time, left.checkedAt);
  const links = left.instanceIds.flatMap((id, index) => [index ? ", " : "", consoleLink("instance", id, region)]);
  const more = left.count > left.instanceIds.length ? `, and ${left.count - left.instanceIds.length} more` : "";
  const what = left.count === 1 ? "1 drill instance was" : `${left.count} drill instances were`;
  return [`${what} not terminated at `, time, ": ", ...links, more];
}

// viewer/report.js
var MAX_WAIT_SECONDS = 120;
var DEFAULT_RETRY_SECONDS = 3;
var ReportControl = class {
  #poller;
  /** @type {string | null} The path of the report in the API. */
  #path = null;
  /** @type {Report | null} */
  #report = null;
  #controller = new AbortController();
  // Replaced when the control shows another execution.
  #isBusy = false;
  #button = button("Report", () => this.request({ isClick: true }), { class: "small" });
  #link = h("span", { class: "report-link" });
  #status = h("span", { class: "muted", role: "status" });
  element = h("p", { class: "report", hidden: true }, this.#button, this.#link, this.#status);
  /** @param {Poller} poller It reads the log of the execution. */
  constructor(poller) {
    this.#poller = poller;
  }
  /** Forgets the report, for another execution. */
  reset() {
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#isBusy = false;
    this.#path = this.#report = null;
    setText(this.#status, "");
    this.#show();
  }
  /** @param {Answer | null} answer It has the path of the report. A running execution, a job, and many APIs have none. */
  update(answer) {
    this.#path = answer?.report ?? null;
    this.#show();
  }
  /** Hides a link that expired. Runs once per second. */
  tick() {
    if (!this.#report || this.#poller.now < Date.parse(this.#report.expiresAt)) return;
    this.#report = null;
    setText(this.#status, "The link expired.");
    this.#show();
  }
  /**
   * Requests the report. After a click, the browser opens it if it exists. Otherwise, a link appears when it exists.
   *
   * @param {{ isClick?: boolean }} [options]
   */
  async request({ isClick = false } = {}) {
    if (this.#isBusy || !this.#path) return;
    const { signal } = this.#controller;
    this.#isBusy = true;
    setText(this.#status, "Requesting the report…");
    try {
      const report = await this.#wait(this.#path, signal);
      if (signal.aborted || !report) return;
      this.#report = report;
      const minutes = Math.round((Date.parse(report.expiresAt) - this.#poller.now) / 6e4);
      setText(this.#status, `The report is ready. The link expires in ${formatCount(minutes, "minute")}.`);
      this.#show();
      this.#open(report.url, isClick);
    } catch (error) {
      if (signal.aborted) return;
      setText(this.#status, describe(asRequestError(error)));
      if (error instanceof RequestError && error.kind === "sign-in") this.#poller.poll();
    } finally {
      if (!signal.aborted) this.#isBusy = false;
    }
  }
  /**
   * Sends the request until the report exists.
   *
   * @param {string} path
   * @param {AbortSignal} signal
   */
  async #wait(path, signal) {
    const last = Date.now() + 1e3 * MAX_WAIT_SECONDS;
    while (!signal.aborted && Date.now() < last) {
      const { report, retryAfter } = await readReport(this.#poller, path, signal);
      if (report || signal.aborted) return report;
      setText(this.#status, "The report is being written…");
      await new Promise((resolve) => setTimeout(resolve, 1e3 * (retryAfter ?? DEFAULT_RETRY_SECONDS)));
    }
    throw new RequestError("timeout", `it was not written within ${MAX_WAIT_SECONDS} s. Try again later`);
  }
  /**
   * Opens the report in a new tab if the user selected the button just now: a browser blocks a tab that opens later. The
   * link remains. It gets the focus unless the user is elsewhere on the page.
   *
   * @param {string} url
   * @param {boolean} isClick
   */
  #open(url, isClick) {
    if (isClick && navigator.userActivation?.isActive) window.open(url, "_blank", "noopener,noreferrer");
    else if (document.activeElement === document.body) this.#link.querySelector("a")?.focus();
  }
  /** Shows the link if there is one, else the button. */
  #show() {
    const hadFocus = this.element.contains(
      /** @type {ShadowRoot} */
      this.element.getRootNode().activeElement
    );
    const url = this.#report?.url ?? null;
    this.element.hidden = !this.#path;
    this.#button.hidden = url !== null;
    setChildren(this.#link, url, () => url ? [linkTo(url, "Open the report")] : []);
    if (hadFocus) (this.#link.querySelector("a") ?? this.#button).focus();
  }
};
function describe({ kind, status, message }) {
  switch (kind) {
    case "sign-in":
      return `The API requires you to sign in (${status}: ${message}). Then select the button again.`;
    case "permission":
      return `You do not have permission to read the report (${status}: ${message}).`;
    case "network":
      return "No response. Check the network connection, and try again.";
    case "invalid-answer":
      return "The response is no answer of the API.";
  }
  if (status === 404 && message === "Not Found") return "This API has no reports: its input evidence is null.";
  return status === 404 || status === 409 || kind === "invalid-request" ? `${message}.` : `The report cannot be read: ${status ? `${status}: ` : ""}${message}.`;
}

// viewer/servers.js
var COLUMNS = ["State", "Server", "Step", "Last change", "Instance", "Events", "Error"];
function serverHead() {
  return h("div", { class: "head", role: "row" }, ...COLUMNS.map((name) => h("span", { role: "columnheader" }, name)));
}
var ServerCard = class {
  #rendered = "";
  /** @type {Server | undefined} An earlier server in the list with the same error. */
  #same;
  #state = h("span", { class: "badge" });
  #stateCell = h("span", { class: "state", role: "cell" }, this.#state);
  #name = h("strong", { class: "name" });
  #id = h("span", { class: "muted id" });
  #optional = h("span", { class: "mark", hidden: true }, "Optional");
  #stages = h("span", { class: "stages", "aria-hidden": "true" }, ...STAGES.map(() => h("i")));
  #step = h("span", { class: "step" });
  #since = h("time");
  #age = h("span", { class: "muted" });
  #note = h("span", { class: "note" });
  #point = h("span", { class: "muted" });
  #instance = h("span", { class: "instance", role: "cell" });
  #error = h("div", { class: "errors", role: "cell" });
  #timelineSuffix = h("span", { class: "hidden" });
  /**
   * @param {Server} server
   * @param {(server: Server) => void} showInTimeline
   */
  constructor(server, showInTimeline) {
    this.server = server;
    this.error = null;
    this.element = h(
      "div",
      { class: "server", role: "row" },
      this.#stateCell,
      h("span", { class: "who", role: "cell" }, this.#name, this.#id, this.#optional),
      h("span", { class: "where", role: "cell" }, this.#stages, this.#step),
      h("span", { class: "when", role: "cell" }, this.#since, this.#age, this.#note, this.#point),
      this.#instance,
      h(
        "span",
        { class: "show", role: "cell" },
        h(
          "button",
          { type: "button", class: "small quiet", onclick: () => showInTimeline(this.server) },
          h("span", {}, "Timeline"),
          this.#timelineSuffix
        )
      ),
      this.#error
    );
  }
  /**
   * @param {Server} server
   * @param {LogEntry[]} events The events of the server.
   * @param {{ account: boolean, optional: boolean }} shows `optional`: its failure does not fail its step of the plan.
   */
  update(server, events, shows) {
    const content = JSON.stringify([server, events.length, shows]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.server = server;
    this.element.dataset.state = this.#state.dataset.state = server.state;
    this.element.classList.toggle("warning", hasWarning(server));
    this.element.classList.toggle("stalled", server.stalledAt !== null);
    setText(this.#state, server.stalledAt ? `${toLabel(server.state)}, stalled` : toLabel(server.state));
    setText(this.#name, displayName(server));
    this.#renderIds(server, events, shows.account);
    this.#optional.hidden = !shows.optional;
    setText(this.#timelineSuffix, ` for ${displayName(server)}`);
    setTime(this.#since, server.since);
    const jobEvents = events.filter((event) => event.jobId === server.jobId);
    const last = jobEvents.findLast((event) => !NO_STEPS.has(event.eventType));
    setText(this.#step, last ? eventLabel(last) : server.state === "PENDING" ? "Waiting" : "");
    const classes = stagesOf(server, jobEvents);
    [...this.#stages.children].forEach((stage, index) => {
      stage.className = classes[index];
    });
    this.#renderNote(server);
    this.#renderPoint(server);
    this.error = fullError(server, jobEvents);
    this.#renderErrors();
  }
  /** @param {Server | undefined} same An earlier server in the list with the same error. */
  refer(same) {
    this.#same = same;
    this.#renderErrors();
  }
  /**
   * @param {Server} server
   * @param {LogEntry[]} events
   * @param {boolean} showsAccount
   */
  #renderIds({ serverName, sourceServerId, ec2InstanceId }, events, showsAccount) {
    const account = showsAccount ? events.find((event) => event.account)?.account : null;
    const region = events.find((event) => event.region)?.region ?? void 0;
    setChildren(this.#id, [serverName, account, region], () => [
      ...serverName ? [consoleLink("server", sourceServerId, region)] : [],
      ...account ? [` in ${account}`] : []
    ]);
    setChildren(
      this.#instance,
      [ec2InstanceId, region],
      () => ec2InstanceId ? [consoleLink("instance", ec2InstanceId, region)] : []
    );
  }
  /** @param {Server} server */
  #renderNote({ stalledAt, terminatedAt, state }) {
    const [text, timestamp] = stalledAt ? ["Stalled since ", stalledAt] : ["Terminated at ", state === "TERMINATED" ? null : terminatedAt];
    if (!timestamp) return this.#note.replaceChildren();
    const time = h("time");
    setTime(time, timestamp);
    this.#note.replaceChildren(text, time);
  }
  /** @param {Server} server */
  #renderPoint({ pointInTime, rpoSeconds }) {
    setChildren(this.#point, [pointInTime, rpoSeconds], () => {
      if (!pointInTime) return [];
      const time = h("time");
      setTime(time, pointInTime);
      const age = rpoSeconds ? `, ${formatDuration(rpoSeconds * 1e3)} before the job` : "";
      return ["Recovery point ", time, age];
    });
  }
  #renderErrors() {
    const { hint, failedActions } = this.server;
    const [error, same] = [this.error, this.#same];
    setChildren(this.#error, [error, hint, failedActions, same && displayName(same)], () => {
      const name = displayName(this.server);
      const details = [...error ? [errorBox(error, name)] : [], ...hint ? [hintList(hint)] : []];
      const summary = same && h("summary", {}, `The same error as ${displayName(same)}`);
      return [
        ...summary ? [h("details", {}, summary, ...details)] : details,
        ...failedActions.flatMap((action) => [
          h("p", { class: "action" }, `Post-launch action failed${action.name ? `: ${action.name}` : ""}`),
          ...action.error ? [errorBox(action.error, `${action.name ?? "a post-launch action"} on ${name}`)] : []
        ])
      ];
    });
  }
  /** @param {number} now Milliseconds since the epoch. */
  tick(now) {
    const isActive = ACTIVE_STATES.has(this.server.state);
    setText(this.#age, isActive ? `for ${formatDuration(now - Date.parse(this.server.since))}` : "");
  }
};

// viewer/steps.js
var MAX_NAMES = 5;
var StepItem = class {
  #rendered = "";
  /** @type {string | null} */
  #waitingUntil = null;
  #status = h("span", { class: "badge" });
  #name = h("strong");
  #attempt = h("span", { class: "mark" });
  #until = h("time");
  #left = h("span", { class: "muted" });
  #wait = h("span", { class: "wait" }, "Waits until ", this.#until, " ", this.#left);
  #text = h("span");
  #jobs = h("span", { class: "muted" });
  #servers = h("span", { class: "muted id" });
  #problem = h("div", { class: "problem" });
  element = h(
    "li",
    {},
    this.#status,
    this.#name,
    this.#attempt,
    this.#wait,
    this.#text,
    this.#jobs,
    this.#servers,
    this.#problem
  );
  /**
   * @param {PlanStep} step
   * @param {{ servers: Server[], jobs: string[], needsPerson: boolean, region: string | undefined }} shown `servers`: those
   *   that the answer lists. `jobs`: the names of its jobs. `needsPerson`: whether the plan waits for a person.
   */
  update(step, { servers, jobs, needsPerson: needsPerson2, region }) {
    const text = step.kind === "WAIT" ? `Wait of ${formatCount(step.waitMinutes ?? 0, "minute")}` : serversText(step, servers);
    const unlisted = unlistedServers(step, servers);
    const content = JSON.stringify([step, text, unlisted, jobs, needsPerson2, region]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.#status.dataset.state = lookOf(step);
    this.element.dataset.status = step.stepStatus;
    if (step.stepStatus === "EXECUTING" || step.stepStatus === "WAITING" || isFailedStep(step))
      this.element.setAttribute("aria-current", "step");
    else this.element.removeAttribute("aria-current");
    setText(this.#status, planLabel(step.stepStatus));
    setText(this.#name, stepName(step));
    setText(this.#attempt, `Attempt ${step.attempt}`);
    this.#attempt.hidden = (step.attempt ?? 1) < 2;
    this.#waitingUntil = step.stepStatus === "WAITING" ? step.waitingUntil : null;
    this.#wait.hidden = !this.#waitingUntil;
    if (this.#waitingUntil) setTime(this.#until, this.#waitingUntil);
    else this.#until.remove();
    if (this.#waitingUntil && !this.#until.parentNode)
      this.#wait.replaceChildren("Waits until ", this.#until, " ", this.#left);
    setText(this.#text, text);
    this.#text.hidden = !text;
    setText(this.#jobs, jobs.join(", "));
    this.#jobs.hidden = !jobs.length;
    const others = unlisted.length > MAX_NAMES ? ` and ${(unlisted.length - MAX_NAMES).toLocaleString()} more` : "";
    setText(this.#servers, unlisted.slice(0, MAX_NAMES).join(", ") + others);
    this.#servers.hidden = !unlisted.length;
    this.#renderProblem(step, needsPerson2, region);
  }
  /**
   * @param {PlanStep} step
   * @param {boolean} needsPerson
   * @param {string | undefined} region
   */
  #renderProblem({ number, stepStatus, error }, needsPerson2, region) {
    const isDue = needsPerson2 && stepStatus === "FAILED";
    setChildren(this.#problem, [error, isDue, region], () => [
      ...isDue ? [
        h(
          "p",
          { class: "person" },
          PERSON_NEEDED,
          ...region ? [" ", consoleLink("drs", "DRS console", region)] : []
        )
      ] : [],
      ...error ? [errorBox(error, `step ${number}`)] : []
    ]);
    this.#problem.hidden = !isDue && !error;
  }
  /** @param {number} now Milliseconds since the epoch. */
  tick(now) {
    const left = this.#waitingUntil ? Date.parse(this.#waitingUntil) - now : 0;
    setText(this.#left, left > 0 ? `(${formatDuration(left)} left)` : "");
  }
};

// viewer/timeline.js
var MAX_PRINTED = 1e3;
var Timeline = class {
  /** @type {LogEntry[]} */
  #events = [];
  /** @type {Map<LogEntry, HTMLDivElement>} */
  #rows = /* @__PURE__ */ new Map();
  #isPrinting = false;
  #showsSource = false;
  #showsAccount = false;
  /** @type {Map<LogEntry, LogEntry>} Event → the launch result that reports the same fact. */
  #results = /* @__PURE__ */ new Map();
  /** @type {number | undefined} The row height at the last resize. */
  #lastRowHeight;
  #list = h(
    "div",
    { class: "rows", role: "table", "aria-label": "Events" },
    h(
      "div",
      { class: "head hidden", role: "row", "aria-rowindex": "1" },
      ...["Time", "Event", "Message", "Details"].map((name) => h("span", { role: "columnheader" }, name))
    )
  );
  #showDetails;
  /** @param {(event: LogEntry) => void} showDetails */
  constructor(showDetails) {
    this.#showDetails = showDetails;
    this.element = h(
      "div",
      { class: "timeline", tabindex: "0", role: "region", "aria-label": "Timeline, newest first" },
      this.#list
    );
    this.element.addEventListener("scroll", () => this.#render(), { passive: true });
  }
  get #rowHeight() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) * rem || 40;
  }
  /**
   * Shows events. If the user has scrolled down, the visible rows keep their position.
   *
   * @param {LogEntry[]} events Newest first.
   * @param {Map<LogEntry, LogEntry>} results Event → the launch result that reports the same fact.
   * @param {{ source: boolean, account: boolean }} shows What each row shows of its event.
   */
  show(events, results, shows) {
    const isSame = this.#showsSource === shows.source && this.#showsAccount === shows.account;
    for (const event of this.#rows.keys())
      if (!isSame || this.#results.get(event) !== results.get(event)) this.#removeRow(event);
    this.#showsSource = shows.source;
    this.#showsAccount = shows.account;
    this.#results = results;
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
    const visible2 = this.element.clientHeight || 400;
    const first = this.#isPrinting ? 0 : Math.max(0, Math.floor(this.element.scrollTop / height) - 8);
    const end = this.#isPrinting ? Math.min(this.#events.length, MAX_PRINTED) : Math.min(this.#events.length, Math.ceil((this.element.scrollTop + visible2) / height) + 8);
    const wanted = new Set(this.#events.slice(first, end));
    for (const event of this.#rows.keys()) if (!wanted.has(event)) this.#removeRow(event);
    this.#list.setAttribute("aria-rowcount", String(this.#events.length + 1));
    let previous = this.#list.firstElementChild;
    for (let index = first; index < end; index += 1) {
      const event = this.#events[index];
      const row = this.#rows.get(event) ?? this.#createRow(event);
      this.#rows.set(event, row);
      row.style.top = this.#isPrinting ? "" : `${index * height}px`;
      row.setAttribute("aria-rowindex", String(index + 2));
      if (row.previousElementSibling !== previous || row.parentNode !== this.#list) previous?.after(row);
      previous = row;
    }
  }
  /** @param {LogEntry} event */
  #removeRow(event) {
    const row = this.#rows.get(event);
    const root = (
      /** @type {ShadowRoot} */
      this.element.getRootNode()
    );
    if (row?.contains(root.activeElement)) this.element.focus({ preventScroll: true });
    row?.remove();
    this.#rows.delete(event);
  }
  /** @param {LogEntry} event */
  #createRow(event) {
    const time = h("time");
    setTime(time, event.timestamp);
    const mark = isFailure(event) ? " failure" : WARNINGS.has(event.eventType) ? " warning" : "";
    return h(
      "div",
      { class: `row${mark}`, role: "row" },
      h("span", { class: "at", role: "cell" }, time),
      h("span", { class: "type", role: "cell" }, eventLabel(event)),
      h(
        "span",
        { class: "what", role: "cell" },
        ...this.#marksOf(event).flatMap((mark2) => [h("span", { class: "source" }, mark2), " "]),
        event.message || displayName(event)
      ),
      h(
        "span",
        { class: "show", role: "cell" },
        h(
          "button",
          { type: "button", class: "small quiet", onclick: () => this.#showDetails(event) },
          event.error ? "Error" : "Details",
          h("span", { class: "hidden" }, ` for ${eventLabel(event)} ${displayName(event)}`)
        ),
        ...this.#isPrinting && event.error ? [h("pre", {}, event.error)] : []
      )
    );
  }
  /**
   * Returns the sources and the account that a row shows.
   *
   * @param {LogEntry} event
   */
  #marksOf(event) {
    const result = this.#results.get(event);
    const sources = this.#showsSource || result ? [event.source, result?.source] : [];
    return [...sources, this.#showsAccount ? event.account : null].filter((mark) => typeof mark === "string");
  }
  /** Keeps the visible rows in place when the row height changes. Rows are higher on narrow screens. */
  resize() {
    const height = this.#rowHeight;
    const top = this.element.scrollTop * height / (this.#lastRowHeight ?? height);
    this.#lastRowHeight = height;
    this.#render();
    this.element.scrollTop = top;
  }
  /** @param {boolean} isPrinting True to render the first `MAX_PRINTED` rows, for print. */
  print(isPrinting) {
    this.#isPrinting = isPrinting;
    for (const event of this.#rows.keys()) this.#removeRow(event);
    this.#render();
  }
};

// viewer/view.js
var MIN_ANNOUNCEMENT_MS = 3e4;
var MAX_DONE_SHOWN = 20;
var MAX_NAMES2 = 5;
var sheet = new CSSStyleSheet();
sheet.replaceSync(drs_job_log_default);
var NO_FILTER = { text: "", state: "", server: "", job: "" };
function isDone({ state, failedActions }) {
  return state !== "FAILED" && !ACTIVE_STATES.has(state) && !failedActions.length;
}
var View = class {
  #root;
  #host;
  #poller;
  /** The ID of the execution or the job. */
  #id = "";
  /** @type {Set<string>} What failed or stalled and was announced to screen readers. */
  #announced = /* @__PURE__ */ new Set();
  #announcedAt = 0;
  #announcedStatus = "";
  /** @type {Map<string, ServerCard>} By server ID, in the order of the list. */
  #cards = /* @__PURE__ */ new Map();
  /** @type {Map<string, JobItem>} By job ID. */
  #jobItems = /* @__PURE__ */ new Map();
  /** @type {Map<number, StepItem>} By the number of the step. */
  #stepItems = /* @__PURE__ */ new Map();
  /** @type {Map<string, { item: HTMLElement, number: HTMLElement, label: HTMLElement }>} By what is counted. */
  #countItems = /* @__PURE__ */ new Map();
  /** @type {Filter} */
  #filter = NO_FILTER;
  #isPrinting = false;
  #showsDone = false;
  #heading = h("h2", { tabindex: "-1" });
  #kind = h("span", { class: "kind" });
  #status = h("span", { class: "badge" });
  #requester = h("p", { class: "muted" });
  #place = h("p", { class: "place muted" });
  #plan = h("p", { class: "plan muted" });
  #reason = h("p", { class: "reason muted" });
  #connection = h("p", { class: "connection muted" });
  #errorText = h("p");
  #banner = h(
    "div",
    { class: "banner", role: "alert", hidden: true },
    this.#errorText,
    button("Retry now", () => this.#retry(), { class: "small" })
  );
  #headline = h("strong", { class: "big" });
  #wave = h("span", { class: "wave" });
  #elapsed = h("span", { class: "elapsed" });
  #segments = new Map(BAR_STATES.map((state) => [state, h("i", { "data-state": state })]));
  #wavesToCome = h("i", { class: "to-come" });
  #bar = h(
    "div",
    { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0" },
    ...this.#segments.values(),
    this.#wavesToCome
  );
  #report;
  #gantt = new Gantt();
  #counts = h("ul", { class: "counts", "aria-label": "Counts by state" });
  #truncation = h("p", { class: "truncation", role: "status" });
  #failures = h("ul", { class: "failures" });
  #failureSection = h("section", { "aria-label": "Failures" }, this.#failures);
  #printed = h("p", { class: "printed" });
  #empty = h("p", { class: "empty" });
  #stepList = h("ol", { class: "steps" });
  #planError = h("div", { class: "plan-error" });
  #planSection = h(
    "section",
    { class: "recovery-plan", "aria-label": "Recovery plan" },
    h("h3", {}, "Recovery plan"),
    this.#planError,
    this.#stepList
  );
  #jobList = h("ul", { class: "jobs" });
  #serversTitle = h("h3");
  #serverHead = serverHead();
  #serverList = h("div", { class: "servers", role: "table", "aria-label": "Servers" });
  #doneButton = button("", () => this.#toggleDone(), { class: "small" });
  #serverSection = h(
    "section",
    { "aria-label": "Servers", tabindex: "-1" },
    this.#serversTitle,
    this.#serverList,
    this.#doneButton
  );
  #timelineTitle = h("h3");
  #sources = h("p", { class: "muted sources" });
  #timeline = new Timeline((event) => this.#showDetails(event));
  #textFilter = h("input", {
    type: "search",
    placeholder: "Name, ID, instance ID, message, or error",
    oninput: () => this.#onFilter()
  });
  #stateFilter = h(
    "select",
    { onchange: () => this.#onFilter() },
    h("option", { value: "" }, "All states"),
    ...STATES.map((state) => h("option", { value: state }, toLabel(state)))
  );
  #serverFilter = h("select", { onchange: () => this.#onFilter() });
  #jobFilter = h("select", { onchange: () => this.#onFilter() });
  #sortOrder = h("select", { onchange: () => this.render() }, ...SORT_ORDERS.map((order) => h("option", {}, order)));
  #timeZone = timeZoneControl();
  #matches = h("p", { class: "muted" });
  #polite = h("p", { class: "hidden", "aria-live": "polite" });
  #assertive = h("p", { class: "hidden", "aria-live": "assertive" });
  #dialog = h("dialog", { "aria-label": "Event details" });
  #downloadStatus = h("span", { role: "status" });
  #progress = h(
    "div",
    { class: "sticky" },
    h("p", { class: "headline" }, this.#headline, this.#wave, this.#elapsed),
    this.#bar
  );
  #summary = h("div", { class: "summary" }, this.#counts, this.#gantt.outlook, this.#truncation, this.#failureSection);
  #content = h(
    "div",
    { class: "content" },
    this.#planSection,
    h("section", { "aria-label": "Jobs" }, h("h3", {}, "Jobs"), this.#jobList),
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h("label", {}, "Text", this.#textFilter),
      h("label", {}, "State", this.#stateFilter),
      h("label", {}, "Server", this.#serverFilter),
      h("label", {}, "Job", this.#jobFilter),
      h("label", {}, "Sort by", this.#sortOrder),
      button("Clear filters", () => this.#clearFilters(), { class: "quiet" }),
      this.#matches
    ),
    this.#gantt.section,
    this.#serverSection,
    h("section", { "aria-label": "Timeline" }, this.#timelineTitle, this.#sources, this.#timeline.element),
    h(
      "p",
      { class: "downloads" },
      "Download the full log: ",
      button("CSV", () => this.#download("csv")),
      button("JSON", () => this.#download("json")),
      this.#downloadStatus
    )
  );
  #onSelect;
  /**
   * @param {ShadowRoot} root
   * @param {Poller} poller
   * @param {() => void} onSelect The user changed the filter.
   */
  constructor(root, poller, onSelect) {
    this.#onSelect = onSelect;
    this.#root = root;
    this.#host = /** @type {HTMLElement} */
    root.host;
    this.#poller = poller;
    this.#report = new ReportControl(poller);
    root.adoptedStyleSheets = [sheet, ganttSheet];
    root.append(
      h(
        "article",
        {},
        h(
          "header",
          {},
          this.#heading,
          h("p", { class: "badges" }, this.#kind, this.#status),
          h(
            "nav",
            { class: "skip", "aria-label": "Sections" },
            button("Go to the servers", () => this.#serverSection.focus()),
            button("Go to the timeline", () => this.#timeline.element.focus())
          ),
          this.#requester,
          this.#place,
          this.#plan,
          this.#connection,
          button("Refresh", () => this.#poller.poll(), { class: "small quiet refresh" }),
          this.#timeZone,
          this.#report.element,
          this.#reason,
          this.#printed
        ),
        this.#banner,
        this.#empty,
        this.#progress,
        this.#summary,
        this.#content,
        this.#polite,
        this.#assertive,
        this.#dialog
      )
    );
  }
  connect() {
    this.#resizeObserver.observe(this.#timeline.element);
    this.#stopTimeZone = onTimeZone(() => this.#showTimes());
    this.#showTimes();
  }
  disconnect() {
    this.#resizeObserver.disconnect();
    this.#stopTimeZone();
    this.#report.reset();
  }
  #stopTimeZone = () => {
  };
  /** Shows all times in the selected time zone. */
  #showTimes() {
    showTimes(this.#root, this.#timeZone);
    if (this.#poller.error) this.renderError();
    this.tick();
  }
  #resizeObserver = new ResizeObserver(() => this.#timeline.resize());
  /** @param {boolean} isPrinting True to show what a printed report contains. */
  print(isPrinting) {
    this.#isPrinting = isPrinting;
    this.#applyFilters();
    this.#timeline.print(isPrinting);
    this.#gantt.print(isPrinting);
  }
  /** @param {Comparison | null} comparison With an earlier execution. Null if it is not known. */
  showComparison(comparison) {
    this.#gantt.compare(comparison);
  }
  /**
   * Shows another execution or job.
   *
   * @param {string} id
   */
  reset(id) {
    this.#id = id;
    this.#announced = /* @__PURE__ */ new Set();
    this.#announcedAt = 0;
    this.#announcedStatus = "";
    this.#cards = /* @__PURE__ */ new Map();
    this.#jobItems = /* @__PURE__ */ new Map();
    this.#stepItems = /* @__PURE__ */ new Map();
    this.#showsDone = false;
    this.#serverList.replaceChildren();
    this.#jobList.replaceChildren();
    this.#stepList.replaceChildren();
    for (const select of [this.#serverFilter, this.#jobFilter]) setChildren(select, null, () => []);
    this.filter = NO_FILTER;
    this.#polite.textContent = this.#assertive.textContent = "";
    this.#dialog.close();
    delete this.#host.dataset.kind;
    this.#report.reset();
    this.renderError();
    this.render();
  }
  #retry() {
    this.#heading.focus();
    this.#poller.restart();
  }
  /** Shows the last answer and the log. */
  render() {
    const answer = this.#poller.answer;
    setText(this.#heading, this.#id);
    this.#report.update(answer);
    const isEmpty = !answer || answer.status === "NO_EVENTS" && !this.#poller.log.events.length;
    this.#empty.hidden = !isEmpty;
    this.#progress.hidden = this.#summary.hidden = this.#content.hidden = isEmpty;
    if (isEmpty) {
      setText(this.#empty, this.#emptyText());
      for (const part of [this.#status, this.#kind, this.#requester, this.#place, this.#plan, this.#reason])
        part.hidden = true;
      return;
    }
    this.#renderSummary(answer);
    this.#renderFailures(answer);
    this.#renderSteps(answer);
    this.#renderJobs(answer);
    this.#renderServers(answer);
    this.#renderSources();
    this.#applyFilters();
    this.tick();
  }
  #emptyText() {
    const id = this.#id;
    if (!id) return "Set the execution-id or job-id attribute of this element.";
    if (!this.#poller.answer) return this.#poller.error ? "" : "Loading…";
    return `No events for ${id} yet. The first event appears within about one minute after the start. If you expect events already, verify the ID.`;
  }
  /** @param {Answer} answer */
  #renderSummary(answer) {
    this.#status.hidden = false;
    this.#status.dataset.state = answer.status;
    setText(this.#status, statusText(answer));
    this.#reason.hidden = !answer.statusReason;
    setText(this.#reason, answer.statusReason ?? "");
    this.#requester.hidden = !answer.requestedBy;
    const { requestedBy } = answer;
    setChildren(this.#requester, requestedBy ?? "", () => requestedBy ? [startedBy(requestedBy)] : []);
    this.#place.hidden = !this.#poller.log.accounts.size;
    setText(this.#place, placeText(this.#poller.log));
    this.#plan.hidden = !answer.recoveryPlan;
    setText(this.#plan, planText(answer));
    const [kind, ...kinds] = kindsOf(answer);
    this.#kind.hidden = !kind;
    setText(this.#kind, kind ? [kind, ...kinds.map((other) => other.toLowerCase())].join(" and ") : "");
    const drills = new Set([...decisiveJobs(answer), answer.recoveryPlan].map((part) => part?.isDrill ?? null));
    this.#host.dataset.kind = drills.has(false) ? "recovery" : drills.has(true) ? "drill" : "";
    const { total, done, counts, text } = progressOf(answer);
    const isComplete = hasAllServers(answer);
    setText(this.#headline, text);
    const waves = wavesOf(answer);
    const { toCome, noun } = waves;
    const place2 = answer.recoveryPlan ? waves.text : "";
    const valueText = [text, place2, toCome ? `${formatCount(toCome, noun)} to come` : ""].filter(Boolean).join(", ");
    const all = answer.recoveryPlan ? total : total + waves.servers;
    setText(this.#wave, waves.text);
    this.#bar.setAttribute("aria-valuemax", String(Math.max(Math.round(all), 1)));
    this.#bar.setAttribute("aria-valuenow", String(done));
    this.#bar.setAttribute("aria-valuetext", valueText);
    this.#wavesToCome.style.flexGrow = String(waves.servers);
    for (const [state, segment] of this.#segments) segment.style.flexGrow = String(counts.get(state) ?? 0);
    const stalled = answer.servers.filter((server) => server.stalledAt).length;
    const withFailedAction = answer.servers.filter((server) => server.failedActions.length).length;
    arrange(
      this.#counts,
      [
        ...STATES.map((state) => {
          const isCombined = !isComplete && state === "CONVERSION";
          const text2 = isCombined ? "snapshot or conversion" : toLabel(state).toLowerCase();
          return { key: state, number: counts.get(state) ?? 0, text: text2 };
        }),
        { key: "stalled", number: stalled, text: isComplete ? "stalled" : "listed stalled" },
        {
          key: "action",
          number: withFailedAction,
          text: `${isComplete ? "" : "listed "}with a failed post-launch action`
        },
        { key: "to come", number: toCome, text: `${noun}${toCome === 1 ? "" : "s"} to come` }
      ].filter(({ number }) => number).map(({ key, number, text: text2 }) => this.#countItem(key, number, text2))
    );
    setText(this.#truncation, this.#truncationText(answer));
  }
  /**
   * Returns the item of a count. It is the same element each time, so that the selection of its text remains.
   *
   * @param {string} key A state, or what else is counted.
   * @param {number} number
   * @param {string} text
   */
  #countItem(key, number, text) {
    let parts = this.#countItems.get(key);
    if (!parts) {
      const [numberPart, label] = [h("b"), h("span")];
      parts = { item: h("li", { "data-state": key }, numberPart, " ", label), number: numberPart, label };
      this.#countItems.set(key, parts);
    }
    setText(parts.number, number.toLocaleString());
    setText(parts.label, text);
    return parts.item;
  }
  /**
   * Shows each different error once, with the servers that have it.
   *
   * @param {Answer} answer
   */
  #renderFailures(answer) {
    const groups = failuresOf(answer);
    const steps = stepsOf(answer).filter(isFailedStep);
    const waits = needsPerson(answer);
    this.#failureSection.hidden = !groups.length && !steps.length;
    setChildren(this.#failures, [steps, waits, groups], () => [
      ...steps.map(
        (step) => h(
          "li",
          {},
          h("strong", {}, `Failed: ${stepName(step)}`),
          h("span", { class: "excerpt" }, waits && step.stepStatus === "FAILED" ? PERSON_NEEDED : step.error ?? "")
        )
      ),
      ...groups.map(({ error, hint, items }) => {
        const names = items.slice(0, MAX_NAMES2).map(displayName).join(", ");
        const others = items.length > MAX_NAMES2 ? ` and ${(items.length - MAX_NAMES2).toLocaleString()} more` : "";
        return h(
          "li",
          {},
          h("strong", {}, `Failed: ${names}${others}`),
          h("span", { class: "excerpt" }, error || hint?.cause || "DRS states no error.")
        );
      })
    ]);
  }
  /** @param {Answer} answer */
  #truncationText({ truncated, servers, summary, jobs }) {
    if (!truncated) return "";
    const texts = [
      { listed: servers.length, total: summary.totalServers, noun: "server" },
      { listed: jobs.length, total: this.#poller.log.jobIds.size, noun: "job" }
    ].filter(({ listed, total }) => listed < total).map(({ listed, total, noun }) => `${listed.toLocaleString()} of ${formatCount(total, noun)}`);
    const lists = texts.length ? `The page lists only ${texts.join(" and ")}. ` : "";
    return `The API shortened its answer, because it was too large. ${lists}Error texts of servers and jobs can be shortened.`;
  }
  /**
   * Shows the steps of the recovery plan. A step can have no job.
   *
   * @param {Answer} answer
   */
  #renderSteps(answer) {
    const steps = stepsOf(answer);
    this.#planSection.hidden = !answer.recoveryPlan;
    const error = answer.recoveryPlan?.error ?? null;
    const isOfStep = steps.some((step) => step.error === error);
    setChildren(
      this.#planError,
      isOfStep ? null : error,
      () => error && !isOfStep ? [h("p", { class: "message" }, error)] : []
    );
    const names = new Map(answer.jobs.map((job, index) => [job.jobId, `Job ${index + 1}`]));
    const [region] = this.#poller.log.regions;
    const items = steps.map((step) => {
      const item = this.#stepItems.get(step.number) ?? new StepItem();
      this.#stepItems.set(step.number, item);
      const jobs = step.jobIds.map((jobId) => names.get(jobId) ?? jobId);
      item.update(step, { servers: answer.servers, jobs, needsPerson: needsPerson(answer), region });
      return item.element;
    });
    arrange(this.#stepList, items);
  }
  /** @param {Answer} answer */
  #renderJobs(answer) {
    const ofListed = this.#hasAllJobs(answer) ? "" : ` of ${answer.jobs.length} listed`;
    const latestJobs = new Map(answer.servers.map((server) => [server.sourceServerId, server.jobId]));
    const superseded = new Set(
      this.#poller.log.events.filter((event) => event.sourceServerId && latestJobs.get(event.sourceServerId) !== event.jobId).map((event) => event.jobId)
    );
    const steps = stepsByJob(answer);
    const items = answer.jobs.map((job, index) => {
      const servers = answer.servers.filter((server) => server.jobId === job.jobId);
      const goal = goalOf(job);
      const others = ["FAILED", "TERMINATED"];
      const counts = [goal, ...others.filter((state) => state !== goal && countOf(servers, state))].map((state) => `${countOf(servers, state)} ${state.toLowerCase()}`).join(", ");
      const step = steps.get(job.jobId);
      const texts = [
        ...step ? [stepName(step)] : [],
        ...servers.length && hasAllServers(answer) && !superseded.has(job.jobId) ? [`${formatCount(servers.length, "server")}: ${counts}`] : [],
        ...job.resources.length ? [networksText(job.resources, answer.truncated)] : []
      ];
      const item = this.#jobItems.get(job.jobId) ?? new JobItem();
      this.#jobItems.set(job.jobId, item);
      const region = this.#poller.log.regionsOfJobs.get(job.jobId);
      item.update(job, { name: `Job ${index + 1}${ofListed}`, text: texts.join(", "), region });
      return item.element;
    });
    arrange(this.#jobList, items);
    const names = waveNames(answer);
    setChildren(this.#jobFilter, names, () => [
      h("option", { value: "" }, "All jobs"),
      ...names.map(({ jobId, name }) => h("option", { value: jobId }, name))
    ]);
  }
  /**
   * Reports whether the answer contains all jobs. The API shortens an answer that is too large.
   *
   * @param {Answer} answer
   */
  #hasAllJobs({ truncated, jobs }) {
    return !truncated || jobs.length >= this.#poller.log.jobIds.size;
  }
  /** @param {Answer} answer */
  #renderServers(answer) {
    this.#serverSection.hidden = !answer.summary.totalServers;
    const servers = sortServers(answer.servers, this.#sortOrder.value);
    const focused = this.#root.activeElement;
    const optional = optionalServersOf(answer);
    const cards = servers.map((server) => {
      const known = this.#cards.get(server.sourceServerId);
      const card = known ?? new ServerCard(server, (selected) => this.#showInTimeline(selected));
      const events = this.#poller.log.byServer.get(server.sourceServerId) ?? [];
      card.update(server, events, {
        account: this.#poller.log.accounts.size > 1,
        optional: optional.has(server.sourceServerId)
      });
      return card;
    });
    this.#cards = new Map(cards.map((card) => [card.server.sourceServerId, card]));
    arrange(this.#serverList, [this.#serverHead, ...cards.map((card) => card.element)]);
    if (focused instanceof HTMLElement && focused !== this.#root.activeElement) focused.focus({ preventScroll: true });
    const options = servers.map((server) => ({ name: displayName(server), id: server.sourceServerId })).sort((a, b) => compare(a.name, b.name));
    const names = /* @__PURE__ */ new Map();
    for (const { name } of options) names.set(name, (names.get(name) ?? 0) + 1);
    setChildren(this.#serverFilter, options, () => [
      h("option", { value: "" }, "All servers"),
      ...options.map(({ name, id }) => h("option", { value: id }, names.get(name) === 1 ? name : `${name} (${id})`))
    ]);
    this.#showFilter();
  }
  #renderSources() {
    const sources = [...this.#poller.log.sources].sort(([a], [b]) => compare(a, b));
    setChildren(this.#sources, sources, () => [
      ...sources.length ? ["Event sources: "] : [],
      ...sources.flatMap(([source, number], index) => [
        index ? ", " : "",
        h("code", {}, source),
        ` (${formatCount(number, "event")})`
      ])
    ]);
  }
  /** Shows the servers and events that match the filters. */
  #applyFilters() {
    const { state, server: serverId, job: jobId } = this.#filter;
    const text = this.#filter.text.trim().toLowerCase();
    const matchesText = (...values) => values.some((value) => value?.toLowerCase().includes(text));
    const states = new Map(this.#poller.answer?.servers.map((server) => [server.sourceServerId, server.state]));
    const matchesServer = (id) => (!serverId || id === serverId) && (!state || states.get(id) === state);
    const isFiltered = Boolean(text || state || serverId || jobId);
    const done = [...this.#cards.values()].filter(({ server }) => isDone(server)).length;
    const isFolded = done > MAX_DONE_SHOWN && !this.#showsDone && !isFiltered && !this.#isPrinting;
    const servers = [];
    const firsts = /* @__PURE__ */ new Map();
    for (const [id, card] of this.#cards) {
      const { element, server, error } = card;
      const isMatch = matchesServer(id) && (!jobId || server.jobId === jobId) && (!text || matchesText(
        ...[server.serverName, id, server.ec2InstanceId, error, toLabel(server.state)],
        ...server.failedActions.flatMap(({ name, error: error2 }) => [name, error2])
      ));
      const isOpen = element.contains(this.#root.activeElement);
      element.hidden = !isMatch || isFolded && isDone(server) && !isOpen;
      if (!isMatch) continue;
      servers.push(server);
      if (!error) continue;
      card.refer(firsts.get(error));
      if (!firsts.has(error)) firsts.set(error, server);
    }
    const matches = (event) => (!isFiltered || matchesServer(event.sourceServerId)) && (!jobId || event.jobId === jobId) && (!text || matchesText(
      event.message,
      event.error,
      event.serverName,
      event.sourceServerId,
      event.resourceId,
      event.ec2InstanceId,
      event.jobId,
      event.source ?? null,
      eventLabel(event)
    ));
    const { log } = this.#poller;
    const joined = new Set(log.results.values());
    const events = log.events.filter((event) => {
      const result = log.results.get(event);
      return !joined.has(event) && (matches(event) || result && matches(result));
    });
    const shows = { source: log.senders.length > 1, account: log.accounts.size > 1 };
    this.#timeline.show(events.reverse(), log.results, shows);
    this.#gantt.show(servers, this.#poller);
    const total = this.#poller.answer?.summary.totalServers ?? 0;
    const hasAll = !this.#poller.answer || hasAllServers(this.#poller.answer);
    const ofTotal = hasAll ? "" : ` of ${total.toLocaleString()}`;
    setText(this.#serversTitle, `Servers (${servers.length.toLocaleString()}${ofTotal})`);
    setText(this.#timelineTitle, `Timeline (${events.length.toLocaleString()})`);
    const matchesLabel = `${formatCount(servers.length, hasAll ? "server" : "listed server")} and ${formatCount(events.length, "event")} match`;
    setText(this.#matches, isFiltered ? matchesLabel : "");
    this.#doneButton.hidden = done <= MAX_DONE_SHOWN || isFiltered;
    setText(this.#doneButton, `${isFolded ? "Show" : "Hide"} the ${formatCount(done, "server")} that are done`);
    if (this.#isPrinting) setText(this.#printed, this.#printedText(events.length));
  }
  #toggleDone() {
    this.#showsDone = !this.#showsDone;
    this.#applyFilters();
  }
  /**
   * Returns what a printed report says about itself.
   *
   * @param {number} eventCount The number of events that match the filters.
   */
  #printedText(eventCount) {
    const filters = [
      ["Text", this.#filter.text.trim()],
      ["State", this.#filter.state && toLabel(this.#filter.state)],
      ["Server", this.#filter.server && this.#serverFilter.selectedOptions[0]?.text],
      ["Job", this.#filter.job && this.#jobFilter.selectedOptions[0]?.text]
    ].filter(([, value]) => value);
    const sentences = [
      `Printed at ${formatTime(this.#poller.now)}.`,
      `Times are in the time zone ${timeZone()}.`,
      ...filters.length ? [`Only what matches these filters: ${filters.map(([name, value]) => `${name} "${value}"`).join(", ")}.`] : [],
      ...eventCount > MAX_PRINTED ? [
        `The timeline has the newest ${MAX_PRINTED.toLocaleString()} of ${formatCount(eventCount, "event")}. Download the CSV file for all of them.`
      ] : []
    ];
    return sentences.join(" ");
  }
  get filter() {
    return this.#filter;
  }
  set filter(filter) {
    const isState = STATES.some((state) => state === filter.state);
    this.#filter = { ...filter, state: isState ? filter.state : "" };
    this.#showFilter();
    if (this.#poller.answer) this.#applyFilters();
  }
  #showFilter() {
    const { text, state, server, job } = this.#filter;
    if (this.#textFilter.value !== text) this.#textFilter.value = text;
    this.#stateFilter.value = state;
    for (
      const [select, id] of
      /** @type {const} */
      [
        [this.#serverFilter, server],
        [this.#jobFilter, job]
      ]
    ) {
      if (id && ![...select.options].some((option) => option.value === id))
        select.append(h("option", { value: id }, id));
      select.value = id;
    }
  }
  /** Applies the filters after user input and announces the number of matches to screen readers. */
  #onFilter() {
    this.#select({
      text: this.#textFilter.value,
      state: this.#stateFilter.value,
      server: this.#serverFilter.value,
      job: this.#jobFilter.value
    });
    setText(this.#polite, this.#matches.textContent);
  }
  /** @param {Filter} filter What the user selected. */
  #select(filter) {
    this.filter = filter;
    this.#onSelect();
  }
  #clearFilters() {
    this.#select(NO_FILTER);
    setText(this.#polite, this.#matches.textContent);
  }
  /** @param {Server} server */
  #showInTimeline(server) {
    this.#select({ ...this.#filter, server: server.sourceServerId });
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
      [isPlanEvent(event) ? "Plan execution" : "Job ID"]: event.jobId,
      Source: [event.source, this.#poller.log.results.get(event)?.source].filter(Boolean).join(", "),
      Account: event.account,
      Region: event.region,
      Message: event.message,
      "Event ID": event.eventId
    };
    this.#dialog.replaceChildren(
      h("h3", {}, eventLabel(event)),
      h(
        "dl",
        {},
        ...Object.entries(rows).flatMap(([name, value]) => value ? [h("dt", {}, name), h("dd", {}, value)] : [])
      ),
      ...event.error ? [errorBox(event.error, displayName(event) || (isPlanEvent(event) ? "the recovery plan" : ""))] : [],
      h("details", {}, h("summary", {}, "JSON"), h("pre", { tabindex: "0" }, JSON.stringify(event, null, 2))),
      h("form", { method: "dialog" }, h("button", {}, "Close"))
    );
    this.#dialog.showModal();
  }
  /** Updates the durations. Runs once per second. */
  tick() {
    this.renderConnection();
    this.#report.tick();
    const { recoveryPlan, jobs: known = [] } = this.#poller.answer ?? {};
    if (!this.#poller.answer || !(recoveryPlan || known.length) || document.hidden) return;
    const { now } = this.#poller;
    const parts = recoveryPlan ? [recoveryPlan] : decisiveJobs(this.#poller.answer);
    const starts = parts.map(({ startedAt }) => Date.parse(startedAt));
    const isOver = !isBetweenWaves(this.#poller.answer);
    const ends = parts.map(({ endedAt }) => endedAt && isOver ? Date.parse(endedAt) : now);
    const elapsed = formatDuration(Math.max(...ends) - Math.min(...starts));
    setText(this.#elapsed, this.#hasAllJobs(this.#poller.answer) ? elapsed : "");
    for (const card of this.#cards.values()) card.tick(now);
    for (const item of this.#stepItems.values()) item.tick(now);
    this.#gantt.tick(this.#poller);
  }
  /** Requests the report of the execution. */
  showReport() {
    this.#report.request();
  }
  /** Says that the display can be wrong, because of an error of the viewer itself. */
  showOwnError() {
    this.#banner.hidden = false;
    setText(
      this.#errorText,
      "The viewer has an error, and this page can be incomplete. The console of the browser has the details. Reload the page."
    );
  }
  /** Shows the error of the last request, or hides the previous one. */
  renderError() {
    this.#banner.hidden = !this.#poller.error;
    const age = this.#poller.answeredAt ? ` The data shown is from ${formatTime(this.#poller.answeredAt)}.` : "";
    if (this.#poller.error) setText(this.#errorText, `${this.#describeError(this.#poller.error)}${age}`);
    if (!this.#poller.answer) setText(this.#empty, this.#emptyText());
  }
  /** Updates the status of the connection. It is not a live region, because it changes every second. */
  renderConnection() {
    if (this.#poller.error) {
      const seconds = Math.max(0, Math.ceil((this.#poller.nextPollAt - Date.now()) / 1e3));
      const retry = this.#poller.isRequesting ? "Retrying…" : `Next retry in ${seconds} s.`;
      return setText(this.#connection, this.#poller.isInvalidRequest ? "" : retry);
    }
    if (!this.#poller.answer) return setText(this.#connection, "");
    const { status, jobId, settled, recoveryPlan } = this.#poller.answer;
    let text;
    if (needsPerson(this.#poller.answer)) text = PERSON_NEEDED;
    else if (settled) text = jobId ? "The job is complete." : "The execution is complete.";
    else if (recoveryPlan && isBetweenWaves(this.#poller.answer)) text = this.#planConnection(this.#poller.answer);
    else if (isBetweenWaves(this.#poller.answer)) text = "All known jobs have ended. Another wave can follow.";
    else if (["IN_PROGRESS", "NO_EVENTS"].includes(status)) text = "Live.";
    else text = "The job has ended. Late events are possible.";
    setText(this.#connection, `${text} Last updated at ${formatTime(this.#poller.answeredAt)}.`);
  }
  /**
   * Says why a plan without a running job continues.
   *
   * @param {Answer} answer
   */
  #planConnection(answer) {
    return currentStep(answer)?.stepStatus === "WAITING" ? `Live. ${placeInPlan(answer)}.` : "Live.";
  }
  /** @param {RequestError} error */
  #describeError({ kind, status, message }) {
    switch (kind) {
      case "sign-in":
        return `The API requires you to sign in (${status}: ${message}).`;
      case "permission":
        return `You do not have permission to read this log (${status}: ${message}).`;
      case "invalid-request":
        return `The request is not valid: ${message}.`;
    }
    const causes = {
      network: "no response. Check the network connection",
      timeout: "no response in time",
      "invalid-answer": "the response is no answer of the API. Verify the URL of the API",
      api: `${status}: ${message}`
    };
    return `Requests to the API have failed since ${formatTime(this.#poller.failingSince)}: ${causes[kind]}.`;
  }
  /**
   * Announces the progress, and each failed or stalled server and network once, to screen readers.
   *
   * @param {Answer} answer
   */
  announce(answer) {
    const { servers, summary } = answer;
    const failedServers = servers.filter((server) => server.state === "FAILED");
    const failedNetworks = networksOf(answer).filter((network) => network.state === "FAILED");
    const stalledServers = servers.filter((server) => server.stalledAt);
    const groups = [
      { noun: "server", verb: "failed", items: failedServers, number: summary.failed },
      { noun: "network", verb: "failed", items: failedNetworks, number: failedNetworks.length },
      { noun: "server", verb: "stalled", items: stalledServers, number: stalledServers.length }
    ];
    const keyOf = (verb, item) => `${verb} ${"sourceServerId" in item ? item.sourceServerId : item.resourceId}`;
    const texts = groups.flatMap(({ noun, verb, items, number }) => {
      if (this.#poller.answerCount === 1) return number ? [`${formatCount(number, noun)} ${verb}.`] : [];
      const added = items.filter((item) => !this.#announced.has(keyOf(verb, item))).map(displayName);
      if (!added.length) return [];
      const others = added.length > 3 ? ` and ${added.length - 3} more` : "";
      return [`${toLabel(verb)}: ${added.slice(0, 3).join(", ")}${others}.`];
    });
    const failedSteps = failedStepsOf(answer);
    const addedSteps = [...failedSteps].filter(([key]) => !this.#announced.has(key)).map(([, name]) => name);
    if (addedSteps.length)
      texts.push(`Failed: ${addedSteps.join(", ")}.${needsPerson(answer) ? ` ${PERSON_NEEDED}` : ""}`);
    if (texts.length) this.#assertive.textContent = visible(texts.join(" "));
    this.#announced = /* @__PURE__ */ new Set([
      ...groups.flatMap(({ verb, items }) => items.map((item) => keyOf(verb, item))),
      ...failedSteps.keys()
    ]);
    const { total, failed, text } = progressOf(answer);
    const failures = hasAllServers(answer) ? "" : `, ${failed.toLocaleString()} failed`;
    const status = [placeInPlan(answer), statusText(answer)].filter(Boolean).join(". ");
    const isDue = status !== this.#announcedStatus || this.#poller.now >= this.#announcedAt + MIN_ANNOUNCEMENT_MS;
    if (!total || !isDue) return;
    this.#announcedStatus = status;
    this.#announcedAt = this.#poller.now;
    setText(this.#polite, `${text}${failures}. ${status}`);
  }
  /** @param {"csv" | "json"} format */
  async #download(format2) {
    let answer;
    setText(this.#downloadStatus, "Downloading…");
    try {
      answer = await this.#poller.readAll();
      setText(this.#downloadStatus, "");
    } catch (error) {
      const { name, message } = (
        /** @type {Error} */
        error
      );
      return setText(this.#downloadStatus, name === "AbortError" ? "" : `Download failed: ${message}. Try again.`);
    }
    const isCsv = format2 === "csv";
    const text = isCsv ? `\uFEFF${toCsv(answer.logs)}` : JSON.stringify(answer, null, 2);
    const blob = new Blob([text], { type: isCsv ? "text/csv" : "application/json" });
    const fileName = `drs-job-log-${this.#id.replace(/[^\w.-]+/g, "_")}.${format2}`;
    const link = h("a", { href: URL.createObjectURL(blob), download: fileName });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 6e4);
  }
};

// viewer/drs-job-log.js
var DrsJobLog = class extends HTMLElement {
  static observedAttributes = ["execution-id", "job-id", "api-url"];
  #poller = new Poller(
    {
      onRequest: () => this.#view.renderConnection(),
      onAnswer: (answer) => this.#onAnswer(answer),
      onError: (error) => this.#onError(error)
    },
    () => document.hidden
  );
  #view = new View(
    this.attachShadow({ mode: "open" }),
    this.#poller,
    () => this.#dispatch("drs-job-log-filter", this.#view.filter)
  );
  #ticker = 0;
  #isStarted = false;
  // Not `isConnected`, which is true before connectedCallback runs.
  /** @type {Answer | null} */
  #rendered = null;
  /** @type {boolean | null} Whether the execution was settled at the last answer. Null before the first one. */
  #wasSettled = null;
  constructor() {
    super();
    this.#reset();
  }
  /** The function that sends requests. The default is `window.fetch`. */
  get fetch() {
    return this.#poller.fetch;
  }
  set fetch(value) {
    this.#poller.fetch = value;
    if (this.#isStarted) this.#poller.restartSoon();
  }
  /** What the user sees. The keys that a new value lacks become empty. */
  get filter() {
    return { ...this.#view.filter };
  }
  set filter(value) {
    this.#view.filter = { ...NO_FILTER, ...value };
  }
  /** Requests the report of the execution. Without effect until an answer has its path. */
  showReport() {
    this.#view.showReport();
  }
  connectedCallback() {
    for (
      const name of
      /** @type {const} */
      ["fetch", "filter"]
    ) {
      if (!Object.hasOwn(this, name)) continue;
      const value = (
        /** @type {any} */
        this[name]
      );
      Reflect.deleteProperty(this, name);
      this[name] = value;
    }
    document.addEventListener("visibilitychange", this.#onReturn);
    window.addEventListener("focus", this.#onReturn);
    window.addEventListener("online", this.#onReturn);
    window.addEventListener("beforeprint", this.#onPrint);
    window.addEventListener("afterprint", this.#onPrint);
    this.#view.connect();
    this.#ticker = setInterval(() => this.#view.tick(), 1e3);
    this.#isStarted = true;
    this.#view.render();
    this.#poller.restart();
  }
  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#onReturn);
    window.removeEventListener("focus", this.#onReturn);
    window.removeEventListener("online", this.#onReturn);
    window.removeEventListener("beforeprint", this.#onPrint);
    window.removeEventListener("afterprint", this.#onPrint);
    this.#view.disconnect();
    clearInterval(this.#ticker);
    this.#isStarted = false;
    this.#poller.stop();
  }
  /**
   * @param {string} _name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(_name, before, after) {
    if (before === after) return;
    this.#reset();
    if (this.#isStarted) this.#poller.restart();
  }
  /** The user returned to the page, or the network is back. */
  #onReturn = () => {
    if (!document.hidden) this.#poller.poll();
  };
  /** @param {Event} event */
  #onPrint = (event) => this.#view.print(event.type === "beforeprint");
  /** Reads the attributes. A URL path cannot contain every ID. */
  #reset() {
    const jobId = this.getAttribute("job-id");
    const [name, id] = jobId ? ["jobId", jobId] : ["executionId", this.getAttribute("execution-id")];
    const base = (this.getAttribute("api-url") ?? "").replace(/\/+$/, "");
    this.#poller.reset(id && `${base}/logs?${name}=${encodeURIComponent(id)}`);
    this.#view.reset(id ?? "");
    this.#view.showComparison(null);
    this.#rendered = this.#wasSettled = null;
  }
  /**
   * Reads the comparison after the first answer with events, and again when the execution has settled.
   *
   * @param {Answer} answer
   */
  async #compare({ settled, status }) {
    if (status === "NO_EVENTS") return;
    const isDue = this.#wasSettled === null || settled && !this.#wasSettled;
    this.#wasSettled = settled;
    if (!isDue) return;
    const { url } = this.#poller;
    const comparison = await readComparison(this.#poller);
    if (comparison && url === this.#poller.url) this.#view.showComparison(comparison);
  }
  /** @param {Answer} answer */
  #onAnswer(answer) {
    try {
      this.#view.renderError();
      if (answer !== this.#rendered) this.#view.render();
      this.#rendered = answer;
      this.#view.renderConnection();
      this.#view.announce(answer);
    } catch (error) {
      console.error("The DRS job log viewer could not show an answer.", error);
      this.#view.showOwnError();
    }
    this.#compare(answer);
    this.#dispatch("drs-job-log-update", { ...answer, logs: [...this.#poller.log.events] });
  }
  /** @param {RequestError} error */
  #onError({ kind, status }) {
    this.#view.renderError();
    this.#view.renderConnection();
    if (kind === "sign-in" || kind === "permission") this.#dispatch("drs-job-log-unauthorized", { status });
  }
  /**
   * @param {string} type
   * @param {object} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
};
if (!customElements.get("drs-job-log")) customElements.define("drs-job-log", DrsJobLog);
export {
  displayName,
  failedStepsOf,
  networksOf,
  progressOf,
  statusText,
  visible,
  waitingText
};
