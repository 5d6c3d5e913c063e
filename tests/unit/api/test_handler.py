from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from boto3.dynamodb.types import TypeSerializer
from drs_job_log.api import execution_log, views
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.api.parameters import BadRequestError, Query, _digest, create_token, parse_token
from drs_job_log.api.responses import log_response
from drs_job_log.estimates import Estimator
from drs_job_log.model.events import format_time, parse
from drs_job_log.model.known_errors import UNKNOWN_CAUSE, UNKNOWN_FIRST_STEP, hint_of
from drs_job_log.table import keep_items_as_json, to_item
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import played, scripts
from tests.support.envelopes import ALICE, dumps, job_log, request
from tests.support.executions import create, executions_table, write
from tests.support.recovery import CONTEXT
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

CLOCK = {"readAt": None, "now": None, "durationSeconds": None}  # what the time of a request changes
SERVERS = [scripts.server_id(number) for number in range(4)]
NOW = datetime.now(UTC)
ROUTES = {"executionId": "GET /executions/{executionId}/logs", "jobId": "GET /jobs/{jobId}/logs"}
GOOD = scripts.launch(SERVERS[:2])
MIXED = scripts.launch(SERVERS[2:], failing={SERVERS[3]: "no rights"})


def get(name: str, value: str, **parameters: str) -> tuple[int, dict[str, Any]]:
    """Send a request with an ID in the path."""
    return send({"routeKey": ROUTES[name], "pathParameters": {name: value}}, parameters)


def get_logs(**parameters: str) -> tuple[int, dict[str, Any]]:
    """Send a request with the ID in the query."""
    return send({"routeKey": "GET /logs"}, parameters)


