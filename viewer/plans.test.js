// Run by `npm run check`, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog, isBetweenWaves, planText, progressOf, statusText, waveNames, wavesOf } from "./model.js";
import { canContinue, currentStep, needsPerson, placeInPlan, serversText, waitingText } from "./plans.js";
import { secondsToNext } from "./poll.js";
import { targetOf } from "./spans.js";

const TIME = "2026-11-24T12:00:00.000000Z";
const LAUNCHED = { sourceServerId: "s-1", state: "LAUNCHED", jobId: "j-1", stalledAt: null, failedActions: [] };
const JOB = { jobId: "j-1", jobType: "LAUNCH", resources: [], startedAt: TIME, endedAt: TIME };

/**
 * @param {number} number
 * @param {string} stepStatus
 * @param {object} [values]
 */
function step(number, stepStatus, values = {}) {
  const servers = { criticalServers: [`s-${number}`], optionalServers: [], jobId: null, jobIds: [] };
  return {
    number,
    name: `part ${number}`,
    kind: "SERVERS",
    stepStatus,
    attempt: 1,
    error: null,
    ...servers,
    ...values,
  };
}

/**
 * Returns the answer for a plan: the first step launched its server, the second one waits, the third one has not started.
 *
 * @param {object} [values]
 * @param {object} [plan]
 */
function answer(values = {}, plan = {}) {
  const waves = [
    step(1, "COMPLETED", { jobId: "j-1", jobIds: ["j-1"], startedAt: TIME }),
    step(2, "WAITING", { kind: "WAIT", criticalServers: [], startedAt: null }),
    step(3, "NOT_STARTED", { startedAt: null, optionalServers: ["s-4"] }),
  ];
  const recoveryPlan = { name: "shop", status: "IN_PROGRESS", startedAt: TIME, endedAt: null, error: null, ...plan };
  const summary = { totalServers: 1, launched: 1 };
  const state = { status: "IN_PROGRESS", settled: false, plannedWaves: 3, now: TIME };
  return { recoveryPlan, waves, summary, servers: [LAUNCHED], jobs: [JOB], ...state, ...values };
}

const FAILED = answer(
  { status: "FAILED", waves: [step(1, "COMPLETED", { jobIds: ["j-1"] }), step(2, "FAILED"), step(3, "NOT_STARTED")] },
  { status: "FAILED", endedAt: TIME },
);

test("the servers of the steps to come are a part of the progress", () => {
  const { total, done, text } = progressOf(answer());

  assert.deepEqual([total, done, text], [3, 1, "1 of 3 servers launched"]);
  const { toCome, noun, servers } = wavesOf(answer());
  assert.deepEqual([toCome, noun, servers], [1, "step", 2]);
  const before = answer({ waves: [step(1, "NOT_STARTED")], servers: [], jobs: [], summary: { totalServers: 0 } });
  assert.equal(progressOf(before).text, "0 of 1 server launched");
  assert.equal(placeInPlan(before), "Step 1 of 1 has not started");
});

test("the servers of a step that never starts are no part of the progress", () => {
  const ended = { status: "TIMED_OUT", endedAt: TIME };
  assert.equal(progressOf(answer({}, ended)).total, 1);
  assert.equal(wavesOf(answer({}, ended)).toCome, 0);
  const skipped = answer({ waves: [step(1, "COMPLETED"), step(2, "SKIPPED")] });
  assert.equal(progressOf(skipped).total, 1);
});

test("a plan is at the step that runs, waits or failed, else at the last one that is over", () => {
  assert.equal(placeInPlan(answer()), "Step 2 of 3 waits");
  assert.equal(placeInPlan(FAILED), "Step 2 of 3 failed");
  const at = (...statuses) => currentStep(answer({ waves: statuses.map((status, index) => step(index + 1, status)) }));
  assert.equal(at("COMPLETED", "NOT_STARTED", "SKIPPED")?.number, 1);
  assert.equal(at("COMPLETED", "COMPLETED", "SKIPPED")?.number, 3);
  assert.equal(at("NOT_STARTED", "SKIPPED"), null);
  assert.equal(placeInPlan(answer({ recoveryPlan: null })), "");
});

test("a failed plan waits for a person only if a step can be retried", () => {
  assert.ok(needsPerson(FAILED));
  assert.ok(canContinue(FAILED));
  assert.equal(waitingText(FAILED), "waits for a person");
  assert.equal(statusText(FAILED), "Failed so far");
  const invalid = answer({ waves: [step(1, "NOT_STARTED")] }, { status: "FAILED", endedAt: TIME });
  assert.ok(!needsPerson(invalid));
  assert.ok(!canContinue(invalid));
  assert.equal(waitingText(answer()), "step 2 waits");
});

test("a page asks often while the plan waits for a person", () => {
  assert.equal(secondsToNext({ ...FAILED, settled: true }, 0, false), 15);
  assert.equal(secondsToNext({ ...answer({}, { status: "COMPLETED" }), settled: true }, 0, false), 300);
});

test("a plan without a job is between two steps", () => {
  assert.ok(isBetweenWaves(answer()));
  assert.ok(isBetweenWaves(answer({ jobs: [] })));
  assert.ok(!isBetweenWaves(answer({}, { status: "CANCELLED", endedAt: TIME })));
});

test("a job has the name of its step, also after a retry", () => {
  const jobs = [JOB, { ...JOB, jobId: "j-2" }];
  const waves = [step(1, "COMPLETED", { jobId: "j-2", jobIds: ["j-1", "j-2"] })];
  assert.deepEqual(
    waveNames(answer({ jobs, waves })).map(({ name }) => name),
    ["Job 1 (step 1)", "Job 2 (step 1)"],
  );
});

test("a step counts its critical and optional servers", () => {
  const one = step(1, "COMPLETED", { optionalServers: ["s-2"], jobIds: ["j-1"] });
  const failed = { ...LAUNCHED, sourceServerId: "s-2", state: "FAILED" };
  assert.equal(serversText(one, []), "1 critical server, 1 optional server");
  assert.equal(serversText(one, [LAUNCHED, failed]), "1 critical server, 1 optional server: 1 launched, 1 failed");
  assert.equal(serversText({ ...one, criticalServers: [], optionalServers: [] }, []), "");
});

test("a plan is no job of the log, and its target starts with its first job", () => {
  const log = new EventLog();
  const event = { eventId: "e-1", timestamp: TIME, sourceServerId: null, source: "drs.job-log" };
  log.add([
    { ...event, jobId: "rpe-1", eventType: "PLAN_STEP_WAITING" },
    { ...event, jobId: "j-1", eventType: "JOB_STARTED" },
  ]);
  assert.deepEqual([...log.jobIds], ["j-1"]);
  const skipped = step(1, "SKIPPED", { startedAt: null });
  const waves = [skipped, step(2, "EXECUTING", { startedAt: "2026-11-24T12:05:00.000000Z" })];
  const target = targetOf(answer({ waves, rto: { targetMinutes: 60 }, durationSeconds: 600 }));
  assert.equal(target, Date.parse("2026-11-24T13:05:00Z"));
});

test("the name of a plan and its status in DRS", () => {
  assert.equal(planText(answer()), "Recovery plan shop. Status in DRS: In progress");
  assert.equal(planText(answer({}, { name: null, status: "CANCELLED" })), "Recovery plan. Status in DRS: Cancelled");
  assert.equal(planText(answer({ recoveryPlan: null })), "");
});
