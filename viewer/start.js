/**
 * The start page of the API: the recoveries, the failures, and the launches of a server. The query of its URL selects the
 * view and the filters, see `readQuery`. All URLs are relative, because the path of the API can have a prefix.
 */

import { find, showTimes, timeZoneControl, visible } from "./elements.js";
import { asRequestError, errorOf, RequestError, send } from "./poll.js";
import { SignIn } from "./sign-in.js";
import { Failures, Launches, Recoveries } from "./start-lists.js";
import { FILTERS, isDate, logOf, logUrl, readQuery, viewUrl } from "./start-model.js";
import { ageText, describeError, FailuresView, RecoveriesView, ServerView } from "./start-view.js";
import { formatTime, onTimeZone, timeZone } from "./time.js";

/** @import { Fetch } from "./poll.js" */
/** @import { Get, Page } from "./start-lists.js" */
/** @import { Selection } from "./start-model.js" */

/**
 * A view on display: what was read, and its elements.
 *
 * @typedef {object} Shown
 * @property {Recoveries | Failures | Launches} list
 * @property {{ title: string, elements: Node[], show: (list: any) => void }} view
 * @property {AbortController} controller Aborts the requests when the user selects another view.
 */

const REFRESH_SECONDS = 15;
const MAX_REFRESH_SECONDS = 120;

const heading = /** @type {HTMLElement} */ (find("h1"));
const openForm = /** @type {HTMLFormElement} */ (find("#open"));
const filterForm = /** @type {HTMLFormElement} */ (find("#filters"));
const banner = /** @type {HTMLElement} */ (find("#banner"));
const state = find("#state");
const printed = find("#printed");
const content = find("#content");
const moreButton = /** @type {HTMLButtonElement} */ (find("#more"));
const retryButton = /** @type {HTMLButtonElement} */ (find("#banner button"));

/** @type {Fetch} */
let fetchWithToken = (url, options) => fetch(url, options);
/** @type {Shown | undefined} Undefined if the URL selects the page of an execution or a job. */
let shown;
/** The requests run one after another. */
let lastTask = Promise.resolve();
let timer = 0;
let failures = 0;
let answeredAt = 0;

const signIn = new SignIn((newFetch) => {
  fetchWithToken = newFetch;
  refresh();
});

/**
 * Creates what a URL selects.
 *
 * @param {Selection} selection
 */
function create(selection) {
  switch (selection.view) {
    case "failures":
      return { list: new Failures(selection), view: new FailuresView() };
    case "server":
      return { list: new Launches(selection), view: new ServerView(selection) };
    default:
      return { list: new Recoveries(selection), view: new RecoveriesView(selection) };
  }
}

/** Shows the view that the URL selects, or opens the page of an execution or a job. */
function open() {
  const selection = readQuery(location.search);
  if (selection.view === "log") return location.replace(logUrl(logOf(selection.id)));
  shown?.controller.abort();
  shown = { ...create(selection), controller: new AbortController() };
  failures = answeredAt = 0;
  banner.hidden = true;
  moreButton.hidden = true;
  state.textContent = "Loading…";
  content.replaceChildren();
  showControls(selection);
  showTitle(shown);
  refresh();
}

/** @param {Selection} selection */
function showControls({ view, filters }) {
  for (const link of document.querySelectorAll("nav a")) {
    const isCurrent = readQuery(new URL(link.getAttribute("href") ?? "", location.href).search).view === view;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  filterForm.hidden = view === "server";
  for (const name of FILTERS) {
    const field = filterForm.elements.namedItem(name);
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) continue;
    const value = filters[name] ?? "";
    // A field for a date cannot show a time, which a link can contain.
    if (field instanceof HTMLInputElement) field.type = !value || isDate(value) ? "date" : "text";
    field.value = value;
    const label = field.closest("label");
    if (label) label.hidden = view === "failures" && field instanceof HTMLSelectElement;
  }
}

/** @param {Shown} shown */
function showTitle({ view: { title } }) {
  document.title = `${title} · DRS job log`;
  heading.textContent = visible(title);
}

/**
 * Runs a task that reads a list. Then shows the list or the error, and schedules the next refresh.
 *
 * @param {Shown} shown
 * @param {(get: Get) => Promise<void>} task
 */
function update(shown, task) {
  const { signal } = shown.controller;
  lastTask = lastTask.then(async () => {
    if (signal.aborted) return;
    clearTimeout(timer);
    /** @type {RequestError | null} */
    let error = null;
    try {
      await task((path, name, parameters) => getPage(path, name, parameters, signal));
    } catch (reason) {
      error = asRequestError(reason);
    }
    if (signal.aborted) return;
    failures = error ? failures + 1 : 0;
    if (error) showError(error);
    else showList(shown);
    if (error?.kind !== "invalid-request") schedule(shown);
  });
}

/** @param {Shown} shown */
function showList(shown) {
  const { list, view } = shown;
  signIn.end();
  banner.hidden = true;
  answeredAt = Date.now();
  const focused = content.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
  try {
    view.show(list);
  } catch (error) {
    console.error("The start page could not show an answer.", error);
    return showBanner("The page has an error. The console of the browser has the details. Reload the page.");
  }
  if (!content.hasChildNodes()) content.append(...view.elements);
  for (const link of content.querySelectorAll("a[data-log]")) setTarget(link);
  // A row that changed or moved to another table is a new element.
  if (focused && document.activeElement === document.body) linkWith(focused)?.focus({ preventScroll: true });
  moreButton.hidden = list.nextToken === null;
  state.textContent = list.isRefreshed ? `The page refreshes every ${REFRESH_SECONDS} s.` : "";
  showTitle(shown);
}

