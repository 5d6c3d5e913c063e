// @ts-nocheck: generated from the folder viewer by `make package`. Do not edit.

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
var SAME_FACT_MS = 5 * 6e4;
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
var ACTIVE_STATES = /* @__PURE__ */ new Set(["LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING"]);
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
function hasWarning({ stalledAt, failedActions }) {
  return stalledAt !== null || failedActions.length > 0;
}

// viewer/elements.js
var find = (selector) => (
  /** @type {E} */
  document.querySelector(selector)
);
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
function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
function setText(element, text) {
  const shown2 = visible(text);
  if (element.textContent !== shown2) element.textContent = shown2;
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
function hostOf(source) {
  const url = source && URL.canParse(source) ? new URL(source) : null;
  return url?.protocol === "https:" ? url.host : null;
}
function linkTo(url, text) {
  const attributes = { href: url, target: "_blank", rel: "noreferrer noopener" };
  return h("a", attributes, text, h("span", { class: "hidden" }, " (opens a new tab)"));
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

// viewer/poll.js
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
async function send(fetch2, url, headers, signal) {
  const aborted = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const rejected = new Promise((_, reject) => {
    aborted.addEventListener("abort", () => reject(aborted.reason));
  });
  const request = fetch2(url, { signal: aborted, cache: "no-store", headers });
  return (
    /** @type {Response} */
    await Promise.race([request, rejected])
  );
}
async function errorOf(response) {
  const kind = KINDS_BY_STATUS[response.status] ?? "api";
  return new RequestError(kind, await readErrorMessage(response), response.status);
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

// viewer/sign-in.js
var SignIn = class {
  #form = (
    /** @type {HTMLFormElement} */
    find("#sign-in")
  );
  #field = (
    /** @type {HTMLInputElement} */
    find("#token")
  );
  #panel = (
    /** @type {HTMLElement} */
    find("#session")
  );
  #onToken;
  #token = "";
  /** @type {Session | null} */
  #session = null;
  /** @param {(fetch: Fetch) => void} onToken Receives a function that sends requests with a new token. */
  constructor(onToken) {
    this.#onToken = onToken;
  }
  /** Reports whether this page has a token that it must pass to the pages that it opens. */
  get mustPassToken() {
    return this.#token !== "" && !this.#session;
  }
  /** Resolves when the page can send requests. It does not resolve if the sign-in failed, which the page then shows. */
  async start() {
    const settings = (
      /** @type {Settings | null} */
      JSON.parse(find("meta[name=sign-in]").getAttribute("content") || "null")
    );
    if (!settings) return this.#listen();
    const use = (token) => this.#use(token);
    await this.#try(async () => {
      const { Session } = await import("./session.js");
      const session = new Session(settings, use);
      this.#session = session;
      find("#session button").addEventListener("click", () => this.#try(() => session.signIn()));
      await session.start();
    });
  }
  /** Shows that the API refused a request of the page. */
  ask() {
    if (this.#session) {
      this.#show(
        "The API does not accept the sign-in. It is expired, or its token does not match the inputs api.jwt.audience and api.jwt.scopes."
      );
    } else if (this.#form.hidden) {
      this.#form.hidden = false;
      if (document.activeElement === document.body) this.#field.focus();
    }
  }
  /** Hides what `ask` shows. */
  end() {
    this.#form.hidden = true;
    this.#panel.hidden = true;
  }
  /** Uses the tokens of the form and of the page that opened this page. */
  #listen() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#use(this.#field.value.replace(/^\s*Bearer\s/i, "").replace(/[^\x21-\x7e]/g, ""));
      this.#field.value = "";
    });
    window.addEventListener("message", (event) => this.#onMessage(event));
    window.opener?.postMessage({ type: "drs-job-log:ready" }, "*");
  }
  /**
   * Signs in. Does not resolve if this fails.
   *
   * @param {() => Promise<void>} signIn
   */
  async #try(signIn2) {
    try {
      await signIn2();
    } catch (error) {
      console.error("The sign-in failed.", error);
      this.#show(error instanceof Error ? error.message : String(error));
      await new Promise(() => {
      });
    }
  }
  /** @param {string} text */
  #show(text) {
    find("#session p").textContent = visible(text);
    this.#panel.hidden = false;
  }
  /** @param {string} token */
  #use(token) {
    this.#token = token;
    this.#onToken(
      (url, options) => fetch(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } })
    );
  }
  /** @param {MessageEvent} event */
  #onMessage({ source, origin, data }) {
    if (window.opener && source === window.opener && data?.type === "drs-job-log:token") {
      if (typeof data.token === "string") this.#use(data.token);
    } else if (this.#token && origin === location.origin && data?.type === "drs-job-log:ready") {
      source?.postMessage({ type: "drs-job-log:token", token: this.#token }, { targetOrigin: origin });
    }
  }
};

