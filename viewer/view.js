/** Shows what a poller knows. */

import styles from "./drs-job-log.css";
import {
  arrange,
  button,
  errorBox,
  h,
  setChildren,
  setText,
  setTime,
  showTimes,
  startedBy,
  timeZoneControl,
  visible,
} from "./elements.js";
import { Gantt, ganttSheet } from "./gantt.js";
import { JobItem } from "./jobs.js";
import {
  ACTIVE_STATES,
  BAR_STATES,
  compare,
  countOf,
  decisiveJobs,
  displayName,
  eventLabel,
  failedStepsOf,
  failuresOf,
  formatCount,
  goalOf,
  hasAllServers,
  isBetweenWaves,
  isPlanEvent,
  kindsOf,
  networksOf,
  networksText,
  placeText,
  planText,
  progressOf,
  SORT_ORDERS,
  STATES,
  sortServers,
  statusText,
  toCsv,
  toLabel,
  waveNames,
  wavesOf,
} from "./model.js";
import {
  currentStep,
  isFailedStep,
  needsPerson,
  optionalServersOf,
  PERSON_NEEDED,
  placeInPlan,
  stepName,
  stepsByJob,
  stepsOf,
} from "./plans.js";
import { ReportControl } from "./report.js";
import { ServerCard, serverHead } from "./servers.js";
import { StepItem } from "./steps.js";
import { formatDuration, formatTime, formatUtc, onTimeZone, timeZone } from "./time.js";
import { MAX_PRINTED, Timeline } from "./timeline.js";

/** @import { Answer, Comparison, LogEntry, Resource, Server, State } from "./model.js" */
/** @import { Poller, RequestError } from "./poll.js" */

// A screen reader reads each announcement to its end.
const MIN_ANNOUNCEMENT_MS = 30_000;

// So many servers that are done fit on a page beside the others.
const MAX_DONE_SHOWN = 20;

/** The names in a sentence, before "and n more". */
const MAX_NAMES = 5;

const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);

/**
 * What the user wants to see: servers and events with this text, servers in this state, one server, one job. Empty: all.
 *
 * @typedef {{ text: string, state: string, server: string, job: string }} Filter
 */

/** @type {Readonly<Filter>} */
export const NO_FILTER = { text: "", state: "", server: "", job: "" };

/** @param {Server} server */
function isDone({ state, failedActions }) {
  return state !== "FAILED" && !ACTIVE_STATES.has(state) && !failedActions.length;
}

