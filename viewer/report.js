/** The control that requests the report of an execution, and links to it. */

import { button, h, linkTo, setChildren, setText } from "./elements.js";
import { formatCount } from "./model.js";
import { asRequestError, RequestError, readReport } from "./poll.js";

/** @import { Answer } from "./model.js" */
/** @import { Poller, Report } from "./poll.js" */

// The function that writes a report repeats a failed attempt after minutes.
const MAX_WAIT_SECONDS = 120;
const DEFAULT_RETRY_SECONDS = 3;

export class ReportControl {
  #poller;
  /** @type {string | null} The path of the report in the API. */
  #path = null;
  /** @type {Report | null} */
  #report = null;
  #controller = new AbortController(); // Replaced when the control shows another execution.
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
      const minutes = Math.round((Date.parse(report.expiresAt) - this.#poller.now) / 60_000);
      setText(this.#status, `The report is ready. The link expires in ${formatCount(minutes, "minute")}.`);
      this.#show();
      this.#open(report.url, isClick);
    } catch (error) {
      if (signal.aborted) return;
      setText(this.#status, describe(asRequestError(error)));
      // The page then asks for the sign-in.
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
    const last = Date.now() + 1000 * MAX_WAIT_SECONDS;
    while (!signal.aborted && Date.now() < last) {
      const { report, retryAfter } = await readReport(this.#poller, path, signal);
      if (report || signal.aborted) return report;
      setText(this.#status, "The report is being written…");
      await new Promise((resolve) => setTimeout(resolve, 1000 * (retryAfter ?? DEFAULT_RETRY_SECONDS)));
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
    const hadFocus = this.element.contains(/** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement);
    const url = this.#report?.url ?? null;
    this.element.hidden = !this.#path;
    this.#button.hidden = url !== null;
    setChildren(this.#link, url, () => (url ? [linkTo(url, "Open the report")] : []));
    // A hidden or removed element loses the focus.
    if (hadFocus) (this.#link.querySelector("a") ?? this.#button).focus();
  }
}

/** @param {RequestError} error */
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
  return status === 404 || status === 409 || kind === "invalid-request"
    ? `${message}.`
    : `The report cannot be read: ${status ? `${status}: ` : ""}${message}.`;
}
