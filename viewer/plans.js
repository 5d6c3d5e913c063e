/** The steps of a recovery plan of DRS. No function depends on the page or sends a request. */

/** @import { Answer, Server, Wave } from "./model.js" */

/** @typedef {NonNullable<Answer["recoveryPlan"]>} Plan */
/** @typedef {Required<Wave>} PlanStep A step is a wave with all properties. */

/** @type {Record<string, string>} */
const STEP_LABELS = {
  NOT_STARTED: "Not started",
  EXECUTING: "In progress",
  WAITING: "Waiting",
  COMPLETED: "Completed",
  FAILED: "Failed",
  TIMED_OUT: "Timed out",
  SKIPPED: "Skipped",
};

/** @type {Record<string, string>} The state of a server whose badge looks like that of a step. */
const LOOKS = { EXECUTING: "IN_PROGRESS", WAITING: "PARTIAL", TIMED_OUT: "FAILED" };

/** @type {Set<string>} */
const FAILURES = new Set(["FAILED", "TIMED_OUT"]);

/** The texts say what a person has to do. */
export const PERSON_NEEDED = "The plan waits for a person: retry or skip the step in DRS.";

/**
 * Returns the steps of the plan in their order. Empty without a plan.
 *
 * @param {Answer} answer
 * @returns {PlanStep[]}
 */
export function stepsOf({ recoveryPlan, waves = [] }) {
  return recoveryPlan ? /** @type {PlanStep[]} */ (waves) : [];
}

/** @param {string} status Of a step or of a plan. DRS can add some. */
export function planLabel(status) {
  const text = status.replaceAll("_", " ").toLowerCase();
  return STEP_LABELS[status] ?? text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {PlanStep} step */
export function lookOf({ stepStatus }) {
  return LOOKS[stepStatus] ?? stepStatus;
}

/** @param {PlanStep} step */
export function isFailedStep({ stepStatus }) {
  return FAILURES.has(stepStatus);
}

/** @param {Pick<PlanStep, "number" | "name">} step */
export function stepName({ number, name }) {
  return name ? `Step ${number} "${name}"` : `Step ${number}`;
}

/**
 * Reports whether the plan runs, or a person can continue it.
 *
 * @param {Answer} answer
 */
export function canContinue(answer) {
  const { recoveryPlan } = answer;
  return Boolean(recoveryPlan) && (!recoveryPlan?.endedAt || needsPerson(answer));
}

/**
 * Reports whether the plan waits for a person, who can retry or skip a step.
 *
 * @param {Answer} answer
 */
export function needsPerson(answer) {
  return answer.recoveryPlan?.status === "FAILED" && stepsOf(answer).some(({ stepStatus }) => stepStatus === "FAILED");
}

/**
 * Returns the steps that have not started and can still start.
 *
 * @param {Answer} answer
 */
export function stepsToCome(answer) {
  return canContinue(answer) ? stepsOf(answer).filter(({ stepStatus }) => stepStatus === "NOT_STARTED") : [];
}

/**
 * Returns the number of servers that the plan can still launch, and that no job has yet. The answer has no state for them.
 *
 * @param {Answer} answer
 */
export function serversToCome(answer) {
  if (!canContinue(answer)) return 0;
  const known = new Set(answer.servers.map(({ sourceServerId }) => sourceServerId));
  // A step can also start or fail before it has a job.
  const open = stepsOf(answer).filter(({ stepStatus }) => ["NOT_STARTED", "EXECUTING", "FAILED"].includes(stepStatus));
  const ids = new Set(open.flatMap(({ criticalServers, optionalServers }) => [...criticalServers, ...optionalServers]));
  return [...ids].filter((id) => !known.has(id)).length;
}

/**
 * Returns the step that runs, waits or failed, or otherwise the last one that is over. Null before the first step.
 *
 * @param {Answer} answer
 */
export function currentStep(answer) {
  const steps = stepsOf(answer);
  const isOpen = (/** @type {PlanStep} */ step) =>
    ["EXECUTING", "WAITING"].includes(step.stepStatus) || isFailedStep(step);
  // A person can skip a step before the plan reaches it.
  const isOver = (/** @type {PlanStep} */ { stepStatus }) => stepStatus === "COMPLETED" || stepStatus === "SKIPPED";
  const firstToCome = steps.findIndex(({ stepStatus }) => stepStatus === "NOT_STARTED");
  return steps.find(isOpen) ?? (firstToCome < 0 ? steps : steps.slice(0, firstToCome)).findLast(isOver) ?? null;
}

/**
 * Says where the plan is: "Step 2 of 3 waits".
 *
 * @param {Answer} answer
 */
export function placeInPlan(answer) {
  const step = currentStep(answer);
  const total = stepsOf(answer).length;
  if (!step) return total && canContinue(answer) ? `Step 1 of ${total} has not started` : "";
  /** @type {Record<string, string>} */
  const verbs = { WAITING: " waits", FAILED: " failed", TIMED_OUT: " timed out" };
  return `Step ${step.number} of ${total}${verbs[step.stepStatus] ?? ""}`;
}

/**
 * Says that a step waits, or that the plan waits for a person. Empty otherwise.
 *
 * @param {Answer} answer
 */
export function waitingText(answer) {
  const step = currentStep(answer);
  if (step?.stepStatus === "WAITING") return `step ${step.number} waits`;
  return needsPerson(answer) ? "waits for a person" : "";
}

/**
 * Returns the IDs of the servers whose failure does not fail their step.
 *
 * @param {Answer} answer
 */
export function optionalServersOf(answer) {
  return new Set(stepsOf(answer).flatMap(({ optionalServers }) => optionalServers));
}

/**
 * Returns the step that started each job, by job ID. A retry starts another job.
 *
 * @param {Answer} answer
 */
export function stepsByJob(answer) {
  return new Map(stepsOf(answer).flatMap((step) => step.jobIds.map((jobId) => [jobId, step])));
}

/**
 * Counts the servers of a step: "2 critical servers, 1 optional server: 2 launched, 1 failed". Empty for a WAIT step.
 *
 * @param {PlanStep} step
 * @param {Server[]} servers Those that the answer lists.
 */
export function serversText({ criticalServers, optionalServers, jobIds }, servers) {
  const count = (/** @type {string[]} */ ids, /** @type {string} */ kind) =>
    ids.length ? [`${ids.length.toLocaleString()} ${kind} server${ids.length === 1 ? "" : "s"}`] : [];
  const text = [...count(criticalServers, "critical"), ...count(optionalServers, "optional")].join(", ");
  const ids = new Set([...criticalServers, ...optionalServers]);
  const known = servers.filter(({ sourceServerId }) => ids.has(sourceServerId));
  // Before the first job, and in an answer that is too large, the states of the servers are not known.
  if (!text || !jobIds.length || known.length < ids.size) return text;
  const failed = known.filter(({ state }) => state === "FAILED").length;
  const launched = known.filter(({ state }) => state === "LAUNCHED").length;
  return `${text}: ${launched.toLocaleString()} launched${failed ? `, ${failed.toLocaleString()} failed` : ""}`;
}

/**
 * Returns the servers of a step that the list of servers does not contain yet, with the optional ones marked.
 *
 * @param {PlanStep} step
 * @param {Server[]} servers Those that the answer lists.
 */
export function unlistedServers({ criticalServers, optionalServers }, servers) {
  const listed = new Set(servers.map(({ sourceServerId }) => sourceServerId));
  return [...criticalServers, ...optionalServers.map((id) => `${id} (optional)`)].filter(
    (text) => !listed.has(text.split(" ")[0]),
  );
}
