/** The elements of the start page. A text of the API becomes a text node, never markup. */

import { arrange, h, hintList, setTime, visible } from "./elements.js";
import { formatCount, identityName, toLabel } from "./model.js";
import {
  durationText,
  keyOf,
  kindText,
  logUrl,
  recoveryStatus,
  rtoText,
  serversText,
  serverUrl,
  viewUrl,
} from "./start-model.js";
import { formatTime } from "./time.js";

/** @import { RequestError } from "./poll.js" */
/** @import { Failures, Launches, Recoveries } from "./start-lists.js" */
/** @import { FailureGroup, Launch, Recovery, Selection } from "./start-model.js" */

/** @typedef {string | Node | (string | Node)[]} Content */

/**
 * A column of a table: its header, and the content of its cell for an entry.
 *
 * @template T
 * @typedef {[string, (entry: T) => Content]} Column
 */

/** @param {string | null} timestamp */
function timeElement(timestamp) {
  if (!timestamp) return "–";
  const element = h("time");
  setTime(element, timestamp);
  return element;
}

/**
 * @param {string} state A status or a state, which selects the colors.
 * @param {string} text
 */
function badge(state, text) {
  return h("span", { class: "badge", "data-state": state }, text);
}

/** @param {{ executionId: string | null, jobId: string | null }} log */
function logLink(log) {
  return h("a", { class: "id", href: logUrl(log), "data-log": true }, log.executionId ?? log.jobId ?? "");
}

/** @param {string} id */
function serverLink(id) {
  return h("a", { class: "id", href: serverUrl(id) }, id);
}

/** @param {string | null} identity Who started a recovery. */
function startedBy(identity) {
  return identity ? h("span", { title: visible(identity) }, identityName(identity)) : "–";
}

/**
 * A table. It keeps the rows that did not change, so that the selection of their text stays.
 *
 * The roles are explicit, because the style sheet shows the rows as cards on a narrow page.
 *
 * @template T
 */
class Table {
  #columns;
  #keyOf;
  #body = h("tbody", { role: "rowgroup" });
  /** @type {Map<string, { text: string, row: HTMLTableRowElement }>} */
  #rows = new Map();

  /**
   * @param {string} name
   * @param {string} caption
   * @param {Column<T>[]} columns
   * @param {(entry: T) => string} keyOfEntry
   */
  constructor(name, caption, columns, keyOfEntry) {
    this.#columns = columns;
    this.#keyOf = keyOfEntry;
    const headers = columns.map(([label]) => h("th", { scope: "col", role: "columnheader" }, label));
    this.element = h(
      "table",
      { role: "table", class: name },
      h("caption", { class: "hidden" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headers)),
      this.#body,
    );
  }

  /** @param {T[]} entries */
  show(entries) {
    const rows = new Map(entries.map((entry) => [this.#keyOf(entry), this.#row(entry)]));
    this.#rows = rows;
    arrange(
      this.#body,
      [...rows.values()].map(({ row }) => row),
    );
  }

  /** @param {T} entry */
  #row(entry) {
    const text = JSON.stringify(entry);
    const known = this.#rows.get(this.#keyOf(entry));
    if (known?.text === text) return known;
    const cells = this.#columns.map(([name, content]) => {
      const parts = [content(entry)].flat();
      const isEmpty = parts[0] === "–";
      return h("td", { role: "cell", "data-label": name, "data-empty": isEmpty }, h("div", {}, ...parts));
    });
    return { text, row: h("tr", { role: "row" }, ...cells) };
  }
}

/** A heading with a table, or with a sentence if there are no entries. */
class TableSection {
  #heading = h("h2");
  #sentence = h("p", { class: "empty" });
  #title;
  #table;

