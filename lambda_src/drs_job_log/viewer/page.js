/**
 * The page that contains <drs-job-log>. Its URL names the execution or the job. The API has the same origin.
 *
 * If the API requires a token, the user enters it, or the page that opened this page provides it: this page sends the
 * message {type: "drs-job-log:ready"} to its opener. The opener can answer with {type: "drs-job-log:token", token: "…"}
 * any number of times.
 */
import { progressOf } from "./drs-job-log.js";

/** @import { DrsJobLogElement } from "../../../viewer/drs-job-log.js" */
/** @import { Answer } from "../../../viewer/model.js" */

const viewer = /** @type {DrsJobLogElement} */ (document.querySelector("drs-job-log"));
const form = /** @type {HTMLFormElement} */ (document.querySelector("#sign-in"));
const field = /** @type {HTMLInputElement} */ (document.querySelector("#token"));

const { base, name, id } = readUrl(location);

/**
 * Reads the execution or the job that the URL names. The API serves this page only under `/executions/{executionId}`,
 * `/jobs/{jobId}` and `/viewer/page?executionId=…` or `?jobId=…`.
 *
 * @param {{ pathname: string, search: string }} url
 * @returns {{ base: string, name: "execution-id" | "job-id", id: string }} `base` is the path of the API. `id` is empty
 *   if the URL names nothing.
 */
function readUrl({ pathname, search }) {
  const [, base, kind, encodedId] = pathname.match(/^(.*)\/(executions|jobs)\/([^/]+)\/?$/) ?? [];
  if (kind) return { base, name: kind === "jobs" ? "job-id" : "execution-id", id: decode(encodedId) };
  const query = new URLSearchParams(search);
  const jobId = query.get("jobId");
  return {
    base: pathname.replace(/\/viewer\/page\/?$/, ""),
    name: jobId ? "job-id" : "execution-id",
    id: jobId || query.get("executionId") || "",
  };
}

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
  viewer.fetch = (url, options) =>
    fetch(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
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
  const { total, done, failed } = progressOf(/** @type {CustomEvent<Answer>} */ (event).detail);
  document.title = total ? `${done}/${total}${failed ? `, ${failed} failed` : ""} · ${id}` : id;
});

if (window.opener) {
  window.addEventListener("message", ({ source, data }) => {
    if (source === window.opener && data?.type === "drs-job-log:token" && typeof data.token === "string")
      useToken(data.token);
  });
  window.opener.postMessage({ type: "drs-job-log:ready" }, "*");
}

if (id) {
  document.title = id;
  viewer.setAttribute("api-url", `${location.origin}${base}`);
  viewer.setAttribute(name, id);
} else {
  viewer.replaceWith("Add the execution or the job to the URL: ?executionId=… or ?jobId=…");
}
