// Run by `npm run check`, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { basisText, earlierLaunches, linesOf, rangeOf, remainingText, rowOf, rpoText, rtoText, targetOf, ticksOf } =
  await import("./spans.js");

const MINUTE = 60_000;
const CREATED = Date.parse("2026-11-24T12:00:00Z");
const NOW = CREATED + 20 * MINUTE;
const STEPS = [
  ["SNAPSHOT_STARTED", 1],
  ["SNAPSHOT_COMPLETED", 2],
  ["CONVERSION_STARTED", 3],
  ["CONVERSION_COMPLETED", 6],
  ["SERVER_LAUNCHING", 6.01],
  ["SERVER_LAUNCHED", 11],
];

/** @param {number} minutes After the creation of the first job. */
const at = (minutes) => CREATED + minutes * MINUTE;
/** @param {number} minutes */
const time = (minutes) => new Date(at(minutes)).toISOString();

/** @param {object} values */
function job(values = {}) {
  return { jobId: "j-1", jobType: "LAUNCH", startedAt: time(0), endedAt: null, resources: [], ...values };
}

/** @param {object} values */
function server(values = {}) {
  const id = { sourceServerId: "s-1", serverName: "web", jobId: "j-1" };
  return { ...id, state: "LAUNCHED", since: time(11), stalledAt: null, failedActions: [], ...values };
}

/**
 * Returns the row of a server after some events.
 *
 * @param {[string, number][]} events
 * @param {object} values
 * @param {object[]} jobs
 */
function row(events, values = {}, jobs = [job()]) {
  const log = events.map(([eventType, minutes, jobId = "j-1"]) => ({ eventType, jobId, timestamp: time(minutes) }));
  return rowOf(server(values), log, new Map(jobs.map((one) => [one.jobId, one])), NOW);
}

/** @param {object} row */
const spans = ({ spans }) =>
  spans.map(({ step, start, end, isFailed }) =>
    [step, (start - CREATED) / MINUTE, end && (end - CREATED) / MINUTE, ...(isFailed ? ["failed"] : [])].join(" "),
  );

/** @param {object} values */
function answer(values = {}) {
  return {
    status: "IN_PROGRESS",
    settled: false,
    now: time(20),
    durationSeconds: 20 * 60,
    jobs: [job({ startedAt: time(0.1) })],
    waves: [{ number: 1, startedAt: time(0.1), endedAt: null }],
    summary: { totalServers: 2, launched: 1 },
    servers: [],
    ...values,
  };
}

/** @param {object} values */
const rto = (values) => ({ targetMinutes: 60, actualSeconds: null, result: null, ...values });

test("a launched server has each step, and waits before and between them", () => {
  const { mark, launchStart, expectedEnd, ...rest } = row(STEPS);

  assert.deepEqual(spans(rest), ["wait 0 1", "snapshot 1 2", "wait 2 3", "conversion 3 6", "launch 6 11"]);
  assert.deepEqual([launchStart, mark, expectedEnd], [at(1), null, null]);
});

test("the current step of an active server is open, and its rest is expected", () => {
  const active = { state: "CONVERSION", estimate: { expectedEnd: time(25) } };

  assert.deepEqual(spans(row(STEPS.slice(0, 3), active)).at(-1), "conversion 3 ");
  assert.deepEqual(spans(row(STEPS.slice(0, 4), active)).at(-1), "launch 6 ");
  assert.equal(row(STEPS.slice(0, 3), active).expectedEnd, at(25));
  assert.equal(row(STEPS, { estimate: active.estimate }).expectedEnd, null);
});

test("a failed step ends with the failure", () => {
  const failed = { state: "FAILED", since: time(5) };
  const logged = row([...STEPS.slice(0, 3), ["CONVERSION_FAILED", 5], ["SERVER_LAUNCH_FAILED", 5]], failed);

  assert.deepEqual(spans(logged).at(-1), "conversion 3 5 failed");
  assert.deepEqual(logged.mark, { kind: "failed", at: at(5) });
  // The log of a job need not contain the failure.
  assert.deepEqual(spans(row(STEPS.slice(0, 3), failed)).at(-1), "conversion 3 5 failed");
  assert.deepEqual(spans(row(STEPS.slice(0, 2), failed)).at(-1), "wait 2 5 failed");
});

test("a server that never ran a step waits until its job ends or it fails", () => {
  assert.deepEqual(spans(row([], { state: "PENDING", since: time(0) })), ["wait 0 "]);
  assert.deepEqual(spans(row([], { state: "FAILED", since: time(4) })), ["wait 0 4 failed"]);
  assert.deepEqual(spans(row([], { state: "PENDING", since: time(0) }, [job({ endedAt: time(9) })])), ["wait 0 9"]);
  assert.equal(row([], { state: "PENDING" }).launchStart, null);
});

