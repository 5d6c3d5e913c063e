/** The lists of the start page: what each view has read from the API so far. */

import { apiParameters, mergeGroups, runningParameters, separate } from "./start-model.js";

/** @import { FailureGroup, Launch, Recovery, Selection } from "./start-model.js" */

/**
 * A page of a list. The list itself has another name in each answer.
 *
 * @typedef {{ nextToken: string | null } & Record<string, any>} Page
 */

/**
 * Requests a page of a list.
 *
 * @callback Get
 * @param {string} path
 * @param {string} name The name of the list in the answer.
 * @param {Record<string, string>} parameters
 * @returns {Promise<Page>}
 */

// A page can have no entries, although there are more. This limits the requests for one click.
const MAX_PAGES = 5;
const MAX_RUNNING_PAGES = 20;

/** A list of the API that is read page by page. */
class List {
  /** @type {any[]} */
  entries = [];
  /** @type {string | null} Null if there are no more pages. */
  nextToken = null;
  /** @type {Page | null} The last page. */
  page = null;

  #path;
  #name;
  #parameters;
  #pageCount = 0;

  /**
   * @param {string} path
   * @param {string} name The name of the list in the answer.
   * @param {Record<string, string>} parameters
   */
  constructor(path, name, parameters) {
    this.#path = path;
    this.#name = name;
    this.#parameters = parameters;
  }

  /**
   * Reads the list from its start, with at least as many entries as before.
   *
   * @param {Get} get
   */
  async read(get) {
    const maxPages = Math.max(MAX_PAGES, this.#pageCount);
    this.#pageCount = 0;
    await this.#readPages(get, [], null, Math.max(1, this.entries.length), maxPages);
  }

  /**
   * Reads all pages.
   *
   * @param {Get} get
   */
  async readAll(get) {
    await this.#readPages(get, [], null, Number.POSITIVE_INFINITY, MAX_RUNNING_PAGES);
  }

  /**
   * Adds the entries of the next page.
   *
   * @param {Get} get
   */
  async more(get) {
    if (!this.nextToken) return; // The user selected it twice.
    await this.#readPages(get, this.entries, this.nextToken, this.entries.length + 1, MAX_PAGES);
  }

  /**
   * @param {Get} get
   * @param {any[]} entries The entries before the first page.
   * @param {string | null} token The token of the first page.
   * @param {number} enough The number of entries after which no further page is read.
   * @param {number} maxPages
   */
  async #readPages(get, entries, token, enough, maxPages) {
    let found = entries;
    let nextToken = token;
    for (let pages = 0; pages < maxPages; pages += 1) {
      this.page = await get(this.#path, this.#name, { ...this.#parameters, ...(nextToken && { nextToken }) });
      this.#pageCount += 1;
      found = [...found, ...this.page[this.#name]];
      nextToken = this.page.nextToken;
      if (!nextToken || found.length >= enough) break;
    }
    this.entries = found;
    this.nextToken = nextToken;
  }
}

/** The recoveries that run, and those that ended. */
export class Recoveries {
  isRefreshed = true;
  hasRunning;
  hasEnded;
  #running;
  #listed;

  /** @param {Selection} selection */
  constructor({ filters }) {
    const parameters = apiParameters(filters);
    this.hasRunning = !filters.status || filters.status === "IN_PROGRESS";
    this.hasEnded = filters.status !== "IN_PROGRESS";
    this.#running = new List("executions", "executions", runningParameters(parameters, Date.now()));
    this.#listed = new List("executions", "executions", parameters);
  }

  get nextToken() {
    return this.#listed.nextToken;
  }

  /** @returns {{ running: Recovery[], ended: Recovery[] }} */
  get entries() {
    return separate(this.#running.entries, this.#listed.entries);
  }

  /**
   * Reads both lists. A recovery can start and end between two reads, so that the running ones do not show it.
   *
   * @param {Get} get
   */
  async read(get) {
    if (this.hasRunning) await this.#running.readAll(get);
    if (this.hasEnded) await this.#listed.read(get);
  }

  /** @param {Get} get */
  more(get) {
    return this.#listed.more(get);
  }
}

/** The failures by shape. */
export class Failures {
  isRefreshed = false;
  #list;

  /** @param {Selection} selection */
  constructor({ filters }) {
    this.#list = new List("failures", "failures", apiParameters(filters));
  }

  get nextToken() {
    return this.#list.nextToken;
  }

  /** @returns {FailureGroup[]} */
  get groups() {
    return mergeGroups(this.#list.entries);
  }

  /** @param {Get} get */
  read(get) {
    return this.#list.read(get);
  }

  /** @param {Get} get */
  more(get) {
    return this.#list.more(get);
  }
}

/** The launches of a server. */
export class Launches {
  isRefreshed = false;
  #list;

  /** @param {Selection} selection */
  constructor({ id }) {
    this.id = id;
    this.#list = new List(`servers/${encodeURIComponent(id)}`, "launches", {});
  }

  get nextToken() {
    return this.#list.nextToken;
  }

  /** @returns {string | null} */
  get serverName() {
    return this.#list.page?.serverName ?? null;
  }

  /** @returns {Launch | null} The newest launch that succeeded. */
  get lastSuccess() {
    return this.#list.page?.lastSuccess ?? null;
  }

  /** @returns {Launch[]} The launch that ended last is first. */
  get entries() {
    return this.#list.entries;
  }

  /** @param {Get} get */
  read(get) {
    return this.#list.read(get);
  }

  /** @param {Get} get */
  more(get) {
    return this.#list.more(get);
  }
}