// viewer/start-model.js
var FILTERS = ["from", "to", "status", "isDrill", "withServer"];
var JOB_ID = /^drsjob-/;
var SERVER_ID = /^s-[0-9A-Za-z]{17}$/;
var DATE = /^\d{4}-\d{2}-\d{2}$/;
var RUNNING_DAYS = 7;
function readQuery(search) {
  const query = new URLSearchParams(search);
  const value = (name) => query.get(name)?.trim() ?? "";
  const id = value("id");
  if (id && !SERVER_ID.test(id)) return { view: "log", id, filters: {} };
  const server = id || value("server");
  if (server) return { view: "server", id: server, filters: {} };
  const isFailures = value("view") === "failures";
  const names = isFailures ? ["from", "to"] : FILTERS;
  const filters = Object.fromEntries(names.map((name) => [name, value(name)]).filter(([, text]) => text));
  return { view: isFailures ? "failures" : "recoveries", id: "", filters };
}
function viewUrl(parameters) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return query.size ? `?${query}` : "./";
}
function serverUrl(id) {
  return viewUrl({ server: id });
}
function logUrl({ executionId, jobId }) {
  const id = executionId ?? jobId ?? "";
  if (id.includes("/") || id === "." || id === "..")
    return `viewer/page?${new URLSearchParams(executionId === null ? { jobId: id } : { executionId: id })}`;
  return `${executionId === null ? "jobs" : "executions"}/${encodeURIComponent(id)}`;
}
function logOf(id) {
  return JOB_ID.test(id) ? { executionId: null, jobId: id } : { executionId: id, jobId: null };
}
function apiParameters({ from, to, withServer, ...others }) {
  return {
    ...others,
    ...withServer && { server: withServer },
    ...from && { from: toTime(from, "T00:00:00.000") },
    ...to && { to: toTime(to, "T23:59:59.999") }
  };
}
function isDate(text) {
  return DATE.test(text);
}
function toTime(text, time) {
  const zone2 = timeZone() === "UTC" ? "Z" : "";
  const date = new Date(isDate(text) ? `${text}${time}${zone2}` : Number.NaN);
  return Number.isNaN(date.getTime()) ? text : date.toISOString();
}
function runningParameters({ from, ...others }, now) {
  const isEarly = Date.parse(from ?? "") < now - RUNNING_DAYS * 864e5;
  return { ...others, ...from && !isEarly && { from }, status: "IN_PROGRESS", limit: "100" };
}
function keyOf({ executionId, jobId }) {
  return JSON.stringify([executionId, executionId === null ? jobId : null]);
}
function separate(running, listed) {
  const keys = new Set(running.map(keyOf));
  const others = listed.filter((entry) => !keys.has(keyOf(entry)));
  const isRunning = ({ status }) => status === "IN_PROGRESS";
  return {
    running: [...running, ...others.filter(isRunning)],
    ended: others.filter((entry) => !isRunning(entry))
  };
}
function mergeGroups(groups) {
  const merged = /* @__PURE__ */ new Map();
  for (const group of groups) {
    const key = JSON.stringify([group.shape, group.service, group.operation, group.code]);
    const first = merged.get(key);
    merged.set(key, first ? addGroup(first, group) : group);
  }
  return [...merged.values()].sort((a, b) => b.count - a.count);
}
function addGroup(first, second) {
  const isIncomplete = ({ isMinimum, ...group }) => isMinimum || group.servers.length < group.serverCount || group.executions.length < group.executionCount;
  const servers = [.../* @__PURE__ */ new Set([...first.servers, ...second.servers])];
  const executions = [.../* @__PURE__ */ new Set([...first.executions, ...second.executions])];
  return {
    ...first,
    count: first.count + second.count,
    servers,
    serverCount: Math.max(first.serverCount, second.serverCount, servers.length),
    executions,
    executionCount: Math.max(first.executionCount, second.executionCount, executions.length),
    isMinimum: isIncomplete(first) || isIncomplete(second)
  };
}
function recoveryStatus({ status, settled, executionId }) {
  const isFinal = settled || status === "IN_PROGRESS" || executionId === null;
  return isFinal ? statusLabel(status) : `${statusLabel(status)} so far`;
}
function kindText({ isDrill, jobType = null }) {
  return jobLabel({ isDrill, jobType, initiatedBy: null, resources: [] }) || "Not known";
}
function durationText(seconds) {
  return seconds === null ? "–" : formatDuration(seconds * 1e3);
}
function serversText({ totalServers, launched, terminated, completed }) {
  if (!totalServers) return "None";
  const goal = launched || !(terminated || completed) ? "launched" : terminated ? "terminated" : "completed";
  return `${{ launched, terminated, completed }[goal]} of ${totalServers} ${goal}`;
}
function rtoText(rto) {
  if (!rto) return "–";
  const { targetMinutes, actualMinutes, result } = rto;
  const target = `${targetMinutes.toLocaleString()} min`;
  if (!result) return `Objective: ${target}`;
  const isReason = actualMinutes !== null && (result === "MET" || actualMinutes > targetMinutes);
  return `${toLabel(result)} (${isReason ? `${actualMinutes.toLocaleString()} of ${target}` : target})`;
}

