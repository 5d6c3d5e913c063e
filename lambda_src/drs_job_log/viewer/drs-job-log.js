/**
 * <drs-job-log>: the log and the progress of a recovery by AWS Elastic Disaster Recovery (DRS), live.
 *
 *   <script type="module" src="…/drs-job-log.js"></script>
 *   <drs-job-log execution-id="exec-abc123" api-url="https://abc.execute-api.us-east-1.amazonaws.com"></drs-job-log>
 *
 * Attributes: `execution-id` or `job-id`; `api-url`, the address before /executions and /jobs.
 * Property:   `fetch`, what requests are made with instead of window.fetch: to sign them, or to add a token.
 * Events:     `drs-job-log-update`, after each answer, which is its `detail`, all events so far in its `logs`;
 *             `drs-job-log-unauthorized`, when the API answers 401 or 403. Setting `fetch` asks again.
 *
 * Every text from the log is set as text, never as markup. No request goes anywhere but to `api-url`.
 */

// ---------------------------------------------------------------------------------------------------------------------
// What is known
// ---------------------------------------------------------------------------------------------------------------------

// Seconds from an answer to the next question.
const RUNNING = 3;
const BETWEEN_WAVES = 15;
const HIDDEN = 30;
const LONGEST_BACK_OFF = 60;

// Each poll asks again for so much of the log: events reach it a little out of order.
const OVERLAP_MS = 60_000;

// After so many polls the whole log is read anew: what came, or was linked, late then stands in its place.
const FULL_READ_EVERY = 10;
const FULL_READ_EVERY_OF_LARGE = 40;

const PAGE = 1000;
const TIMEOUT_MS = 30_000;

// In the order in which people want to see them.
const STATES = ["FAILED", "LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING", "LAUNCHED", "SKIPPED", "TERMINATED"];
const BAR = ["LAUNCHED", "LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING", "SKIPPED", "TERMINATED", "FAILED"];
const UNDER_WAY = new Set(["LAUNCHING", "CONVERSION", "SNAPSHOT", "PENDING"]);

// What a server goes through, and the events that tell that it came so far.
const STAGES = [
  ["Snapshot", /SNAPSHOT/],
  ["Conversion", /^CONVERSION/],
  ["Launch", /^SERVER_LAUNCH/],
];

/** The events of an execution, or a job: each once, in the order of the API. */
export class EventLog {
  constructor() {
    this.events = [];
    this.ofServers = new Map();
    this.known = new Set();
  }

  /** Adds the entries that are not there yet, and returns how many these were. */
  add(entries) {
    const fresh = [];
    for (const entry of entries) {
      const key = JSON.stringify([entry.timestamp, entry.jobId, entry.eventId]);
      if (this.known.has(key)) continue;
      this.known.add(key);
      fresh.push(entry);
    }
    if (!fresh.length) return 0;
    this.events = [...this.events, ...fresh].sort(inOrder);
    this.ofServers = new Map();
    for (const entry of this.events) {
      if (!this.ofServers.has(entry.sourceServerId)) this.ofServers.set(entry.sourceServerId, []);
      this.ofServers.get(entry.sourceServerId).push(entry);
    }
    return fresh.length;
  }

  /** The time from which on to ask for more; null while there is nothing. */
  get since() {
    const newest = this.events.at(-1);
    return newest ? new Date(Date.parse(newest.timestamp) - OVERLAP_MS).toISOString() : null;
  }
}

