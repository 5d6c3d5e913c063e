/** The elements of the viewer. A log text becomes a text node, never markup. */

import { button, h, setText, setTime, visible } from "./dom.js";
import styles from "./drs-job-log.css";
import { Gantt, ganttSheet } from "./gantt.js";
import {
  ACTIVE_STATES,
  BAR_STATES,
  compare,
  countOf,
  decisiveJobs,
  displayName,
  eventLabel,
  formatCount,
  goalOf,
  hasAllServers,
  hasWarning,
  identityName,
  isBetweenWaves,
  jobLabel,
  NO_STEPS,
  networksOf,
  networksText,
  progressOf,
  STAGES,
  STATES,
  stagesOf,
  statusLabel,
  statusText,
  toCsv,
  toLabel,
  WARNINGS,
  wavesOf,
} from "./model.js";
import { formatDuration, formatTime, formatUtc, onTimeZone, selectTimeZone, TIME_ZONES, timeZone } from "./time.js";

/** @import { Answer, Comparison, Hint, Job, LogEntry, Resource, Server, State } from "./model.js" */
/** @import { Poller, RequestError } from "./poll.js" */

/**
 * Creates a box with the full error text and a copy button.
 *
 * @param {string} error
 * @param {string} name The server's name. Empty for an error of the job.
 */
