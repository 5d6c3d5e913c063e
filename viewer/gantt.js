/** The expected end, the recovery time objective, and the schedule: the steps of each server over time. */

import { h, setText, setTime } from "./elements.js";
import styles from "./gantt.css";
import { displayName, toLabel } from "./model.js";
import {
  basisText,
  descriptionOf,
  earlierLaunches,
  isRunning,
  linesOf,
  rangeOf,
  remainingText,
  rowOf,
  rpoText,
  rtoText,
  targetOf,
  ticksOf,
} from "./spans.js";
import { formatDuration, formatTime, timeZone } from "./time.js";

/** @import { Answer, Comparison, Rpo, Rto, Server } from "./model.js" */
/** @import { Poller } from "./poll.js" */
/** @import { Earlier, Range, Row } from "./spans.js" */

export const ganttSheet = new CSSStyleSheet();
ganttSheet.replaceSync(styles);

/** @type {Record<string, string>} The kinds of bars. */
const LABELS = {
  wait: "Waiting",
  snapshot: "Snapshot",
  conversion: "Conversion",
  launch: "Launch",
  failed: "Failed",
  stalled: "Stalled",
  expected: "Expected",
  earlier: "Earlier execution",
};
/** @type {Record<string, string>} The texts of marks. A mark is more than a color. */
const SIGNS = { failed: "✕", stalled: "!" };

const MARGIN_ROWS = 8;
const LEAST_TICK_MS = 100;
// The width of a tick label.
const LABEL_REM = 4.5;

/** @typedef {{ className: string, start: number, end: number, title: string, text?: string }} Bar */

/**
 * Returns the bars of a row, the last one in front.
 *
 * @param {Row} row
 * @param {Earlier | undefined} earlier
 * @param {number} now
 * @returns {Bar[]}
 */
function barsOf({ spans, launchStart, expectedEnd, mark }, earlier, now) {
  /** @type {Bar[]} */
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
    const duration = formatDuration(earlier.seconds * 1000);
    const title = `${LABELS.earlier}: ${duration}, ${toLabel(earlier.state).toLowerCase()}`;
    bars.unshift({ className: "bar-earlier", start: launchStart, end: launchStart + earlier.seconds * 1000, title });
  }
  if (mark) {
    const title = `${LABELS[mark.kind]} at ${formatTime(mark.at)}`;
    bars.push({ className: `mark-${mark.kind}`, start: mark.at, end: mark.at, title, text: SIGNS[mark.kind] });
  }
  return bars;
}

/**
 * Places an element in a time range.
 *
 * @param {HTMLElement} element
 * @param {Range} range
 * @param {number} start
 * @param {number} end
 */
function place(element, range, start, end = start) {
  const percent = (/** @type {number} */ time) => (100 * (time - range.start)) / (range.end - range.start);
  const left = Math.max(0, percent(start));
  element.style.left = `${left.toFixed(3)}%`;
  element.style.width = end > start ? `${Math.max(0, Math.min(100, percent(end)) - left).toFixed(3)}%` : "";
}

/** The expected end and the objectives. */
class Outlook {
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
    this.#remaining,
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
    // A part without a time is not in the page.
    const parts = [
      ...(estimate ? [this.#estimate] : []),
      ...(basis ? [this.#basis] : []),
      ...(rto ? [this.#rto] : []),
      ...(rpo ? [this.#rpo] : []),
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
}

/** A row of the schedule. It is updated in place. */
class GanttRow {
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
      const bar = /** @type {HTMLElement} */ (this.#track.children[index] ?? this.#track.appendChild(h("i")));
      if (bar.className !== className) bar.className = className;
      if (bar.title !== title) bar.title = title;
      setText(bar, text ?? "");
      place(bar, range, start, end);
    });
  }
}

/** A virtual list of servers with their steps over time. All rows have the height that the style sheet sets. */
export class Gantt {
  #outlook = new Outlook();
  /** The expected end and the objectives. */
  outlook = this.#outlook.element;
  /** @type {Row[]} */
  #rows = [];
  /** @type {Map<string, GanttRow>} By server. */
  #elements = new Map();
  /** @type {Map<string, Earlier>} By server. */
  #earlier = new Map();
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
      "aria-describedby": "gantt-description",
    },
    // Its content is a drawing. The description and the list of servers are the text.
    h(
      "div",
      { class: "chart", "aria-hidden": "true" },
      h("div", { class: "axis" }, this.#flags, this.#ticks),
      this.#lines,
      this.#list,
    ),
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
          label,
        );
      }),
    ),
    this.#region,
    this.#description,
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
    // The view calls both functions for an answer. The end of an execution does not change any more.
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
        ...(isDrill === null ? [] : [isDrill ? ", drill" : ", recovery"]),
        ...(durationSeconds === null ? [] : [`, ${formatDuration(durationSeconds * 1000)}`]),
      );
    } else if (comparison) this.#compared.append("No earlier execution with these servers.");
    this.#refresh();
  }

  /** @param {boolean} isPrinting True to render all servers, for print. */
  print(isPrinting) {
    this.#isPrinting = isPrinting;
    // A printed row has its place by its order.
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
    const top = (this.#region.scrollTop * row) / before;
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
    /**
     * @param {string} className
     * @param {number} at
     * @param {string[]} texts
     */
    const placed = (className, at, ...texts) => {
      const element = h("span", { class: className }, ...texts.map((text) => h("span", {}, text)));
      place(element, range, at);
      return element;
    };
    const labelTime = (LABEL_REM * this.#size.rem * (range.end - range.start)) / this.#size.width;
    this.#ticks.replaceChildren(
      ...ticks
        .filter(({ at }) => at + labelTime <= range.end)
        .map(({ at, label, date }) => placed("tick", at, label, date)),
    );
    this.#flags.replaceChildren(
      ...lines.map(({ kind, at, label }) => placed(`flag of-${kind}${at > center ? " is-late" : ""}`, at, label)),
    );
    this.#lines.replaceChildren(
      ...ticks.map(({ at }) => placed("line of-tick", at)),
      ...lines.map(({ kind, at }) => placed(`line of-${kind}`, at)),
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
    const visible = this.#rows.slice(first, end);
    const ids = new Set(visible.map(({ server }) => server.sourceServerId));
    for (const [id, { element }] of this.#elements) {
      if (ids.has(id)) continue;
      element.remove();
      this.#elements.delete(id);
    }
    visible.forEach((one, index) => {
      const id = one.server.sourceServerId;
      const element = this.#elements.get(id) ?? new GanttRow();
      this.#elements.set(id, element);
      element.update(one, this.#earlier.get(id), range, now);
      element.element.style.top = this.#isPrinting ? "" : `${(first + index) * row}px`;
      // A row is never moved in the DOM, because it would lose the selection.
      if (!element.element.parentNode) this.#list.append(element.element);
    });
  }
}
