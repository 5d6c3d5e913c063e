/** The list of the steps of a recovery plan. */

import { consoleLink, errorBox, h, setChildren, setText, setTime } from "./elements.js";
import { formatCount } from "./model.js";
import { isFailedStep, lookOf, PERSON_NEEDED, planLabel, serversText, stepName, unlistedServers } from "./plans.js";
import { formatDuration } from "./time.js";

/** @import { Server } from "./model.js" */
/** @import { PlanStep } from "./plans.js" */

/** The names in a sentence, before "and n more". */
const MAX_NAMES = 5;

/** An item of the list of steps. It is created once and updated in place, so that the selection of its text remains. */
export class StepItem {
  #rendered = "";
  /** @type {string | null} */
  #waitingUntil = null;
  #status = h("span", { class: "badge" });
  #name = h("strong");
  #attempt = h("span", { class: "mark" });
  #until = h("time");
  #left = h("span", { class: "muted" });
  #wait = h("span", { class: "wait" }, "Waits until ", this.#until, " ", this.#left);
  #text = h("span");
  #jobs = h("span", { class: "muted" });
  #servers = h("span", { class: "muted id" });
  #problem = h("div", { class: "problem" });

  element = h(
    "li",
    {},
    this.#status,
    this.#name,
    this.#attempt,
    this.#wait,
    this.#text,
    this.#jobs,
    this.#servers,
    this.#problem,
  );

  /**
   * @param {PlanStep} step
   * @param {{ servers: Server[], jobs: string[], needsPerson: boolean, region: string | undefined }} shown `servers`: those
   *   that the answer lists. `jobs`: the names of its jobs. `needsPerson`: whether the plan waits for a person.
   */
  update(step, { servers, jobs, needsPerson, region }) {
    const text =
      step.kind === "WAIT" ? `Wait of ${formatCount(step.waitMinutes ?? 0, "minute")}` : serversText(step, servers);
    const unlisted = unlistedServers(step, servers);
    const content = JSON.stringify([step, text, unlisted, jobs, needsPerson, region]);
    if (content === this.#rendered) return;
    this.#rendered = content;
    this.#status.dataset.state = lookOf(step);
    this.element.dataset.status = step.stepStatus;
    if (step.stepStatus === "EXECUTING" || step.stepStatus === "WAITING" || isFailedStep(step))
      this.element.setAttribute("aria-current", "step");
    else this.element.removeAttribute("aria-current");
    setText(this.#status, planLabel(step.stepStatus));
    setText(this.#name, stepName(step));
    setText(this.#attempt, `Attempt ${step.attempt}`);
    this.#attempt.hidden = (step.attempt ?? 1) < 2;
    this.#waitingUntil = step.stepStatus === "WAITING" ? step.waitingUntil : null;
    this.#wait.hidden = !this.#waitingUntil;
    if (this.#waitingUntil) setTime(this.#until, this.#waitingUntil);
    else this.#until.remove(); // A part without a time is not in the page.
    if (this.#waitingUntil && !this.#until.parentNode)
      this.#wait.replaceChildren("Waits until ", this.#until, " ", this.#left);
    setText(this.#text, text);
    this.#text.hidden = !text;
    setText(this.#jobs, jobs.join(", "));
    this.#jobs.hidden = !jobs.length;
    const others = unlisted.length > MAX_NAMES ? ` and ${(unlisted.length - MAX_NAMES).toLocaleString()} more` : "";
    setText(this.#servers, unlisted.slice(0, MAX_NAMES).join(", ") + others);
    this.#servers.hidden = !unlisted.length;
    this.#renderProblem(step, needsPerson, region);
  }

  /**
   * @param {PlanStep} step
   * @param {boolean} needsPerson
   * @param {string | undefined} region
   */
  #renderProblem({ number, stepStatus, error }, needsPerson, region) {
    const isDue = needsPerson && stepStatus === "FAILED";
    setChildren(this.#problem, [error, isDue, region], () => [
      ...(isDue
        ? [
            h(
              "p",
              { class: "person" },
              PERSON_NEEDED,
              ...(region ? [" ", consoleLink("drs", "DRS console", region)] : []),
            ),
          ]
        : []),
      ...(error ? [errorBox(error, `step ${number}`)] : []),
    ]);
    this.#problem.hidden = !isDue && !error;
  }

  /** @param {number} now Milliseconds since the epoch. */
  tick(now) {
    const left = this.#waitingUntil ? Date.parse(this.#waitingUntil) - now : 0;
    setText(this.#left, left > 0 ? `(${formatDuration(left)} left)` : "");
  }
}
