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
 *             `filter`: what the user sees, `{text, state, server, job}`.
 * Method:     `showReport()`: requests the report of the execution, like the button "Report".
 * Events:     `drs-job-log-update`: after each answer. `detail` is the answer; its `logs` contains all events so far.
 *             `drs-job-log-filter`: the user changed the filter. `detail` is the filter.
 *             `drs-job-log-unauthorized`: the API answered 401 or 403. `detail.status` is the status code.
 *
 * Security: the component inserts log texts as text nodes, never as markup. It sends requests only to `api-url`.
 */

import { Poller, readComparison } from "./poll.js";
import { NO_FILTER, View } from "./view.js";

export { visible } from "./elements.js";
export { displayName, failedStepsOf, networksOf, progressOf, statusText } from "./model.js";
export { waitingText } from "./plans.js";

/** @import { Answer } from "./model.js" */
/** @import { Fetch, RequestError } from "./poll.js" */
/** @import { Filter } from "./view.js" */

/** @typedef {HTMLElement & { fetch: Fetch, filter: Partial<Filter>, showReport: () => void }} DrsJobLogElement */

class DrsJobLog extends HTMLElement {
  static observedAttributes = ["execution-id", "job-id", "api-url"];

  #poller = new Poller(
    {
      onRequest: () => this.#view.renderConnection(),
      onAnswer: (answer) => this.#onAnswer(answer),
      onError: (error) => this.#onError(error),
    },
    () => document.hidden,
  );
  #view = new View(this.attachShadow({ mode: "open" }), this.#poller, () =>
    this.#dispatch("drs-job-log-filter", this.#view.filter),
  );
  #ticker = 0;
  #isStarted = false; // Not `isConnected`, which is true before connectedCallback runs.
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
    // The page can set the properties before this module defines the element. Move the values to the accessors.
    for (const name of /** @type {const} */ (["fetch", "filter"])) {
      if (!Object.hasOwn(this, name)) continue;
      const value = /** @type {any} */ (this[name]);
      Reflect.deleteProperty(this, name);
      this[name] = value;
    }
    document.addEventListener("visibilitychange", this.#onReturn);
    window.addEventListener("focus", this.#onReturn);
    window.addEventListener("online", this.#onReturn);
    window.addEventListener("beforeprint", this.#onPrint);
    window.addEventListener("afterprint", this.#onPrint);
    this.#view.connect();
    this.#ticker = setInterval(() => this.#view.tick(), 1000);
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
    const isDue = this.#wasSettled === null || (settled && !this.#wasSettled);
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
}

if (!customElements.get("drs-job-log")) customElements.define("drs-job-log", DrsJobLog);