def send(event: dict[str, Any], parameters: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Send a request as API Gateway does, with payload format 2.0."""
    query = {"queryStringParameters": parameters} if parameters else {}
    answer = api.lambda_handler({"version": "2.0"} | event | query, CONTEXT)
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert answer["headers"]["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def execution(value: str = "exec-1", **parameters: str) -> dict[str, Any]:
    status, body = get("executionId", value, **parameters)
    assert status == 200, body
    return body


@pytest.fixture(autouse=True)
def _use_table(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "logs", EventLogCache(table))
    monkeypatch.setattr(api, "estimator", Estimator(api.ledger, api.settings.stalled_after))
    monkeypatch.setattr(api, "executions_table", None)


@pytest.fixture
def _two_waves(table: JobLogTable) -> None:
    """An execution with two waves that ended within the last hour. A server of the second wave failed."""
    for script, job_id, minutes in ((GOOD, "drsjob-1", 60), (MIXED, "drsjob-2", 30)):
        for event in played.events(script, job_id, created=NOW - timedelta(minutes=minutes)):
            table.put(event, RETENTION)


@pytest.mark.usefixtures("_two_waves")
def test_the_log_of_an_execution_has_all_attributes() -> None:
    body = execution(limit="1000")

    assert list(body) == [
        "executionId",
        "status",
        "settled",
        "statusReason",
        "readAt",
        "now",
        "requestedBy",
        "durationSeconds",
        "stalled",
        "slow",
        "estimate",
        "rto",
        "rpo",
        "logs",
        "summary",
        "recoveryPlan",
        "plannedWaves",
        "waves",
        "servers",
        "jobs",
        "truncated",
        "nextToken",
    ]
    assert (body["executionId"], body["status"], body["statusReason"]) == ("exec-1", "PARTIAL", None)
    assert (body["truncated"], body["nextToken"]) == (False, None)
    assert len(body["logs"]) == 2 * (2 + 2 * 6)
    times = [entry["timestamp"] for entry in body["logs"]]
    assert times == sorted(times)
    (failed,) = [entry for entry in body["logs"] if entry["eventType"] == "SERVER_LAUNCH_FAILED"]
    assert failed == {
        "eventId": failed["eventId"],
        "timestamp": failed["timestamp"],
        "eventType": "SERVER_LAUNCH_FAILED",
        "source": "drs.job-log",
        "account": None,
        "region": None,
        "jobId": "drsjob-2",
        "sourceServerId": SERVERS[3],
        "serverName": None,
        "resourceId": None,
        "ec2InstanceId": None,
        "message": f"Server {SERVERS[3]} failed to launch",
        "error": "no rights",
        "durationSeconds": failed["durationSeconds"],
        "revision": None,
    }
    assert body["summary"] == {
        **dict.fromkeys(("pending", "converting", "launching", "skipped", "completed", "terminated"), 0),
        "totalServers": 4,
        "launched": 3,
        "failed": 1,
    }
    assert body["servers"][3] == {
        "sourceServerId": SERVERS[3],
        "serverName": None,
        "state": "FAILED",
        "ec2InstanceId": None,
        "jobId": "drsjob-2",
        "since": failed["timestamp"],
        "error": "no rights",
        "hint": {"isKnown": False, "cause": UNKNOWN_CAUSE, "firstStep": UNKNOWN_FIRST_STEP, "source": None},
        "stepSeconds": body["servers"][3]["stepSeconds"],
        "estimate": None,
        "slow": False,
        "stalledAt": None,
        "terminatedAt": None,
        "pointInTime": None,
        "rpoSeconds": None,
        "failedActions": [],
    }
    start = format_time(NOW - timedelta(minutes=60) + timedelta(seconds=0.4))
    assert body["jobs"][0] == {
        "jobId": "drsjob-1",
        "jobType": "LAUNCH",
        "initiatedBy": "START_DRILL",
        "requestedBy": None,
        "status": "COMPLETED",
        "isDrill": True,
        "startedAt": start,
        "endedAt": max(entry["timestamp"] for entry in body["logs"] if entry["jobId"] == "drsjob-1"),
        "drillInstances": None,
        "resources": [],
    }


@pytest.mark.usefixtures("_two_waves")
def test_the_log_of_an_execution_has_its_waves_and_its_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "settings", replace(api.settings, rto_minutes=40))

    body = execution(limit="1")

    first, second = (job for job in body["jobs"])
    none = dict.fromkeys(("pending", "converting", "launching", "skipped", "completed", "terminated"), 0)
    assert body["waves"] == [
        {
            "number": 1,
            "jobId": "drsjob-1",
            "jobIds": ["drsjob-1"],
            "status": "COMPLETED",
            "requestedBy": None,
            "startedAt": first["startedAt"],
            "endedAt": first["endedAt"],
            "counts": none | {"totalServers": 2, "launched": 2, "failed": 0},
        },
        {
            "number": 2,
            "jobId": "drsjob-2",
            "jobIds": ["drsjob-2"],
            "status": "PARTIAL",
            "requestedBy": None,
            "startedAt": second["startedAt"],
            "endedAt": second["endedAt"],
            "counts": none | {"totalServers": 2, "launched": 1, "failed": 1},
        },
    ]
    created = NOW - timedelta(minutes=60)
    ended = datetime.fromisoformat(second["endedAt"])
    assert body["durationSeconds"] == (ended - created).total_seconds()
    assert (body["plannedWaves"], body["stalled"]) == (None, 0)
    assert abs(datetime.fromisoformat(body["now"]) - datetime.now(UTC)) < timedelta(seconds=10)
    assert (body["rto"]["targetMinutes"], body["rto"]["result"]) == (40, "MISSED")


def ask(table: JobLogTable, job_id: str, created: datetime, execution_id: str | None = "exec-1", **call: Any) -> None:
    """Store the request of a job."""
    job = {"jobID": job_id} | call.pop("job", {})
    event = parse(dumps(request(job, eventTime=created.isoformat(timespec="seconds"), **call)))
    table.put(replace(event, execution_id=execution_id), RETENTION)


def test_the_request_of_a_job_states_who_started_it(table: JobLogTable) -> None:
    """A cleanup is the first job of the execution, but it is no wave."""
    created = NOW - timedelta(minutes=60)
    bob = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/bob"}
    for number, script in enumerate((scripts.terminate(SERVERS[:2]), GOOD, MIXED)):
        for event in played.events(script, f"drsjob-{number}", created=created + timedelta(minutes=number)):
            table.put(event, RETENTION)
    ask(table, "drsjob-0", created, job={"type": "TERMINATE"}, userIdentity=bob)
    ask(table, "drsjob-1", created + timedelta(minutes=1))

    body = execution(limit="1000")

    assert body["requestedBy"] == ALICE
    assert {job["jobId"]: job["requestedBy"] for job in body["jobs"]} == {
        "drsjob-1": ALICE,
        "drsjob-2": None,
        "drsjob-0": bob["arn"],
    }
    assert [(wave["jobId"], wave["requestedBy"]) for wave in body["waves"]] == [("drsjob-1", ALICE), ("drsjob-2", None)]
    (entry,) = [
        entry for entry in body["logs"] if (entry["jobId"], entry["eventType"]) == ("drsjob-1", "JOB_REQUESTED")
    ]
    assert (entry["source"], entry["message"]) == ("aws.drs", "Drill requested by Operator/alice")
    assert (entry["account"], entry["region"], entry["sourceServerId"]) == ("111122223333", "us-east-1", None)
    assert get("jobId", "drsjob-0")[1]["requestedBy"] == bob["arn"]


def test_a_job_of_which_only_the_request_is_stored_runs(table: JobLogTable) -> None:
    ask(table, "drsjob-1", NOW - timedelta(days=1))

    for body in (execution(), get("jobId", "drsjob-1")[1]):
        assert (body["requestedBy"], body["status"], body["settled"]) == (ALICE, "IN_PROGRESS", False)
        assert (body["servers"], body["summary"]["totalServers"], body["estimate"]) == ([], 0, None)
        assert [(wave["jobId"], wave["counts"]["totalServers"]) for wave in body["waves"]] == [("drsjob-1", 0)]


def test_the_request_of_a_cleanup_is_no_wave(table: JobLogTable) -> None:
    ask(table, "drsjob-1", NOW, None, job={"type": "TERMINATE", "initiatedBy": "TERMINATE_RECOVERY_INSTANCES"})

    body = get("jobId", "drsjob-1")[1]

    assert (body["requestedBy"], body["status"], body["waves"], body["rto"]) == (ALICE, "IN_PROGRESS", [], None)


def test_a_cleanup_is_no_wave_and_does_not_add_to_the_duration(table: JobLogTable) -> None:
    for script, job_id, minutes in ((GOOD, "drsjob-1", 60), (scripts.terminate(SERVERS[:2]), "drsjob-2", 10)):
        for event in played.events(script, job_id, created=NOW - timedelta(minutes=minutes)):
            table.put(event, RETENTION)

    body = execution()

    assert [wave["jobId"] for wave in body["waves"]] == ["drsjob-1"]
    assert body["durationSeconds"] < 30 * 60
    assert get("jobId", "drsjob-2")[1]["waves"] == []


def test_an_execution_without_events_has_no_duration() -> None:
    body = execution("unknown")

    assert [body[name] for name in ("durationSeconds", "stalled", "rto", "plannedWaves", "waves")] == [
        *(None, 0, None, None),
        [],
    ]


def test_the_duration_of_a_running_job_ends_now(table: JobLogTable) -> None:
    events = played.events(GOOD, "drsjob-1", created=datetime.now(UTC) - timedelta(minutes=5))
    for event in events[:4]:
        table.put(event, RETENTION)
    asked = {"routeKey": ROUTES["jobId"], "pathParameters": {"jobId": "drsjob-1"}}

    answers = [api.lambda_handler(asked, CONTEXT) for _ in range(2)]

    first, second = (json.loads(answer["body"]) for answer in answers)
    assert 300 <= first["durationSeconds"] < second["durationSeconds"] < 330
    assert first["now"] < second["now"]
    assert answers[0]["headers"]["ETag"] == answers[1]["headers"]["ETag"]


def test_an_event_has_its_account_region_and_duration(table: JobLogTable) -> None:
    for number, detail in enumerate(
        [
            {"account": "111122223333", "region": "eu-west-1", "durationSeconds": 12.5},
            {"account": {}, "region": ["x"], "durationSeconds": "12"},
            {"durationSeconds": True},
            {"durationSeconds": -1},
            {"durationSeconds": 0},
        ]
    ):
        at = format_time(NOW + timedelta(seconds=number))
        table.put(event_of({"eventType": "LAUNCH_END", "eventId": str(number), "logDateTime": at} | detail), RETENTION)

    shown = [[entry[name] for name in ("account", "region", "durationSeconds")] for entry in execution()["logs"]]

    nothing = [None, None, None]
    assert shown == [["111122223333", "eu-west-1", 12.5], nothing, nothing, nothing, [None, None, 0]]


def test_durations_do_not_separate_equal_details(table: JobLogTable) -> None:
    for number in range(50):
        detail = {"eventType": "LAUNCH_END", "eventId": str(number), "jobType": "LAUNCH", "durationSeconds": number / 7}
        table.put(event_of(detail | {"logDateTime": format_time(NOW + timedelta(seconds=number))}), RETENTION)

    events = list(table.events_of_execution("exec-1"))

    assert len({id(event.detail) for event in events}) == 1
    assert [event.duration_seconds for event in events] == pytest.approx([number / 7 for number in range(50)])


def test_a_network_recovery_has_its_resources(table: JobLogTable) -> None:
    network = {"sourceNetworkID": "sn-1234567890abcdef0", "sourceVpc": "vpc-0123456789abcdef0"}
    of_network = {"eventResourceData": {"sourceNetworkData": network}}
    store(
        table,
        {
            "initiatedBy": "CREATE_NETWORK_RECOVERY",
            "participatingServers": [],
            "participatingResources": [
                {"launchStatus": "FAILED", "participatingResourceID": {"sourceNetworkID": network["sourceNetworkID"]}}
            ],
        },
        [
            ("JOB_START", 1, {}),
            ("DEPLOY_NETWORK_CONFIGURATION_START", 2, of_network),
            ("DEPLOY_NETWORK_CONFIGURATION_FAILED", 90, of_network | {"rawError": "ROLLBACK_COMPLETE"}),
            ("JOB_END", 600.03, {}),
        ],
    )

    body = execution()

    hint = hint_of("ROLLBACK_COMPLETE")
    assert hint
    assert (body["status"], body["servers"], body["summary"]["totalServers"]) == ("FAILED", [], 0)
    failed = body["logs"][2]
    assert body["jobs"] == [
        {
            "jobId": "drsjob-1",
            "jobType": "LAUNCH",
            "initiatedBy": "CREATE_NETWORK_RECOVERY",
            "requestedBy": None,
            "status": "FAILED",
            "isDrill": False,
            "startedAt": body["logs"][0]["timestamp"],
            "endedAt": body["logs"][-1]["timestamp"],
            "drillInstances": None,
            "resources": [
                {
                    "resourceId": "sn-1234567890abcdef0",
                    "state": "FAILED",
                    "since": failed["timestamp"],
                    "error": "ROLLBACK_COMPLETE",
                    "hint": {"isKnown": True, "cause": hint.cause, "firstStep": hint.first_step, "source": hint.source},
                }
            ],
        }
    ]
    assert [entry["resourceId"] for entry in body["logs"]] == [
        *(None, "sn-1234567890abcdef0", "sn-1234567890abcdef0"),
        None,
    ]


def test_a_launched_server_has_its_failed_actions_and_its_termination(table: JobLogTable) -> None:
    run = {
        "status": "FAILED",
        "failureReason": "service not found",
        "runId": "run-1",
        "action": {"name": "Process status"},
    }
    server = {
        "sourceServerID": SERVERS[0],
        "launchStatus": "LAUNCHED",
        "launchActionsStatus": {"runs": [run, {"status": "SUCCEEDED", "runId": "run-2"}]},
    }
    of_server = {"sourceServerID": SERVERS[0]}
    items = [("JOB_START", 1, {}), ("LAUNCH_START", 2, of_server), ("LAUNCH_END", 500, of_server)]
    store(table, {"participatingServers": [server]}, [*items, ("JOB_END", 600.03, {})])
    cleanup = scripts.terminate(SERVERS[:1])
    for event in played.events(cleanup, "drsjob-2", created=NOW - timedelta(minutes=30)):
        table.put(event, RETENTION)

    body = execution()

    (shown,) = body["servers"]
    ends = [job["endedAt"] for job in body["jobs"]]
    assert (shown["state"], shown["jobId"], shown["stalledAt"]) == ("LAUNCHED", "drsjob-1", None)
    assert shown["failedActions"] == [{"name": "Process status", "error": "service not found"}]
    assert shown["terminatedAt"] == ends[1]
    assert [job["jobType"] for job in body["jobs"]] == ["LAUNCH", "TERMINATE"]


def test_a_stalled_server_has_the_time_of_the_stall(table: JobLogTable) -> None:
    begun = {"status": "STARTED", "endDateTime": None, "participatingServers": [{"sourceServerID": SERVERS[0]}]}
    store(table, begun, [("JOB_START", 1, {}), ("CONVERSION_START", 2, {"sourceServerID": SERVERS[0]})])
    stall = {"eventType": "SERVER_STALLED", "eventId": "stall", "sourceServerID": SERVERS[0]}
    at = format_time(NOW - timedelta(minutes=20))
    table.put(event_of(stall | {"logDateTime": at}), RETENTION)

    body = execution()

    assert [(server["state"], server["stalledAt"]) for server in body["servers"]] == [("CONVERSION", at)]
    assert body["stalled"] == 1


@pytest.mark.parametrize(("revision", "shown"), [(2, 2), (None, None), ("2", None), ([], None)])
def test_a_corrected_end_has_its_number(table: JobLogTable, revision: object, shown: int | None) -> None:
    end = {"eventType": "JOB_COMPLETED", "eventId": "end", "outcome": "SUCCEEDED"}
    table.put(event_of(end | {} if revision is None else end | {"revision": revision}), RETENTION)

    (entry,) = execution()["logs"]

    assert entry["revision"] == shown
    assert type(entry["revision"]) is type(shown)


def test_two_senders_with_the_same_event_id_have_different_sources(table: JobLogTable) -> None:
    detail = {"eventType": "LAUNCH_END", "eventId": "same", "logDateTime": format_time(NOW), "jobID": "drsjob-1"}
    for source in ("drs.job-log", "acme"):
        table.put(parse(dumps(job_log(detail | {"executionId": "exec-1"}) | {"source": source})), RETENTION)

    assert sorted(entry["source"] for entry in execution()["logs"]) == ["acme", "drs.job-log"]


def test_an_answer_has_the_time_at_which_the_log_was_read(table: JobLogTable) -> None:
    table.put(event_of({"eventType": "LAUNCH_END", "eventId": "1"}), RETENTION)
    times = []
    for send_request in (execution, execution, lambda: get("jobId", "drsjob-1")[1]):
        before = format_time(datetime.now(UTC))
        times += [before, send_request()["readAt"], format_time(datetime.now(UTC))]

    assert times == sorted(times)


def store_ended_job(table: JobLogTable, ago: timedelta) -> None:
    """Store the events of MIXED as drsjob-1, which ended ``ago``."""
    *_, end = played.events(MIXED, "drsjob-1")
    for event in played.events(MIXED, "drsjob-1", created=datetime.now(UTC) - ago - (end.timestamp - played.START)):
        table.put(event, RETENTION)


def store(table: JobLogTable, job: dict[str, Any], items: Sequence[tuple[str, float, dict[str, Any]]]) -> None:
    """Store the events of a LAUNCH job that ran for 10 minutes, an hour ago. ``items``: event, seconds, eventData."""
    for event in played.events_of_short_job(items, NOW - timedelta(hours=1), **job):
        table.put(event, RETENTION)


def event_of(detail: dict[str, Any]) -> JobLogEvent:
    """Return an event of the job drsjob-1 of exec-1."""
    return parse(dumps(job_log({"jobID": "drsjob-1", "executionId": "exec-1"} | detail)))


@pytest.mark.usefixtures("_two_waves")
def test_the_log_of_a_job_has_its_servers_and_status() -> None:
    status, body = get("jobId", "drsjob-2")

    assert status == 200
    assert (body["jobId"], body["executionId"], body["status"], body["settled"]) == (
        *("drsjob-2", "exec-1", "PARTIAL"),
        True,
    )
    assert [server["state"] for server in body["servers"]] == ["LAUNCHED", "FAILED"]


def test_a_job_has_the_execution_of_most_of_its_events(table: JobLogTable) -> None:
    for event in played.events(GOOD, "drsjob-1"):
        table.put(event, timedelta(days=5000))
    (event, *_) = played.events(GOOD, "drsjob-1", execution_id="zzz")
    table.put(replace(event, event_id="foreign", source="acme"), timedelta(days=5000))

    assert get("jobId", "drsjob-1")[1]["executionId"] == "exec-1"


@pytest.mark.parametrize("name", ["executionId", "jobId"])
@pytest.mark.parametrize("value", ["unknown", "a/b", "été 🚒", "x" * 2048])
def test_an_unknown_id_has_no_events(name: str, value: str) -> None:
    status, body = get(name, value)

    assert (status, body["status"], body["settled"], body["logs"], body["nextToken"]) == (
        *(200, "NO_EVENTS", False, []),
        None,
    )


@pytest.mark.parametrize("minutes", [1, 10**13, -5, True, "60", None])
def test_a_job_of_another_sender_does_not_change_the_objective(table: JobLogTable, minutes: object) -> None:
    for event in played.events(GOOD, "drsjob-1", created=NOW - timedelta(hours=1)):
        table.put(replace(event, detail=event.detail | {"rtoMinutes": 30}), RETENTION)
    before = execution()["rto"]
    detail = {
        "jobID": "drsjob-2",
        "eventType": "JOB_STARTED",
        "eventId": "a",
        "jobType": "LAUNCH",
        "rtoMinutes": minutes,
    }
    start = event_of(detail | {"createdAt": (NOW - timedelta(days=9)).isoformat()})
    table.put(replace(start, source="acme", is_foreign=True), RETENTION)

    assert before["result"] == "MET"
    assert execution()["rto"] == before | {"result": None}  # the execution runs again


def test_servers_that_only_a_cleanup_job_has_do_not_miss_the_objective(table: JobLogTable) -> None:
    cleanup = played.events(scripts.terminate(SERVERS[2:]), "drsjob-2", created=NOW - timedelta(hours=2))
    launch = played.events(GOOD, "drsjob-1", created=NOW - timedelta(hours=1))
    for event in [*cleanup, *launch]:
        table.put(replace(event, detail=event.detail | {"rtoMinutes": 30}), RETENTION)

    body = execution()
    assert body["summary"]["terminated"] == 2
    assert body["rto"]["result"] == "MET"


@pytest.mark.slow
@pytest.mark.usefixtures("_two_waves")
@pytest.mark.parametrize("limit", [1, 3, 27, 28, 100])
def test_the_pages_contain_each_event_once(limit: int) -> None:
    everything = execution(limit="1000")
    entries, token = [], {}
    for _ in everything["logs"]:
        page = execution(limit=str(limit), **token)
        assert len(page["logs"]) <= limit
        of_page = {"readAt", "now", "logs", "nextToken"}
        assert {name: page[name] for name in page if name not in of_page} == {
            name: everything[name] for name in everything if name not in of_page
        }
        entries += page["logs"]
        if page["nextToken"] is None:
            break
        token = {"nextToken": page["nextToken"]}

    assert entries == everything["logs"]


@pytest.mark.usefixtures("_two_waves")
def test_since_filters_events_but_not_progress() -> None:
    everything = execution(limit="1000")
    then = everything["logs"][20]["timestamp"]

    later = execution(since=then)

    assert later["logs"] == [entry for entry in everything["logs"] if entry["timestamp"] >= then]
    assert later["summary"] == everything["summary"]
    assert execution(since=then.replace("Z", "+00:00"), limit="2")["logs"] == later["logs"][:2]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 1000, not '0'"),
        ({"limit": "-1"}, "limit must be a whole number"),
        ({"limit": "1001"}, "limit must be a whole number"),
        ({"limit": "abc"}, "limit must be a whole number"),
        ({"limit": ""}, "limit must be a whole number"),
        ({"limit": "1,2"}, "limit must be a whole number"),  # set twice
        ({"limit": "٣"}, "limit must be a whole number"),
        ({"since": "soon"}, "since must be an ISO 8601 time like 2025-11-28T20:30:15Z, not 'soon'"),
        ({"since": ""}, "since must be an ISO 8601 time"),
        ({"since": "2025-11-28T20:30:15 00:00"}, "encode + as %2B in a URL"),
        ({"nextToken": ""}, "nextToken must be an unchanged nextToken from an answer for this log"),
        ({"nextToken": "é"}, "nextToken must be an unchanged"),
        ({"nextToken": "bm8"}, "nextToken must be an unchanged"),
    ],
)
def test_invalid_parameters_are_rejected_with_the_reason(parameters: dict[str, str], message: str) -> None:
    for name in ("executionId", "jobId"):
        status, body = get(name, "exec-1", **parameters)
        assert (status, list(body)) == (400, ["message"])
        assert message in body["message"]


# ---------------------------------------------------------------------------------------------------------------------
# ID in the query
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_two_waves")
@pytest.mark.parametrize(("name", "value"), [("executionId", "exec-1"), ("jobId", "drsjob-2")])
def test_an_id_in_the_query_gives_the_same_answers_as_in_the_path(name: str, value: str) -> None:
    now = CLOCK
    page = get(name, value, limit="3")[1]

    assert get_logs(**{name: value}, limit="3")[1] | now == page | now
    # The token of one path is valid for the other.
    second = {"nextToken": page["nextToken"], "limit": "2"}
    assert get_logs(**{name: value}, **second)[1] | now == get(name, value, **second)[1] | now
    since = {"since": page["logs"][2]["timestamp"]}
    assert get_logs(**{name: value}, **since)[1]["logs"] == get(name, value, **since)[1]["logs"]


@pytest.mark.parametrize("value", ["a/b", "?", ".", "..", "a,b", "été 🚒", "%2F"])
def test_any_id_is_readable_in_the_query(table: JobLogTable, value: str) -> None:
    table.put(event_of({"eventType": "LAUNCH_END", "eventId": "1", "jobID": value, "executionId": value}), RETENTION)

    for name in ("executionId", "jobId"):
        assert len(get_logs(**{name: value})[1]["logs"]) == 1


@pytest.mark.parametrize("ids", [{}, {"executionId": "exec-1", "jobId": "drsjob-1"}, {"executionId": "", "jobId": "x"}])
def test_the_query_must_have_exactly_one_id(ids: dict[str, str]) -> None:
    status, body = get_logs(**ids, limit="5")

    assert status == 400
    assert "/logs?executionId=… or /logs?jobId=…" in body["message"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["executionId", "jobId", "limit", "since", "nextToken", "x"]), st.text()))
def test_any_query_is_answered_or_rejected(parameters: dict[str, str]) -> None:
    status, body = get_logs(**parameters)

    ids = parameters.keys() & {"executionId", "jobId"}
    assert status in ({200, 400} if len(ids) == 1 else {400})
    assert status == 200 or list(body) == ["message"]


@pytest.mark.parametrize("value", ["", "x" * 2049, "é" * 1025, "x" * 10_240, "\ud800"])
def test_invalid_ids_are_rejected(value: str) -> None:
    for name in ("executionId", "jobId"):
        for status, body in (get(name, value), get_logs(**{name: value})):
            assert (status, list(body)) == (400, ["message"])
            assert body["message"].startswith(f"{name} must be")


@pytest.mark.usefixtures("_two_waves")
def test_a_changed_token_or_the_token_of_another_log_is_rejected() -> None:
    token = execution(limit="3")["nextToken"]
    forged = base64.urlsafe_b64encode(b'["2025-11-28T20:30:15.000000Z","drsjob-1","x"]').decode()
    changed = [token[:start] + ("A" if token[start] != "A" else "B") + token[start + 1 :] for start in range(0, 60, 7)]

    for bad in (token[:-1], token[1:], token + "AAAA", forged, *changed):
        assert get("executionId", "exec-1", nextToken=bad)[0] == 400, bad
    assert get("executionId", "exec-2", nextToken=token)[0] == 400
    assert get("executionId", "exec-1", nextToken=token)[0] == 200


@given(st.tuples(st.text(), st.text(), st.text()), st.text(), st.text())
def test_a_token_is_valid_for_its_own_log_only(position: tuple[str, str, str], subject: str, other: str) -> None:
    token = create_token(position, subject)

    assert parse_token(token, subject) == position
    if other != subject:
        with pytest.raises(BadRequestError):
            parse_token(token, other)


@pytest.mark.parametrize("position", [[1, 2, 3], ["9", [], {}], [None] * 3, ["2025", "drsjob-1"], {}, None, 5])
def test_a_token_with_a_valid_digest_and_an_invalid_position_is_rejected(position: Any) -> None:
    with pytest.raises(BadRequestError):
        parse_token(create_token(position, "exec-1"), "exec-1")


def test_a_token_with_deeply_nested_json_is_rejected() -> None:
    text = "[" * 100_000
    token = base64.urlsafe_b64encode(f"{_digest(text, 'exec-1')}{text}".encode()).decode().rstrip("=")

    with pytest.raises(BadRequestError):
        parse_token(token, "exec-1")


@given(st.text(max_size=200))
def test_any_invalid_token_is_a_bad_request(token: str) -> None:
    with pytest.raises(BadRequestError):
        parse_token(token, "exec-1")


def test_bad_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    get("executionId", "x" * 10_240, limit="abc")
    get_logs()

    assert caplog.records == []


def test_each_request_for_a_log_is_logged_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    context = {"requestContext": {"requestId": "request-1"}}
    send({"routeKey": ROUTES["jobId"], "pathParameters": {"jobId": 'a"\n/b'}} | context, {})
    send({"routeKey": "GET /logs"} | context, {"executionId": "exec-1"})
    get("executionId", "exec-2")

    keys = ("levelname", "message", "api_request_id", "resource_kind", "resource_id")
    assert [tuple(getattr(record, key) for key in keys) for record in caplog.records] == [
        ("INFO", "Log requested", "request-1", "job", 'a"\n/b'),
        ("INFO", "Log requested", "request-1", "execution", "exec-1"),
        ("INFO", "Log requested", None, "execution", "exec-2"),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Settled logs
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "settled"), [(20, False), (60, True)])
def test_an_execution_is_settled_by_time_if_there_is_no_executions_table(
    table: JobLogTable, minutes: int, settled: bool
) -> None:
    for event in played.events(GOOD, "drsjob-1", created=datetime.now(UTC) - timedelta(minutes=minutes)):
        table.put(event, RETENTION)

    body = execution()

    assert (body["status"], body["settled"]) == ("COMPLETED", settled)


@pytest.mark.usefixtures("_two_waves")
@pytest.mark.parametrize(
    ("recorded_status", "status", "settled"),
    [
        ("POLLING", "IN_PROGRESS", False),
        ("In Progress", "IN_PROGRESS", False),
        ("PARTIAL", "PARTIAL", True),
        # Words of public orchestrators.
        *((word, "PARTIAL", True) for word in ("PARTIAL_SUCCESS", "STOPPED", "completedWithExceptions")),
        (None, "PARTIAL", None),
    ],
)
def test_the_executions_table_decides_whether_an_execution_is_settled(
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
    recorded_status: str | None,
    status: str,
    settled: bool | None,
) -> None:
    create(dynamodb, "ExecutionId")
    if recorded_status:
        write(dynamodb, ExecutionId="exec-1", Status=recorded_status)
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))

    body = execution()

    assert (body["status"], body["statusReason"]) == (status, None)
    assert settled is None or body["settled"] is settled


@pytest.mark.parametrize(("hours", "is_stuck"), [(23, False), (25, True)])
def test_the_log_counts_if_the_executions_table_says_running_for_a_day_after_the_end(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, hours: int, is_stuck: bool
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING")
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    store_ended_job(table, timedelta(hours=hours))

    body = execution()

    assert (body["status"], body["settled"]) == (("PARTIAL", True) if is_stuck else ("IN_PROGRESS", False))
    assert bool(body["statusReason"]) is is_stuck
    if is_stuck:
        assert "more than a day ago" in body["statusReason"]


@pytest.mark.parametrize(("minutes", "settled"), [(1, False), (5, True)])
def test_a_cleanup_job_does_not_restart_the_day(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, minutes: int, settled: bool
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING")
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    for event in played.events(MIXED, "drsjob-1", created=NOW - timedelta(days=3)):
        table.put(event, RETENTION)
    for event in played.events(
        scripts.terminate(SERVERS[2:]), "drsjob-t", created=datetime.now(UTC) - timedelta(minutes=minutes)
    ):
        table.put(event, RETENTION)

    body = execution()

    assert (body["status"], body["settled"], bool(body["statusReason"])) == ("PARTIAL", settled, True)


@pytest.mark.usefixtures("_two_waves")
def test_a_running_job_is_in_progress_in_an_execution_of_any_age(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING")
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    for event in played.events(GOOD, "drsjob-3", created=NOW - timedelta(days=3))[:4]:
        table.put(event, RETENTION)

    assert (execution()["status"], execution()["statusReason"]) == ("IN_PROGRESS", None)


@pytest.mark.usefixtures("_two_waves")
def test_an_unsupported_executions_table_is_rejected_once_and_the_log_counts(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """drs-plan-automation has the execution ID as the sort key."""
    create(dynamodb, "AppId_PlanId", "ExecutionId")
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    requests: list[str] = []
    dynamodb.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: requests.append(params["TableName"])
    )

    for _ in range(3):
        body = execution()
        assert (body["status"], body["settled"]) == ("PARTIAL", True)  # as without a table
        assert body["statusReason"].startswith("The executions table is not usable: ")
        assert "AppId_PlanId" in body["statusReason"]

    assert requests.count("history") == 1
    warnings = [record.message for record in caplog.records if record.levelname != "INFO"]
    assert warnings == ["Executions table rejected"]


@pytest.mark.parametrize(("seconds", "settled"), [(60, False), (150, True)])
def test_nothing_is_settled_while_events_can_be_in_transit(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, seconds: int, settled: bool
) -> None:
    """The job has ended, and the executions table has a terminal status."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="PARTIAL")
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    store_ended_job(table, timedelta(seconds=seconds))

    assert execution()["settled"] is settled
    assert get("jobId", "drsjob-1")[1]["settled"] is settled


def test_a_cancelled_job_without_an_end_is_settled_after_15_minutes(table: JobLogTable) -> None:
    *before, _ = played.events(
        scripts.cancelled(SERVERS[:1]), "drsjob-1", created=datetime.now(UTC) - timedelta(minutes=20)
    )
    for event in before:
        table.put(event, RETENTION)

    assert get("jobId", "drsjob-1")[1]["settled"] is True


@pytest.mark.usefixtures("_two_waves")
def test_an_execution_is_not_settled_if_a_job_has_no_end(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="CANCELLED")
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    for event in played.events(GOOD, "drsjob-3", created=datetime.now(UTC) - timedelta(minutes=5))[:4]:
        table.put(event, RETENTION)

    assert execution()["settled"] is False


@pytest.mark.usefixtures("_two_waves")
def test_nothing_is_settled_if_the_executions_table_is_unreadable(
    dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))  # the table does not exist

    body = execution()

    assert (body["status"], body["settled"]) == ("PARTIAL", False)
    assert body["statusReason"] == "The executions table cannot be read at the moment."


