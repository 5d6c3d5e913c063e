"""From events to rows, through the deployed rule, queue and function on the embedded AWS."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests

from tests.support import drills
from tests.support.deployment import SIGNED, eventually
from tests.support.envelopes import ALICE, dumps, job_log, launch_result, request
from tests.support.profile import scaled

if TYPE_CHECKING:
    from tests.support.deployment import Deployment


RANDOM = random.Random(1)  # noqa: S311

# The embedded AWS also deletes rows that are older than the retention.
NOW = datetime.now(UTC)

MANY = [f"many-{number}" for number in range(20)]
GOOD, BAD = scaled(495), scaled(5)  # events of each job


def detail(job: str, event_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "jobID": job,
        "eventType": "SNAPSHOT_START",
        "eventId": event_id,
        "logDateTime": NOW.isoformat(),
    } | changes


def test_the_real_drills_are_stored_completely_and_in_order(deployment: Deployment) -> None:
    details = [item.detail(time) for time, item in drills.compressed(drills.items(), NOW, speed=1)]

    deployment.put_events(RANDOM.sample(details, len(details)))

    for job in {detail["jobID"] for detail in details}:
        of_job = [detail for detail in details if detail["jobID"] == job]
        eventually(lambda job=job: len(deployment.rows(job)) == 14)
        rows = deployment.rows(job)
        assert [row["EventData"] for row in rows] == of_job
        assert [row["EventId"] for row in rows] == [detail["eventId"] for detail in of_job]
        assert {row["Source"] for row in rows} == {"drs.job-log"}
        assert (rows[0]["EventType"], rows[-1]["EventType"]) == ("JOB_STARTED", "JOB_COMPLETED")


def test_two_events_of_the_same_second_are_two_rows(deployment: Deployment) -> None:
    deployment.put_events([detail("same-second", "one"), detail("same-second", "two")])

    eventually(lambda: len(deployment.rows("same-second")) == 2)


def test_a_repeated_event_is_one_row_and_no_failure(deployment: Deployment) -> None:
    fact = detail("repeats", "once", executionId="exec-1")
    deployment.put_events([fact] * 10)  # in one request
    for _ in range(5):
        deployment.put_events([fact])
    deployment.send(dumps(job_log(fact)), dumps(job_log(fact, id="another")))  # like a redrive, with new message IDs

    eventually(lambda: deployment.waiting() == 0)
    (row,) = deployment.rows("repeats")
    assert row["ExecutionId"] == "exec-1"
    assert deployment.take_all(deployment.outputs["processing_dlq_url"]) == []


def test_a_launch_result_of_drs_is_stored(deployment: Deployment) -> None:
    # EventBridge accepts the source aws.drs from AWS only, so the test sends the message of the rule.
    result = launch_result(state="RECOVERY_LAUNCH_FAILED", **{"job-id": "launch-result"})
    deployment.send(dumps(result | {"time": NOW.isoformat()}))

    eventually(lambda: len(deployment.rows("launch-result")) == 1)
    (row,) = deployment.rows("launch-result")
    assert (row["EventType"], row["SourceServerId"], row["Source"]) == ("SERVER_LAUNCH_FAILED", "s-1", "aws.drs")
    assert row["EventData"]["isDrill"] is False


def test_who_requested_a_job_is_stored_without_the_parameters_of_the_call(deployment: Deployment) -> None:
    # EventBridge accepts the source aws.drs from AWS only, so the test sends the message of the rule.
    asked = request({"jobID": "requested"}, eventTime=NOW.isoformat(timespec="seconds"))
    deployment.send(dumps(asked), dumps(asked | {"id": "repeated"}))

    eventually(lambda: len(deployment.rows("requested")) == 1 and deployment.waiting() == 0)
    (row,) = deployment.rows("requested")
    assert (row["EventType"], row["Source"], row["EventData"]["requestedBy"]) == ("JOB_REQUESTED", "aws.drs", ALICE)
    assert row["Message"] == "Drill requested by Operator/alice"
    assert "HIDDEN" not in str(row)


def test_unusual_values_are_stored_unchanged(deployment: Deployment) -> None:
    odd = {"float": 0.1, "empty": "", "emoji": "😀", "nested": {"list": [None, True, []]}, "error": "e" * 65536}

    deployment.put_events([detail("odd", "odd", **odd)])

    eventually(lambda: len(deployment.rows("odd")) == 1)
    (row,) = deployment.rows("odd")
    stored = json.loads(json.dumps(row["EventData"], default=float))
    assert {name: stored[name] for name in odd} == odd
    assert row["Error"] == odd["error"]


def test_the_rule_accepts_only_events_of_a_job_from_known_sources(deployment: Deployment) -> None:
    events = deployment.stack.client("events")
    strangers = [
        {"Source": "somebody.else", "DetailType": "DRS Job Log", "Detail": json.dumps(detail("stranger", "1"))},
        {"Source": "drs.job-log", "DetailType": "Something Else", "Detail": json.dumps(detail("stranger", "2"))},
        {"Source": "drs.job-log", "DetailType": "DRS Job Log", "Detail": json.dumps({"job": "stranger"})},
    ]
    events.put_events(Entries=strangers)
    deployment.put_events([detail("stranger", "known")])

    eventually(lambda: len(deployment.rows("stranger")) >= 1 and deployment.waiting() == 0)
    assert [row["EventId"] for row in deployment.rows("stranger")] == ["known"]


def test_many_events_become_rows_and_invalid_ones_go_to_the_dlq(deployment: Deployment) -> None:
    # SQS delivers an invalid event five times. With the default visibility timeout, that takes 15 minutes.
    deployment.stack.client("sqs").set_queue_attributes(
        QueueUrl=deployment.outputs["queue_url"], Attributes={"VisibilityTimeout": "5"}
    )
    good = [detail(job, f"event-{number}") for job in MANY for number in range(GOOD)]
    bad = [detail(job, f"bad-{number}", logDateTime="soon") for job in MANY for number in range(BAD)]
    everything = good + bad
    assert len(everything) == scaled(10_000)
    RANDOM.shuffle(everything)

    deployment.put_events(everything)

    eventually(lambda: sum(len(deployment.rows(job)) for job in MANY) == len(good), seconds=300)
    eventually(lambda: deployment.waiting() == 0, seconds=300)
    for job in MANY:
        assert {row["EventId"] for row in deployment.rows(job)} == {f"event-{number}" for number in range(GOOD)}
    dead = [json.loads(body)["detail"] for body in deployment.take_all(deployment.outputs["processing_dlq_url"])]
    assert sorted(dead, key=str) == sorted(bad, key=str)


def test_many_unlinked_events_are_linked_and_read_in_pages(deployment: Deployment) -> None:
    """Links half of the events of the previous test, in one or more invocations of the linker."""
    jobs = MANY[:10]
    deployment.put_execution("exec-many", jobs)

    deployment.link(may_time_out=True)  # the embedded AWS can be slow under the load of other tests
    eventually(lambda: deployment.unlinked(jobs) == 0, seconds=300)
    seen: list[tuple[str, str]] = []
    path = f"/executions/exec-many/logs?limit={scaled(1000)}"
    token = ""
    while token is not None:
        status, body = deployment.get(f"{path}&nextToken={token}" if token else path)
        assert status == 200, body
        seen += [(entry["jobId"], entry["eventId"]) for entry in body["logs"]]
        token = body["nextToken"]
    assert len(seen) == 10 * GOOD
    assert set(seen) == {(job, f"event-{number}") for job in jobs for number in range(GOOD)}
    assert deployment.unlinked(MANY[10:]) == 10 * GOOD


def test_an_unchanged_log_is_not_sent_again(deployment: Deployment) -> None:
    deployment.put_events([detail("unchanged", str(number), executionId="exec-unchanged") for number in range(10)])
    eventually(lambda: len(deployment.rows("unchanged")) == 10)

    def get(**headers: str) -> requests.Response:
        url = f"{deployment.api_url}/executions/exec-unchanged/logs"
        return requests.get(url, auth=SIGNED, headers=headers, timeout=60)

    plain, compressed = get(**{"Accept-Encoding": "identity"}), get(**{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert int(compressed.headers["Content-Length"]) * 3 < int(plain.headers["Content-Length"])
    clock = {"readAt": None, "now": None, "durationSeconds": None}
    assert compressed.json() | clock == plain.json() | clock
    assert compressed.headers["ETag"] == plain.headers["ETag"]
    unchanged = get(**{"Accept-Encoding": "gzip", "If-None-Match": plain.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    deployment.put_events([detail("unchanged", "another", executionId="exec-unchanged")])
    eventually(lambda: get(**{"If-None-Match": plain.headers["ETag"]}).status_code == 200)


def test_a_redrive_of_the_dlq_stores_the_event(deployment: Deployment) -> None:
    fact = detail("redriven", "late")
    deployment.stack.client("sqs").send_message(
        QueueUrl=deployment.outputs["processing_dlq_url"], MessageBody=dumps(job_log(fact))
    )

    # The embedded AWS has no redrive. Moving the messages also gives them new IDs, as a redrive does.
    deployment.send(*deployment.take_all(deployment.outputs["processing_dlq_url"]))

    eventually(lambda: len(deployment.rows("redriven")) == 1)
    assert deployment.take_all(deployment.outputs["processing_dlq_url"]) == []


def test_metrics_count_what_happened(deployment: Deployment) -> None:
    def stored() -> list[dict[str, Any]]:
        return [line for line in deployment.metrics() if "EventsStored" in line]

    before = sum(sum(line["EventsStored"]) for line in stored())

    deployment.put_events([detail("counted", str(number)) for number in range(7)])

    eventually(lambda: sum(sum(line["EventsStored"]) for line in stored()) == before + 7)
    newest = stored()[-1]
    assert newest["service"] == "drs-job-log"
    assert newest["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "DRSJobLog"
