/** Requests the log: one answer from all pages, the time of the next request, and the kinds of errors. */

import { EventLog } from "./model.js";
import { needsPerson } from "./plans.js";

/** @import { Answer, Comparison } from "./model.js" */

/**
 * A function that sends a request, like `window.fetch`. `options.headers` is an object. Without its headers, the API
 * returns complete answers only.
 *
 * @callback Fetch
 * @param {string} url
 * @param {RequestInit & { headers: Record<string, string> }} options
 * @returns {Promise<Response>}
 */

/**
 * What the poller tells. It calls each function after it changed its own state.
 *
 * @typedef {object} Listener
 * @property {() => void} onRequest A request started.
 * @property {(answer: Answer) => void} onAnswer
 * @property {(error: RequestError) => void} onError
 */

/**
 * The kind of an error: no response, no response in time, 401, 403, 400, another error status, or a response that is no
 * answer of the API.
 *
 * @typedef {"network" | "timeout" | "sign-in" | "permission" | "invalid-request" | "api" | "invalid-answer"} ErrorKind
 */

const POLL_SECONDS = 3;
const POLL_SECONDS_BETWEEN_WAVES = 15;
const POLL_SECONDS_HIDDEN = 30;
// Another wave can start after the execution settled.
const POLL_SECONDS_SETTLED = 300;
const MAX_RETRY_SECONDS = 60;

// Every n-th poll reads the full log to include events that arrived or were linked late.
const FULL_READ_INTERVAL = 10;
const FULL_READ_INTERVAL_LARGE = 40;

const PAGE_SIZE = 1000;
const TIMEOUT_MS = 30_000;

/** @type {Record<number, ErrorKind>} */
const KINDS_BY_STATUS = { 400: "invalid-request", 401: "sign-in", 403: "permission" };

/** An error of a request. */
export class RequestError extends Error {
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
}

/**
 * @param {Answer | null} answer The last answer.
 * @param {number} failures The number of failed requests since the last answer.
 * @param {boolean} isHidden True if the browser tab is hidden.
 * @returns {number} Seconds until the next poll.
 */
export function secondsToNext(answer, failures, isHidden) {
  if (failures) return Math.min(POLL_SECONDS * 2 ** (failures - 1), MAX_RETRY_SECONDS);
  if (answer?.settled && !needsPerson(answer)) return POLL_SECONDS_SETTLED;
  const isBetweenWaves = answer && !["IN_PROGRESS", "NO_EVENTS"].includes(answer.status);
  const seconds = isBetweenWaves ? POLL_SECONDS_BETWEEN_WAVES : POLL_SECONDS;
  return isHidden ? Math.max(seconds, POLL_SECONDS_HIDDEN) : seconds;
}

/** Reads one log again and again. */
export class Poller {
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
  #controller = new AbortController(); // Replaced on each restart, so that answers to earlier requests are discarded.
  #timer = 0;
  #failures = 0;
  #requestedAt = 0;
  /** How far the clock of this computer is behind that of the API, in milliseconds. */
  #clockOffset = 0;
  /** @type {string | null} The start time of incremental reads. It changes only if the log gets a new event. */
  #since = null;
  /** @type {Map<string, { etag: string, answer: Answer }>} By URL: the last answer since the log got a new event. */
  #cache = new Map();

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
    const wait = this.#failures > 1 ? this.#requestedAt + POLL_SECONDS * 1000 - Date.now() : 0;
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
    /** @type {Answer | RequestError} */
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
    const milliseconds = 1000 * secondsToNext(this.answer, this.#failures, this.#isHidden());
    this.nextPollAt = Date.now() + milliseconds;
    if (!this.isInvalidRequest) this.#timer = setTimeout(() => this.poll(), milliseconds);
    // Last, because a listener can restart or stop the poller.
    if (result instanceof RequestError) this.#listener.onError(result);
    else this.#listener.onAnswer(result);
  }

  /**
   * Reads the full log now.
   *
   * @returns {Promise<Answer>}
   */
  readAll() {
    this.#cache.clear(); // The answer has the time of its own read.
    return this.#read(null, this.#controller.signal);
  }