/**
 * @param {string} href
 * @returns {HTMLAnchorElement | null}
 */
function linkWith(href) {
  return content.querySelector(`a[href="${CSS.escape(href)}"]`);
}

/**
 * With a token, the page of a log opens in a new tab, which gets the token from this page.
 *
 * @param {Element} link
 */
function setTarget(link) {
  if (!signIn.mustPassToken) return;
  link.setAttribute("target", "_blank");
  link.setAttribute("rel", "opener");
}

/**
 * Opens the page of a log, as its link does.
 *
 * @param {string} url
 */
function openLog(url) {
  if (signIn.mustPassToken) window.open(url);
  else location.assign(url);
}

/** @param {RequestError} error */
function showError(error) {
  if (error.kind === "sign-in" || error.kind === "permission") signIn.ask();
  state.textContent = "";
  showBanner(`${describeError(error)}${answeredAt ? ageText(answeredAt) : ""}`);
  retryButton.hidden = error.kind === "invalid-request";
}

/** @param {string} text */
function showBanner(text) {
  banner.hidden = false;
  const paragraph = find("#banner p");
  if (paragraph.textContent !== text) paragraph.textContent = text;
}

/**
 * Schedules the next refresh. A failed request is repeated later and later.
 *
 * @param {Shown} shown
 */
function schedule({ list }) {
  clearTimeout(timer);
  if (document.hidden || !(list.isRefreshed || failures)) return;
  const seconds = Math.min(REFRESH_SECONDS * 2 ** Math.max(0, failures - 1), MAX_REFRESH_SECONDS);
  timer = setTimeout(refresh, seconds * 1000);
}

function refresh() {
  const now = shown;
  if (now) update(now, (get) => now.list.read(get));
}

function loadMore() {
  const now = shown;
  if (!now) return;
  state.textContent = "Loading…";
  update(now, (get) => now.list.more(get));
}

/**
 * Requests a page of a list.
 *
 * @param {string} path
 * @param {string} name
 * @param {Record<string, string>} parameters
 * @param {AbortSignal} signal
 * @returns {Promise<Page>}
 */
async function getPage(path, name, parameters, signal) {
  const response = await send(fetchWithToken, `${path}${viewUrl(parameters).replace("./", "")}`, {}, signal);
  if (!response.ok) throw await errorOf(response);
  const text = await response.text();
  try {
    const page = JSON.parse(text);
    if (Array.isArray(page[name])) return page;
  } catch {
    // The same error as for other JSON.
  }
  throw new RequestError("invalid-answer", "the response is no list", response.status);
}

/** Returns what a printed page says about itself. */
function printedText() {
  const fields = [...filterForm.elements].filter((field) => "value" in field && field.value && !filterForm.hidden);
  const filters = fields.map((field) => {
    const label = /** @type {HTMLElement} */ (field.closest("label")).firstChild?.textContent?.trim();
    const { value } = /** @type {HTMLInputElement} */ (field);
    return `${label} "${field instanceof HTMLSelectElement ? field.selectedOptions[0].text : value}"`;
  });
  const texts = [`Printed at ${formatTime(Date.now())}.`, `Times are in the time zone ${timeZone()}.`];
  if (filters.length) texts.push(`Only what matches these filters: ${filters.join(", ")}.`);
  return texts.join(" ");
}

/**
 * Goes to another view without a new page, so that the token stays.
 *
 * @param {string} url
 */
function go(url) {
  history.pushState(null, "", url);
  open();
  scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

openForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const id = String(new FormData(openForm).get("id")).trim();
  if (!id) return;
  const selection = readQuery(viewUrl({ id }));
  openForm.reset();
  if (selection.view === "server") go(viewUrl({ server: id }));
  else openLog(logUrl(logOf(id)));
});

filterForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const { view, filters } = readQuery(location.search);
  const fields = Object.fromEntries([...new FormData(filterForm)].map(([name, value]) => [name, String(value)]));
  go(viewUrl(view === "failures" ? { view, from: fields.from, to: fields.to } : { ...filters, ...fields }));
});

filterForm.addEventListener("reset", (event) => {
  event.preventDefault();
  const { view } = readQuery(location.search);
  go(viewUrl(view === "failures" ? { view } : {}));
});

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const href = link?.getAttribute("href") ?? "";
  const isPlain = !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!isPlain || !(href === "./" || href.startsWith("?"))) return;
  event.preventDefault();
  go(href);
});

const zone = timeZoneControl();
find("body > header").append(zone);
showTimes(document, zone);
onTimeZone(() => {
  showTimes(document, zone);
  const { from, to } = readQuery(location.search).filters;
  if (from || to)
    open(); // A date is another period now.
  else if (!banner.hidden) refresh();
});
window.addEventListener("beforeprint", () => {
  printed.textContent = printedText();
});
moreButton.addEventListener("click", loadMore);
retryButton.addEventListener("click", () => {
  heading.focus({ preventScroll: true }); // The button disappears.
  refresh();
});
window.addEventListener("popstate", open);
window.addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (shown?.list.isRefreshed || failures) refresh();
});

await signIn.start();
open();
