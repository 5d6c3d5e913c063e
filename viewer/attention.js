/**
 * Tells the user about an execution or a job while another window or tab is in front: the title and the icon of the page,
 * and, if the user wants them, a notification of the browser and a sound.
 */
import { displayName, failedStepsOf, networksOf, progressOf, statusText, visible, waitingText } from "./drs-job-log.js";

/** @import { Answer, Resource, Server } from "./model.js" */

/** @typedef {"waiting" | "running" | "failed" | "done"} Situation */

const SIGNS = { waiting: "", running: "▶ ", failed: "✕ ", done: "✓ " };
const BEEP_SECONDS = 0.4;

/**
 * Returns the situation that the title and the icon show.
 *
 * @param {Answer} answer
 * @returns {Situation}
 */
function situationOf(answer) {
  const { status, settled } = answer;
  if (status === "NO_EVENTS") return "waiting";
  if (progressOf(answer).failed || failedOf(answer).size || ["FAILED", "PARTIAL"].includes(status)) return "failed";
  return settled ? "done" : "running";
}

/**
 * Returns the failed servers, networks and steps of the recovery plan by ID, because names can be equal.
 *
 * @param {Answer} answer
 */
function failedOf(answer) {
  const failed = [...answer.servers, ...networksOf(answer)].filter(({ state }) => state === "FAILED");
  const idOf = (/** @type {Server | Resource} */ item) =>
    "resourceId" in item ? item.resourceId : item.sourceServerId;
  return new Map([
    ...failed.map((item) => /** @type {const} */ ([idOf(item), displayName(item)])),
    ...failedStepsOf(answer),
  ]);
}

export class Attention {
  #id;
  #icon = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
  #notification = /** @type {HTMLInputElement} */ (document.querySelector("#notification"));
  #sound = /** @type {HTMLInputElement} */ (document.querySelector("#sound"));
  #state = /** @type {HTMLElement} */ (document.querySelector("#attention-state"));
  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {Answer | null} */
  #last = null;

  /** @param {string} id The ID of the execution or the job. */
  constructor(id) {
    this.#id = id;
    document.title = id;
    this.#notification.disabled = !("Notification" in window);
    this.#notification.addEventListener("change", () => this.#askPermission());
    // A browser plays a sound only if the user asked for it in this page.
    this.#sound.addEventListener("change", () => {
      if (this.#sound.checked) this.#beep();
    });
  }

  async #askPermission() {
    this.#state.textContent = "";
    if (!this.#notification.checked || (await Notification.requestPermission()) === "granted") return;
    this.#notification.checked = false;
    this.#state.textContent = "The browser blocks the notifications of this page. Allow them in its settings.";
  }

  /** @param {Answer} answer */
  update(answer) {
    const situation = situationOf(answer);
    const { total, done, failed } = progressOf(answer);
    const counts = total ? [`${done}/${total}`, ...(failed ? [`${failed} failed`] : [])].join(", ") : "";
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
    const failed = [...failedOf(after)].filter(([id]) => !known.has(id)).map(([, name]) => name);
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
      this.#state.textContent = "This browser shows no notifications of a page."; // Chrome on Android
    }
  }

  #beep() {
    this.#audio ??= new AudioContext();
    const tone = this.#audio.createOscillator();
    tone.connect(this.#audio.destination);
    tone.start();
    tone.stop(this.#audio.currentTime + BEEP_SECONDS);
  }
}