function inOrder(a, b) {
  return compare(a.timestamp, b.timestamp) || compare(a.jobId, b.jobId) || compare(a.eventId, b.eventId);
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Seconds until the next question; null where there is none to ask. */
export function secondsToNext(answer, failures, isHidden) {
  if (failures) return Math.min(RUNNING * 2 ** (failures - 1), LONGEST_BACK_OFF);
  if (answer.settled) return null;
  const seconds = ["IN_PROGRESS", "NO_EVENTS"].includes(answer.status) ? RUNNING : BETWEEN_WAVES;
  return isHidden ? Math.max(seconds, HIDDEN) : seconds;
}

/** The log as CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe. */
export function toCsv(events) {
  const columns = "timestamp eventType jobId sourceServerId serverName ec2InstanceId message error eventId".split(" ");
  const cell = (value) => {
    const text = String(value ?? "");
    return `"${(/^\s*[=+\-@＝＋－＠\t\r\n]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  return [columns, ...events.map((event) => columns.map((column) => event[column]))]
    .map((row) => `${row.map(cell).join(",")}\r\n`)
    .join("");
}

class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Words
// ---------------------------------------------------------------------------------------------------------------------

const STATUS_WORDS = {
  NO_EVENTS: "No events yet",
  IN_PROGRESS: "In progress",
  COMPLETED: "Completed",
  PARTIAL: "Partial",
  FAILED: "Failed",
  TERMINATED: "Cancelled",
};

/** CONVERSION_STARTED → Conversion started. */
function words(name) {
  const text = name.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const { timeZone } = clock.resolvedOptions();
const zone = timeZone === "UTC" ? "Times are in UTC." : `Times are of ${timeZone}; pointing at one shows UTC.`;

/** A time in the viewer's zone: of today the clock's, else with its date. */
function local(timestamp) {
  const time = new Date(timestamp);
  return (time.toDateString() === new Date().toDateString() ? clock : calendar).format(time);
}

function utc(timestamp) {
  return `${timestamp.slice(0, 23).replace("T", " ")} UTC`;
}

function nameOf(thing) {
  return thing.serverName || thing.sourceServerId || "";
}

function count(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}

// ---------------------------------------------------------------------------------------------------------------------
// Elements
// ---------------------------------------------------------------------------------------------------------------------

/** An element with attributes, listeners (on…) and children; texts become text nodes. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setTime(element, timestamp, shown = local(timestamp)) {
  element.dateTime = timestamp;
  element.title = utc(timestamp);
  setText(element, shown);
}

/** An error in full, with a button that copies it. */
function errorBox(error, name) {
  const text = h("pre", { tabindex: "0", role: "group", "aria-label": `Error of ${name || "the job"}` }, error);
  const button = h("button", { type: "button", class: "small", onclick: copy }, "Copy error");
  async function copy() {
    try {
      await navigator.clipboard.writeText(error);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS, or without leave: by hand.
      getSelection().selectAllChildren(text);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => (button.textContent = "Copy error"), 3000);
  }
  return h("div", { class: "error" }, text, button);
}

/** A server's card, made once and then kept in step. */
class ServerCard {
  constructor(showInTimeline) {
    this.shown = "";
    this.state = h("span", { class: "badge" });
    this.name = h("strong", { class: "name" });
    this.id = h("span", { class: "muted id" });
    this.stages = h("span", { class: "stages", "aria-hidden": "true" }, ...STAGES.map(() => h("i")));
    this.step = h("span", { class: "step" });
    this.since = h("time");
    this.age = h("span", { class: "muted" });
    this.instance = h("code", { class: "instance" });
    this.error = h("div", { class: "errors" });
    const only = h("button", { type: "button", class: "small quiet", onclick: () => showInTimeline(this.server) });
    only.append(h("span", {}, "Timeline"), (this.only = h("span", { class: "hidden" })));
    this.element = h(
      "li",
      { class: "server" },
      this.state,
      h("span", { class: "who" }, this.name, this.id),
      h("span", { class: "where" }, this.stages, this.step),
      h("span", { class: "when" }, this.since, this.age),
      this.instance,
      only,
      this.error,
    );
  }

  update(server, events) {
    const shown = JSON.stringify([server, events.length]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.server = server;
    this.element.dataset.state = server.state;
    setText(this.state, words(server.state));
    setText(this.name, nameOf(server));
    setText(this.id, server.serverName ? server.sourceServerId : "");
    setText(this.only, ` of ${nameOf(server)}`);
    setTime(this.since, server.since);
    setText(this.instance, server.ec2InstanceId ?? "");
    const ofJob = events.filter((event) => event.jobId === server.jobId);
    setText(this.step, ofJob.length ? words(ofJob.at(-1).eventType) : server.state === "PENDING" ? "Waiting" : "");
    const furthest = STAGES.findLastIndex(([, pattern]) => ofJob.some((event) => pattern.test(event.eventType)));
    const reached = server.state === "FAILED" ? "failed" : UNDER_WAY.has(server.state) ? "now" : "";
    [...this.stages.children].forEach((stage, place) => {
      const isDone = server.state === "LAUNCHED" || place < furthest;
      stage.className = isDone ? "done" : place === furthest ? reached : "";
    });
    if (this.shownError !== server.error)
      this.error.replaceChildren(...(server.error ? [errorBox(server.error, nameOf(server))] : []));
    this.shownError = server.error;
  }

  tick(now) {
    const isMoving = UNDER_WAY.has(this.server.state);
    setText(this.age, isMoving ? `for ${duration(now - Date.parse(this.server.since))}` : "");
  }
}

/** A list of which only the rows in sight exist: rows are of one height, which the style sheet sets. */
class Timeline {
  constructor(showDetails) {
    this.showDetails = showDetails;
    this.events = [];
    this.rows = new Map();
    this.isPrinted = false;
    this.list = h("ol", { class: "rows" });
    this.element = h(
      "div",
      { class: "timeline", tabindex: "0", role: "region", "aria-label": "Timeline, newest first" },
      this.list,
    );
    this.element.addEventListener("scroll", () => this.render(), { passive: true });
  }

  get rowHeight() {
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 40;
  }

  /** Shows these, newest first; who has scrolled away from the newest keeps what is in sight. */
  show(events) {
    const top = this.element.scrollTop;
    if (top > 0 && this.events.length) {
      const place = Math.floor(top / this.rowHeight);
      const next = events.indexOf(this.events[place]);
      this.list.style.height = `${events.length * this.rowHeight}px`;
      if (next > place) this.element.scrollTop = top + (next - place) * this.rowHeight;
    }
    this.events = events;
    this.render();
  }

  render() {
    const height = this.rowHeight;
    this.list.style.height = this.isPrinted ? "auto" : `${this.events.length * height}px`;
    const sight = this.element.clientHeight || 400;
    const first = this.isPrinted ? 0 : Math.max(0, Math.floor(this.element.scrollTop / height) - 8);
    const last = this.isPrinted
      ? this.events.length
      : Math.min(this.events.length, Math.ceil((this.element.scrollTop + sight) / height) + 8);
    const wanted = new Set(this.events.slice(first, last));
    for (const [event, row] of this.rows) {
      if (!wanted.has(event)) {
        if (row.contains(row.getRootNode().activeElement)) this.element.focus({ preventScroll: true });
        row.remove();
        this.rows.delete(event);
      }
    }
    let before = null;
    for (let place = first; place < last; place += 1) {
      const event = this.events[place];
      let row = this.rows.get(event);
      if (!row) this.rows.set(event, (row = this.row(event)));
      row.style.top = this.isPrinted ? "" : `${place * height}px`;
      row.setAttribute("aria-posinset", place + 1);
      row.setAttribute("aria-setsize", this.events.length);
      // In the order of the log for those who do not see where they stand; a row that has the focus must not be moved.
      if (row.previousElementSibling !== before || row.parentNode !== this.list) {
        if (before) before.after(row);
        else this.list.prepend(row);
      }
      before = row;
    }
  }

  row(event) {
    const time = h("time");
    setTime(time, event.timestamp, this.isPrinted ? utc(event.timestamp) : undefined);
    const isFailure = /FAIL/.test(event.eventType);
    return h(
      "li",
      { class: isFailure ? "row failure" : "row" },
      time,
      h("span", { class: "type" }, words(event.eventType)),
      h("span", { class: "what" }, event.message || nameOf(event)),
      h(
        "button",
        { type: "button", class: "small quiet", onclick: () => this.showDetails(event) },
        event.error ? "Error" : "Details",
        h("span", { class: "hidden" }, ` of ${words(event.eventType)} ${nameOf(event)}`),
      ),
      ...(this.isPrinted && event.error ? [h("pre", {}, event.error)] : []),
    );
  }

  /** Rows are higher where it is narrow: what is in sight stays. */
  resize() {
    const height = this.rowHeight;
    const top = (this.element.scrollTop * height) / (this.height ?? height);
    this.height = height;
    this.render();
    this.element.scrollTop = top;
  }

  print(isPrinted) {
    this.isPrinted = isPrinted;
    this.rows.clear();
    this.list.replaceChildren();
    this.render();
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The element
// ---------------------------------------------------------------------------------------------------------------------

class DrsJobLog extends HTMLElement {
  static observedAttributes = ["execution-id", "job-id", "api-url"];

  #fetch = (url, options) => window.fetch(url, options);
  #run = new AbortController(); // of the present subject: what comes back for an earlier one is dropped
  #timer = 0;
  #ticker = 0;
  #isAsking = false;
  #isWatching = false; // connected, and not only about to be

  // What is known.
  #log;
  #answer;
  #heard;
  #failures;
  #failingSince;
  #problem;
  #polls;
  #nextAt;
  #askedAt = 0;
  #announced;

  // What is shown.
  #shown;
  #heading;
  #kind;
  #status;
  #connection;
  #retry;
  #trouble;
  #banner;
  #big;
  #elapsed;
  #bar;
  #segments;
  #counts;
  #empty;
  #jobList;
  #cardList;
  #timeline;
  #cards;
  #text;
  #byState;
  #byServer;
  #found;
  #polite;
  #assertive;
  #details;
  #downloading;
  #content;
  #serversTitle;
  #timelineTitle;
  #summary;

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
    this.#build();
    this.#reset();
  }

  /** What requests are made with: a function like window.fetch. */
  get fetch() {
    return this.#fetch;
  }

  set fetch(value) {
    this.#fetch = value;
    if (!this.#isWatching) return;
    // At once, but for one that is set whenever the API refused the one before.
    const wait = this.#failures > 1 ? this.#askedAt + RUNNING * 1000 - Date.now() : 0;
    this.#stop();
    if (wait > 0) this.#timer = setTimeout(() => this.#ask(), wait);
    else this.#restart();
  }

  connectedCallback() {
    if (Object.hasOwn(this, "fetch")) {
      const { fetch } = this;
      delete this.fetch;
      this.#fetch = fetch;
    }
    document.addEventListener("visibilitychange", this.#onVisibility);
    window.addEventListener("beforeprint", this.#onPrint);
    window.addEventListener("afterprint", this.#onPrint);
    this.#sizes.observe(this.#timeline.element);
    this.#ticker = setInterval(() => this.#tick(), 1000);
    this.#isWatching = true;
    this.#show();
    this.#restart();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    window.removeEventListener("beforeprint", this.#onPrint);
    window.removeEventListener("afterprint", this.#onPrint);
    this.#sizes.disconnect();
    clearInterval(this.#ticker);
    this.#isWatching = false;
    this.#stop();
  }

  attributeChangedCallback(_name, before, after) {
    if (!this.#isWatching || before === after) return;
    this.#reset();
    this.#restart();
  }

  #onVisibility = () => {
    if (!document.hidden) this.#ask(); // also when it was over: who comes back may expect another wave
  };

  #onPrint = (event) => this.#timeline.print(event.type === "beforeprint");

  #sizes = new ResizeObserver(() => this.#timeline.resize());

  // --- asking --------------------------------------------------------------------------------------------------------

  get #subject() {
    const job = this.getAttribute("job-id");
    const [kind, id] = job ? ["jobs", job] : ["executions", this.getAttribute("execution-id")];
    const base = (this.getAttribute("api-url") ?? "").replace(/\/+$/, "");
    return { id, url: `${base}/${kind}/${encodeURIComponent(id ?? "")}/logs` };
  }

  #reset() {
    this.#log = new EventLog();
    this.#answer = null;
    this.#heard = 0;
    this.#failures = 0;
    this.#failingSince = 0;
    this.#problem = null;
    this.#polls = 0;
    this.#announced = new Set();
    this.#cards = new Map();
    this.#shown = {};
    this.#cardList.replaceChildren();
    this.#byServer.replaceChildren(h("option", { value: "" }, "All servers"));
    this.#text.value = this.#byState.value = "";
    this.#polite.textContent = this.#assertive.textContent = "";
    this.#details.close();
    delete this.dataset.kind;
    this.#showTrouble();
    this.#show();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#run.abort();
    this.#run = new AbortController();
    this.#isAsking = false;
  }

  #restart() {
    this.#stop();
    if (this.#subject.id) this.#ask();
  }

  /** Asks once, shows what was answered, and sees to the next time. */
  async #ask() {
    if (this.#isAsking || !this.#subject.id) return;
    this.#isAsking = true;
    this.#askedAt = Date.now();
    clearTimeout(this.#timer);
    const run = this.#run;
    this.#showConnection();
    try {
      const isFull = this.#polls % (this.#log.events.length < PAGE ? FULL_READ_EVERY : FULL_READ_EVERY_OF_LARGE) === 0;
      const since = isFull ? null : this.#log.since;
      let answer = await this.#read(since, run.signal);
      // The last look is at everything.
      if (answer.settled && since) answer = await this.#read(null, run.signal);
      if (run !== this.#run) return;
      this.#take(answer);
      this.#show();
    } catch (error) {
      if (run !== this.#run) return;
      this.#fail(error);
    }
    // A listener may have taken the element away, or given it another subject or fetch.
    if (run !== this.#run) return;
    this.#isAsking = false;
    const seconds = secondsToNext(this.#answer, this.#failures, document.hidden);
    this.#nextAt = seconds === null ? null : Date.now() + seconds * 1000;
    if (seconds !== null && !this.#isRefused) this.#timer = setTimeout(() => this.#ask(), seconds * 1000);
    this.#showConnection();
  }

  /** All pages from a time on, as one answer. */
  async #read(since, signal) {
    const logs = [];
    let answer;
    let nextToken = null;
    do {
      const query = new URLSearchParams({ limit: PAGE });
      if (since) query.set("since", since);
      if (nextToken) query.set("nextToken", nextToken);
      const fetch = this.#fetch; // called on its own: window.fetch takes no other this
      const until = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      // Also where somebody's own fetch does not look at the signal.
      const given = new Promise((_, reject) => until.addEventListener("abort", () => reject(until.reason)));
      const request = fetch(`${this.#subject.url}?${query}`, { signal: until, cache: "no-store" });
      const response = await Promise.race([request, given]);
      if (!response.ok) throw new ApiError(response.status, await reason(response));
      answer = await response.json();
      logs.push(...answer.logs);
      ({ nextToken } = answer);
    } while (nextToken);
    return { ...answer, logs };
  }

  #take(answer) {
    this.#polls += 1;
    this.#failures = 0;
    this.#problem = null;
    this.#heard = Date.now();
    this.#answer = answer;
    this.#showTrouble();
    this.#log.add(answer.logs);
    this.#announce(answer);
    this.#tell("drs-job-log-update", { ...answer, logs: [...this.#log.events] });
  }

  #fail(error) {
    this.#failingSince = this.#failures ? this.#failingSince : Date.now();
    this.#failures += 1;
    this.#problem = error;
    this.#showTrouble();
    if ([401, 403].includes(error.status)) {
      this.#tell("drs-job-log-unauthorized", { status: error.status });
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  /** Whether asking again in the same way is of no use. */
  get #isRefused() {
    return this.#problem?.status === 400;
  }

  // --- showing -------------------------------------------------------------------------------------------------------

  #build() {
    const button = (text, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, text);
    this.#heading = h("h2", { tabindex: "-1" });
    this.#kind = h("span", { class: "kind" });
    this.#status = h("span", { class: "badge" });
    this.#connection = h("p", { class: "connection muted" });
    this.#retry = button("Try now", () => (this.#heading.focus(), this.#restart()), { class: "small" });
    this.#trouble = h("p");
    this.#banner = h("div", { class: "banner", role: "alert", hidden: true }, this.#trouble, this.#retry);
    this.#big = h("strong", { class: "big" });
    this.#elapsed = h("span", { class: "elapsed" });
    this.#bar = h("div", { class: "bar", role: "progressbar", "aria-label": "Servers launched", "aria-valuemin": "0" });
    this.#segments = BAR.map((state) => this.#bar.appendChild(h("i", { "data-state": state })));
    this.#counts = h("ul", { class: "counts", "aria-label": "Servers by state" });
    this.#empty = h("p", { class: "empty" });
    this.#jobList = h("ul", { class: "jobs" });
    this.#cardList = h("ul", { class: "servers" });
    this.#timeline = new Timeline((event) => this.#showDetails(event));
    this.#text = h("input", {
      type: "search",
      placeholder: "Name, id, instance, message, error",
      oninput: () => this.#onFilter(),
    });
    this.#byState = h("select", { onchange: () => this.#onFilter() }, h("option", { value: "" }, "All states"));
    this.#byState.append(...STATES.map((state) => h("option", { value: state }, words(state))));
    this.#byServer = h("select", { onchange: () => this.#onFilter() }, h("option", { value: "" }, "All servers"));
    this.#found = h("p", { class: "muted" });
    this.#polite = h("p", { class: "hidden", "aria-live": "polite" });
    this.#assertive = h("p", { class: "hidden", "aria-live": "assertive" });
    this.#details = h("dialog", { "aria-label": "Event" });
    this.#content = h(
      "div",
      { class: "content" },
      h("section", { "aria-label": "Jobs" }, h("h3", {}, "Jobs"), this.#jobList),
      h(
        "form",
        { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
        h("label", {}, "Text", this.#text),
        h("label", {}, "State", this.#byState),
        h("label", {}, "Server", this.#byServer),
        button("Clear", () => this.#clear(), { class: "quiet" }),
        this.#found,
      ),
      h("section", { "aria-label": "Servers" }, (this.#serversTitle = h("h3")), this.#cardList),
      h(
        "section",
        { "aria-label": "Log" },
        (this.#timelineTitle = h("h3")),
        h("p", { class: "muted zone" }, zone),
        this.#timeline.element,
      ),
      h(
        "p",
        { class: "downloads" },
        "Download the whole log: ",
        button("CSV", () => this.#download("csv")),
        button("JSON", () => this.#download("json")),
        (this.#downloading = h("span", { role: "status" })),
      ),
    );
    this.#summary = h(
      "div",
      { class: "summary" },
      h("p", { class: "headline" }, this.#big, this.#elapsed),
      this.#bar,
      this.#counts,
    );
    this.shadowRoot.append(
      h(
        "article",
        {},
        h("header", {}, this.#heading, h("p", { class: "badges" }, this.#kind, this.#status), this.#connection),
        this.#banner,
        this.#empty,
        this.#summary,
        this.#content,
        this.#polite,
        this.#assertive,
        this.#details,
      ),
    );
  }

  #show() {
    const answer = this.#answer;
    const isEmpty = !answer || (answer.status === "NO_EVENTS" && !this.#log.events.length);
    setText(this.#heading, this.#subject.id ?? "");
    this.#empty.hidden = !isEmpty;
    this.#summary.hidden = this.#content.hidden = isEmpty;
    if (isEmpty) {
      setText(this.#empty, this.#emptyWords());
      this.#status.hidden = this.#kind.hidden = true;
      return;
    }
    this.#showHead(answer);
    this.#showJobs(answer);
    this.#showServers(answer);
    this.#filter();
    this.#tick();
  }

  #emptyWords() {
    if (!this.#subject.id) return "Give this element an execution-id or a job-id.";
    if (!this.#answer) return this.#problem ? "" : "Asking the API …";
    return `Nothing has happened yet in ${this.#subject.id}. Its first event will appear here within about a minute of its start. (If you expect some already: is this the right id?)`;
  }

  #showHead(answer) {
    this.#status.hidden = false;
    this.#status.dataset.state = answer.status;
    setText(this.#status, STATUS_WORDS[answer.status] ?? words(answer.status));
    const kinds = new Set(answer.jobs.map((job) => job.isDrill).filter((isDrill) => isDrill !== null));
    const kind = kinds.size > 1 ? "Drill and recovery" : kinds.has(true) ? "Drill" : "Recovery";
    this.#kind.hidden = !kinds.size;
    this.dataset.kind = kinds.size === 1 && kinds.has(true) ? "drill" : kinds.size ? "recovery" : "";
    setText(this.#kind, kind);

    const { totalServers, launched } = answer.summary;
    const isTermination = totalServers > 0 && answer.summary.terminated === totalServers;
    const [done, verb] = isTermination ? [totalServers, "terminated"] : [launched, "launched"];
    setText(this.#big, `${done} of ${count(totalServers, "server")} ${verb}`);
    this.#bar.setAttribute("aria-valuemax", Math.max(totalServers, 1));
    this.#bar.setAttribute("aria-valuenow", launched);
    this.#bar.setAttribute("aria-valuetext", `${launched} of ${totalServers}`);
    const numbers = new Map(STATES.map((state) => [state, 0]));
    for (const server of answer.servers) numbers.set(server.state, (numbers.get(server.state) ?? 0) + 1);
    for (const segment of this.#segments) segment.style.flexGrow = numbers.get(segment.dataset.state);
    this.#counts.replaceChildren(
      ...STATES.filter((state) => numbers.get(state)).map((state) =>
        h(
          "li",
          { "data-state": state },
          h("b", {}, numbers.get(state).toLocaleString()),
          ` ${words(state).toLowerCase()}`,
        ),
      ),
    );
  }

  #showJobs(answer) {
    const states = answer.servers.map((server) => [server.jobId, server.state]);
    if (!this.#isChanged("jobs", [answer.jobs, states, this.#log.events.length])) return;
    // A server that a later job has taken up is told of by that one alone: of an earlier job not all is known.
    const newest = new Map(answer.servers.map((server) => [server.sourceServerId, server.jobId]));
    const isTakenUp = (job) =>
      this.#log.events.some(
        (event) => event.jobId === job.jobId && event.sourceServerId && newest.get(event.sourceServerId) !== job.jobId,
      );
    this.#jobList.replaceChildren(
      ...answer.jobs.map((job, place) => {
        const servers = answer.servers.filter((server) => server.jobId === job.jobId);
        const of = (state) => servers.filter((server) => server.state === state).length;
        const told = ["launched", "failed", "terminated"].filter(
          (state) => state === "launched" || of(state.toUpperCase()),
        );
        const counts = told.map((state) => `${of(state.toUpperCase())} ${state}`).join(", ");
        const start = h("time");
        setTime(start, job.startedAt, calendar.format(new Date(job.startedAt)));
        const item = h(
          "li",
          {},
          h("span", { class: "badge", "data-state": job.status }, STATUS_WORDS[job.status] ?? words(job.status)),
          h("strong", {}, `Job ${place + 1} of ${answer.jobs.length}`),
          h("span", { class: "muted id" }, job.jobId),
          h("span", {}, job.isDrill === null ? "" : job.isDrill ? "Drill" : "Recovery"),
          h("span", {}, isTakenUp(job) ? "" : `${count(servers.length, "server")}: ${counts}`),
          h("span", {}, "started ", start),
        );
        if (job.endedAt)
          item.append(h("span", {}, `took ${duration(Date.parse(job.endedAt) - Date.parse(job.startedAt))}`));
        return item;
      }),
    );
  }

  /** Whether a part of the page shows something else than the last time: what is the same is left alone. */
  #isChanged(part, value) {
    const text = JSON.stringify(value);
    if (this.#shown[part] === text) return false;
    this.#shown[part] = text;
    return true;
  }

  #showServers(answer) {
    const order = (server) => STATES.indexOf(server.state);
    const servers = answer.servers.toSorted((a, b) => order(a) - order(b) || compare(nameOf(a), nameOf(b)));
    const focused = this.shadowRoot.activeElement;
    servers.forEach((server, place) => {
      let card = this.#cards.get(server.sourceServerId);
      if (!card) {
        card = new ServerCard((one) => this.#showInTimeline(one));
        this.#cards.set(server.sourceServerId, card);
      }
      card.update(server, this.#log.ofServers.get(server.sourceServerId) ?? []);
      if (this.#cardList.children[place] !== card.element)
        this.#cardList.insertBefore(card.element, this.#cardList.children[place] ?? null);
    });
    if (focused && focused !== this.shadowRoot.activeElement) focused.focus({ preventScroll: true });
    const options = servers.map((server) => [nameOf(server), server.sourceServerId]).sort(([a], [b]) => compare(a, b));
    if (this.#isChanged("options", options)) {
      const chosen = this.#byServer.value;
      this.#byServer.replaceChildren(
        h("option", { value: "" }, "All servers"),
        ...options.map(([name, id]) => h("option", { value: id }, name)),
      );
      this.#byServer.value = chosen;
    }
  }

  /** Shows what the filters leave of servers and events. */
  #filter() {
    const text = this.#text.value.trim().toLowerCase();
    const [state, chosen] = [this.#byState.value, this.#byServer.value];
    const has = (...values) => !text || values.some((value) => value?.toLowerCase().includes(text));
    const states = new Map(this.#answer.servers.map((server) => [server.sourceServerId, server.state]));
    const isWanted = (id) => (!chosen || id === chosen) && (!state || states.get(id) === state);
    let cards = 0;
    for (const [id, { element, server }] of this.#cards) {
      const isShown =
        isWanted(id) && has(server.serverName, id, server.ec2InstanceId, server.error, words(server.state));
      element.hidden = !isShown;
      cards += isShown;
    }
    const isFiltered = Boolean(text || state || chosen);
    const events = this.#log.events.filter(
      (event) =>
        (!isFiltered || isWanted(event.sourceServerId)) &&
        has(
          event.message,
          event.error,
          event.serverName,
          event.sourceServerId,
          event.ec2InstanceId,
          event.jobId,
          words(event.eventType),
        ),
    );
    this.#timeline.show(events.reverse());
    setText(this.#serversTitle, `Servers (${cards.toLocaleString()})`);
    setText(this.#timelineTitle, `Timeline (${events.length.toLocaleString()})`);
    setText(this.#found, isFiltered ? `${count(cards, "server")} and ${count(events.length, "event")} match` : "");
  }

  /** As #filter, when somebody asks for it: who listens hears what was found. */
  #onFilter() {
    this.#filter();
    setText(this.#polite, this.#found.textContent);
  }

  #clear() {
    this.#text.value = this.#byState.value = this.#byServer.value = "";
    this.#onFilter();
  }

  #showInTimeline(server) {
    this.#byServer.value = server.sourceServerId;
    this.#filter();
    this.#timeline.element.scrollIntoView({ block: "nearest" });
    this.#timeline.element.focus({ preventScroll: true });
  }

  #showDetails(event) {
    const time = h("time");
    setTime(time, event.timestamp);
    const rows = {
      Time: h("span", {}, time, ` (${utc(event.timestamp)})`),
      Server: [event.serverName, event.sourceServerId].filter(Boolean).join(", "),
      Instance: event.ec2InstanceId,
      Job: event.jobId,
      Message: event.message,
      "Event id": event.eventId,
    };
    this.#details.replaceChildren(
      h("h3", {}, words(event.eventType)),
      h(
        "dl",
        {},
        ...Object.entries(rows)
          .filter(([, value]) => value)
          .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
      ),
      ...(event.error ? [errorBox(event.error, nameOf(event))] : []),
      h("form", { method: "dialog" }, h("button", {}, "Close")),
    );
    this.#details.showModal();
  }

  /** What goes on with the clock. */
  #tick() {
    this.#showConnection();
    if (!this.#answer?.jobs.length || document.hidden) return;
    const now = Date.now();
    const starts = this.#answer.jobs.map((job) => Date.parse(job.startedAt));
    const ends = this.#answer.jobs.map((job) => (job.endedAt ? Date.parse(job.endedAt) : now));
    setText(this.#elapsed, duration(Math.max(...ends) - Math.min(...starts)));
    for (const card of this.#cards.values()) card.tick(now);
  }

  #showTrouble() {
    this.#banner.hidden = !this.#problem;
    const heard = this.#heard ? ` What you see is of ${local(this.#heard)}.` : "";
    if (this.#problem) setText(this.#trouble, `${this.#problemWords()}${heard}`);
    if (!this.#answer) setText(this.#empty, this.#emptyWords());
  }

  /** The line that goes with the clock: it is no news to who listens. */
  #showConnection() {
    if (this.#problem) {
      const seconds = this.#nextAt && Math.max(0, Math.ceil((this.#nextAt - Date.now()) / 1000));
      const next = this.#isAsking ? "Trying …" : `Next try in ${seconds} s.`;
      return setText(this.#connection, this.#isRefused ? "" : next);
    }
    if (!this.#answer) return setText(this.#connection, "");
    const seconds = secondsToNext(this.#answer, 0, document.hidden);
    let state;
    if (seconds === null) state = "It is over.";
    else if (["IN_PROGRESS", "NO_EVENTS"].includes(this.#answer.status)) state = "Live.";
    else if (this.#answer.jobId) state = "The job has ended; a late event may follow.";
    else state = "All jobs so far have ended; another wave may follow.";
    setText(this.#connection, `${state} Last heard at ${local(this.#heard)}.`);
  }

  #problemWords() {
    const { status, name, message } = this.#problem;
    if ([401, 403].includes(status)) return `The API lets you in no more (${status}: ${message}).`;
    if (status === 400) return `The API cannot answer this: ${message}.`;
    const why = status ? `${status}: ${message}` : name === "TimeoutError" ? "no answer" : "no connection";
    return `Cannot reach the API since ${local(this.#failingSince)} (${why}).`;
  }

  /** Tells screen readers how far it is, and each failed server once. */
  #announce(answer) {
    const failed = answer.servers.filter((server) => server.state === "FAILED");
    const isFirst = this.#polls === 1;
    const fresh = failed.filter((server) => !this.#announced.has(server.sourceServerId));
    if (fresh.length) {
      const names = fresh.slice(0, 3).map(nameOf).join(", ");
      const others = fresh.length > 3 ? ` and ${fresh.length - 3} more` : "";
      this.#assertive.textContent = isFirst ? `${count(fresh.length, "server")} failed.` : `Failed: ${names}${others}.`;
    }
    this.#announced = new Set(failed.map((server) => server.sourceServerId));
    const { launched, totalServers } = answer.summary;
    const told = `${launched} of ${totalServers} servers launched. ${STATUS_WORDS[answer.status] ?? ""}`;
    if (totalServers) setText(this.#polite, told);
  }

  async #download(format) {
    const { id } = this.#subject;
    let answer;
    setText(this.#downloading, "Reading …");
    try {
      answer = await this.#read(null, this.#run.signal);
      setText(this.#downloading, "");
    } catch (error) {
      return setText(
        this.#downloading,
        error.name === "AbortError" ? "" : `Not downloaded: ${error.message}. Try again.`,
      );
    }
    const isCsv = format === "csv";
    const text = isCsv ? `\ufeff${toCsv(answer.logs)}` : JSON.stringify(answer, null, 2);
    const blob = new Blob([text], { type: isCsv ? "text/csv" : "application/json" });
    const link = h("a", {
      href: URL.createObjectURL(blob),
      download: `drs-job-log-${id.replace(/[^\w.-]+/g, "_")}.${format}`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}

/** Why the API refused: its message, or else its status in words. */
async function reason(response) {
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
.badge, .kind { display: inline-block; border-radius: 999px; padding: 1px 10px; font-size: 13px; font-weight: 600; white-space: nowrap; background: var(--grey-soft); }
.kind { border-radius: 4px; text-transform: uppercase; letter-spacing: .06em; }
:host([data-kind="recovery"]) .kind { background: var(--red); color: var(--page); }
:host([data-kind="drill"]) .kind { background: var(--page); color: var(--blue); box-shadow: inset 0 0 0 2px var(--blue); }
.badge[data-state="FAILED"], [data-state="FAILED"] > .badge { background: var(--red); color: var(--page); }
.badge:is([data-state="LAUNCHED"], [data-state="COMPLETED"]), [data-state="LAUNCHED"] > .badge { background: var(--green-soft); color: var(--green); }
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
.bar [data-state="LAUNCHED"] { background: var(--green); }
.bar [data-state="FAILED"] { background: var(--red); }
.bar [data-state="LAUNCHING"] { background: var(--blue); }
.bar :is([data-state="CONVERSION"], [data-state="SNAPSHOT"]) { background: color-mix(in srgb, var(--blue) 55%, var(--page)); }
.bar [data-state="PENDING"] { background: transparent; }
.counts { display: flex; flex-wrap: wrap; gap: 2px 16px; color: var(--muted); }
.counts b { color: var(--ink); font-size: 1.05rem; }
.counts [data-state="FAILED"], .counts [data-state="FAILED"] b { color: var(--red); font-weight: 700; }
.jobs li { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: center; padding: 4px 0; }
.filters { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: end; margin-top: 24px; padding-top: 16px; border-top: 1px solid var(--line); }
.filters label { display: grid; font-size: 13px; color: var(--muted); min-width: 0; }
.filters label:first-child { flex: 1 1 16em; }
.filters :is(input, select) { color: var(--ink); font-size: 15px; width: 100%; }
.filters .muted { flex-basis: 100%; font-size: 13px; }
.filters .muted:empty { display: none; }
.server { display: grid; grid-template-columns: 7.5em minmax(10em, 1.4fr) minmax(9em, 1fr) minmax(9em, 1fr) minmax(11em, auto) auto; gap: 2px 16px; align-items: center; padding: 6px 8px; border-top: 1px solid var(--line); }
.server[data-state="FAILED"] { background: var(--red-soft); border-left: 4px solid var(--red); padding-left: 4px; }
.server > .badge { justify-self: start; }
.who, .where, .when { display: flex; flex-direction: column; min-width: 0; }
.name { overflow-wrap: anywhere; }
.when { font-variant-numeric: tabular-nums; font-size: 14px; }
.when .muted { font-size: 13px; }
.step { font-size: 14px; }
.stages { display: flex; gap: 3px; max-width: 9em; }
.stages i { flex: 1; height: 5px; border-radius: 3px; background: var(--grey-soft); border: 1px solid var(--line); }
.stages .done { background: var(--green); border-color: var(--green); }
.stages .now { background: var(--blue); border-color: var(--blue); }
.stages .failed { background: var(--red); border-color: var(--red); }
.errors { grid-column: 1 / -1; }
.error { display: flex; flex-wrap: wrap; gap: 8px; align-items: start; margin: 4px 0; color: var(--ink); }
.error pre { flex: 1 1 20em; min-width: 0; margin: 0; padding: 8px; max-height: 12em; overflow: auto; white-space: pre-wrap; background: var(--page); border: 1px solid var(--red); border-radius: 6px; }
.timeline { position: relative; max-height: 580px; overflow: auto; border: 1px solid var(--line); border-radius: 6px; overflow-anchor: none; }
.rows { position: relative; }
.row { position: absolute; left: 0; right: 0; height: var(--row); display: grid; grid-template-columns: 11em 13em minmax(0, 1fr) auto; gap: 0 12px; align-items: center; padding: 0 8px; border-bottom: 1px solid var(--line); }
.row > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row time { font-variant-numeric: tabular-nums; color: var(--muted); }
.row .type { font-weight: 600; }
.failure .type { color: var(--red); }
.row button { overflow: visible; }
.zone { font-size: 13px; margin: -6px 0 8px; }
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
  .when { grid-column: 2; flex-direction: row; gap: 8px; }
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
  .row { position: static; height: auto; break-inside: avoid; grid-template-columns: 11em 13em minmax(0, 1fr); padding: 2px 0; }
  .row > * { white-space: normal; overflow: visible; grid-column: auto !important; grid-row: auto !important; order: 0 !important; }
  .error pre { max-height: none; }
}
`);

if (!customElements.get("drs-job-log")) customElements.define("drs-job-log", DrsJobLog);
