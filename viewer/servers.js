/** The list of servers. */

import { consoleLink, errorBox, h, hintList, setChildren, setText, setTime } from "./elements.js";
import {
  ACTIVE_STATES,
  displayName,
  eventLabel,
  fullError,
  hasWarning,
  NO_STEPS,
  STAGES,
  stagesOf,
  toLabel,
} from "./model.js";
import { formatDuration } from "./time.js";

/** @import { LogEntry, Server } from "./model.js" */

const COLUMNS = ["State", "Server", "Step", "Last change", "Instance", "Events", "Error"];

/** Creates the row with the names of the columns. */
export function serverHead() {
  return h("div", { class: "head", role: "row" }, ...COLUMNS.map((name) => h("span", { role: "columnheader" }, name)));
}

/** A row of the server list. It is created once and updated in place. */
export class ServerCard {
  #rendered = "";
  /** @type {Server | undefined} An earlier server in the list with the same error. */
  #same;
  #state = h("span", { class: "badge" });
  #stateCell = h("span", { class: "state", role: "cell" }, this.#state);
  #name = h("strong", { class: "name" });
  #id = h("span", { class: "muted id" });
  #optional = h("span", { class: "mark", hidden: true }, "Optional");
  #stages = h("span", { class: "stages", "aria-hidden": "true" }, ...STAGES.map(() => h("i")));
  #step = h("span", { class: "step" });
  #since = h("time");
  #age = h("span", { class: "muted" });
  #note = h("span", { class: "note" });
  #point = h("span", { class: "muted" });
  #instance = h("span", { class: "instance", role: "cell" });
  #error = h("div", { class: "errors", role: "cell" });
  #timelineSuffix = h("span", { class: "hidden" });

  /**
   * @param {Server} server
   * @param {(server: Server) => void} showInTimeline
   */
  constructor(server, showInTimeline) {
    this.server = server;
    /** @type {string | null} The full error. */
    this.error = null;
    this.element = h(
      "div",
      { class: "server", role: "row" },
      this.#stateCell,
      h("span", { class: "who", role: "cell" }, this.#name, this.#id, this.#optional),
      h("span", { class: "where", role: "cell" }, this.#stages, this.#step),
      h("span", { class: "when", role: "cell" }, this.#since, this.#age, this.#note, this.#point),
      this.#instance,
      h(
        "span",
        { class: "show", role: "cell" },
        h(
          "button",
          { type: "button", class: "small quiet", onclick: () => showInTimeline(this.server) },
          h("span", {}, "Timeline"),
          this.#timelineSuffix,
        ),
      ),
      this.#error,
    );
  }

  /**
   * @param {Server} server
   * @param {LogEntry[]} events The events of the server.
   * @param {{ account: boolean, optional: boolean }} shows `optional`: its failure does not fail its step of the plan.
   */
  update(server, events, shows) {
    const content = JSON.stringify([server, events.length, shows]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.server = server;
    this.element.dataset.state = this.#state.dataset.state = server.state;
    this.element.classList.toggle("warning", hasWarning(server));
    this.element.classList.toggle("stalled", server.stalledAt !== null);
    setText(this.#state, server.stalledAt ? `${toLabel(server.state)}, stalled` : toLabel(server.state));
    setText(this.#name, displayName(server));
    this.#renderIds(server, events, shows.account);
    this.#optional.hidden = !shows.optional;
    setText(this.#timelineSuffix, ` for ${displayName(server)}`);
    setTime(this.#since, server.since);
    const jobEvents = events.filter((event) => event.jobId === server.jobId);
    const last = jobEvents.findLast((event) => !NO_STEPS.has(event.eventType));
    setText(this.#step, last ? eventLabel(last) : server.state === "PENDING" ? "Waiting" : "");
    const classes = stagesOf(server, jobEvents);
    [...this.#stages.children].forEach((stage, index) => {
      stage.className = classes[index];
    });
    this.#renderNote(server);
    this.#renderPoint(server);
    this.error = fullError(server, jobEvents);
    this.#renderErrors();
  }

  /** @param {Server | undefined} same An earlier server in the list with the same error. */
  refer(same) {
    this.#same = same;
    this.#renderErrors();
  }

  /**
   * @param {Server} server
   * @param {LogEntry[]} events
   * @param {boolean} showsAccount
   */
  #renderIds({ serverName, sourceServerId, ec2InstanceId }, events, showsAccount) {
    const account = showsAccount ? events.find((event) => event.account)?.account : null;
    const region = events.find((event) => event.region)?.region ?? undefined;
    setChildren(this.#id, [serverName, account, region], () => [
      ...(serverName ? [consoleLink("server", sourceServerId, region)] : []),
      ...(account ? [` in ${account}`] : []),
    ]);
    setChildren(this.#instance, [ec2InstanceId, region], () =>
      ec2InstanceId ? [consoleLink("instance", ec2InstanceId, region)] : [],
    );
  }

  /** @param {Server} server */
  #renderNote({ stalledAt, terminatedAt, state }) {
    const [text, timestamp] = stalledAt
      ? ["Stalled since ", stalledAt]
      : ["Terminated at ", state === "TERMINATED" ? null : terminatedAt];
    if (!timestamp) return this.#note.replaceChildren();
    const time = h("time");
    setTime(time, timestamp);
    this.#note.replaceChildren(text, time);
  }

  /** @param {Server} server */
  #renderPoint({ pointInTime, rpoSeconds }) {
    setChildren(this.#point, [pointInTime, rpoSeconds], () => {
      if (!pointInTime) return [];
      const time = h("time");
      setTime(time, pointInTime);
      const age = rpoSeconds ? `, ${formatDuration(rpoSeconds * 1000)} before the job` : "";
      return ["Recovery point ", time, age];
    });
  }

  #renderErrors() {
    const { hint, failedActions } = this.server;
    const [error, same] = [this.error, this.#same];
    setChildren(this.#error, [error, hint, failedActions, same && displayName(same)], () => {
      const name = displayName(this.server);
      const details = [...(error ? [errorBox(error, name)] : []), ...(hint ? [hintList(hint)] : [])];
      const summary = same && h("summary", {}, `The same error as ${displayName(same)}`);
      return [
        ...(summary ? [h("details", {}, summary, ...details)] : details),
        ...failedActions.flatMap((action) => [
          h("p", { class: "action" }, `Post-launch action failed${action.name ? `: ${action.name}` : ""}`),
          ...(action.error ? [errorBox(action.error, `${action.name ?? "a post-launch action"} on ${name}`)] : []),
        ]),
      ];
    });
  }

  /** @param {number} now Milliseconds since the epoch. */
  tick(now) {
    const isActive = ACTIVE_STATES.has(this.server.state);
    setText(this.#age, isActive ? `for ${formatDuration(now - Date.parse(this.server.since))}` : "");
  }
}
