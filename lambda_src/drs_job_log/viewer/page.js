/**
 * The page that contains <drs-job-log>. Its URL names the execution or the job. The API has the same origin.
 *
 * If the API requires a token, the user enters it, or the page that opened this page provides it: this page sends the
 * message {type: "drs-job-log:ready"} to its opener. The opener can answer with {type: "drs-job-log:token", token: "…"}
 * any number of times.
 */
import { progressOf } from "./drs-job-log.js";

/** @import { Answer, DrsJobLogElement } from "./drs-job-log.js" */

const viewer = /** @type {DrsJobLogElement} */ (document.querySelector("drs-job-log"));
const form = /** @type {HTMLFormElement} */ (document.querySelector("#sign-in"));
const field = /** @type {HTMLInputElement} */ (document.querySelector("#token"));

// The API serves this page only under these paths.
const [, base, kind, encodedId] = /** @type {RegExpMatchArray} */ (
  location.pathname.match(/^(.*)\/(executions|jobs)\/([^/]+)\/?$/)
);
const id = decode(encodedId);

/**
 * Decodes an ID from the URL. Returns it unchanged if it is not percent-encoded correctly, for example `100%`.
 *
 * @param {string} text
 */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} token */
function useToken(token) {
  viewer.fetch = (url, options) => fetch(url, { ...options, headers: { Authorization: `Bearer ${token}` } });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // Remove the scheme, spaces and other characters that can be copied with a token.
  useToken(field.value.replace(/^\s*Bearer\s/i, "").replace(/[^\x21-\x7e]/g, ""));
  field.value = "";
});

viewer.addEventListener("drs-job-log-unauthorized", () => {
  if (!form.hidden) return;
  form.hidden = false;
  // Do not take the focus from another input field.
  if (document.activeElement === document.body) field.focus();
});

viewer.addEventListener("drs-job-log-update", (event) => {
  form.hidden = true;
  const { items, done, failed } = progressOf(/** @type {CustomEvent<Answer>} */ (event).detail);
  document.title = items.length ? `${done}/${items.length}${failed ? `, ${failed} failed` : ""} · ${id}` : id;
});

if (window.opener) {
  window.addEventListener("message", ({ source, data }) => {
    if (source === window.opener && data?.type === "drs-job-log:token" && typeof data.token === "string")
      useToken(data.token);
  });
  window.opener.postMessage({ type: "drs-job-log:ready" }, "*");
}

document.title = id;
viewer.setAttribute("api-url", `${location.origin}${base}`);
viewer.setAttribute(kind === "jobs" ? "job-id" : "execution-id", id);