function errorBox(error, name) {
  const text = h(
    "pre",
    { tabindex: "0", role: "group", "aria-label": visible(`Error for ${name || "the job"}`) },
    error,
  );
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
  return h("span", { class: "requester", title: visible(identity) }, `Started by: ${identityName(identity)}`);
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
   * @param {boolean} showsAccount
   */
  update(server, events, showsAccount) {
    const content = JSON.stringify([server, events.length, showsAccount]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.server = server;
    this.element.dataset.state = server.state;
    this.element.classList.toggle("warning", hasWarning(server));
    this.element.classList.toggle("stalled", server.stalledAt !== null);
    setText(this.#state, server.stalledAt ? `${toLabel(server.state)}, stalled` : toLabel(server.state));
    setText(this.#name, displayName(server));
    const account = showsAccount ? events.find((event) => event.account)?.account : null;
    setText(this.#id, [server.serverName ? server.sourceServerId : "", account].filter(Boolean).join(" in "));
    setText(this.#timelineSuffix, ` for ${displayName(server)}`);
    setTime(this.#since, server.since);
    setText(this.#instance, server.ec2InstanceId ?? "");
    const jobEvents = events.filter((event) => event.jobId === server.jobId);
    const last = jobEvents.findLast((event) => !NO_STEPS.has(event.eventType));
    setText(this.#step, last ? eventLabel(last) : server.state === "PENDING" ? "Waiting" : "");
    const classes = stagesOf(server, jobEvents);
    [...this.#stages.children].forEach((stage, index) => {
      stage.className = classes[index];
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
  #showsAccount = false;
  /** @type {Map<LogEntry, LogEntry>} Event → the launch result that reports the same fact. */
  #results = new Map();
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
    setTime(time, event.timestamp);
    const mark = /FAIL/.test(event.eventType) ? " failure" : WARNINGS.has(event.eventType) ? " warning" : "";
    return h(
      "li",
      { class: `row${mark}` },
      time,
      h("span", { class: "type" }, eventLabel(event)),
      h(
        "span",
        { class: "what" },
        // They come first, so that a long message does not hide them.
        ...this.#marksOf(event).flatMap((mark) => [h("span", { class: "source" }, mark), " "]),
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
// The view
// ---------------------------------------------------------------------------------------------------------------------

const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);

/** What a poller knows, as elements in a shadow root. */
export class View {
  #root;
  #host;
  #poller;
  /** The ID of the execution or the job. */
  #id = "";
  /** @type {Record<string, string>} The last rendered content by part. */
  #rendered = {};
  /** @type {Set<string>} What failed or stalled and was announced to screen readers. */
  #announced = new Set();
  /** @type {Map<string, ServerCard>} */
  #cards = new Map();
  /** @type {Server[]} In the order of the list. */
  #servers = [];
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
  #wave = h("span", { class: "wave" });
  #elapsed = h("span", { class: "elapsed" });
  #segments = new Map(BAR_STATES.map((state) => [state, h("i", { "data-state": state })]));
  #wavesToCome = h("i", { class: "to-come" });
  #bar = h(
    "div",
    { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0" },
    ...this.#segments.values(),
    this.#wavesToCome,
  );
  #counts = h("ul", { class: "counts", "aria-label": "Counts by state" });
  #gantt = new Gantt();
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
  #timeZone = h(
    "select",
    { onchange: () => selectTimeZone(this.#timeZone.value) },
    ...TIME_ZONES.map((name) => h("option", {}, name)),
  );
  #matches = h("p", { class: "muted" });
  #polite = h("p", { class: "hidden", "aria-live": "polite" });
  #assertive = h("p", { class: "hidden", "aria-live": "assertive" });
  #dialog = h("dialog", { "aria-label": "Event details" });
  #downloadStatus = h("span", { role: "status" });
  #summary = h(
    "div",
    { class: "summary" },
    h("p", { class: "headline" }, this.#headline, this.#wave, this.#elapsed),
    this.#bar,
    this.#counts,
    this.#gantt.outlook,
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
    this.#gantt.section,
    this.#serverSection,
    h("section", { "aria-label": "Timeline" }, this.#timelineTitle, this.#sources, this.#timeline.element),
    h(
      "p",
      { class: "downloads" },
      "Download the full log: ",
      button("CSV", () => this.#download("csv")),
      button("JSON", () => this.#download("json")),
      this.#downloadStatus,
    ),
  );

  /**
   * @param {ShadowRoot} root
   * @param {Poller} poller
   */
  constructor(root, poller) {
    this.#root = root;
    this.#host = /** @type {HTMLElement} */ (root.host);
    this.#poller = poller;
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
          this.#requester,
          this.#connection,
          button("Refresh", () => this.#poller.poll(), { class: "small quiet refresh" }),
          h("label", { class: "zone" }, "Time zone", this.#timeZone),
          this.#reason,
        ),
        this.#banner,
        this.#empty,
        this.#summary,
        this.#content,
        this.#polite,
        this.#assertive,
        this.#dialog,
      ),
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
  }

  #stopTimeZone = () => {};

  /** Shows all times in the selected time zone. */
  #showTimes() {
    this.#timeZone.value = timeZone();
    for (const element of this.#root.querySelectorAll("time")) setTime(element, element.dateTime);
    if (this.#poller.error) this.renderError();
    this.tick();
  }

  #resizeObserver = new ResizeObserver(() => this.#timeline.resize());

  /** @param {boolean} isPrinting True to render all events, for print. */
  print(isPrinting) {
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
    this.#announced = new Set();
    this.#cards = new Map();
    this.#rendered = {};
    this.#serverList.replaceChildren();
    this.#serverFilter.replaceChildren(h("option", { value: "" }, "All servers"));
    this.#textFilter.value = this.#stateFilter.value = "";
    this.#polite.textContent = this.#assertive.textContent = "";
    this.#dialog.close();
    delete this.#host.dataset.kind;
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
    const isEmpty = !answer || (answer.status === "NO_EVENTS" && !this.#poller.log.events.length);
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
    if (this.#isChanged("requester", answer.requestedBy ?? ""))
      this.#requester.replaceChildren(...(answer.requestedBy ? [startedBy(answer.requestedBy)] : []));
    const jobs = decisiveJobs(answer);
    const [kind, ...kinds] = new Set(jobs.map(jobLabel).filter(Boolean));
    this.#kind.hidden = !kind;
    setText(this.#kind, kind ? [kind, ...kinds.map((other) => other.toLowerCase())].join(" and ") : "");
    const drills = new Set(jobs.map((job) => job.isDrill).filter((isDrill) => isDrill !== null));
    this.#host.dataset.kind = drills.has(false) ? "recovery" : drills.has(true) ? "drill" : "";

    const { total, done, counts, text } = progressOf(answer);
    const isComplete = hasAllServers(answer);
    setText(this.#headline, text);
    const waves = wavesOf(answer);
    const toCome = waves.toCome ? `${formatCount(waves.toCome, "wave")} to come` : "";
    // The servers of later waves are not known. Their part of the bar is that of their number.
    const all = total / (1 - waves.share);
    setText(this.#wave, waves.text);
    this.#bar.setAttribute("aria-valuemax", String(Math.max(Math.round(all), 1)));
    this.#bar.setAttribute("aria-valuenow", String(done));
    this.#bar.setAttribute("aria-valuetext", toCome ? `${text}, ${toCome}` : text);
    this.#wavesToCome.style.flexGrow = String(all - total);
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
      ...(toCome ? [h("li", {}, toCome)] : []),
    );
    setText(this.#truncation, this.#truncationText(answer));
  }

  /** @param {Answer} answer */
  #truncationText({ truncated, servers, summary, jobs }) {
    if (!truncated) return "";
    const texts = [
      { listed: servers.length, total: summary.totalServers, noun: "server" },
      { listed: jobs.length, total: this.#poller.log.jobIds.size, noun: "job" },
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
    const content = [jobs, states, summary.totalServers, truncated, this.#poller.log.events.length];
    if (!this.#isChanged("jobs", content)) return;
    const hasAllJobs = this.#hasAllJobs(answer);
    const ofListed = hasAllJobs ? "" : ` of ${answer.jobs.length} listed`;
    // The API reports a server only under its latest job. Omit the counts of an earlier job, which would be incomplete.
    const latestJobs = new Map(answer.servers.map((server) => [server.sourceServerId, server.jobId]));
    /** @param {Job} job */
    const isSuperseded = (job) =>
      this.#poller.log.events.some(
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
        setTime(start, job.startedAt);
        const item = h(
          "li",
          {},
          h("span", { class: "badge", "data-state": job.status }, statusLabel(job.status)),
          h("strong", {}, `Job ${index + 1}${ofListed}`),
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
    return !truncated || jobs.length >= this.#poller.log.jobIds.size;
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
    this.#servers = servers;
    const focused = this.#root.activeElement;
    servers.forEach((server, index) => {
      let card = this.#cards.get(server.sourceServerId);
      if (!card) {
        card = new ServerCard(server, (selected) => this.#showInTimeline(selected));
        this.#cards.set(server.sourceServerId, card);
      }
      const events = this.#poller.log.byServer.get(server.sourceServerId) ?? [];
      card.update(server, events, this.#poller.log.accounts.size > 1);
      if (this.#serverList.children[index] !== card.element)
        this.#serverList.insertBefore(card.element, this.#serverList.children[index] ?? null);
    });
    // A moved element loses the focus.
    if (focused instanceof HTMLElement && focused !== this.#root.activeElement) focused.focus({ preventScroll: true });
    const options = servers
      .map((server) => ({ name: displayName(server), id: server.sourceServerId }))
      .sort((a, b) => compare(a.name, b.name));
    if (this.#isChanged("options", options)) {
      /** @type {Map<string, number>} */
      const names = new Map();
      for (const { name } of options) names.set(name, (names.get(name) ?? 0) + 1);
      const selected = this.#serverFilter.value;
      this.#serverFilter.replaceChildren(
        h("option", { value: "" }, "All servers"),
        ...options.map(({ name, id }) => h("option", { value: id }, names.get(name) === 1 ? name : `${name} (${id})`)),
      );
      this.#serverFilter.value = selected;
    }
  }

  #renderSources() {
    const sources = [...this.#poller.log.sources].sort(([a], [b]) => compare(a, b));
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
    const states = new Map(this.#poller.answer?.servers.map((server) => [server.sourceServerId, server.state]));
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
    /** @param {LogEntry} event */
    const matches = (event) =>
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
        ));
    const { log } = this.#poller;
    const joined = new Set(log.results.values());
    const events = log.events.filter((event) => {
      const result = log.results.get(event);
      return !joined.has(event) && (matches(event) || (result && matches(result)));
    });
    const shows = { source: log.senders.length > 1, account: log.accounts.size > 1 };
    this.#timeline.show(events.reverse(), log.results, shows);
    this.#gantt.show(
      this.#servers.filter((server) => !this.#cards.get(server.sourceServerId)?.element.hidden),
      this.#poller,
    );
    const total = this.#poller.answer?.summary.totalServers ?? 0;
    const hasAll = !this.#poller.answer || hasAllServers(this.#poller.answer);
    const ofTotal = hasAll ? "" : ` of ${total.toLocaleString()}`;
    setText(this.#serversTitle, `Servers (${serverCount.toLocaleString()}${ofTotal})`);
    setText(this.#timelineTitle, `Timeline (${events.length.toLocaleString()})`);
    const matchesLabel = `${formatCount(serverCount, hasAll ? "server" : "listed server")} and ${formatCount(events.length, "event")} match`;
    setText(this.#matches, isFiltered ? matchesLabel : "");
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
      Source: [event.source, this.#poller.log.results.get(event)?.source].filter(Boolean).join(", "),
      Account: event.account,
      Region: event.region,
      Message: event.message,
      "Event ID": event.eventId,
    };
    this.#dialog.replaceChildren(
      h("h3", {}, eventLabel(event)),
      h(
        "dl",
        {},
        ...Object.entries(rows).flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
      ),
      ...(event.error ? [errorBox(event.error, displayName(event))] : []),
      h("form", { method: "dialog" }, h("button", {}, "Close")),
    );
    this.#dialog.showModal();
  }

  /** Updates the durations. Runs once per second. */
  tick() {
    this.renderConnection();
    if (!this.#poller.answer?.jobs.length || document.hidden) return;
    const { now } = this.#poller;
    const jobs = decisiveJobs(this.#poller.answer);
    const starts = jobs.map((job) => Date.parse(job.startedAt));
    const isOver = !isBetweenWaves(this.#poller.answer);
    const ends = jobs.map((job) => (job.endedAt && isOver ? Date.parse(job.endedAt) : now));
    const elapsed = formatDuration(Math.max(...ends) - Math.min(...starts));
    setText(this.#elapsed, this.#hasAllJobs(this.#poller.answer) ? elapsed : "");
    for (const card of this.#cards.values()) card.tick(now);
    this.#gantt.tick(this.#poller);
  }

  /** Says that the display can be wrong, because of an error of the viewer itself. */
  showOwnError() {
    this.#banner.hidden = false;
    setText(
      this.#errorText,
      "The viewer has an error, and this page can be incomplete. The console of the browser has the details. Reload the page.",
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
      const seconds = Math.max(0, Math.ceil((this.#poller.nextPollAt - Date.now()) / 1000));
      const retry = this.#poller.isRequesting ? "Retrying…" : `Next retry in ${seconds} s.`;
      return setText(this.#connection, this.#poller.isInvalidRequest ? "" : retry);
    }
    if (!this.#poller.answer) return setText(this.#connection, "");
    const { status, jobId, settled } = this.#poller.answer;
    let text;
    if (settled) text = jobId ? "The job is complete." : "The execution is complete.";
    else if (isBetweenWaves(this.#poller.answer)) text = "All known jobs have ended. Another wave can follow.";
    else if (["IN_PROGRESS", "NO_EVENTS"].includes(status)) text = "Live.";
    else text = "The job has ended. Late events are possible.";
    setText(this.#connection, `${text} Last updated at ${formatTime(this.#poller.answeredAt)}.`);
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
      api: `${status}: ${message}`,
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
      { noun: "server", verb: "stalled", items: stalledServers, number: stalledServers.length },
    ];
    /**
     * @param {string} verb
     * @param {Server | Resource} item
     */
    const keyOf = (verb, item) => `${verb} ${"sourceServerId" in item ? item.sourceServerId : item.resourceId}`;
    const texts = groups.flatMap(({ noun, verb, items, number }) => {
      if (this.#poller.answerCount === 1) return number ? [`${formatCount(number, noun)} ${verb}.`] : [];
      const added = items.filter((item) => !this.#announced.has(keyOf(verb, item))).map(displayName);
      if (!added.length) return [];
      const others = added.length > 3 ? ` and ${added.length - 3} more` : "";
      return [`${toLabel(verb)}: ${added.slice(0, 3).join(", ")}${others}.`];
    });
    if (texts.length) this.#assertive.textContent = visible(texts.join(" "));
    this.#announced = new Set(groups.flatMap(({ verb, items }) => items.map((item) => keyOf(verb, item))));
    const { total, failed, text } = progressOf(answer);
    // The API can omit failed servers, so that their names are not announced.
    const failures = hasAllServers(answer) ? "" : `, ${failed.toLocaleString()} failed`;
    if (total) setText(this.#polite, `${text}${failures}. ${statusText(answer)}`);
  }

  /** @param {"csv" | "json"} format */
  async #download(format) {
    let answer;
    setText(this.#downloadStatus, "Downloading…");
    try {
      answer = await this.#poller.readAll();
      setText(this.#downloadStatus, "");
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      return setText(this.#downloadStatus, name === "AbortError" ? "" : `Download failed: ${message}. Try again.`);
    }
    const isCsv = format === "csv";
    const text = isCsv ? `\ufeff${toCsv(answer.logs)}` : JSON.stringify(answer, null, 2);
    const blob = new Blob([text], { type: isCsv ? "text/csv" : "application/json" });
    const fileName = `drs-job-log-${this.#id.replace(/[^\w.-]+/g, "_")}.${format}`;
    const link = h("a", { href: URL.createObjectURL(blob), download: fileName });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