test("a stalled server has a mark, and its step continues", () => {
  const stalled = row(STEPS.slice(0, 3), { state: "CONVERSION", stalledAt: time(15) });

  assert.deepEqual(stalled.mark, { kind: "stalled", at: at(15) });
  assert.deepEqual(spans(stalled).at(-1), "conversion 3 ");
});

test("a server of two jobs has the steps of both", () => {
  const first = [...STEPS.slice(0, 3), ["CONVERSION_FAILED", 5]];
  const second = [
    ["SNAPSHOT_STARTED", 9, "j-2"],
    ["SNAPSHOT_COMPLETED", 10, "j-2"],
  ];
  const jobs = [job({ endedAt: time(6) }), job({ jobId: "j-2", startedAt: time(8) })];

  const both = row([...first, ...second], { jobId: "j-2", state: "SNAPSHOT" }, jobs);

  assert.deepEqual(spans(both).slice(3), ["conversion 3 5 failed", "wait 8 9", "snapshot 9 10", "wait 10 "]);
  assert.equal(both.launchStart, at(9));
});

test("repeated, unknown and future events do not make a step longer", () => {
  const repeated = [...STEPS.slice(0, 3), ["CONVERSION_STARTED", 4], ["constructor", 5], ...STEPS.slice(3)];
  assert.deepEqual(spans(row([...repeated, ["SERVER_LAUNCHED", 12]])), spans(row(STEPS)));

  const future = row([...STEPS.slice(0, 3), ["CONVERSION_COMPLETED", 99_999]], { state: "LAUNCHING" });
  assert.deepEqual(spans(future).slice(-2), ["conversion 3 20", "launch 20 "]);
});

test("a job that terminates or converts servers shows no launch", () => {
  assert.deepEqual(spans(row([], { state: "TERMINATED" }, [job({ jobType: "TERMINATE" })])), []);
  const converted = [job({ jobType: "CREATE_CONVERTED_SNAPSHOT", endedAt: time(9) })];
  assert.deepEqual(spans(row(STEPS.slice(0, 4), { state: "COMPLETED" }, converted)).at(-1), "conversion 3 6");
});

test("the earlier launch of a server has the sum of its steps", () => {
  const steps = { wait: { otherSeconds: 50 }, conversion: { otherSeconds: 100 }, launch: { otherSeconds: null } };
  const servers = [
    { sourceServerId: "s-1", otherState: "FAILED", steps },
    { sourceServerId: "s-2", otherState: "FAILED", steps: {} },
  ];

  assert.deepEqual([...earlierLaunches({ other: {}, servers })], [["s-1", { seconds: 150, state: "FAILED" }]]);
  assert.equal(earlierLaunches({ other: null, servers }).size, 0);
  assert.equal(earlierLaunches(null).size, 0);
});

test("the axis contains the steps, now, the expected end, and what is not far away", () => {
  const ended = answer({ status: "COMPLETED", settled: true });
  const end = (...options) => Math.round((rangeOf(...options).end - CREATED) / MINUTE);
  assert.equal(rangeOf([row(STEPS)], ended, new Map(), NOW).start, CREATED);
  assert.equal(end([row(STEPS)], ended, new Map(), NOW), 11);
  assert.equal(end([row(STEPS)], answer(), new Map(), NOW), 20);
  assert.equal(end([row(STEPS)], answer({ estimate: { expectedEnd: time(30) } }), new Map(), NOW), 31);
  assert.equal(end([row(STEPS)], answer({ rto: rto({ targetMinutes: 35 }) }), new Map(), NOW), 36);
  assert.equal(end([row(STEPS)], answer({ rto: rto({ targetMinutes: 300 }) }), new Map(), NOW), 20);
  const earlier = (minutes) => new Map([["s-1", { seconds: minutes * 60, state: "LAUNCHED" }]]);
  assert.equal(end([row(STEPS)], ended, earlier(14), NOW), 15);
  assert.equal(end([row(STEPS)], ended, earlier(500), NOW), 11);
});

test("the axis marks the later waves, the target, and now while the execution runs", () => {
  const waves = [0, 12].map((minutes, index) => ({ number: index + 1, startedAt: time(minutes), endedAt: time(20) }));
  const range = { start: CREATED, end: at(40) };
  const texts = (values) =>
    linesOf(range, answer(values), NOW).map(({ label, at }) => [label, (at - CREATED) / MINUTE]);

  assert.deepEqual(texts({ waves, rto: rto({ targetMinutes: 30 }) }), [
    ["Wave 2", 12],
    ["RTO", 30],
    ["Now", 20],
  ]);
  assert.deepEqual(texts({ waves: undefined, rto: undefined, status: "COMPLETED", settled: true }), []);
  assert.deepEqual(texts({ rto: rto({ targetMinutes: 41 }) }), [["Now", 20]]);
});