/** What a poller knows, as elements in a shadow root. */
export class View {
  #root;
  #host;
  #poller;
  /** The ID of the execution or the job. */
  #id = "";
  /** @type {Set<string>} What failed or stalled and was announced to screen readers. */
  #announced = new Set();
  #announcedAt = 0;
  #announcedStatus = "";
  /** @type {Map<string, ServerCard>} By server ID, in the order of the list. */
  #cards = new Map();
  /** @type {Map<string, JobItem>} By job ID. */
  #jobItems = new Map();
  /** @type {Map<number, StepItem>} By the number of the step. */
  #stepItems = new Map();
  /** @type {Map<string, { item: HTMLElement, number: HTMLElement, label: HTMLElement }>} By what is counted. */
  #countItems = new Map();
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
    this.#stepList,
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
    this.#doneButton,
  );
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
    this.#bar,
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

  #onSelect;

  /**
   * @param {ShadowRoot} root
   * @param {Poller} poller
   * @param {() => void} onSelect The user changed the filter.
   */
  constructor(root, poller, onSelect) {
    this.#onSelect = onSelect;
    this.#root = root;
    this.#host = /** @type {HTMLElement} */ (root.host);
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
            button("Go to the timeline", () => this.#timeline.element.focus()),
          ),
          this.#requester,
          this.#place,
          this.#plan,
          this.#connection,
          button("Refresh", () => this.#poller.poll(), { class: "small quiet refresh" }),
          this.#timeZone,
          this.#report.element,
          this.#reason,
          this.#printed,
        ),
        this.#banner,
        this.#empty,
        this.#progress,
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
    this.#report.reset();
  }

  #stopTimeZone = () => {};

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
    this.#announced = new Set();
    this.#announcedAt = 0;
    this.#announcedStatus = "";
    this.#cards = new Map();
    this.#jobItems = new Map();
    this.#stepItems = new Map();
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
    const isEmpty = !answer || (answer.status === "NO_EVENTS" && !this.#poller.log.events.length);
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
    setChildren(this.#requester, requestedBy ?? "", () => (requestedBy ? [startedBy(requestedBy)] : []));
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
    const place = answer.recoveryPlan ? waves.text : "";
    const valueText = [text, place, toCome ? `${formatCount(toCome, noun)} to come` : ""].filter(Boolean).join(", ");
    // The servers of the steps of a plan are known, and a part of the total.
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
          const text = isCombined ? "snapshot or conversion" : toLabel(state).toLowerCase();
          return { key: state, number: counts.get(state) ?? 0, text };
        }),
        { key: "stalled", number: stalled, text: isComplete ? "stalled" : "listed stalled" },
        {
          key: "action",
          number: withFailedAction,
          text: `${isComplete ? "" : "listed "}with a failed post-launch action`,
        },
        { key: "to come", number: toCome, text: `${noun}${toCome === 1 ? "" : "s"} to come` },
      ]
        .filter(({ number }) => number)
        .map(({ key, number, text }) => this.#countItem(key, number, text)),
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
      ...steps.map((step) =>
        h(
          "li",
          {},
          h("strong", {}, `Failed: ${stepName(step)}`),
          h("span", { class: "excerpt" }, waits && step.stepStatus === "FAILED" ? PERSON_NEEDED : (step.error ?? "")),
        ),
      ),
      ...groups.map(({ error, hint, items }) => {
        const names = items.slice(0, MAX_NAMES).map(displayName).join(", ");
        const others = items.length > MAX_NAMES ? ` and ${(items.length - MAX_NAMES).toLocaleString()} more` : "";
        return h(
          "li",
          {},
          h("strong", {}, `Failed: ${names}${others}`),
          h("span", { class: "excerpt" }, error || hint?.cause || "DRS states no error."),
        );
      }),
    ]);
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
    setChildren(this.#planError, isOfStep ? null : error, () =>
      error && !isOfStep ? [h("p", { class: "message" }, error)] : [],
    );
    const names = new Map(answer.jobs.map((job, index) => [job.jobId, `Job ${index + 1}`]));
    // All jobs of a plan are in the Region of the plan.
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
    // The API reports a server only under its latest job. Omit the counts of an earlier job, which would be incomplete.
    const latestJobs = new Map(answer.servers.map((server) => [server.sourceServerId, server.jobId]));
    const superseded = new Set(
      this.#poller.log.events
        .filter((event) => event.sourceServerId && latestJobs.get(event.sourceServerId) !== event.jobId)
        .map((event) => event.jobId),
    );
    const steps = stepsByJob(answer);
    const items = answer.jobs.map((job, index) => {
      const servers = answer.servers.filter((server) => server.jobId === job.jobId);
      const goal = goalOf(job);
      /** @type {State[]} */
      const others = ["FAILED", "TERMINATED"];
      const counts = [goal, ...others.filter((state) => state !== goal && countOf(servers, state))]
        .map((state) => `${countOf(servers, state)} ${state.toLowerCase()}`)
        .join(", ");
      const step = steps.get(job.jobId);
      const texts = [
        ...(step ? [stepName(step)] : []),
        ...(servers.length && hasAllServers(answer) && !superseded.has(job.jobId)
          ? [`${formatCount(servers.length, "server")}: ${counts}`]
          : []),
        ...(job.resources.length ? [networksText(job.resources, answer.truncated)] : []),
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
      ...names.map(({ jobId, name }) => h("option", { value: jobId }, name)),
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
        optional: optional.has(server.sourceServerId),
      });
      return card;
    });
    this.#cards = new Map(cards.map((card) => [card.server.sourceServerId, card]));
    arrange(this.#serverList, [this.#serverHead, ...cards.map((card) => card.element)]);
    // A moved element loses the focus.
    if (focused instanceof HTMLElement && focused !== this.#root.activeElement) focused.focus({ preventScroll: true });
    const options = servers
      .map((server) => ({ name: displayName(server), id: server.sourceServerId }))
      .sort((a, b) => compare(a.name, b.name));
    /** @type {Map<string, number>} */
    const names = new Map();
    for (const { name } of options) names.set(name, (names.get(name) ?? 0) + 1);
    setChildren(this.#serverFilter, options, () => [
      h("option", { value: "" }, "All servers"),
      ...options.map(({ name, id }) => h("option", { value: id }, names.get(name) === 1 ? name : `${name} (${id})`)),
    ]);
    this.#showFilter();
  }

  #renderSources() {
    const sources = [...this.#poller.log.sources].sort(([a], [b]) => compare(a, b));
    setChildren(this.#sources, sources, () => [
      ...(sources.length ? ["Event sources: "] : []),
      ...sources.flatMap(([source, number], index) => [
        index ? ", " : "",
        h("code", {}, source),
        ` (${formatCount(number, "event")})`,
      ]),
    ]);
  }

  /** Shows the servers and events that match the filters. */
  #applyFilters() {
    const { state, server: serverId, job: jobId } = this.#filter;
    const text = this.#filter.text.trim().toLowerCase();
    /** @param {(string | null)[]} values */
    const matchesText = (...values) => values.some((value) => value?.toLowerCase().includes(text));
    /** @type {Map<string | null, State>} */
    const states = new Map(this.#poller.answer?.servers.map((server) => [server.sourceServerId, server.state]));
    /** @param {string | null} id */
    const matchesServer = (id) => (!serverId || id === serverId) && (!state || states.get(id) === state);
    const isFiltered = Boolean(text || state || serverId || jobId);
    const done = [...this.#cards.values()].filter(({ server }) => isDone(server)).length;
    const isFolded = done > MAX_DONE_SHOWN && !this.#showsDone && !isFiltered && !this.#isPrinting;
    /** @type {Server[]} */
    const servers = [];
    /** @type {Map<string, Server>} Error → the first server on display that has it. */
    const firsts = new Map();
    for (const [id, card] of this.#cards) {
      const { element, server, error } = card;
      const isMatch =
        matchesServer(id) &&
        (!jobId || server.jobId === jobId) &&
        (!text ||
          matchesText(
            ...[server.serverName, id, server.ec2InstanceId, error, toLabel(server.state)],
            ...server.failedActions.flatMap(({ name, error }) => [name, error]),
          ));
      const isOpen = element.contains(this.#root.activeElement); // A hidden element loses the focus.
      element.hidden = !isMatch || (isFolded && isDone(server) && !isOpen);
      if (!isMatch) continue;
      servers.push(server);
      if (!error) continue;
      card.refer(firsts.get(error));
      if (!firsts.has(error)) firsts.set(error, server);
    }
    /** @param {LogEntry} event */
    const matches = (event) =>
      (!isFiltered || matchesServer(event.sourceServerId)) &&
      (!jobId || event.jobId === jobId) &&
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
      ["Job", this.#filter.job && this.#jobFilter.selectedOptions[0]?.text],
    ].filter(([, value]) => value);
    const sentences = [
      `Printed at ${formatTime(this.#poller.now)}.`,
      `Times are in the time zone ${timeZone()}.`,
      ...(filters.length
        ? [`Only what matches these filters: ${filters.map(([name, value]) => `${name} "${value}"`).join(", ")}.`]
        : []),
      ...(eventCount > MAX_PRINTED
        ? [
            `The timeline has the newest ${MAX_PRINTED.toLocaleString()} of ${formatCount(eventCount, "event")}. Download the CSV file for all of them.`,
          ]
        : []),
    ];
    return sentences.join(" ");
  }

  get filter() {
    return this.#filter;
  }

  set filter(filter) {
    const isState = STATES.some((state) => state === filter.state);
    this.#filter = { ...filter, state: isState ? filter.state : "" }; // A link can contain any text.
    this.#showFilter();
    if (this.#poller.answer) this.#applyFilters();
  }

  #showFilter() {
    const { text, state, server, job } = this.#filter;
    if (this.#textFilter.value !== text) this.#textFilter.value = text;
    this.#stateFilter.value = state;
    for (const [select, id] of /** @type {const} */ ([
      [this.#serverFilter, server],
      [this.#jobFilter, job],
    ])) {
      // A link can name a server or a job that has no event yet.
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
      job: this.#jobFilter.value,
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
      "Event ID": event.eventId,
    };
    this.#dialog.replaceChildren(
      h("h3", {}, eventLabel(event)),
      h(
        "dl",
        {},
        ...Object.entries(rows).flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : [])),
      ),
      ...(event.error
        ? [errorBox(event.error, displayName(event) || (isPlanEvent(event) ? "the recovery plan" : ""))]
        : []),
      h("details", {}, h("summary", {}, "JSON"), h("pre", { tabindex: "0" }, JSON.stringify(event, null, 2))),
      h("form", { method: "dialog" }, h("button", {}, "Close")),
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
    const ends = parts.map(({ endedAt }) => (endedAt && isOver ? Date.parse(endedAt) : now));
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
    const { status, jobId, settled, recoveryPlan } = this.#poller.answer;
    let text;
    // DRS reports the plan as failed meanwhile.
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
    const failedSteps = failedStepsOf(answer);
    const addedSteps = [...failedSteps].filter(([key]) => !this.#announced.has(key)).map(([, name]) => name);
    if (addedSteps.length)
      texts.push(`Failed: ${addedSteps.join(", ")}.${needsPerson(answer) ? ` ${PERSON_NEEDED}` : ""}`);
    if (texts.length) this.#assertive.textContent = visible(texts.join(" "));
    this.#announced = new Set([
      ...groups.flatMap(({ verb, items }) => items.map((item) => keyOf(verb, item))),
      ...failedSteps.keys(),
    ]);
    const { total, failed, text } = progressOf(answer);
    // The API can omit failed servers, so that their names are not announced.
    const failures = hasAllServers(answer) ? "" : `, ${failed.toLocaleString()} failed`;
    const status = [placeInPlan(answer), statusText(answer)].filter(Boolean).join(". ");
    const isDue = status !== this.#announcedStatus || this.#poller.now >= this.#announcedAt + MIN_ANNOUNCEMENT_MS;
    if (!total || !isDue) return;
    this.#announcedStatus = status;
    this.#announcedAt = this.#poller.now;
    setText(this.#polite, `${text}${failures}. ${status}`);
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
