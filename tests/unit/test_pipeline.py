"""What DRS does, from its answers to the API's answer, the notification and the executions table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from drs_job_log.collect.collector import PassRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import executions, played, scripts
from tests.support.envelopes import ALICE, dumps, job_log, launch_result, request, sqs_records
from tests.support.functions import LambdaContext
from tests.support.pipeline import SETTINGS, Pipeline
from tests.support.scripts import Script, Step, server_id
from tests.support.tables import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.unit.conftest import Subscriber

pytestmark = pytest.mark.slow  # together half a minute

MINUTE: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)
NETWORK: Final = "sn-1234567890abcdef0"
ONE, TWO, THREE = (server_id(number) for number in (1, 2, 3))

REPORTED: Final = json.loads((Path(__file__).parents[1] / "data/reported_jobs.json").read_text())


@pytest.fixture
def linked(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    """The module with an executions table."""
    return make_pipeline(allowScan=True)


def record(dynamodb: DynamoDBClient, *jobs: str, status: str = "RUNNING") -> None:
    """Write an execution as an orchestrator does."""
    executions.write(dynamodb, ExecutionId="exec-1", Status=status, Waves=[{"JobId": job} for job in jobs])


def status(dynamodb: DynamoDBClient) -> str:
    (item,) = executions.records(dynamodb)
    return str(item["Status"])


def subjects(subscriber: Subscriber) -> list[str]:
    return [message["Subject"] for message in subscriber.take()]


def types(answer: dict[str, Any]) -> list[str]:
    return [event["eventType"] for event in answer["logs"]]


def states(answer: dict[str, Any]) -> dict[str, str]:
    return {server["sourceServerId"]: server["state"] for server in answer["servers"]}


def step(seconds: float, event: str, server: str | None = None, late: float = 0, **data: Any) -> Step:
    named = {"sourceServerID": server} if server else {}
    return Step(timedelta(seconds=seconds), event, named | data, timedelta(seconds=late))


def script(*steps: Step, servers: tuple[str, ...] = (ONE,), end: float | None = 600, **changes: Any) -> Script:
    return scripts.in_order(
        Script(servers=servers, steps=steps, end=None if end is None else timedelta(seconds=end), **changes)
    )


LAUNCHED: Final = (step(10, "LAUNCH_START", ONE), step(300, "LAUNCH_END", ONE))


# ---------------------------------------------------------------------------------------------------------------------
# Reported jobs
# ---------------------------------------------------------------------------------------------------------------------


def reported(number: int) -> Script:
    """Return the script of a reported job. Its items and its final state are exactly as reported."""
    case = REPORTED["cases"][number]
    job = case["job"]
    created = datetime.fromisoformat(job["creationDateTime"])
    return Script(
        servers=[server["sourceServerID"] for server in job.get("participatingServers", [])],
        steps=[
            Step(datetime.fromisoformat(item["logDateTime"]) - created, item["event"], item["eventData"])
            for item in case["items"]
        ],
        end=datetime.fromisoformat(job["endDateTime"]) - created if "endDateTime" in job else None,
        statuses={
            server["sourceServerID"]: server.get("launchStatus", "") for server in job.get("participatingServers", [])
        },
        resources={
            resource["participatingResourceID"]["sourceNetworkID"]: resource["launchStatus"]
            for resource in job.get("participatingResources", [])
        },
        actions={
            server["sourceServerID"]: [
                {"runId": run["runID"], **{key: run[key] for key in ("status", "failureReason")}}
                for run in server["launchActionsStatus"]["runs"]
            ]
            for server in job.get("participatingServers", [])
            if "launchActionsStatus" in server
        },
        type=job["type"],
        initiated_by=job.get("initiatedBy", "CREATE_NETWORK_RECOVERY"),
    )


@pytest.mark.parametrize(
    ("number", "job_status", "server_states", "resource_states", "last", "notices"),
    [
        (0, "FAILED", [], ["FAILED"], "JOB_FAILED", 1),
        (1, "IN_PROGRESS", [], [], "JOB_STARTED", 0),
        (2, "IN_PROGRESS", ["CONVERSION"], [], "SERVER_STALLED", 2),
        (3, "COMPLETED", ["LAUNCHED"], [], "JOB_COMPLETED", 1),
        (4, "COMPLETED", ["COMPLETED"], [], "JOB_COMPLETED", 0),
    ],
    ids=[case["case"] for case in REPORTED["cases"]],
)
def test_a_reported_job(  # noqa: PLR0917
    pipeline: Pipeline,
    subscriber: Subscriber,
    number: int,
    job_status: str,
    server_states: list[str],
    resource_states: list[str],
    last: str,
    notices: int,
) -> None:
    job = pipeline.start(reported(number), ExecutionId="exec-1")

    pipeline.play(60 * MINUTE, MINUTE)

    answer = pipeline.execution("exec-1")
    assert (answer["status"], answer["jobs"][0]["status"]) == (job_status, job_status)
    assert list(states(answer).values()) == server_states
    assert [resource["state"] for resource in answer["jobs"][0]["resources"]] == resource_states
    assert types(answer)[-1] == last
    assert len(subscriber.take()) == notices
    assert pipeline.job(job)["status"] == job_status


def test_a_failed_network_recovery_is_failed_everywhere(
    linked: Pipeline, dynamodb: DynamoDBClient, subscriber: Subscriber
) -> None:
    job = linked.start(scripts.network_recovery(NETWORK, error="ROLLBACK_COMPLETE"), ExecutionId="exec-1")
    record(dynamodb, job)

    linked.play(15 * MINUTE)

    answer = linked.execution("exec-1")
    assert answer["status"] == "FAILED"
    (resource,) = answer["jobs"][0]["resources"]
    assert (resource["resourceId"], resource["state"], resource["error"]) == (NETWORK, "FAILED", "ROLLBACK_COMPLETE")
    assert answer["logs"][-1]["eventType"] == "JOB_FAILED"
    assert answer["logs"][-1]["message"] == "Network recovery ended: 0 of 1 network recovered"
    assert status(dynamodb) == "FAILED"
    (notice,) = subscriber.take()
    assert NETWORK in notice["Subject"]
    assert "ROLLBACK_COMPLETE" in notice["Message"]


def test_a_network_that_recovers_after_a_failed_attempt_is_notified(pipeline: Pipeline, subscriber: Subscriber) -> None:
    retried = replace(scripts.network_recovery(NETWORK, error="ROLLBACK_COMPLETE"), resources={NETWORK: "LAUNCHED"})
    pipeline.start(retried, ExecutionId="exec-1")

    pipeline.play(15 * MINUTE)

    assert pipeline.execution("exec-1")["status"] == "COMPLETED"
    assert [NETWORK in subject for subject in subjects(subscriber)] == [True, True]


@pytest.mark.parametrize("launch_status", ["FAILED", "PENDING"])
def test_a_network_that_a_job_silently_does_not_recover_is_failed_and_notified(
    pipeline: Pipeline, subscriber: Subscriber, launch_status: str
) -> None:
    silent = replace(scripts.network_recovery(NETWORK), resources={NETWORK: launch_status})
    silent = replace(silent, steps=[one for one in silent.steps if one.event.startswith("JOB_")])
    job = pipeline.start(silent)

    pipeline.play(15 * MINUTE)

    assert pipeline.job(job)["status"] == "FAILED"
    assert types(pipeline.job(job))[-2:] == ["NETWORK_RECOVERY_FAIL", "JOB_FAILED"]
    (notice,) = subscriber.take()
    assert NETWORK in notice["Subject"]


def test_a_network_recovery_that_updates_a_launch_template_succeeds(
    linked: Pipeline, dynamodb: DynamoDBClient, subscriber: Subscriber
) -> None:
    job = linked.start(scripts.network_recovery(NETWORK, server=ONE), ExecutionId="exec-1")
    record(dynamodb, job)

    linked.play(15 * MINUTE)

    answer = linked.execution("exec-1")
    assert (answer["status"], answer["servers"]) == ("COMPLETED", [])
    assert [resource["state"] for resource in answer["jobs"][0]["resources"]] == ["LAUNCHED"]
    assert answer["logs"][-1]["message"] == "Network recovery ended: 1 of 1 network recovered"
    assert status(dynamodb) == "COMPLETED"
    assert subscriber.take() == []


# ---------------------------------------------------------------------------------------------------------------------
# The end of a job, and later facts
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("launch_status", ["PENDING", ""])
@pytest.mark.parametrize("job_type", ["CREATE_CONVERTED_SNAPSHOT", "TERMINATE"])
def test_no_server_of_a_job_that_ended_is_under_way(pipeline: Pipeline, job_type: str, launch_status: str) -> None:
    ended = scripts.converted_snapshot([ONE], launch_status)
    job = pipeline.start(replace(ended, type=job_type))

    pipeline.play(15 * MINUTE)

    answer = pipeline.job(job)
    summary = answer["summary"]
    assert [summary[state] for state in ("pending", "converting", "launching")] == [0, 0, 0]
    is_failed = (job_type, launch_status) == ("TERMINATE", "PENDING")
    assert answer["status"] == ("FAILED" if is_failed else "COMPLETED")


def test_a_server_that_a_job_never_launched_is_failed_and_notified(pipeline: Pipeline, subscriber: Subscriber) -> None:
    """The job is COMPLETED, and DRS leaves the launch status PENDING."""
    job = pipeline.start(script(*LAUNCHED, servers=(ONE, TWO), statuses={ONE: "LAUNCHED", TWO: "PENDING"}))

    pipeline.play(15 * MINUTE)

    answer = pipeline.job(job)
    assert (answer["status"], states(answer)) == ("PARTIAL", {ONE: "LAUNCHED", TWO: "FAILED"})
    (notice,) = subscriber.take()
    assert TWO in notice["Subject"]


def test_a_launch_status_that_changes_after_the_end_corrects_the_outcome(
    linked: Pipeline, dynamodb: DynamoDBClient, subscriber: Subscriber
) -> None:
    changing = script(
        step(10, "LAUNCH_START", ONE),
        statuses={ONE: "FAILED"},
        late_statuses=[(30 * MINUTE, ONE, "LAUNCHED")],
    )
    job = linked.start(changing, ExecutionId="exec-1")
    record(dynamodb, job)
    linked.play(15 * MINUTE)
    assert (linked.execution("exec-1")["status"], status(dynamodb)) == ("FAILED", "FAILED")
    assert len(subscriber.take()) == 1

    linked.play(20 * MINUTE)

    answer = linked.execution("exec-1")
    assert (answer["status"], states(answer), status(dynamodb)) == ("COMPLETED", {ONE: "LAUNCHED"}, "COMPLETED")
    corrected = [detail for detail in linked.published if "revision" in detail]
    assert [(detail["revision"], detail["outcome"], detail["message"]) for detail in corrected] == [
        (1, "SUCCEEDED", "Corrected: Drill ended: 1 of 1 server launched")
    ]
    (notice,) = subscriber.take()
    assert "launched after" in notice["Subject"]


@pytest.mark.parametrize(
    ("late", "launch_status", "first", "corrected"),
    [
        (step(599, "LAUNCH_END", ONE, late=20), "", "FAILED", "COMPLETED"),
        (step(605, "LAUNCH_FAILED", ONE, late=20, rawError="no rights"), "LAUNCHED", "COMPLETED", "FAILED"),
    ],
)
def test_a_late_item_corrects_the_outcome(  # noqa: PLR0917
    linked: Pipeline, dynamodb: DynamoDBClient, late: Step, launch_status: str, first: str, corrected: str
) -> None:
    steps = [step(10, "LAUNCH_START", ONE), *([step(500, "LAUNCH_END", ONE)] if launch_status else []), late]
    job = linked.start(script(*steps, statuses={ONE: launch_status}), ExecutionId="exec-1")
    record(dynamodb, job)

    linked.play(timedelta(seconds=606), 3 * SECOND)
    assert (linked.job(job)["status"], status(dynamodb)) == (first, first)
    linked.play(15 * MINUTE)

    assert (linked.job(job)["status"], status(dynamodb)) == (corrected, corrected)
    (end,) = [event for event in linked.job(job)["logs"] if event["message"].startswith("Corrected: ")]
    assert end["eventType"] == f"JOB_{corrected}"


@pytest.mark.parametrize(("launch_status", "outcome"), [("TERMINATED", "COMPLETED"), ("LAUNCHED", "FAILED")])
def test_a_termination_that_completes_long_after_its_job_end(
    pipeline: Pipeline, launch_status: str, outcome: str
) -> None:
    """DRS logs JOB_END and states COMPLETED with the launch status an hour later."""
    steps = [step(0.4, "JOB_START"), step(1, "CLEANUP_START", ONE), step(35, "JOB_END")]
    late = Script(
        servers=[ONE], steps=steps, end=60 * MINUTE, statuses={ONE: launch_status}, type="TERMINATE",
        initiated_by="TERMINATE_RECOVERY_INSTANCES",
    )  # fmt: skip
    job = pipeline.start(late)

    pipeline.play(75 * MINUTE, MINUTE)

    answer = pipeline.job(job)
    assert (answer["status"], states(answer)) == (outcome, {ONE: launch_status})
    ends = [detail for detail in pipeline.published if detail["eventType"] in {"JOB_COMPLETED", "JOB_FAILED"}]
    assert [(detail.get("revision"), detail.get("outcome")) for detail in ends] == [
        (None, None),
        (1, "SUCCEEDED" if outcome == "COMPLETED" else "FAILED"),
    ]


def test_a_correction_that_is_lost_on_the_bus_is_sent_again(pipeline: Pipeline) -> None:
    changing = script(
        step(10, "LAUNCH_START", ONE), statuses={ONE: "FAILED"}, late_statuses=[(30 * MINUTE, ONE, "LAUNCHED")]
    )
    job = pipeline.start(changing)
    pipeline.play(29 * MINUTE)

    pipeline.now += 2 * MINUTE
    assert pipeline.collector.collect(PassRequest(), pipeline.now).emitted == 2
    pipeline.queue.clear()  # the launch and the corrected end
    pipeline.play(10 * MINUTE)

    assert pipeline.job(job)["status"] == "COMPLETED"
    assert [event["revision"] for event in pipeline.job(job)["logs"] if event["revision"]] == [1]


@pytest.mark.parametrize(
    "extra",
    [
        {"revision": "v1.2"},
        {"revision": 42, "outcome": "FAILED"},
        {"sourceServerIDs": None},
        {"sourceServerIDs": 3},
        {"participatingServers": "none"},
    ],
)
@pytest.mark.parametrize("event_type", ["CHECK", "JOB_START"])
def test_an_event_of_another_sender_does_not_disturb_the_collector(
    pipeline: Pipeline, extra: dict[str, Any], event_type: str
) -> None:
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}))
    detail = {"jobID": job, "eventType": event_type, "eventId": "1", "logDateTime": pipeline.now.isoformat()} | extra
    pipeline.send(dumps(job_log(detail, source="my.tool")))

    for _ in range(20):
        pipeline.cold_start()
        assert pipeline.collect(MINUTE).failures == {}

    assert pipeline.job(job)["status"] == "COMPLETED"
    assert [event for event in pipeline.job(job)["logs"] if (event["message"] or "").startswith("Corrected")] == []


def test_a_drill_that_was_cleaned_up_before_an_upgrade_keeps_its_outcome(pipeline: Pipeline) -> None:
    """The earlier version stored the launch status of each server, and no state."""
    silent = script(
        step(10, "LAUNCH_START", ONE), statuses={ONE: "LAUNCHED"}, late_statuses=[(20 * MINUTE, ONE, "TERMINATED")]
    )
    job = pipeline.start(silent)
    send = pipeline.put_events

    def without_states(Entries: Any) -> Any:  # noqa: N803
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            for listed in detail.get("participatingServers", []):
                listed.pop("state")
            entry["Detail"] = json.dumps(detail)
        return send(Entries)

    pipeline.put_events = without_states  # type: ignore[method-assign]
    pipeline.play(15 * MINUTE)
    pipeline.put_events = send  # type: ignore[method-assign]
    pipeline.cold_start()
    pipeline.play(15 * MINUTE)

    assert pipeline.job(job)["status"] == "COMPLETED"
    assert [detail for detail in pipeline.published if "revision" in detail] == []


def test_a_job_that_runs_longer_than_the_lookback_is_corrected(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.collector, "_settings", replace(SETTINGS, lookback=timedelta(hours=1)))
    long = script(
        step(10, "LAUNCH_START", ONE),
        step(7000, "LAUNCH_END", ONE),
        end=7200,
        statuses={ONE: "LAUNCHED"},
        late_statuses=[(timedelta(seconds=7200) + 7 * MINUTE, ONE, "FAILED")],
    )
    job = pipeline.start(long)

    pipeline.play(timedelta(seconds=7200) + 20 * MINUTE, MINUTE)

    assert pipeline.job(job)["status"] == "FAILED"


def test_a_late_launch_result_does_not_override_a_corrected_end(pipeline: Pipeline) -> None:
    changing = script(*LAUNCHED, statuses={ONE: "LAUNCHED"}, late_statuses=[(30 * MINUTE, ONE, "FAILED")])
    job = pipeline.start(changing)
    ended = pipeline.now + timedelta(seconds=602)
    pipeline.play(15 * MINUTE)
    result = launch_result(**{"job-id": job}) | {
        "time": ended.isoformat(timespec="seconds"),
        "resources": [f"arn:aws:drs:us-east-1:111122223333:source-server/{ONE}"],
    }
    pipeline.send(dumps(result))
    assert pipeline.job(job)["status"] == "COMPLETED"

    pipeline.play(20 * MINUTE)

    assert (pipeline.job(job)["status"], states(pipeline.job(job))) == ("FAILED", {ONE: "FAILED"})


def asked(pipeline: Pipeline, job: str, **response: Any) -> str:
    """Return the message of CloudTrail about the request of a job that starts now."""
    time = pipeline.now.isoformat(timespec="seconds")
    return dumps(request({"jobID": job} | response, eventTime=time, eventID=f"request of {job}"))


def test_who_requested_a_job_is_known_before_its_log_and_linked_like_it(
    pipeline: Pipeline, subscriber: Subscriber
) -> None:
    pipeline.now = datetime.now(UTC) - 30 * MINUTE
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}), ExecutionId="exec-1")
    message = asked(pipeline, job)
    pipeline.send(message)
    answer = pipeline.job(job)
    assert (types(answer), answer["requestedBy"], answer["status"]) == (["JOB_REQUESTED"], ALICE, "IN_PROGRESS")

    pipeline.play(15 * MINUTE)
    pipeline.send(message)
    pipeline.link()

    answer = pipeline.execution("exec-1")
    assert (answer["status"], answer["requestedBy"], states(answer)) == ("COMPLETED", ALICE, {ONE: "LAUNCHED"})
    assert [wave["requestedBy"] for wave in answer["waves"]] == [ALICE]
    assert types(answer).count("JOB_REQUESTED") == 1
    assert answer["jobs"][0]["startedAt"] == answer["logs"][1]["timestamp"]
    assert Counter(types(answer)).most_common(1)[0][1] == 1  # the collector repeats no event because of the request
    assert subjects(subscriber) == []


def test_a_request_that_cloudtrail_reports_after_the_end_is_added_to_the_log(pipeline: Pipeline) -> None:
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}), ExecutionId="exec-1")
    message = asked(pipeline, job)
    pipeline.play(15 * MINUTE)
    before = pipeline.execution("exec-1")

    pipeline.send(message)
    pipeline.link()
    pipeline.play(15 * MINUTE)

    after = pipeline.execution("exec-1")
    assert (before["requestedBy"], after["requestedBy"]) == (None, ALICE)
    for name in ("status", "durationSeconds", "servers", "summary", "rto", "estimate"):
        assert after[name] == before[name]
    assert types(after) == ["JOB_REQUESTED", *types(before)]


def test_the_request_of_a_cleanup_changes_no_status(linked: Pipeline, dynamodb: DynamoDBClient) -> None:
    linked.now = datetime.now(UTC) - 30 * MINUTE
    job = linked.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}))
    record(dynamodb, job)
    linked.send(asked(linked, job))
    linked.play(15 * MINUTE)
    cleanup = linked.start(scripts.terminate([ONE]))
    linked.send(asked(linked, cleanup, type="TERMINATE", initiatedBy="TERMINATE_RECOVERY_INSTANCES"))
    answer = linked.job(cleanup)
    assert (answer["waves"], answer["logs"][0]["message"]) == ([], "Termination requested by Operator/alice")

    linked.link()

    assert status(dynamodb) == "COMPLETED"
    assert linked.execution("exec-1")["status"] == "COMPLETED"


def test_a_termination_whose_cleanup_fails_is_failed(pipeline: Pipeline) -> None:
    failing = script(
        step(1, "CLEANUP_START", ONE), step(30, "CLEANUP_FAIL", ONE, rawError="UnauthorizedOperation"),
        statuses={ONE: ""}, type="TERMINATE", initiated_by="TERMINATE_RECOVERY_INSTANCES",
    )  # fmt: skip
    job = pipeline.start(failing)

    pipeline.play(15 * MINUTE)

    answer = pipeline.job(job)
    assert (answer["status"], states(answer), answer["servers"][0]["error"]) == (
        *("FAILED", {ONE: "FAILED"}),
        "UnauthorizedOperation",
    )


@given(
    changes=st.lists(st.tuples(st.integers(11, 60), st.sampled_from(["LAUNCHED", "FAILED", "TERMINATED"])), max_size=4),
    colds=st.sets(st.integers(0, 80)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=10)
@pytest.mark.slow
def test_the_last_launch_status_is_the_outcome_whoever_sees_the_changes(
    make_pipeline: Callable[..., Pipeline],
    dynamodb: DynamoDBClient,
    changes: list[tuple[int, str]],
    colds: set[int],
) -> None:
    pipeline = make_pipeline()
    in_order = sorted({minute: (minute * MINUTE, ONE, value) for minute, value in changes}.values())
    job = pipeline.start(script(step(10, "LAUNCH_START", ONE), statuses={ONE: "FAILED"}, late_statuses=in_order))

    for minute in range(80):
        if minute in colds:
            pipeline.cold_start()
        pipeline.collect(MINUTE)

    # In a LAUNCH job, TERMINATED is the effect of a later job: the server was launched if DRS said so before.
    decisive = [value for _, _, value in in_order if value != "TERMINATED"]
    last = in_order[-1][2] if in_order else "FAILED"
    answer = pipeline.job(job)
    if last != "TERMINATED":
        assert answer["status"] == ("COMPLETED" if last == "LAUNCHED" else "FAILED")
    ends = [row for row in rows(dynamodb) if row["JobId"] == job and "outcome" in row["EventData"]]
    revisions = sorted(int(row["EventData"].get("revision", 0)) for row in ends)
    assert revisions == list(range(len(ends)))
    assert len(ends) <= 1 + len(decisive) + 1


def test_a_cancelled_drill_has_one_status_everywhere(linked: Pipeline, dynamodb: DynamoDBClient) -> None:
    job = linked.start(scripts.cancelled([ONE, TWO]), ExecutionId="exec-1")
    record(dynamodb, job)

    linked.play(15 * MINUTE)

    answer = linked.execution("exec-1")
    assert (answer["status"], answer["jobs"][0]["status"], status(dynamodb)) == ("TERMINATED",) * 3
    assert states(answer) == {ONE: "TERMINATED", TWO: "TERMINATED"}
    assert types(answer)[-2:] == ["JOB_TERMINATED", "JOB_TERMINATED"]
    assert [event["message"] for event in answer["logs"][-2:]] == [
        "Drill cancelled",
        "Drill cancelled: 0 of 2 servers launched",
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Cleanup
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_tagged", [True, False])
def test_a_cleanup_job_keeps_the_result_of_the_drill(
    linked: Pipeline, dynamodb: DynamoDBClient, is_tagged: bool
) -> None:
    """TerminateRecoveryInstances takes no tags. The job belongs to the execution that launched its servers."""
    linked.now = datetime.now(UTC) - 45 * MINUTE  # the linker looks up older jobs only once an hour
    drill = scripts.launch([ONE, TWO, THREE], failing={THREE: "no rights"})
    job = linked.start(drill, **({"ExecutionId": "exec-1"} if is_tagged else {}))
    record(dynamodb, job)
    linked.play(30 * MINUTE)
    linked.link()
    before = linked.execution("exec-1")
    assert (before["status"], status(dynamodb)) == ("PARTIAL", "PARTIAL")

    linked.start(scripts.terminate([ONE, TWO, THREE]))
    linked.play(5 * MINUTE)
    linked.link()

    answer = linked.execution("exec-1")
    assert len(answer["jobs"]) == 2
    assert (answer["status"], answer["summary"], states(answer)) == ("PARTIAL", before["summary"], states(before))
    assert [server["error"] for server in answer["servers"]] == [None, None, "no rights"]
    assert all(server["terminatedAt"] for server in answer["servers"])
    assert status(dynamodb) == "PARTIAL"


def test_an_unlinked_cleanup_job_does_not_hold_the_alarm(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.now = datetime.now(UTC) - 6 * MINUTE
    pipeline.start(scripts.terminate([ONE]))
    pipeline.play(5 * MINUTE)
    capsys.readouterr()

    pipeline.link()

    ages = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "OldestUnlinkedEventAge" in line]
    assert [line["OldestUnlinkedEventAge"] for line in ages] == [[0.0]]


# ---------------------------------------------------------------------------------------------------------------------
# Failures
# ---------------------------------------------------------------------------------------------------------------------


def test_a_failure_that_drs_retries_is_under_way_and_its_recovery_is_notified(
    pipeline: Pipeline, subscriber: Subscriber
) -> None:
    retried = script(
        step(10, "LAUNCH_START", ONE),
        step(60, "LAUNCH_FAILED", ONE, rawError="no capacity", attemptCount=1, maxAttemptsCount=3),
        step(120, "LAUNCH_START", ONE),
        step(300, "LAUNCH_END", ONE),
        statuses={ONE: "LAUNCHED"},
    )
    job = pipeline.start(retried)

    pipeline.play(100 * SECOND)
    assert states(pipeline.job(job)) == {ONE: "FAILED"}
    (notice,) = subscriber.take()
    assert "no capacity" in notice["Message"]
    pipeline.play(60 * SECOND)
    assert states(pipeline.job(job)) == {ONE: "LAUNCHING"}
    pipeline.play(15 * MINUTE)

    assert (pipeline.job(job)["status"], states(pipeline.job(job))) == ("COMPLETED", {ONE: "LAUNCHED"})
    (notice,) = subscriber.take()
    assert ONE in notice["Subject"]
    assert "launched after" in notice["Subject"]


def test_the_final_failure_is_notified_with_its_own_error(pipeline: Pipeline, subscriber: Subscriber) -> None:
    failing = script(
        step(10, "SNAPSHOT_START", ONE),
        step(60, "SNAPSHOT_FAIL", ONE, rawError="InternalError"),
        step(61, "USING_PREVIOUS_SNAPSHOT", ONE),
        step(62, "CONVERSION_START", ONE),
        step(300, "CONVERSION_FAIL", ONE, rawError="no driver"),
        statuses={ONE: "FAILED"},
    )
    job = pipeline.start(failing)

    pipeline.play(15 * MINUTE)

    first, final = subscriber.take()
    assert "InternalError" in first["Message"]
    assert "no driver" in final["Message"]
    (server,) = pipeline.job(job)["servers"]
    assert (server["state"], server["error"]) == ("FAILED", "no driver")


def test_a_retried_failure_can_stall(pipeline: Pipeline) -> None:
    job = pipeline.start(reported(2))

    pipeline.play(47 * MINUTE)

    assert types(pipeline.job(job)).count("SERVER_STALLED") == 1
    (server,) = pipeline.job(job)["servers"]
    assert (server["state"], server["stalledAt"]) == ("CONVERSION", pipeline.job(job)["logs"][-1]["timestamp"])


OTHER_EVENT: Final = {"jobID": "drsjob-other", "eventType": "APPLICATION_CHECKED", "eventId": "1"}


@pytest.mark.parametrize("order", ["log first", "result first"])
def test_the_error_reaches_people_in_any_order(pipeline: Pipeline, subscriber: Subscriber, order: str) -> None:
    """The launch result of DRS has no error and no server name. Its message is retried until the log item is stored."""
    pipeline.now = datetime.now(UTC) - 60 * SECOND
    job = pipeline.start(
        script(step(1, "LAUNCH_START", ONE), step(55, "LAUNCH_FAILED", ONE, rawError="no rights"), end=None)
    )
    result = launch_result(state="RECOVERY_LAUNCH_FAILED", **{"job-id": job}) | {
        "time": (datetime.now(UTC) - 5 * SECOND).isoformat(timespec="seconds"),
        "resources": [f"arn:aws:drs:us-east-1:111122223333:source-server/{ONE}"],
    }

    pipeline.collect(20 * SECOND)
    if order == "result first":
        batch = sqs_records([dumps(result), dumps(job_log(OTHER_EVENT))])
        answer = pipeline.ingest.lambda_handler(batch, LambdaContext())
        assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}  # SQS delivers it again
        assert subscriber.take() == []
    pipeline.collect(40 * SECOND)
    pipeline.send(dumps(result))

    (notice,) = subscriber.take()
    assert "no rights" in notice["Message"]


def test_the_error_of_a_launch_that_drs_reports_as_failed(pipeline: Pipeline, subscriber: Subscriber) -> None:
    job = pipeline.start(
        script(
            step(10, "LAUNCH_START", ONE),
            step(300, "LAUNCH_END", ONE, rawError="AuthFailure"),
            statuses={ONE: "FAILED"},
        )
    )

    pipeline.play(15 * MINUTE)

    (server,) = pipeline.job(job)["servers"]
    assert (server["state"], server["error"]) == ("FAILED", "AuthFailure")
    (notice,) = subscriber.take()
    assert "AuthFailure" in notice["Message"]


def test_a_failed_post_launch_action_is_shown_and_notified(pipeline: Pipeline, subscriber: Subscriber) -> None:
    job = pipeline.start(reported(3))

    pipeline.play(15 * MINUTE)

    answer = pipeline.job(job)
    assert "LAUNCH_ACTION_FAILED" in types(answer)
    (server,) = answer["servers"]
    reason = "Process status validation: service not found"
    assert (server["state"], [action["error"] for action in server["failedActions"]]) == ("LAUNCHED", [reason])
    (notice,) = subscriber.take()
    assert reason in notice["Message"]
    (end,) = [detail for detail in pipeline.published if detail["eventType"] == "JOB_COMPLETED"]
    assert end["participatingServers"][0]["launchActionsStatus"]["runs"][0]["failureReason"] == reason


SERVERS = [server_id(0), server_id(1)]


def change_source(pipeline: Pipeline, source: str, *, previous: str) -> None:
    """Apply the module with another ``event_source``: all functions start with new settings."""
    sources = frozenset({source, previous} - {""})
    pipeline.settings = replace(pipeline.settings, event_source=source, collector_sources=sources)
    pipeline.environment |= {"EVENT_SOURCE": source, "PREVIOUS_EVENT_SOURCES": previous}
    pipeline.cold_start()


def forged(job: str, event: str, server: str | None = None, **detail: Any) -> str:
    """Return an event of a permitted sender that is not the collector, half a day later than it is."""
    time = (datetime.now(UTC) + timedelta(hours=12)).isoformat()
    named = {"jobID": job, "eventType": event, "eventId": f"forged {event}", "sourceServerID": server}
    return dumps(job_log(named | {"logDateTime": time} | detail, source="acme.tool"))


def test_a_forged_launch_hides_no_failure(linked: Pipeline, dynamodb: DynamoDBClient, subscriber: Subscriber) -> None:
    job = linked.start(scripts.launch(SERVERS, failing={SERVERS[0]: "no rights"}), ExecutionId="exec-1")
    record(dynamodb, job)
    linked.collect(timedelta(minutes=1))
    linked.send(
        forged(job, "LAUNCH_END", SERVERS[0]),
        forged(job, "JOB_END", outcome="SUCCEEDED"),
        forged(job, "LAUNCH_FAILED", SERVERS[1], error="forged"),
    )
    assert status(dynamodb) == "RUNNING"
    assert set(states(linked.job(job)).values()) <= {"PENDING", "SNAPSHOT", "CONVERSION"}

    linked.play(timedelta(minutes=40))

    answer = linked.execution("exec-1")
    assert states(answer) == {SERVERS[0]: "FAILED", SERVERS[1]: "LAUNCHED"}
    assert (answer["status"], status(dynamodb)) == ("PARTIAL", "PARTIAL")
    assert {event["eventType"] for event in answer["logs"] if event["eventId"].startswith("forged")} == {
        "SERVER_LAUNCHED",
        "JOB_COMPLETED",
        "SERVER_LAUNCH_FAILED",
    }
    linked.send_collected()
    sources = [line for message in subscriber.take() for line in message["Message"].splitlines() if "Source:" in line]
    assert Counter(sources) == {"Source:     acme.tool": 1, "Source:     drs.job-log": 1}


def test_an_invented_job_hides_no_failure(pipeline: Pipeline) -> None:
    pipeline.start(scripts.launch(SERVERS, failing={SERVERS[0]: "no rights"}), ExecutionId="exec-1")
    pipeline.play(timedelta(minutes=40))

    pipeline.send(forged("drsjob-invented", "LAUNCH_END", SERVERS[0], executionId="exec-1"))

    assert states(pipeline.execution("exec-1")) == {SERVERS[0]: "FAILED", SERVERS[1]: "LAUNCHED"}


def test_an_upgrade_does_not_stop_the_job_of_another_sender(pipeline: Pipeline, table: JobLogTable) -> None:
    """An earlier version stored its first events without their source in the key."""
    created = datetime.now(UTC) - timedelta(hours=2)
    events = played.events(scripts.launch(SERVERS), "drsjob-old", created=created, execution_id="exec-1")
    for place, event in enumerate(events):
        table.put(replace(event, source="acme.tool", is_foreign=place > 2), timedelta(days=30))

    assert pipeline.job("drsjob-old")["status"] == "COMPLETED"


def test_other_senders_decide_if_the_collector_does_not_read_the_job(pipeline: Pipeline) -> None:
    pipeline.send(forged("drsjob-other", "LAUNCH_END", SERVERS[0]))

    assert states(pipeline.job("drsjob-other")) == {SERVERS[0]: "LAUNCHED"}


def test_a_changed_event_source_changes_nothing_for_running_jobs(
    pipeline: Pipeline, table: JobLogTable, subscriber: Subscriber
) -> None:
    """The source changes while a job runs, with events in the table and in the queue. Its end is corrected later."""
    changing = script(
        *LAUNCHED,
        step(300, "SNAPSHOT_FAIL", TWO, rawError="no rights"),
        statuses={ONE: "LAUNCHED", TWO: "FAILED"},
        late_statuses=[(30 * MINUTE, ONE, "FAILED")],
    )
    job = pipeline.start(changing, ExecutionId="exec-1")
    pipeline.play(4 * MINUTE)
    pipeline.now += 2 * MINUTE
    pipeline.collector.collect(PassRequest(), pipeline.now)
    assert any("SNAPSHOT_FAILED" in message for message in pipeline.queue)

    change_source(pipeline, "drs.job-log.prod", previous="drs.job-log")
    pipeline.play(15 * MINUTE)
    assert pipeline.job(job)["status"] == "PARTIAL"
    pipeline.play(20 * MINUTE)

    answer = pipeline.execution("exec-1")
    assert (answer["status"], states(answer)) == ("FAILED", {ONE: "FAILED", TWO: "FAILED"})
    assert {log["source"] for log in answer["logs"]} == {"drs.job-log", "drs.job-log.prod"}
    keys = [(log["timestamp"], log["eventId"]) for log in answer["logs"]]
    assert len(keys) == len(set(keys))  # no event is stored twice
    assert [event.is_foreign for event in table.events_of_job(job)] == [False] * len(keys)
    assert len([subject for subject in subjects(subscriber) if TWO in subject]) == 1


def test_after_a_change_of_the_source_stored_events_still_link_their_job(pipeline: Pipeline) -> None:
    pipeline.now = datetime.now(UTC) - 30 * MINUTE
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}), ExecutionId="exec-1")
    pipeline.play(15 * MINUTE)
    change_source(pipeline, "drs.job-log.prod", previous="drs.job-log")
    result = launch_result(**{"job-id": job}) | {"time": pipeline.now.isoformat(timespec="seconds")}
    pipeline.send(dumps(result))
    for _ in range(10):
        pipeline.send(forged(job, "SNAPSHOT_START", TWO, executionId="exec-forged"))

    pipeline.link()

    assert "aws.drs" in {log["source"] for log in pipeline.execution("exec-1")["logs"]}


def test_after_a_change_of_the_source_a_stored_end_is_corrected(pipeline: Pipeline) -> None:
    changing = script(*LAUNCHED, statuses={ONE: "LAUNCHED"}, late_statuses=[(30 * MINUTE, ONE, "FAILED")])
    job = pipeline.start(changing)
    pipeline.play(15 * MINUTE)
    assert pipeline.job(job)["status"] == "COMPLETED"

    change_source(pipeline, "drs.job-log.prod", previous="drs.job-log")
    pipeline.play(20 * MINUTE)

    assert pipeline.job(job)["status"] == "FAILED"


def test_a_source_that_is_not_the_collectors_any_more_is_foreign(pipeline: Pipeline, table: JobLogTable) -> None:
    """A sender in ``event_sources`` is removed from ``previous_event_sources`` by Terraform."""
    change_source(pipeline, "drs.job-log.prod", previous="")

    pipeline.send(dumps(job_log({"jobID": "drsjob-1", "eventType": "JOB_END"}, source="drs.job-log")))

    assert [event.is_foreign for event in table.events_of_job("drsjob-1")] == [True]


def test_with_only_tagged_jobs_without_the_tags_are_not_read(pipeline: Pipeline) -> None:
    pipeline.settings = replace(SETTINGS, only_tagged={"environment": "prod", "team": "web"})
    pipeline.cold_start()
    tags = {"environment": "prod", "team": "web", "more": "x"}
    own = pipeline.start(scripts.launch([ONE]), **tags)
    others = [
        pipeline.start(scripts.launch([TWO])),
        pipeline.start(scripts.launch([TWO]), environment="prod"),
        pipeline.start(scripts.launch([TWO]), environment="staging", team="web"),
    ]
    pipeline.play(40 * MINUTE)
    own_cleanup = pipeline.start(scripts.terminate([ONE]))  # TerminateRecoveryInstances takes no tags
    other_cleanup = pipeline.start(scripts.terminate([TWO]))
    pipeline.play(20 * MINUTE)

    assert {detail["jobID"] for detail in pipeline.published} == {own, own_cleanup}
    assert pipeline.job(own)["status"] == "COMPLETED"

    pipeline.published.clear()
    pipeline.cold_start()  # a manual request does not depend on earlier passes
    ids = (own, own_cleanup, *others, other_cleanup)
    result = pipeline.collector.collect(PassRequest(job_ids=ids), pipeline.now)

    assert result.jobs == 2
    assert result.failures == dict.fromkeys(
        [*others, other_cleanup], "no configured account and Region has this job with the tags of collector.only_tagged"
    )


def test_a_cleanup_job_belongs_to_the_launch_before_it(pipeline: Pipeline) -> None:
    """Each drill launches the same server. A later launch does not hide the launch that a cleanup job ends."""
    pipeline.settings = replace(SETTINGS, only_tagged={"environment": "prod"})
    cleanups = []
    for number in (1, 2):
        pipeline.start(scripts.launch([ONE]), environment="prod", ExecutionId=f"drill-{number}")
        pipeline.play(40 * MINUTE)
        cleanups.append(pipeline.start(scripts.terminate([ONE])))
        pipeline.play(20 * MINUTE)

    pipeline.cold_start()
    result = pipeline.collector.collect(PassRequest(job_ids=cleanups), pipeline.now)

    assert (result.jobs, result.failures) == (2, {})
    executions = {(d["jobID"], d["executionId"]) for d in pipeline.published if d["jobID"] in cleanups}
    assert executions == {(cleanups[0], "drill-1"), (cleanups[1], "drill-2")}


def test_a_running_job_that_loses_its_tags_is_read_to_its_end(pipeline: Pipeline) -> None:
    pipeline.settings = replace(SETTINGS, only_tagged={"environment": "prod"})
    pipeline.cold_start()
    job = pipeline.start(scripts.launch([ONE]), environment="prod")
    pipeline.play(2 * MINUTE)
    pipeline.simulator.jobs[job].tags.clear()

    pipeline.play(40 * MINUTE)

    assert pipeline.job(job)["status"] == "COMPLETED"


def test_a_failed_failback_is_called_a_failback(pipeline: Pipeline, subscriber: Subscriber) -> None:
    failing = replace(scripts.launch([ONE], failing={ONE: "no rights"}), initiated_by="FAILBACK")
    pipeline.start(failing)

    pipeline.play(30 * MINUTE)

    (subject,) = subjects(subscriber)
    assert "Failback" in subject


# ---------------------------------------------------------------------------------------------------------------------
# Completeness
# ---------------------------------------------------------------------------------------------------------------------


def test_items_that_appear_after_the_job_ended_are_stored(pipeline: Pipeline) -> None:
    late = step(400, "CLEANUP_END", ONE, late=210)  # appears 10 s after the end of the job
    job = pipeline.start(script(*LAUNCHED, late, statuses={ONE: "LAUNCHED"}))
    pipeline.play(timedelta(seconds=606), 3 * SECOND)
    assert "JOB_COMPLETED" in types(pipeline.job(job))

    pipeline.play(2 * MINUTE)
    assert "CLEANUP_END" in types(pipeline.job(job))
    pipeline.play(15 * MINUTE)

    pipeline.simulator.calls.clear()
    pipeline.play(5 * MINUTE)
    assert set(pipeline.simulator.calls) == {"DescribeJobs", "ListRecoveryPlanExecutions"}  # the log is not read again


def test_servers_that_drs_names_late_are_counted_and_named(make_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = make_pipeline(names={ONE: "web", TWO: "db", THREE: "mail"})
    late = script(
        *LAUNCHED,
        step(500, "LAUNCH_END", THREE),  # a server that DRS never lists
        servers=(ONE, TWO),
        statuses={ONE: "LAUNCHED", TWO: "LAUNCHED"},
        listed={TWO: 60 * SECOND},
    )
    job = pipeline.start(late)

    pipeline.play(30 * SECOND)
    assert pipeline.job(job)["summary"]["totalServers"] == 1
    pipeline.cold_start()  # another instance sees the second server
    pipeline.play(60 * SECOND)
    answer = pipeline.job(job)
    assert (answer["summary"]["totalServers"], types(answer).count("SERVERS_ADDED")) == (2, 1)
    pipeline.play(15 * MINUTE)

    answer = pipeline.job(job)
    assert {server["sourceServerId"]: server["serverName"] for server in answer["servers"]} == {
        ONE: "web",
        TWO: "db",
        THREE: "mail",
    }
    assert types(answer).count("SERVERS_ADDED") == 1


def test_a_name_that_drs_learns_late_is_looked_up_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drs_job_log.collect.drs_client._UNNAMED_SECONDS", 0.0)
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}))
    pipeline.play(5 * MINUTE)
    assert [server["serverName"] for server in pipeline.job(job)["servers"]] == [None]

    pipeline.simulator.names[ONE] = "web"
    pipeline.play(10 * MINUTE)

    assert [server["serverName"] for server in pipeline.job(job)["servers"]] == ["web"]


def test_a_job_that_is_deleted_while_it_runs_ends(pipeline: Pipeline) -> None:
    job = pipeline.start(script(step(10, "CONVERSION_START", ONE), end=None, deleted=5 * MINUTE))

    pipeline.play(4 * MINUTE)
    assert pipeline.job(job)["status"] == "IN_PROGRESS"
    pipeline.play(10 * MINUTE)

    answer = pipeline.job(job)
    assert (answer["status"], states(answer)) == ("FAILED", {ONE: "FAILED"})
    assert types(answer).count("JOB_DELETED") == 1
    done = pipeline.collect()
    assert (done.jobs, done.running_jobs) == (0, 0)  # the job is no longer tracked


def test_a_deleted_job_that_had_ended_keeps_its_end(pipeline: Pipeline) -> None:
    """An instance that saw the job run last does not know its end."""
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}, deleted=15 * MINUTE))
    pipeline.play(2 * MINUTE)
    old = pipeline.collector
    pipeline.cold_start()
    pipeline.play(17 * MINUTE)

    pipeline.collector = old
    pipeline.play(5 * MINUTE)

    assert pipeline.job(job)["status"] == "COMPLETED"
    assert "JOB_DELETED" not in types(pipeline.job(job))
    assert pipeline.collect().running_jobs == 0


def test_a_job_that_drs_does_not_list_for_a_moment_is_not_deleted(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = pipeline.start(script(*LAUNCHED, statuses={ONE: "LAUNCHED"}))
    pipeline.play(2 * MINUTE)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.drs, "jobs", lambda **_: [])
        pipeline.play(50 * SECOND, 10 * SECOND)
    pipeline.play(15 * MINUTE)

    assert pipeline.job(job)["status"] == "COMPLETED"
    assert "JOB_DELETED" not in types(pipeline.job(job))


def test_a_stall_is_counted_once(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.start(scripts.launch([ONE, TWO], stuck=[ONE]))
    capsys.readouterr()

    for _ in range(70):
        pipeline.cold_start()
        pipeline.collect(MINUTE)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ServersStalled" in line]
    assert [line["ServersStalled"] for line in lines] == [[1.0]]


# ---------------------------------------------------------------------------------------------------------------------
# Executions
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["tag", "executions table"])
def test_one_event_of_another_sender_does_not_divert_a_recovery(
    linked: Pipeline, dynamodb: DynamoDBClient, source: str
) -> None:
    linked.now = datetime.now(UTC) - 25 * MINUTE
    tags = {"ExecutionId": "exec-1"} if source == "tag" else {}
    job = linked.start(scripts.launch([ONE]), **tags)
    record(dynamodb, job)
    foreign = {"jobID": job, "eventType": "CHECK", "eventId": "1", "executionId": "exec-foreign"}
    linked.send(dumps(job_log(foreign | {"logDateTime": datetime.now(UTC).isoformat()}, source="my.tool")))

    linked.play(20 * MINUTE)
    linked.link()

    of_job = [row for row in rows(dynamodb) if row["JobId"] == job and row["Source"] == "drs.job-log"]
    assert {row["ExecutionId"] for row in of_job} == {"exec-1"}
    assert linked.job(job)["executionId"] == "exec-1"
    assert len(of_job) > 7
    assert linked.execution("exec-1")["status"] == status(dynamodb) == "COMPLETED"


@pytest.mark.parametrize(
    "word",
    [
        *("PARTIAL_SUCCESS", "SUCCESS", "STOPPED", "CompletedWithFailure", "completedWithExceptions"),
        *("planExecutionTimedOut", "A word of tomorrow"),
    ],
)
def test_a_status_that_the_module_does_not_know_is_final(linked: Pipeline, dynamodb: DynamoDBClient, word: str) -> None:
    job = linked.start(scripts.launch([ONE]), ExecutionId="exec-1")
    record(dynamodb, job, status=word)

    linked.play(20 * MINUTE)

    answer = linked.execution("exec-1")
    assert (status(dynamodb), answer["status"], answer["settled"], answer["statusReason"]) == (
        *(word, "COMPLETED"),
        *(True, None),
    )


@pytest.mark.parametrize(("word", "hours", "answered"), [("POLLING", 3, "IN_PROGRESS"), ("started", 26, "COMPLETED")])
def test_an_execution_that_its_orchestrator_never_ends(
    make_pipeline: Callable[..., Pipeline], dynamodb: DynamoDBClient, word: str, hours: int, answered: str
) -> None:
    pipeline = make_pipeline(updateStatus=False)
    pipeline.now = datetime.now(UTC) - timedelta(hours=hours)
    job = pipeline.start(scripts.launch([ONE]), ExecutionId="exec-1")
    record(dynamodb, job, status=word)

    pipeline.play(20 * MINUTE)

    answer = pipeline.execution("exec-1")
    is_over = answered == "COMPLETED"
    assert (answer["status"], answer["settled"]) == (answered, is_over)
    assert ("more than a day ago" in (answer["statusReason"] or "")) is is_over


def test_the_log_is_served_while_the_executions_table_is_not_usable(
    make_pipeline: Callable[..., Pipeline], dynamodb: DynamoDBClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The results table of drs-plan-automation has the execution ID as its range key."""
    table = REPORTED["tables"][0]
    executions.create(dynamodb, table["keySchema"]["HASH"], table["keySchema"]["RANGE"])
    executions.write(dynamodb, **table["item"])
    pipeline = make_pipeline()
    pipeline.environment |= {
        "EXECUTION_HISTORY_TABLE": "history",
        "EXECUTION_HISTORY_SETTINGS": json.dumps({"updateStatus": True, "jobIdAttribute": "jobID"}),
    }
    pipeline.cold_start()
    pipeline.start(scripts.launch([ONE]), ExecutionId=table["item"]["ExecutionId"])
    pipeline.play(20 * MINUTE)  # no message fails
    capsys.readouterr()

    answers = [pipeline.execution(table["item"]["ExecutionId"]) for _ in range(3)]

    assert {(answer["status"], answer["settled"]) for answer in answers} == {("COMPLETED", True)}
    assert "AppId_PlanId" in answers[0]["statusReason"] or "partition key" in answers[0]["statusReason"]
    pipeline.link()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ExecutionsTableRejected"] for line in lines if "ExecutionsTableRejected" in line] == [[1.0]]
