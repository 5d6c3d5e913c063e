/** The timeline of the events. */

import { h, setTime } from "./elements.js";
import { displayName, eventLabel, isFailure, WARNINGS } from "./model.js";

/** @import { LogEntry } from "./model.js" */

/** The number of events that are printed: about 20 pages. */
export const MAX_PRINTED = 1000;

/** A virtual list: only the visible rows exist in the DOM. All rows have the height that the style sheet sets. */
export class Timeline {
  /** @type {LogEntry[]} */
  #events = [];
  /** @type {Map<LogEntry, HTMLDivElement>} */
  #rows = new Map();
  #isPrinting = false;
  #showsSource = false;
  #showsAccount = false;
  /** @type {Map<LogEntry, LogEntry>} Event → the launch result that reports the same fact. */
  #results = new Map();
  /** @type {number | undefined} The row height at the last resize. */
  #lastRowHeight;
  #list = h(
    "div",
    { class: "rows", role: "table", "aria-label": "Events" },
    h(
      "div",
      { class: "head hidden", role: "row", "aria-rowindex": "1" },
      ...["Time", "Event", "Message", "Details"].map((name) => h("span", { role: "columnheader" }, name)),
    ),
  );
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
      ? Math.min(this.#events.length, MAX_PRINTED)
      : Math.min(this.#events.length, Math.ceil((this.element.scrollTop + visible) / height) + 8);
    const wanted = new Set(this.#events.slice(first, end));
    for (const event of this.#rows.keys()) if (!wanted.has(event)) this.#removeRow(event);
    this.#list.setAttribute("aria-rowcount", String(this.#events.length + 1));
    let previous = this.#list.firstElementChild;
    for (let index = first; index < end; index += 1) {
      const event = this.#events[index];
      const row = this.#rows.get(event) ?? this.#createRow(event);
      this.#rows.set(event, row);
      row.style.top = this.#isPrinting ? "" : `${index * height}px`;
      row.setAttribute("aria-rowindex", String(index + 2)); // after the row with the names of the columns
      // Screen readers use the DOM order. A row in the right place is not moved, because it would lose the focus.
      if (row.previousElementSibling !== previous || row.parentNode !== this.#list) previous?.after(row);
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
    const mark = isFailure(event) ? " failure" : WARNINGS.has(event.eventType) ? " warning" : "";
    return h(
      "div",
      { class: `row${mark}`, role: "row" },
      h("span", { class: "at", role: "cell" }, time),
      h("span", { class: "type", role: "cell" }, eventLabel(event)),
      h(
        "span",
        { class: "what", role: "cell" },
        // They come first, so that a long message does not hide them.
        ...this.#marksOf(event).flatMap((mark) => [h("span", { class: "source" }, mark), " "]),
        event.message || displayName(event),
      ),
      h(
        "span",
        { class: "show", role: "cell" },
        h(
          "button",
          { type: "button", class: "small quiet", onclick: () => this.#showDetails(event) },
          event.error ? "Error" : "Details",
          h("span", { class: "hidden" }, ` for ${eventLabel(event)} ${displayName(event)}`),
        ),
        ...(this.#isPrinting && event.error ? [h("pre", {}, event.error)] : []),
      ),
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

  /** @param {boolean} isPrinting True to render the first `MAX_PRINTED` rows, for print. */
  print(isPrinting) {
    this.#isPrinting = isPrinting;
    for (const event of this.#rows.keys()) this.#removeRow(event);
    this.#render();
  }
}
