import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { TIME_ZONES, formatTime, onTimeZone, selectTimeZone, timeZone, toIsoTime } = await import("./time.js");

test("all times have the same format in the selected time zone", () => {
  assert.deepEqual(TIME_ZONES, ["Europe/Berlin", "UTC"]);
  assert.equal(formatTime("2026-11-24T23:34:05.026000Z"), "2026-11-25 00:34:05");
  assert.equal(toIsoTime("2026-07-24T23:34:05.026000Z"), "2026-07-25T01:34:05.026000+02:00");
  assert.equal(toIsoTime("2026-07-24T23:34:05Z"), "2026-07-25T01:34:05+02:00");
  let calls = 0;
  const stop = onTimeZone(() => {
    calls += 1;
  });
  selectTimeZone("UTC");
  assert.equal(timeZone(), "UTC");
  assert.equal(formatTime("2026-11-24T23:34:05.026000Z"), "2026-11-24 23:34:05");
  assert.equal(toIsoTime("2026-11-24T23:34:05.026000Z"), "2026-11-24T23:34:05.026000+00:00");
  stop();
  selectTimeZone("Europe/Berlin");
  assert.equal(calls, 1);
});
