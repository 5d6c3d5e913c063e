// @ts-nocheck: generated from the folder viewer by `make package`. Do not edit.

// viewer/attention.js
import { displayName, failedStepsOf, networksOf, progressOf, statusText, visible, waitingText } from "./drs-job-log.js";
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
  return new Map([
    ...failed.map((item) => (
      /** @type {const} */
      [idOf(item), displayName(item)]
    )),
    ...failedStepsOf(answer)
  ]);
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
    document.title = SIGNS[situation] + [counts, waitingText(answer), this.#id].filter(Boolean).join(" · ");
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

// viewer/time.js
var STORAGE_KEY = "drs-job-log-time-zone";
var LOCAL = new Intl.DateTimeFormat().resolvedOptions().timeZone;
var TIME_ZONES = [.../* @__PURE__ */ new Set([LOCAL, "UTC"])];
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
function displayName2(subject) {
  return subject.serverName || subject.sourceServerId || subject.resourceId || "";
}
var SORT_KEYS = {
  State: rankOf,
  Name: displayName2,
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
function visible2(text) {
  const code = (control) => `<U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, code);
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
    find("#session p").textContent = visible2(text);
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

// viewer/page.js
var viewer = (
  /** @type {DrsJobLogElement} */
  document.querySelector("drs-job-log")
);
var signIn = new SignIn((fetch2) => {
  viewer.fetch = fetch2;
});
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
  const answer = (
    /** @type {CustomEvent<Answer>} */
    event.detail
  );
  attention.update(answer);
  if (isReportDue && answer.report) {
    isReportDue = false;
    viewer.showReport();
  }
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
await signIn.start();
var { base, name, id } = readUrl(location);
var attention = new Attention(id);
var isReportDue = location.hash === "#report";
if (id) {
  viewer.setAttribute("api-url", `${location.origin}${base}`);
  viewer.setAttribute(name, id);
  const query = new URLSearchParams(location.search);
  viewer.filter = Object.fromEntries(FILTERS.map((filter) => [filter, query.get(filter) ?? ""]));
} else {
  viewer.replaceWith("Add the execution or the job to the URL: ?executionId=… or ?jobId=…");
}
