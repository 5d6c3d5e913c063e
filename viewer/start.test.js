// Run by `npm run check`, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Failures, Recoveries } from "./start-lists.js";
import {
  apiParameters,
  logUrl,
  mergeGroups,
  readQuery,
  recoveryStatus,
  rtoText,
  runningParameters,
  serversText,
  viewUrl,
} from "./start-model.js";

const SERVER = "s-1234567890abcdef0";

/** @param {string} executionId */
const entry = (executionId, status = "COMPLETED", settled = true) => ({ executionId, jobId: null, status, settled });

test("the query of the URL selects the view and the filters", () => {
  const filters = { from: "2026-01-01", status: "FAILED", withServer: SERVER };
  assert.deepEqual(readQuery(""), { view: "recoveries", id: "", filters: {} });
  assert.deepEqual(readQuery(viewUrl(filters)), { view: "recoveries", id: "", filters });
  assert.deepEqual(readQuery("?isDrill=&to=%20&other=1"), { view: "recoveries", id: "", filters: {} });
  assert.deepEqual(readQuery("?view=failures&to=2026-01-01&status=FAILED"), {
    view: "failures",
    id: "",
    filters: { to: "2026-01-01" },
  });
  for (const query of [`?server=${SERVER}`, `?id=%20${SERVER}%20`])
    assert.deepEqual(readQuery(query), { view: "server", id: SERVER, filters: {} });
  for (const id of ["exec-1", "drsjob-1", "s-1"])
    assert.deepEqual(readQuery(viewUrl({ id })), { view: "log", id, filters: {} });
});

test("the URL of a log is a query if a path cannot contain the ID", () => {
  assert.equal(logUrl({ executionId: "a b?", jobId: null }), "executions/a%20b%3F");
  assert.equal(logUrl({ executionId: null, jobId: "drsjob-1" }), "jobs/drsjob-1");
  assert.equal(logUrl({ executionId: "a/b", jobId: null }), "viewer/page?executionId=a%2Fb");
  assert.equal(logUrl({ executionId: null, jobId: ".." }), "viewer/page?jobId=..");
});

test("a date is a day, and the API validates any other text", () => {
  const { from, to, server } = apiParameters({ from: "2026-01-01", to: "2026-01-01", withServer: SERVER });
  assert.equal(Date.parse(to) - Date.parse(from), 86_400_000 - 1);
  assert.equal(server, SERVER);
  const others = { from: "yesterday", to: "2026-13-01", status: "FAILED", isDrill: "true" };
  assert.deepEqual(apiParameters(others), others);
});

test("the refresh of running recoveries does not search the whole history", () => {
  const now = Date.parse("2026-01-31T00:00:00Z");
  const always = { status: "IN_PROGRESS", limit: "100" };
  assert.deepEqual(runningParameters({ from: "2026-01-01T00:00:00Z", isDrill: "true" }, now), {
    isDrill: "true",
    ...always,
  });
  for (const from of ["2026-01-30T00:00:00Z", "yesterday"])
    assert.deepEqual(runningParameters({ from }, now), { from, ...always });
});

test("the numbers of added groups are exact only if all names are known", () => {
  const group = (/** @type {string[]} */ servers, serverCount = servers.length) => ({
    ...{ shape: "a", service: null, operation: null, code: null, count: servers.length, servers, serverCount },
    ...{ executions: ["exec-1"], executionCount: 1 },
  });
  const [exact] = mergeGroups([group(["s-1", "s-2"]), group(["s-2", "s-3"])]);
  assert.deepEqual([exact.count, exact.serverCount, exact.executionCount, exact.isMinimum], [4, 3, 1, false]);
  const [other, large] = mergeGroups([
    { ...group(["s-9"]), shape: null },
    group(["s-1"], 30),
    group(["s-2"]),
  ]).reverse();
  assert.deepEqual([large.serverCount, large.isMinimum, other.shape], [30, true, null]);
});

test("texts describe the status, the servers and the objective", () => {
  assert.equal(recoveryStatus(entry("exec-1", "COMPLETED", false)), "Completed so far");
  assert.equal(recoveryStatus(entry("exec-1", "IN_PROGRESS", false)), "In progress");
  assert.equal(recoveryStatus({ ...entry("", "COMPLETED", false), executionId: null }), "Completed");
  const counts = { totalServers: 2, launched: 0, terminated: 0, completed: 0 };
  assert.equal(serversText(counts), "0 of 2 launched");
  assert.equal(serversText({ ...counts, terminated: 2 }), "2 of 2 terminated");
  assert.equal(serversText({ ...counts, totalServers: 0 }), "None");
  assert.equal(rtoText(null), "–");
  assert.equal(rtoText({ targetMinutes: 60, actualMinutes: null, result: null }), "Objective: 60 min");
  assert.equal(rtoText({ targetMinutes: 60, actualMinutes: 70.5, result: "MISSED" }), "Missed (70.5 of 60 min)");
  assert.equal(rtoText({ targetMinutes: 60, actualMinutes: 8, result: "MISSED" }), "Missed (60 min)");
});

/**
 * Returns a function that answers from pages, and the requests so far.
 *
 * @param {(parameters: Record<string, string>) => object[][]} pagesOf
 */
function answering(pagesOf) {
  /** @type {Record<string, string>[]} */
  const asked = [];
  const get = async (_path, name, parameters) => {
    asked.push(parameters);
    const pages = pagesOf(parameters);
    const number = Number(parameters.nextToken ?? 0);
    return { [name]: pages[number], nextToken: number + 1 < pages.length ? String(number + 1) : null };
  };
  return { asked, get };
}

test("a refresh reads all running recoveries and all loaded pages", async () => {
  let running = [[], [entry("exec-3", "IN_PROGRESS", false)]];
  const pages = [[entry("exec-2")], [entry("exec-1")], [entry("exec-0")]];
  const { get } = answering(({ status }) => (status ? running : pages));
  const list = new Recoveries({ view: "recoveries", id: "", filters: {} });
  await list.read(get);
  await list.more(get);
  assert.deepEqual(
    list.entries.running.map(({ executionId }) => executionId),
    ["exec-3"],
  );
  assert.deepEqual(
    list.entries.ended.map(({ executionId }) => executionId),
    ["exec-2", "exec-1"],
  );

  running = [[]];
  pages.unshift([entry("exec-3")]); // also one that started and ended between two reads
  await list.read(get);
  assert.deepEqual(
    list.entries.ended.map(({ executionId }) => executionId),
    ["exec-3", "exec-2"],
  );
  assert.equal(list.nextToken, "2");

  for (let clicks = 0; clicks < 4; clicks += 1) await list.more(get); // more than there are pages
  assert.equal(list.entries.ended.length, 4);
});

test("a page without entries is followed by the next one, a limited number of times", async () => {
  const { asked, get } = answering(() => Array.from({ length: 9 }, () => []));
  const list = new Failures({ view: "failures", id: "", filters: {} });

  await list.read(get);

  assert.equal(asked.length, 5);
  assert.equal(list.nextToken, "5");
});