# ---------------------------------------------------------------------------------------------------------------------
# Unchanged logs
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_two_waves")
@pytest.mark.parametrize(("name", "value"), [("executionId", "exec-1"), ("jobId", "drsjob-2")])
def test_an_unchanged_log_is_not_sent_again(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    event = {"routeKey": ROUTES[name], "pathParameters": {name: value}}
    headers = {"if-none-match": api.lambda_handler(event, CONTEXT)["headers"]["ETag"]}

    def status(**parameters: str) -> int:
        asked = event | {"headers": headers, "queryStringParameters": parameters}
        code: int = api.lambda_handler(asked, CONTEXT)["statusCode"]
        return code

    assert status() == 304
    assert status(limit="1") == 200
    monkeypatch.setattr(api, "logs", EventLogCache(table))  # another instance of the function
    assert status() == 304
    table.put(event_of({"jobID": "drsjob-2", "eventType": "SOMETHING_NEW", "eventId": "new"}), RETENTION)
    assert status() == 200


def test_a_log_that_becomes_settled_is_sent_again(table: JobLogTable) -> None:
    store_ended_job(table, timedelta(minutes=5))
    now = datetime.now(UTC)

    before, after, settled = (
        log_response({}, api.get_execution("exec-1", Query(), now + timedelta(minutes=minutes)))
        for minutes in (0, 1, 20)
    )

    assert before["body"] != after["body"]  # the time of the read
    assert before["headers"]["ETag"] == after["headers"]["ETag"] != settled["headers"]["ETag"]


# ---------------------------------------------------------------------------------------------------------------------
# Page limits
# ---------------------------------------------------------------------------------------------------------------------


def test_pages_of_one_event_contain_each_event_of_the_same_time_once(table: JobLogTable) -> None:
    (event, *_) = played.events(GOOD, "drsjob-1")
    for job_id in ("drsjob-1", "drsjob-2"):
        for number in range(3):
            table.put(replace(event, job_id=job_id, event_id=f"event-{number}"), RETENTION)

    seen, token = [], {}
    for _ in range(6):
        page = execution(limit="1", **token)
        seen += [(entry["jobId"], entry["eventId"]) for entry in page["logs"]]
        token = {"nextToken": page["nextToken"]}

    assert page["nextToken"] is None
    assert seen == [(f"drsjob-{job}", f"event-{number}") for job in (1, 2) for number in range(3)]


def test_an_event_larger_than_the_page_size_is_a_page(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_MAX_LOGS_BYTES", 10)
    for event in played.events(GOOD, "drsjob-1")[:2]:
        table.put(event, timedelta(days=5000))

    page = execution()

    assert len(page["logs"]) == len(execution(nextToken=page["nextToken"])["logs"]) == 1


# ---------------------------------------------------------------------------------------------------------------------
# Logs that are too large for one request
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_two_waves")
@pytest.mark.parametrize(("name", "value"), [("executionId", "exec-1"), ("jobId", "drsjob-2")])
def test_the_pages_of_a_log_that_takes_several_requests_contain_each_event_once(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    everything = get(name, value, limit="1000")[1]
    assert (everything["settled"], everything["truncated"]) == (True, False)
    clock = count()  # a second for each event
    monkeypatch.setattr(execution_log, "monotonic", lambda: next(clock))
    monkeypatch.setattr(api, "logs", EventLogCache(api.logs._table))

    entries, token, partial = [], {}, []
    for _ in range(10):
        page = get(name, value, limit="1000", **token)[1]
        entries += page["logs"]
        partial.append(page["truncated"])
        assert page["settled"] is not page["truncated"]
        if page["nextToken"] is None:
            break
        token = {"nextToken": page["nextToken"]}

    assert entries == everything["logs"]
    assert partial == [True] * (len(partial) - 1) + [False]
    assert len(partial) >= 2
    assert page["summary"] == everything["summary"]


@pytest.mark.usefixtures("_two_waves")
def test_a_part_of_a_log_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The part has all events of the first wave, which ended long ago."""
    clock = count()  # a second for each event
    monkeypatch.setattr(execution_log, "monotonic", lambda: next(clock))
    monkeypatch.setattr(execution_log, "_MAX_READ_SECONDS", 15)

    body = execution()

    assert (len(body["logs"]), body["status"], body["truncated"]) == (14, "COMPLETED", True)
    assert body["settled"] is False


@pytest.mark.usefixtures("_two_waves")
def test_a_log_beyond_the_limit_of_its_size_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_log, "_MAX_LOG_BYTES", 10_000)

    body = execution(limit="1000")

    assert 0 < len(body["logs"]) < 28
    assert (body["truncated"], body["settled"], body["nextToken"]) == (True, False, None)


@pytest.mark.usefixtures("_two_waves")
def test_the_function_reads_items_as_json(monkeypatch: pytest.MonkeyPatch, dynamodb: DynamoDBClient) -> None:
    with_boto = execution(limit="1000") | CLOCK
    monkeypatch.setattr(api, "logs", EventLogCache(api.logs._table))
    keep_items_as_json(dynamodb)

    assert execution(limit="1000") | CLOCK == with_boto


# ---------------------------------------------------------------------------------------------------------------------
# Cache of a warm function
# ---------------------------------------------------------------------------------------------------------------------


def test_a_warm_function_returns_the_same_log_as_a_cold_one(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = played.events(MIXED, "drsjob-1", created=datetime.now(UTC) - timedelta(minutes=2))

    for start in range(0, len(events), 3):
        for event in events[start : start + 3]:
            table.put(event, RETENTION)
        warm = execution()
        with monkeypatch.context() as cold:
            cold.setattr(api, "logs", EventLogCache(table))
            assert execution() | CLOCK == warm | CLOCK
        assert len(warm["logs"]) == min(start + 3, len(events))


def test_a_settled_log_is_based_on_a_full_read(
    table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    slow, *events, end = played.events(GOOD, "drsjob-1", created=now - timedelta(hours=1))
    for event in events:
        table.put(event, RETENTION)
    assert not api.get_execution("exec-1", Query(), now)["settled"]
    # The index was too slow for this event, and the event has no LateAt.
    item = to_item(slow, ingested_at=slow.timestamp, retention=RETENTION)
    serialize = TypeSerializer().serialize
    dynamodb.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})
    later = now + timedelta(seconds=10)
    assert len(api.get_execution("exec-1", Query(), later)["logs"]) == len(events)
    table.put(end, RETENTION)
    full_reads = Mock(wraps=table.events_of_execution)
    monkeypatch.setattr(table, "events_of_execution", full_reads)

    read, after = 0, ("", "", "")
    while True:
        body = api.get_execution("exec-1", Query(limit=5, after=after), later)
        assert body["settled"]
        read += len(body["logs"])
        if body["nextToken"] is None:
            break
        after = parse_token(body["nextToken"], "exec-1")

    assert read == len(events) + 2
    assert full_reads.call_count == 1  # for all pages of one log


def test_a_full_read_can_change_settled_to_false(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    now = datetime.now(UTC)
    for event in played.events(GOOD, "drsjob-1", created=now - timedelta(hours=1)):
        table.put(event, RETENTION)
    assert api.get_execution("exec-1", Query(), now)["settled"]
    # The index was too slow for the second wave.
    start, *_ = played.events(MIXED, "drsjob-2", created=now - timedelta(minutes=5))
    item = to_item(start, ingested_at=start.timestamp, retention=RETENTION)
    serialize = TypeSerializer().serialize
    dynamodb.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})

    answer = api.get_execution("exec-1", Query(), now + timedelta(seconds=10))

    assert (answer["status"], answer["settled"]) == ("IN_PROGRESS", False)
