/** The page that contains <drs-job-log>. Its URL names the execution or the job. The API has the same origin. */
import { Attention } from "./attention.js";
import { SignIn } from "./sign-in.js";

/** @import { DrsJobLogElement } from "./drs-job-log.js" */
/** @import { Answer } from "./model.js" */

const viewer = /** @type {DrsJobLogElement} */ (document.querySelector("drs-job-log"));
const signIn = new SignIn((fetch) => {
  viewer.fetch = fetch;
});

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

viewer.addEventListener("drs-job-log-unauthorized", () => signIn.ask());

viewer.addEventListener("drs-job-log-update", (event) => {
  signIn.end();
  const answer = /** @type {CustomEvent<Answer>} */ (event).detail;
  attention.update(answer);
  if (isReportDue && answer.report) {
    isReportDue = false;
    viewer.showReport();
  }
});

// The filter is a part of the URL, so that a link to the page can contain it.
const FILTERS = ["text", "state", "server", "job"];
viewer.addEventListener("drs-job-log-filter", () => {
  const url = new URL(location.href);
  for (const [filter, value] of Object.entries(viewer.filter)) {
    if (value) url.searchParams.set(filter, value);
    else url.searchParams.delete(filter);
  }
  history.replaceState(null, "", url);
});

await signIn.start(); // It can change the URL.
const { base, name, id } = readUrl(location);
const attention = new Attention(id);
// A notification links to the report with this fragment.
let isReportDue = location.hash === "#report";
if (id) {
  viewer.setAttribute("api-url", `${location.origin}${base}`);
  viewer.setAttribute(name, id);
  const query = new URLSearchParams(location.search);
  viewer.filter = Object.fromEntries(FILTERS.map((filter) => [filter, query.get(filter) ?? ""]));
} else {
  viewer.replaceWith("Add the execution or the job to the URL: ?executionId=… or ?jobId=…");
}
