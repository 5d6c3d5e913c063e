// @ts-nocheck: generated from the folder viewer by `make package`. Do not edit.

// viewer/attention.js
import { displayName, networksOf, progressOf, statusText, visible } from "./drs-job-log.js";
var SIGNS = { waiting: "", running: "▶ ", failed: "✕ ", done: "✓ " };
var BEEP_SECONDS = 0.4;
function situationOf(answer) {
  const { status, settled } = answer;
  if (status === "NO_EVENTS") return "waiting";
  if (progressOf(answer).failed || failedOf(answer).size || ["FAILED", "PARTIAL"].includes(status)) return "failed";
  return settled ? "done" : "running";
}
function failedOf(answer) {
  const failed = [...answer.servers, ...networksOf(answer)].filter(({ state }) => state === "FAILED");
  const idOf = (item) => "resourceId" in item ? item.resourceId : item.sourceServerId;
  return new Map(failed.map((item) => [idOf(item), displayName(item)]));
}
var Attention = class {
  #id;
  #icon = (
    /** @type {HTMLLinkElement} */
    document.querySelector("link[rel=icon]")
  );
  #notification = (
    /** @type {HTMLInputElement} */
    document.querySelector("#notification")
  );
  #sound = (
    /** @type {HTMLInputElement} */
    document.querySelector("#sound")
  );
  #state = (
    /** @type {HTMLElement} */
    document.querySelector("#attention-state")
  );
  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {Answer | null} */
  #last = null;
  /** @param {string} id The ID of the execution or the job. */
  constructor(id2) {
    this.#id = id2;
    document.title = id2;
    this.#notification.disabled = !("Notification" in window);
    this.#notification.addEventListener("change", () => this.#askPermission());
    this.#sound.addEventListener("change", () => {
      if (this.#sound.checked) this.#beep();
    });
  }
  async #askPermission() {
    this.#state.textContent = "";
    if (!this.#notification.checked || await Notification.requestPermission() === "granted") return;
    this.#notification.checked = false;
    this.#state.textContent = "The browser blocks the notifications of this page. Allow them in its settings.";
  }
  /** @param {Answer} answer */
  update(answer) {
    const situation = situationOf(answer);
    const { total, done, failed } = progressOf(answer);
    const counts = total ? [`${done}/${total}`, ...failed ? [`${failed} failed`] : []].join(", ") : "";
    document.title = SIGNS[situation] + [counts, this.#id].filter(Boolean).join(" · ");
    const icon = new URL(`icon-${situation}.svg`, this.#icon.href).href;
    if (this.#icon.href !== icon) this.#icon.href = icon;
    const news = this.#last && this.#newsOf(this.#last, answer);
    this.#last = answer;
    if (news) this.#tell(news);
  }
  /**
   * Returns what happened between two answers. Empty if it is nothing that needs attention.
   *
   * @param {Answer} before
   * @param {Answer} after
   */
  #newsOf(before, after) {
    const known = failedOf(before);
    const failed = [...failedOf(after)].filter(([id2]) => !known.has(id2)).map(([, name2]) => name2);
    if (failed.length) return `Failed: ${failed.slice(0, 3).join(", ")}${failed.length > 3 ? " and others" : ""}`;
    return after.settled && !before.settled ? statusText(after) : "";
  }
  /** @param {string} news */
  #tell(news) {
    if (this.#sound.checked) this.#beep();
    if (!this.#notification.checked) return;
    try {
      new Notification(visible(news), { body: visible(this.#id) });
    } catch {
      this.#state.textContent = "This browser shows no notifications of a page.";
    }
  }
  #beep() {
    this.#audio ??= new AudioContext();
    const tone = this.#audio.createOscillator();
    tone.connect(this.#audio.destination);
    tone.start();
    tone.stop(this.#audio.currentTime + BEEP_SECONDS);
  }
};

// viewer/sign-in.js
var SignIn = class {
  #form = (
    /** @type {HTMLFormElement} */
    document.querySelector("#sign-in")
  );
  #field = (
    /** @type {HTMLInputElement} */
    document.querySelector("#token")
  );
  #onToken;
  #token = "";
  /** @param {(fetch: Fetch) => void} onToken Receives a function that sends requests with a new token. */
  constructor(onToken) {
    this.#onToken = onToken;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#use(this.#field.value.replace(/^\s*Bearer\s/i, "").replace(/[^\x21-\x7e]/g, ""));
      this.#field.value = "";
    });
    window.addEventListener("message", (event) => this.#onMessage(event));
    window.opener?.postMessage({ type: "drs-job-log:ready" }, "*");
  }
  /** Reports whether this page has a token, which it can pass to the pages that it opens. */
  get hasToken() {
    return this.#token !== "";
  }
  /** Shows the form. */
  ask() {
    if (!this.#form.hidden) return;
    this.#form.hidden = false;
    if (document.activeElement === document.body) this.#field.focus();
  }
  /** Hides the form. */
  end() {
    this.#form.hidden = true;
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

// viewer/page.js
var viewer = (
  /** @type {DrsJobLogElement} */
  document.querySelector("drs-job-log")
);
var signIn = new SignIn((fetch2) => {
  viewer.fetch = fetch2;
});
var { base, name, id } = readUrl(location);
var attention = new Attention(id);
function readUrl({ pathname, search }) {
  const [, base2, kind, encodedId] = pathname.match(/^(.*)\/(executions|jobs)\/([^/]+)\/?$/) ?? [];
  if (kind) return { base: base2, name: kind === "jobs" ? "job-id" : "execution-id", id: decode(encodedId) };
  const query = new URLSearchParams(search);
  const jobId = query.get("jobId");
  return {
    base: pathname.replace(/\/viewer\/page\/?$/, ""),
    name: jobId ? "job-id" : "execution-id",
    id: jobId || query.get("executionId") || ""
  };
}
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
viewer.addEventListener("drs-job-log-unauthorized", () => signIn.ask());
viewer.addEventListener("drs-job-log-update", (event) => {
  signIn.end();
  attention.update(
    /** @type {CustomEvent<Answer>} */
    event.detail
  );
});
var FILTERS = ["text", "state", "server", "job"];
viewer.addEventListener("drs-job-log-filter", () => {
  const url = new URL(location.href);
  for (const [filter, value] of Object.entries(viewer.filter)) {
    if (value) url.searchParams.set(filter, value);
    else url.searchParams.delete(filter);
  }
  history.replaceState(null, "", url);
});
if (id) {
  viewer.setAttribute("api-url", `${location.origin}${base}`);
  viewer.setAttribute(name, id);
  const query = new URLSearchParams(location.search);
  viewer.filter = Object.fromEntries(FILTERS.map((filter) => [filter, query.get(filter) ?? ""]));
} else {
  viewer.replaceWith("Add the execution or the job to the URL: ?executionId=… or ?jobId=…");
}