  /**
   * @param {string} title
   * @param {Table<any>} table
   */
  constructor(title, table) {
    this.#title = title;
    this.#table = table;
    this.element = h("section", {}, this.#heading, table.element, this.#sentence);
  }

  /**
   * @param {any[]} entries
   * @param {boolean} hasMore
   * @param {Content} sentence
   */
  show(entries, hasMore, sentence) {
    this.#heading.textContent = `${this.#title} (${entries.length}${hasMore ? " or more" : ""})`;
    this.#table.show(entries);
    this.#table.element.hidden = !entries.length;
    this.#sentence.hidden = entries.length > 0;
    this.#sentence.replaceChildren(...[sentence].flat());
  }
}

/** @type {Column<Recovery>[]} */
const RECOVERY_COLUMNS = [
  ["Status", (recovery) => badge(recovery.status, recoveryStatus(recovery))],
  ["Execution", (recovery) => [logLink(recovery), ...(recovery.executionId === null ? [" (job)"] : [])]],
  ["Kind", kindText],
  ["Started", ({ startedAt }) => timeElement(startedAt)],
  ["Duration", ({ durationSeconds }) => durationText(durationSeconds)],
  ["Servers", ({ counts }) => serversText(counts)],
  ["Failed", ({ counts }) => (counts.failed ? h("strong", { class: "failed" }, String(counts.failed)) : "0")],
  ["Started by", ({ requestedBy }) => startedBy(requestedBy)],
  ["Recovery time", ({ rto }) => rtoText(rto)],
];

/** The recoveries: those that run, then those that ended. */
export class RecoveriesView {
  title = "Recoveries";
  #running = new TableSection("Running", new Table("recoveries", "Running recoveries", RECOVERY_COLUMNS, keyOf));
  #ended = new TableSection("Ended", new Table("recoveries", "Ended recoveries", RECOVERY_COLUMNS, keyOf));
  #filters;