  /** @param {AbortSignal} signal */
  async #readNext(signal) {
    const interval = this.log.events.length < PAGE_SIZE ? FULL_READ_INTERVAL : FULL_READ_INTERVAL_LARGE;
    const since = this.answerCount % interval === 0 ? null : this.#since;
    const answer = await this.#read(since, signal);
    // The last read covers the full log.
    return answer.settled && since ? this.#read(null, signal) : answer;
  }

  /** @param {Answer} answer */
  #keepAnswer(answer) {
    this.answerCount += 1;
    this.#failures = 0;
    this.error = null;
    // An unchanged answer has the time at which the API sent it first.
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
    /** @type {Answer[]} */
    const pages = [];
    /** @type {string | null | undefined} */
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
    const response = await send(this.fetch, url, headers, signal);
    if (cached && response.status === 304) return cached.answer;
    if (!response.ok) throw await errorOf(response);
    const answer = await readAnswer(response);
    const etag = response.headers.get("ETag");
    if (etag) this.#cache.set(url, { etag, answer });
    return answer;
  }
}

/**
 * Sends a request. It fails if there is no response in time.
 *
 * @param {Fetch} fetch A parameter, so that it is called without `this`: window.fetch rejects any other `this`.
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {AbortSignal} signal
 */
export async function send(fetch, url, headers, signal) {
  const aborted = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  // A custom fetch function can ignore the signal.
  const rejected = new Promise((_, reject) => {
    aborted.addEventListener("abort", () => reject(aborted.reason));
  });
  const request = fetch(url, { signal: aborted, cache: "no-store", headers });
  return /** @type {Response} */ (await Promise.race([request, rejected]));
}

/**
 * Returns the error of a response with an error status.
 *
 * @param {Response} response
 */
export async function errorOf(response) {
  const kind = KINDS_BY_STATUS[response.status] ?? "api";
  return new RequestError(kind, await readErrorMessage(response), response.status);
}

/**
 * Reads the comparison of an execution with an earlier one. Null if there is none: for a job, or after an error.
 *
 * @param {Poller} poller It reads the log of the execution.
 * @returns {Promise<Comparison | null>}
 */
export async function readComparison({ url, fetch }) {
  const [base, id] = url?.split("/logs?executionId=") ?? [];
  // Such an ID is not usable in a path.
  if (!id || /%2F|^\.{1,2}$/i.test(id)) return null;
  try {
    const response = await send(fetch, `${base}/executions/${id}/comparison`, {}, AbortSignal.any([]));
    const comparison = response.ok ? await response.json() : null;
    return Array.isArray(comparison?.servers) && comparison.other !== undefined ? comparison : null;
  } catch {
    return null; // The log is useful without a comparison.
  }
}

/**
 * An answer of `GET /executions/{executionId}/report`, as far as the viewer uses it.
 *
 * @typedef {object} Report
 * @property {string} url The link to the page of the report.
 * @property {string} expiresAt When the link expires.
 */

/**
 * Reads the link to the report of an execution, or requests the report.
 *
 * @param {Poller} poller It reads the log of the execution.
 * @param {string} path The path of the report.
 * @param {AbortSignal} signal
 * @returns {Promise<{ report: Report | null, retryAfter: number | null }>} `report` is null while it is written.
 *   `retryAfter`: when to send the request again, in seconds. Null if the response does not state it.
 */
export async function readReport({ url, fetch }, path, signal) {
  const [base] = url?.split("/logs?") ?? [];
  const response = await send(fetch, `${base}${path}`, {}, signal);
  if (!response.ok) throw await errorOf(response);
  if (response.status === 202) return { report: null, retryAfter: Number(response.headers.get("Retry-After")) || null };
  const report = await response.json().catch(() => null);
  // The answer must not lead to another kind of link.
  const isLink = URL.canParse(report?.url) && ["https:", "http:"].includes(new URL(report.url).protocol);
  if (!isLink || !Date.parse(report.expiresAt))
    throw new RequestError("invalid-answer", "the response is no report", response.status);
  return { report, retryAfter: null };
}

/**
 * Returns the answer of a response.
 *
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function readAnswer(response) {
  const text = await response.text();
  try {
    const answer = JSON.parse(text);
    if (Array.isArray(answer.logs) && Array.isArray(answer.servers) && Array.isArray(answer.jobs) && answer.summary)
      return answer;
  } catch {
    // The same error as for other JSON.
  }
  throw new RequestError("invalid-answer", "the response is no job log", response.status);
}

/** @param {unknown} error What `fetch` threw. */
export function asRequestError(error) {
  if (error instanceof RequestError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return new RequestError(name === "TimeoutError" ? "timeout" : "network", message);
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