test("ticks are at round times of the time zone, and a new day shows its date", () => {
  const start = Date.parse("2026-11-24T22:30:00Z"); // 23:30 in Berlin
  const ticks = ticksOf({ start, end: start + 70 * MINUTE }, 5);

  assert.deepEqual(
    ticks.map(({ label, date }) => `${label} ${date}`.trim()),
    ["23:30 2026-11-24", "23:45", "00:00 2026-11-25", "00:15", "00:30"],
  );
  assert.equal(ticks[2].at, Date.parse("2026-11-24T23:00:00Z"));
  assert.deepEqual(
    ticksOf({ start, end: start + 12_000 }, 3).map(({ label }) => label),
    ["23:30:00", "23:30:05", "23:30:10"],
  );
  assert.deepEqual(
    ticksOf({ start, end: start + 2880 * MINUTE }, 2).map(({ label }) => label),
    ["00:00", "00:00"],
  );
  for (const days of [1, 9, 400]) assert.ok(ticksOf({ start, end: start + days * 1440 * MINUTE }, 6).length <= 7);
});

test("the target starts with the creation of the first job", () => {
  assert.equal(targetOf(answer()), null);
  assert.equal(targetOf(answer({ rto: rto() })), at(60));
  const ended = { status: "COMPLETED", rto: rto(), durationSeconds: 30 * 60 };
  assert.equal(targetOf(answer({ ...ended, waves: [{ number: 1, startedAt: time(0.1), endedAt: time(30) }] })), at(60));
  // The duration starts with a job that is no launch.
  const network = job({ jobId: "j-0", jobType: "CREATE_NETWORK_RECOVERY", startedAt: time(-9) });
  assert.equal(targetOf(answer({ rto: rto(), jobs: [network, job()], durationSeconds: 29 * 60 })), at(60.1));
  assert.equal(targetOf(answer({ rto: rto(), waves: [], truncated: true })), null);
});

test("the text about the objective says only what the answer says", () => {
  const texts = (values, objective, now = NOW) => rtoText(answer({ ...values, rto: objective && rto(objective) }), now);
  const all = { summary: { totalServers: 2, launched: 2 }, status: "COMPLETED" };
  const ended = { status: "PARTIAL" };

  assert.equal(texts({}, undefined), "");
  assert.equal(texts({}, null), "");
  assert.equal(texts({}, {}), "40 min 0 s left");
  assert.equal(texts({}, {}, at(61)), "");
  assert.equal(texts(ended, {}), "");
  assert.equal(texts({}, { result: "AT_RISK" }), "at risk");
  assert.equal(texts(all, { result: "MET", actualSeconds: 41 * 60 + 3 }), "met in 41 min 3 s");
  assert.equal(texts(all, { result: "MISSED", actualSeconds: 65 * 60 }), "missed by 5 min 0 s");
  assert.equal(texts(ended, { result: "MISSED", actualSeconds: 600 }), "missed: not all servers were launched");
  assert.equal(
    texts(ended, { result: "MISSED", actualSeconds: 65 * 60 }),
    "missed by 5 min 0 s: not all servers were launched",
  );
  assert.equal(texts({}, { result: "MISSED", actualSeconds: 600 }, at(62)), "missed by 2 min 0 s so far");
  assert.equal(
    texts({ ...all, status: "IN_PROGRESS" }, { result: "MISSED", actualSeconds: 3660 }),
    "missed by 1 min 0 s",
  );
});

test("the basis of an estimate is explained, and only a known reason for its absence", () => {
  const basis = (name) => basisText(answer({ estimate: { basis: name } }));
  assert.match(basis("server"), /^Based on earlier launches of these servers\. .*80 %/);
  assert.match(basis("execution"), /for at least one server, on other servers of this execution/);
  assert.match(basis("ledger"), /for at least one server, on earlier launches of other servers/);
  assert.equal(basisText(answer({ estimate: null })), "");
  const planned = { estimate: null, plannedWaves: 2, servers: [{ estimate: { expectedEnd: time(30) } }] };
  assert.equal(basisText(answer(planned)), "No expected end: the servers of a later wave are not known.");
  assert.equal(basisText(answer({ ...planned, servers: [{ estimate: null }] })), "");
  assert.equal(basisText(answer({ ...planned, plannedWaves: 1 })), "");
  assert.equal(basisText(answer({ ...planned, estimate: undefined })), "");
});

test("the time until the expected end is never negative", () => {
  assert.equal(remainingText(time(32.05), NOW), "in 12 min 3 s");
  assert.equal(remainingText(time(19), NOW), "now");
});

test("the recovery point objective is shown with its result", () => {
  const text = (values) => rpoText({ targetMinutes: 15, seconds: 420, result: null, serversOver: 0, ...values });

  assert.equal(text({ seconds: null }), "");
  assert.equal(text({}), "7 min 0 s");
  assert.equal(text({ seconds: 0, result: "MET" }), "met: 0 s");
  assert.equal(text({ seconds: 1320, result: "MISSED", serversOver: 1 }), "missed: 22 min 0 s, 1 server over");
  assert.equal(text({ seconds: 4000, result: "MISSED", serversOver: 2 }), "missed: 1 h 6 min, 2 servers over");
});