  /** @param {Selection} selection */
  constructor({ filters }) {
    this.#filters = filters;
    const { withServer, ...others } = filters;
    const note = h(
      "p",
      {},
      "Only recoveries that launch the server ",
      serverLink(withServer ?? ""),
      ". ",
      h("a", { href: viewUrl(others) }, "Show all servers"),
    );
    this.elements = [...(withServer ? [note] : []), this.#running.element, this.#ended.element];
  }

  /** @param {Recoveries} list */
  show(list) {
    const { running, ended } = list.entries;
    this.#running.element.hidden = !list.hasRunning;
    this.#running.show(running, false, "No recovery runs.");
    this.#ended.element.hidden = !list.hasEnded;
    this.#ended.show(ended, list.nextToken !== null, this.#sentence(running, list.nextToken));
  }

  /**
   * @param {Recovery[]} running
   * @param {string | null} nextToken
   * @returns {Content}
   */
  #sentence(running, nextToken) {
    if (nextToken) return "No recovery found yet. Load more to search earlier ones.";
    if (Object.keys(this.#filters).length)
      return ["No ended recovery matches the filters. Change them, or ", h("a", { href: "./" }, "show all"), "."];
    if (running.length) return "No recovery has ended yet.";
    return "There are no recoveries yet. Start a drill in AWS Elastic Disaster Recovery. It is listed here about one minute later.";
  }
}

/** The failures by shape. */
export class FailuresView {
  title = "Failures";
  #heading = h("h2");
  #list = h("ol", { class: "groups" });
  #sentence = h("p", { class: "empty" });
  elements = [this.#heading, this.#list, this.#sentence];

  /** @param {Failures} list */
  show({ groups, nextToken }) {
    this.#heading.textContent = `Failures of servers by their error (${groups.length}${nextToken ? " or more" : ""})`;
    this.#list.replaceChildren(...groups.map(failureItem));
    this.#list.hidden = !groups.length;
    this.#sentence.hidden = groups.length > 0;
    this.#sentence.textContent = nextToken
      ? "No failure found yet. Load more to search earlier recoveries."
      : "No server failed in this period. To search another period, change the dates.";
  }
}

/** @param {FailureGroup} group */
function failureItem({ shape, hint, count, serverCount, servers, executionCount, executions, isMinimum, newest }) {
  const number = (/** @type {number} */ total, /** @type {string} */ noun) =>
    `${isMinimum ? "at least " : ""}${formatCount(total, noun)}`;
  const logs = executions.length ? executions.map((executionId) => ({ executionId, jobId: null })) : [newest];
  return h(
    "li",
    {},
    h("h3", {}, shape ?? "The servers failed without an error text."),
    h(
      "p",
      { class: "facts" },
      h("strong", { class: "failed" }, formatCount(count, "failure")),
      ` of ${number(serverCount, "server")}${executionCount ? ` in ${number(executionCount, "execution")}` : ""}. Last: `,
      timeElement(newest.time),
      `, ${newest.serverName || newest.sourceServerId}.`,
    ),
    hintList(hint),
    h(
      "dl",
      { class: "links" },
      h("dt", {}, "Servers"),
      h("dd", {}, linkList(servers.map(serverLink), serverCount)),
      h("dt", {}, executions.length ? "Executions" : "Job"),
      h("dd", {}, linkList(logs.map(logLink), executionCount)),
    ),
  );
}

/**
 * @param {HTMLElement[]} links
 * @param {number} total The number of links if all were listed.
 */
function linkList(links, total) {
  const others = total - links.length;
  return h(
    "ul",
    {},
    ...links.map((link) => h("li", {}, link)),
    ...(others > 0 ? [h("li", {}, `and ${formatCount(others, "other")}`)] : []),
  );
}

/** @type {Column<Launch>[]} */
const LAUNCH_COLUMNS = [
  ["Result", ({ state }) => badge(state, toLabel(state))],
  ["Execution", (launch) => logLinkOfLaunch(launch)],
  ["Kind", kindText],
  ["Ended", ({ endedAt }) => timeElement(endedAt)],
  ["Duration", ({ durationSeconds }) => durationText(durationSeconds)],
  ["Steps", ({ stepSeconds }) => stepList(stepSeconds)],
  ["Instance", ({ ec2InstanceId }) => (ec2InstanceId ? h("span", { class: "id" }, ec2InstanceId) : "–")],
  ["Error", ({ error }) => (error ? h("span", { class: "error" }, error) : "–")],
];

/** @param {Launch} launch */
function logLinkOfLaunch({ executionId, jobId }) {
  return [logLink({ executionId, jobId }), ...(executionId === null ? [" (job)"] : [])];
}

/** @param {Record<string, number>} stepSeconds */
function stepList(stepSeconds) {
  const steps = Object.entries(stepSeconds);
  if (!steps.length) return "–";
  const items = steps.map(([name, seconds]) => h("li", {}, `${toLabel(name)}: ${durationText(seconds)}`));
  return h("ul", { class: "steps" }, ...items);
}

/** The launches of a server. */
export class ServerView {
  title;
  #facts = h("p");
  #launches = new TableSection(
    "Launches",
    new Table("launches", "Launches of the server", LAUNCH_COLUMNS, ({ jobId }) => jobId),
  );

  /** @param {Selection} selection */
  constructor({ id }) {
    this.title = id;
    const recoveries = h("a", { href: viewUrl({ withServer: id }) }, "Recoveries that launch this server");
    this.elements = [this.#facts, h("p", {}, recoveries), this.#launches.element];
  }

  /** @param {Launches} list */
  show({ id, serverName, lastSuccess, entries, nextToken }) {
    this.title = serverName ?? id;
    const success = lastSuccess
      ? ["Last successful launch: ", timeElement(lastSuccess.endedAt), ", ", ...logLinkOfLaunch(lastSuccess), "."]
      : ["No successful launch is known."];
    this.#facts.replaceChildren(...(entries.length ? [h("span", { class: "id" }, id), ". ", ...success] : []));
    this.#launches.show(
      entries,
      nextToken !== null,
      "No launch of this server has ended. Verify the ID: the ID of a source server has the form s-1234567890abcdef0.",
    );
  }
}

/**
 * Says why a request failed.
 *
 * @param {RequestError} error
 */
export function describeError({ kind, status, message }) {
  const texts = {
    network: "The API sent no response. Check the network connection.",
    timeout: "The API sent no response in time.",
    "sign-in": `The API requires you to sign in (${status}: ${message}).`,
    permission: `You do not have permission to read the recoveries (${status}: ${message}).`,
    "invalid-request": `The request is not valid: ${message}.`,
    api: `The API has an error (${status}: ${message}).`,
    "invalid-answer": "The response is no answer of the API. Verify the URL.",
  };
  return visible(texts[kind]);
}

/** @param {number} time Milliseconds since the epoch. */
export function ageText(time) {
  return ` The data shown is from ${formatTime(time)}.`;
}
