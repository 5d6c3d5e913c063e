// Run by `npm run check`, without a browser.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Poller, secondsToNext } from "./poll.js";

const ANSWER = { status: "IN_PROGRESS", settled: false, logs: [], servers: [], jobs: [], summary: {}, nextToken: null };

/**
 * Polls once. Returns what the listener was told: an answer or an error.
 *
 * @param {() => Promise<Response>} fetch
 */
async function polled(fetch) {
  let told;
  const tell = (result) => {
    told = result;
  };
  const poller = new Poller({ onRequest: () => {}, onAnswer: tell, onError: tell }, () => false);
  poller.fetch = fetch;
  poller.reset("https://api.example.com/logs?executionId=exec-1");
  await poller.poll();
  poller.stop();
  return told;
}

/**
 * @param {unknown} body
 * @param {number} [status]
 */
const response = (body, status = 200) => new Response(JSON.stringify(body), { status });

test("each kind of error is distinguished", async () => {
  const timeout = new DOMException("too late", "TimeoutError");
  const failures = {
    network: () => Promise.reject(new TypeError("Failed to fetch")),
    timeout: () => Promise.reject(timeout),
    "sign-in": async () => response({ message: "Unauthorized" }, 401),
    permission: async () => response({ message: "Forbidden" }, 403),
    "invalid-request": async () => response({ message: "limit" }, 400),
    api: async () => response({ message: "Service Unavailable" }, 503),
    "invalid-answer": async () => new Response("<html>a proxy</html>"),
  };
  for (const [kind, fetch] of Object.entries(failures)) assert.equal((await polled(fetch)).kind, kind);
  for (const body of [null, [], {}, { logs: [] }])
    assert.equal((await polled(async () => response(body))).kind, "invalid-answer");
  assert.deepEqual(await polled(async () => response(ANSWER)), ANSWER);
});

test("the time to the next request depends on the status, the failures and the visibility", () => {
  const ended = { ...ANSWER, status: "COMPLETED" };
  assert.equal(secondsToNext(null, 0, false), 3);
  assert.equal(secondsToNext(ANSWER, 0, false), 3);
  assert.equal(secondsToNext(ANSWER, 0, true), 30);
  assert.equal(secondsToNext(ended, 0, false), 15);
  assert.equal(secondsToNext({ ...ended, settled: true }, 0, false), 300);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map((failures) => secondsToNext(ANSWER, failures, false)),
    [3, 6, 12, 24, 48, 60],
  );
});

test("an error of a listener does not end the polls", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let requests = 0;
  const fail = () => {
    throw new Error("own error");
  };
  const poller = new Poller({ onRequest: () => {}, onAnswer: fail, onError: fail }, () => false);
  poller.fetch = async () => {
    requests += 1;
    return response(ANSWER);
  };
  poller.reset("https://api.example.com/logs?executionId=exec-1");

  await assert.rejects(poller.poll(), /own error/);
  process.once("unhandledRejection", () => {});
  mock.timers.tick(3000);

  assert.equal(requests, 2);
  poller.stop();
  mock.timers.reset();
});
