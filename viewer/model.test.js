// Run by `npm run check`, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog, identityName, jobLabel, progressOf, toCsv } from "./model.js";

/** @param {object} values */
function event(values = {}) {
  const names = { sourceServerId: "s-1", serverName: "web", resourceId: null, ec2InstanceId: null };
  const texts = { message: null, error: null, revision: null, source: "drs.job-log" };
  const key = { eventId: "e-1", timestamp: "2026-01-01T10:00:00.000000Z", eventType: "SERVER_LAUNCHED", jobId: "j-1" };
  return { ...key, ...names, ...texts, ...values };
}

test("a log has each event once, in the order of time, job, ID and source", () => {
  const log = new EventLog();
  const late = event({ timestamp: "2026-01-01T10:00:05.000000Z" });
  const others = [event({ eventId: "e-2" }), event({ source: "acme" }), event({ jobId: "j-2" })];

  assert.equal(log.add([late, ...others]), 4);
  assert.equal(log.add([late, event(), event()]), 1);

  assert.deepEqual(log.events, [others[1], event(), others[0], others[2], late]);
  assert.deepEqual(log.byServer.get("s-1"), log.events);
});

test("an incremental read starts a minute before the newest event or the read of the API", () => {
  const log = new EventLog();
  assert.equal(log.since(), null);
  log.add([event()]);

  assert.equal(log.since(), "2026-01-01T09:59:00.000Z");
  assert.equal(log.since("2026-01-01T09:30:00.000000Z"), "2026-01-01T09:29:00.000Z");
});

test("a cell of a CSV file is no formula", () => {
  const [, row] = toCsv([event({ message: '=HYPERLINK("x")', serverName: "+1" })]).split("\r\n");

  assert.ok(row.includes(`"'=HYPERLINK(""x"")"`));
  assert.ok(row.includes(`"'+1"`));
});

test("the progress counts the servers of the jobs that decide the result", () => {
  const server = { sourceServerId: "s-1", state: "LAUNCHED", stalledAt: null, failedActions: [] };
  const servers = [server, { ...server, sourceServerId: "s-2", state: "FAILED" }];
  const summary = { totalServers: 2, launched: 1, failed: 1 };
  const jobs = [{ jobType: "LAUNCH", resources: [] }];

  const { total, done, failed, text } = progressOf({ servers, summary, jobs });

  assert.deepEqual([total, done, failed, text], [2, 1, 1, "1 of 2 servers launched"]);
});

test("the name of an identity is the last part of its ARN", () => {
  assert.equal(identityName("arn:aws:sts::111122223333:assumed-role/Operator/alice"), "Operator/alice");
  assert.equal(identityName("arn:aws:iam::111122223333:root"), "root of 111122223333");
  assert.equal(identityName("alice"), "alice");
});

test("a job with any initiator has a label", () => {
  const job = { jobType: null, isDrill: null, resources: [] };
  assert.equal(jobLabel({ ...job, initiatedBy: "constructor" }), "Constructor");
  assert.equal(jobLabel({ ...job, initiatedBy: "START_DRILL" }), "Drill");
});
