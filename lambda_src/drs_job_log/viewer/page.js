/**
 * The page around <drs-job-log>: which execution or job it shows stands in its address; the API is where it came from.
 *
 * Where the API wants a token, it comes from the field, or from the page that opened this one: that gets the message
 * {type: "drs-job-log:ready"} and may answer with {type: "drs-job-log:token", token: "…"}, as often as it likes.
 */
import "./drs-job-log.js";

const viewer = document.querySelector("drs-job-log");
const form = document.querySelector("#sign-in");
const field = document.querySelector("#token");

const [, base, kind, id] = location.pathname.match(/^(.*)\/(executions|jobs)\/([^/]+)\/?$/);
const title = decoded(id);

/** The id in an address; as it stands there where somebody wrote it without escapes. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function use(token) {
  viewer.fetch = (url, options) => fetch(url, { ...options, headers: { Authorization: `Bearer ${token}` } });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // What was copied with it is no part of a token.
  use(field.value.replace(/^\s*Bearer\s/i, "").replace(/[^\x21-\x7e]/g, ""));
  field.value = "";
});

viewer.addEventListener("drs-job-log-unauthorized", () => {
  if (!form.hidden) return;
  form.hidden = false;
  if (document.activeElement === document.body) field.focus(); // not from somebody who is typing
});

viewer.addEventListener("drs-job-log-update", ({ detail: { summary } }) => {
  form.hidden = true;
  const { launched, totalServers, failed } = summary;
  document.title = totalServers ? `${launched}/${totalServers}${failed ? `, ${failed} failed` : ""} · ${title}` : title;
});

if (window.opener) {
  window.addEventListener("message", ({ source, data }) => {
    if (source === window.opener && data?.type === "drs-job-log:token" && typeof data.token === "string")
      use(data.token);
  });
  window.opener.postMessage({ type: "drs-job-log:ready" }, "*");
}

document.title = title;
viewer.setAttribute("api-url", `${location.origin}${base}`);
viewer.setAttribute(kind === "jobs" ? "job-id" : "execution-id", title);