// viewer/start-lists.js
var MAX_PAGES = 5;
var MAX_RUNNING_PAGES = 20;
var List = class {
  /** @type {any[]} */
  entries = [];
  /** @type {string | null} Null if there are no more pages. */
  nextToken = null;
  /** @type {Page | null} The last page. */
  page = null;
  #path;
  #name;
  #parameters;
  #pageCount = 0;
  /**
   * @param {string} path
   * @param {string} name The name of the list in the answer.
   * @param {Record<string, string>} parameters
   */
  constructor(path, name, parameters) {
    this.#path = path;
    this.#name = name;
    this.#parameters = parameters;
  }
  /**
   * Reads the list from its start, with at least as many entries as before.
   *
   * @param {Get} get
   */
  async read(get) {
    const maxPages = Math.max(MAX_PAGES, this.#pageCount);
    this.#pageCount = 0;
    await this.#readPages(get, [], null, Math.max(1, this.entries.length), maxPages);
  }
  /**
   * Reads all pages.
   *
   * @param {Get} get
   */
  async readAll(get) {
    await this.#readPages(get, [], null, Number.POSITIVE_INFINITY, MAX_RUNNING_PAGES);
  }
  /**
   * Adds the entries of the next page.
   *
   * @param {Get} get
   */
  async more(get) {
    if (!this.nextToken) return;
    await this.#readPages(get, this.entries, this.nextToken, this.entries.length + 1, MAX_PAGES);
  }
  /**
   * @param {Get} get
   * @param {any[]} entries The entries before the first page.
   * @param {string | null} token The token of the first page.
   * @param {number} enough The number of entries after which no further page is read.
   * @param {number} maxPages
   */
  async #readPages(get, entries, token, enough, maxPages) {
    let found = entries;
    let nextToken = token;
    for (let pages = 0; pages < maxPages; pages += 1) {
      this.page = await get(this.#path, this.#name, { ...this.#parameters, ...nextToken && { nextToken } });
      this.#pageCount += 1;
      found = [...found, ...this.page[this.#name]];
      nextToken = this.page.nextToken;
      if (!nextToken || found.length >= enough) break;
    }
    this.entries = found;
    this.nextToken = nextToken;
  }
};
var Recoveries = class {
  isRefreshed = true;
  hasRunning;
  hasEnded;
  #running;
  #listed;
  /** @param {Selection} selection */
  constructor({ filters }) {
    const parameters = apiParameters(filters);
    this.hasRunning = !filters.status || filters.status === "IN_PROGRESS";
    this.hasEnded = filters.status !== "IN_PROGRESS";
    this.#running = new List("executions", "executions", runningParameters(parameters, Date.now()));
    this.#listed = new List("executions", "executions", parameters);
  }
  get nextToken() {
    return this.#listed.nextToken;
  }
  /** @returns {{ running: Recovery[], ended: Recovery[] }} */
  get entries() {
    return separate(this.#running.entries, this.#listed.entries);
  }
  /**
   * Reads both lists. A recovery can start and end between two reads, so that the running ones do not show it.
   *
   * @param {Get} get
   */
  async read(get) {
    if (this.hasRunning) await this.#running.readAll(get);
    if (this.hasEnded) await this.#listed.read(get);
  }
  /** @param {Get} get */
  more(get) {
    return this.#listed.more(get);
  }
};
var Failures = class {
  isRefreshed = false;
  #list;
  /** @param {Selection} selection */
  constructor({ filters }) {
    this.#list = new List("failures", "failures", apiParameters(filters));
  }
  get nextToken() {
    return this.#list.nextToken;
  }
  /** @returns {FailureGroup[]} */
  get groups() {
    return mergeGroups(this.#list.entries);
  }
  /** @param {Get} get */
  read(get) {
    return this.#list.read(get);
  }
  /** @param {Get} get */
  more(get) {
    return this.#list.more(get);
  }
};
var Launches = class {
  isRefreshed = false;
  #list;
  /** @param {Selection} selection */
  constructor({ id }) {
    this.id = id;
    this.#list = new List(`servers/${encodeURIComponent(id)}`, "launches", {});
  }
  get nextToken() {
    return this.#list.nextToken;
  }
  /** @returns {string | null} */
  get serverName() {
    return this.#list.page?.serverName ?? null;
  }
  /** @returns {Launch | null} The newest launch that succeeded. */
  get lastSuccess() {
    return this.#list.page?.lastSuccess ?? null;
  }
  /** @returns {Launch[]} The launch that ended last is first. */
  get entries() {
    return this.#list.entries;
  }
  /** @param {Get} get */
  read(get) {
    return this.#list.read(get);
  }
  /** @param {Get} get */
  more(get) {
    return this.#list.more(get);
  }
};

// viewer/start-view.js
function timeElement(timestamp) {
  if (!timestamp) return "–";
  const element = h("time");
  setTime(element, timestamp);
  return element;
}
function badge(state2, text) {
  return h("span", { class: "badge", "data-state": state2 }, text);
}
function logLink(log) {
  return h("a", { class: "id", href: logUrl(log), "data-log": true }, log.executionId ?? log.jobId ?? "");
}
function serverLink(id) {
  return h("a", { class: "id", href: serverUrl(id) }, id);
}
function startedBy(identity) {
  return identity ? h("span", { title: visible(identity) }, identityName(identity)) : "–";
}
var Table = class {
  #columns;
  #keyOf;
  #body = h("tbody", { role: "rowgroup" });
  /** @type {Map<string, { text: string, row: HTMLTableRowElement }>} */
  #rows = /* @__PURE__ */ new Map();
  /**
   * @param {string} name
   * @param {string} caption
   * @param {Column<T>[]} columns
   * @param {(entry: T) => string} keyOfEntry
   */
  constructor(name, caption, columns, keyOfEntry) {
    this.#columns = columns;
    this.#keyOf = keyOfEntry;
    const headers = columns.map(([label]) => h("th", { scope: "col", role: "columnheader" }, label));
    this.element = h(
      "table",
      { role: "table", class: name },
      h("caption", { class: "hidden" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headers)),
      this.#body
    );
  }
  /** @param {T[]} entries */
  show(entries) {
    const rows = new Map(entries.map((entry) => [this.#keyOf(entry), this.#row(entry)]));
    this.#rows = rows;
    arrange(
      this.#body,
      [...rows.values()].map(({ row }) => row)
    );
  }
  /** @param {T} entry */
  #row(entry) {
    const text = JSON.stringify(entry);
    const known = this.#rows.get(this.#keyOf(entry));
    if (known?.text === text) return known;
    const cells = this.#columns.map(([name, content2]) => {
      const parts = [content2(entry)].flat();
      const isEmpty = parts[0] === "–";
      return h("td", { role: "cell", "data-label": name, "data-empty": isEmpty }, h("div", {}, ...parts));
    });
    return { text, row: h("tr", { role: "row" }, ...cells) };
  }
};
var TableSection = class {
  #heading = h("h2");
  #sentence = h("p", { class: "empty" });
  #title;
  #table;
  /**
   * @param {string} title
   * @param {Table<any>} table
   */
  constructor(title, table) {
    this.#title = title;
    this.#table = table;
    this.element = h("section", {}, this.#heading, table.element, this.#sentence);
  }
  /**
   * @param {any[]} entries
   * @param {boolean} hasMore
   * @param {Content} sentence
   */
  show(entries, hasMore, sentence) {
    this.#heading.textContent = `${this.#title} (${entries.length}${hasMore ? " or more" : ""})`;
    this.#table.show(entries);
    this.#table.element.hidden = !entries.length;
    this.#sentence.hidden = entries.length > 0;
    this.#sentence.replaceChildren(...[sentence].flat());
  }
};
var RECOVERY_COLUMNS = [
  ["Status", (recovery) => badge(recovery.status, recoveryStatus(recovery))],
  ["Execution", (recovery) => [logLink(recovery), ...recovery.executionId === null ? [" (job)"] : []]],
  ["Kind", kindText],
  ["Started", ({ startedAt }) => timeElement(startedAt)],
  ["Duration", ({ durationSeconds }) => durationText(durationSeconds)],
  ["Servers", ({ counts }) => serversText(counts)],
  ["Failed", ({ counts }) => counts.failed ? h("strong", { class: "failed" }, String(counts.failed)) : "0"],
  ["Started by", ({ requestedBy }) => startedBy(requestedBy)],
  ["Recovery time", ({ rto }) => rtoText(rto)]
];
var RecoveriesView = class {
  title = "Recoveries";
  #running = new TableSection("Running", new Table("recoveries", "Running recoveries", RECOVERY_COLUMNS, keyOf));
  #ended = new TableSection("Ended", new Table("recoveries", "Ended recoveries", RECOVERY_COLUMNS, keyOf));
  #filters;
  /** @param {Selection} selection */
  constructor({ filters }) {
    this.#filters = filters;
    const { withServer, ...others } = filters;
    const note = h(
      "p",
      {},
      "Only recoveries that launch the server ",
      serverLink(withServer ?? ""),
      ". ",
      h("a", { href: viewUrl(others) }, "Show all servers")
    );
    this.elements = [...withServer ? [note] : [], this.#running.element, this.#ended.element];
  }
  /** @param {Recoveries} list */
  show(list) {
    const { running, ended } = list.entries;
    this.#running.element.hidden = !list.hasRunning;
    this.#running.show(running, false, "No recovery runs.");
    this.#ended.element.hidden = !list.hasEnded;
    this.#ended.show(ended, list.nextToken !== null, this.#sentence(running, list.nextToken));
  }
  /**
   * @param {Recovery[]} running
   * @param {string | null} nextToken
   * @returns {Content}
   */
  #sentence(running, nextToken) {
    if (nextToken) return "No recovery found yet. Load more to search earlier ones.";
    if (Object.keys(this.#filters).length)
      return ["No ended recovery matches the filters. Change them, or ", h("a", { href: "./" }, "show all"), "."];
    if (running.length) return "No recovery has ended yet.";
    return "There are no recoveries yet. Start a drill in AWS Elastic Disaster Recovery. It is listed here about one minute later.";
  }
};
var FailuresView = class {
  title = "Failures";
  #heading = h("h2");
  #list = h("ol", { class: "groups" });
  #sentence = h("p", { class: "empty" });
  elements = [this.#heading, this.#list, this.#sentence];
  /** @param {Failures} list */
  show({ groups, nextToken }) {
    this.#heading.textContent = `Failures of servers by their error (${groups.length}${nextToken ? " or more" : ""})`;
    this.#list.replaceChildren(...groups.map(failureItem));
    this.#list.hidden = !groups.length;
    this.#sentence.hidden = groups.length > 0;
    this.#sentence.textContent = nextToken ? "No failure found yet. Load more to search earlier recoveries." : "No server failed in this period. To search another period, change the dates.";
  }
};
function failureItem({ shape, hint, count, serverCount, servers, executionCount, executions, isMinimum, newest }) {
  const number = (total, noun) => `${isMinimum ? "at least " : ""}${formatCount(total, noun)}`;
  const logs = executions.length ? executions.map((executionId) => ({ executionId, jobId: null })) : [newest];
  return h(
    "li",
    {},
    h("h3", {}, shape ?? "The servers failed without an error text."),
    h(
      "p",
      { class: "facts" },
      h("strong", { class: "failed" }, formatCount(count, "failure")),
      ` of ${number(serverCount, "server")}${executionCount ? ` in ${number(executionCount, "execution")}` : ""}. Last: `,
      timeElement(newest.time),
      `, ${newest.serverName || newest.sourceServerId}.`
    ),
    hintList(hint),
    h(
      "dl",
      { class: "links" },
      h("dt", {}, "Servers"),
      h("dd", {}, linkList(servers.map(serverLink), serverCount)),
      h("dt", {}, executions.length ? "Executions" : "Job"),
      h("dd", {}, linkList(logs.map(logLink), executionCount))
    )
  );
}
function linkList(links, total) {
  const others = total - links.length;
  return h(
    "ul",
    {},
    ...links.map((link) => h("li", {}, link)),
    ...others > 0 ? [h("li", {}, `and ${formatCount(others, "other")}`)] : []
  );
}
var LAUNCH_COLUMNS = [
  ["Result", ({ state: state2 }) => badge(state2, toLabel(state2))],
  ["Execution", (launch) => logLinkOfLaunch(launch)],
  ["Kind", kindText],
  ["Ended", ({ endedAt }) => timeElement(endedAt)],
  ["Duration", ({ durationSeconds }) => durationText(durationSeconds)],
  ["Steps", ({ stepSeconds }) => stepList(stepSeconds)],
  ["Instance", ({ ec2InstanceId }) => ec2InstanceId ? h("span", { class: "id" }, ec2InstanceId) : "–"],
  ["Error", ({ error }) => error ? h("span", { class: "error" }, error) : "–"]
];
function logLinkOfLaunch({ executionId, jobId }) {
  return [logLink({ executionId, jobId }), ...executionId === null ? [" (job)"] : []];
}
function stepList(stepSeconds) {
  const steps = Object.entries(stepSeconds);
  if (!steps.length) return "–";
  const items = steps.map(([name, seconds]) => h("li", {}, `${toLabel(name)}: ${durationText(seconds)}`));
  return h("ul", { class: "steps" }, ...items);
}
var ServerView = class {
  title;
  #facts = h("p");
  #launches = new TableSection(
    "Launches",
    new Table("launches", "Launches of the server", LAUNCH_COLUMNS, ({ jobId }) => jobId)
  );
  /** @param {Selection} selection */
  constructor({ id }) {
    this.title = id;
    const recoveries = h("a", { href: viewUrl({ withServer: id }) }, "Recoveries that launch this server");
    this.elements = [this.#facts, h("p", {}, recoveries), this.#launches.element];
  }
  /** @param {Launches} list */
  show({ id, serverName, lastSuccess, entries, nextToken }) {
    this.title = serverName ?? id;
    const success = lastSuccess ? ["Last successful launch: ", timeElement(lastSuccess.endedAt), ", ", ...logLinkOfLaunch(lastSuccess), "."] : ["No successful launch is known."];
    this.#facts.replaceChildren(...entries.length ? [h("span", { class: "id" }, id), ". ", ...success] : []);
    this.#launches.show(
      entries,
      nextToken !== null,
      "No launch of this server has ended. Verify the ID: the ID of a source server has the form s-1234567890abcdef0."
    );
  }
};
function describeError({ kind, status, message }) {
  const texts = {
    network: "The API sent no response. Check the network connection.",
    timeout: "The API sent no response in time.",
    "sign-in": `The API requires you to sign in (${status}: ${message}).`,
    permission: `You do not have permission to read the recoveries (${status}: ${message}).`,
    "invalid-request": `The request is not valid: ${message}.`,
    api: `The API has an error (${status}: ${message}).`,
    "invalid-answer": "The response is no answer of the API. Verify the URL."
  };
  return visible(texts[kind]);
}
function ageText(time) {
  return ` The data shown is from ${formatTime(time)}.`;
}

// viewer/start.js
var REFRESH_SECONDS = 15;
var MAX_REFRESH_SECONDS = 120;
var heading = (
  /** @type {HTMLElement} */
  find("h1")
);
var openForm = (
  /** @type {HTMLFormElement} */
  find("#open")
);
var filterForm = (
  /** @type {HTMLFormElement} */
  find("#filters")
);
var banner = (
  /** @type {HTMLElement} */
  find("#banner")
);
var state = find("#state");
var printed = find("#printed");
var content = find("#content");
var moreButton = (
  /** @type {HTMLButtonElement} */
  find("#more")
);
var retryButton = (
  /** @type {HTMLButtonElement} */
  find("#banner button")
);
var fetchWithToken = (url, options) => fetch(url, options);
var shown;
var lastTask = Promise.resolve();
var timer = 0;
var failures = 0;
var answeredAt = 0;
var signIn = new SignIn((newFetch) => {
  fetchWithToken = newFetch;
  refresh();
});
function create(selection) {
  switch (selection.view) {
    case "failures":
      return { list: new Failures(selection), view: new FailuresView() };
    case "server":
      return { list: new Launches(selection), view: new ServerView(selection) };
    default:
      return { list: new Recoveries(selection), view: new RecoveriesView(selection) };
  }
}
function open() {
  const selection = readQuery(location.search);
  if (selection.view === "log") return location.replace(logUrl(logOf(selection.id)));
  shown?.controller.abort();
  shown = { ...create(selection), controller: new AbortController() };
  failures = answeredAt = 0;
  banner.hidden = true;
  moreButton.hidden = true;
  state.textContent = "Loading…";
  content.replaceChildren();
  showControls(selection);
  showTitle(shown);
  refresh();
}
function showControls({ view, filters }) {
  for (const link of document.querySelectorAll("nav a")) {
    const isCurrent = readQuery(new URL(link.getAttribute("href") ?? "", location.href).search).view === view;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  filterForm.hidden = view === "server";
  for (const name of FILTERS) {
    const field = filterForm.elements.namedItem(name);
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) continue;
    const value = filters[name] ?? "";
    if (field instanceof HTMLInputElement) field.type = !value || isDate(value) ? "date" : "text";
    field.value = value;
    const label = field.closest("label");
    if (label) label.hidden = view === "failures" && field instanceof HTMLSelectElement;
  }
}
function showTitle({ view: { title } }) {
  document.title = `${title} · DRS job log`;
  heading.textContent = visible(title);
}
function update(shown2, task) {
  const { signal } = shown2.controller;
  lastTask = lastTask.then(async () => {
    if (signal.aborted) return;
    clearTimeout(timer);
    let error = null;
    try {
      await task((path, name, parameters) => getPage(path, name, parameters, signal));
    } catch (reason) {
      error = asRequestError(reason);
    }
    if (signal.aborted) return;
    failures = error ? failures + 1 : 0;
    if (error) showError(error);
    else showList(shown2);
    if (error?.kind !== "invalid-request") schedule(shown2);
  });
}
function showList(shown2) {
  const { list, view } = shown2;
  signIn.end();
  banner.hidden = true;
  answeredAt = Date.now();
  const focused = content.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  try {
    view.show(list);
  } catch (error) {
    console.error("The start page could not show an answer.", error);
    return showBanner("The page has an error. The console of the browser has the details. Reload the page.");
  }
  if (!content.hasChildNodes()) content.append(...view.elements);
  for (const link of content.querySelectorAll("a[data-log]")) setTarget(link);
  if (focused && document.activeElement === document.body) linkWith(focused)?.focus({ preventScroll: true });
  moreButton.hidden = list.nextToken === null;
  state.textContent = list.isRefreshed ? `The page refreshes every ${REFRESH_SECONDS} s.` : "";
  showTitle(shown2);
}
function linkWith(href) {
  return content.querySelector(`a[href="${CSS.escape(href)}"]`);
}
function setTarget(link) {
  if (!signIn.mustPassToken) return;
  link.setAttribute("target", "_blank");
  link.setAttribute("rel", "opener");
}
function openLog(url) {
  if (signIn.mustPassToken) window.open(url);
  else location.assign(url);
}
function showError(error) {
  if (error.kind === "sign-in" || error.kind === "permission") signIn.ask();
  state.textContent = "";
  showBanner(`${describeError(error)}${answeredAt ? ageText(answeredAt) : ""}`);
  retryButton.hidden = error.kind === "invalid-request";
}
function showBanner(text) {
  banner.hidden = false;
  const paragraph = find("#banner p");
  if (paragraph.textContent !== text) paragraph.textContent = text;
}
function schedule({ list }) {
  clearTimeout(timer);
  if (document.hidden || !(list.isRefreshed || failures)) return;
  const seconds = Math.min(REFRESH_SECONDS * 2 ** Math.max(0, failures - 1), MAX_REFRESH_SECONDS);
  timer = setTimeout(refresh, seconds * 1e3);
}
function refresh() {
  const now = shown;
  if (now) update(now, (get) => now.list.read(get));
}
function loadMore() {
  const now = shown;
  if (!now) return;
  state.textContent = "Loading…";
  update(now, (get) => now.list.more(get));
}
async function getPage(path, name, parameters, signal) {
  const response = await send(fetchWithToken, `${path}${viewUrl(parameters).replace("./", "")}`, {}, signal);
  if (!response.ok) throw await errorOf(response);
  const text = await response.text();
  try {
    const page = JSON.parse(text);
    if (Array.isArray(page[name])) return page;
  } catch {
  }
  throw new RequestError("invalid-answer", "the response is no list", response.status);
}
function printedText() {
  const fields = [...filterForm.elements].filter((field) => "value" in field && field.value && !filterForm.hidden);
  const filters = fields.map((field) => {
    const label = (
      /** @type {HTMLElement} */
      field.closest("label").firstChild?.textContent?.trim()
    );
    const { value } = (
      /** @type {HTMLInputElement} */
      field
    );
    return `${label} "${field instanceof HTMLSelectElement ? field.selectedOptions[0].text : value}"`;
  });
  const texts = [`Printed at ${formatTime(Date.now())}.`, `Times are in the time zone ${timeZone()}.`];
  if (filters.length) texts.push(`Only what matches these filters: ${filters.join(", ")}.`);
  return texts.join(" ");
}
function go(url) {
  history.pushState(null, "", url);
  open();
  scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}
openForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const id = String(new FormData(openForm).get("id")).trim();
  if (!id) return;
  const selection = readQuery(viewUrl({ id }));
  openForm.reset();
  if (selection.view === "server") go(viewUrl({ server: id }));
  else openLog(logUrl(logOf(id)));
});
filterForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const { view, filters } = readQuery(location.search);
  const fields = Object.fromEntries([...new FormData(filterForm)].map(([name, value]) => [name, String(value)]));
  go(viewUrl(view === "failures" ? { view, from: fields.from, to: fields.to } : { ...filters, ...fields }));
});
filterForm.addEventListener("reset", (event) => {
  event.preventDefault();
  const { view } = readQuery(location.search);
  go(viewUrl(view === "failures" ? { view } : {}));
});
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const href = link?.getAttribute("href") ?? "";
  const isPlain = !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!isPlain || !(href === "./" || href.startsWith("?"))) return;
  event.preventDefault();
  go(href);
});
var zone = timeZoneControl();
find("body > header").append(zone);
showTimes(document, zone);
onTimeZone(() => {
  showTimes(document, zone);
  const { from, to } = readQuery(location.search).filters;
  if (from || to)
    open();
  else if (!banner.hidden) refresh();
});
window.addEventListener("beforeprint", () => {
  printed.textContent = printedText();
});
moreButton.addEventListener("click", loadMore);
retryButton.addEventListener("click", () => {
  heading.focus({ preventScroll: true });
  refresh();
});
window.addEventListener("popstate", open);
window.addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (shown?.list.isRefreshed || failures) refresh();
});
await signIn.start();
open();
