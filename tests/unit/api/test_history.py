"""The lists of executions and jobs, the launches of a server, failures, and comparisons."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.api import failures, history, lists
from drs_job_log.api import handler as api
from drs_job_log.api.execution_log import EventLogCache
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import format_time, parse
from drs_job_log.model.known_errors import WITHOUT_ERROR, hint_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import played, scripts
from tests.support.envelopes import ALICE, dumps, job_log, request
from tests.support.executions import create, executions_table, write
from tests.support.recovery import CONTEXT
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.scripts import Script

pytestmark = pytest.mark.slow  # together half a minute

NOW = datetime.now(UTC)
SERVERS = [scripts.server_id(number) for number in range(6)]
GOOD = scripts.launch(SERVERS[:2])
MIXED = scripts.launch(SERVERS[2:4], failing={SERVERS[3]: "no rights"})
STUCK = scripts.launch(SERVERS[4:], stuck=SERVERS[5:])
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _use_table(table: JobLogTable, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "logs", EventLogCache(table))
    monkeypatch.setattr(api, "ledger", Ledger(dynamodb, TABLE))
    monkeypatch.setattr(api, "executions_table", None)
    for module in (lists, failures):
        monkeypatch.setattr(module, "MAX_SECONDS", 600.0)  # a slow machine must not shorten the pages
    dynamodb.meta.events.register("before-call.dynamodb.Query", _check_bounds)


def _check_bounds(params: dict[str, Any], **_: object) -> None:
    """Check the bounds of a query. DynamoDB rejects a query without a possible key, the in-process one does not."""
    values = json.loads(params["body"])["ExpressionAttributeValues"]
    assert ":lowest" not in values or values[":lowest"]["S"] <= values[":highest"]["S"]


def get(route: str, path: dict[str, str] | None = None, **query: str) -> dict[str, Any]:
    """Return the answer to a request that is valid. In names of parameters, a final "_" is removed."""
    status, body = send(route, path, **query)
    assert status == 200, body
    return body


def send(route: str, path: dict[str, str] | None = None, **query: str) -> tuple[int, dict[str, Any]]:
    parameters = {name.removesuffix("_"): value for name, value in query.items()}
    event = {"version": "2.0", "routeKey": f"GET {route}", "pathParameters": path, "queryStringParameters": parameters}
    answer = api.lambda_handler(event, CONTEXT)
    assert answer["headers"]["Cache-Control"] == "no-store"
    return answer["statusCode"], json.loads(answer["body"])


def play(
    table: JobLogTable, script: Script, job_id: str, ago: timedelta, execution_id: str | None = None
) -> list[datetime]:
    """Store the events of a job that was created some time ago. Return the times of the events."""
    events = played.events(script, job_id, created=NOW - ago, execution_id=execution_id)
    for event in events:
        table.put(event, RETENTION)
    return [event.timestamp for event in events]


def ids(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry.get("executionId") or entry["jobId"] for entry in entries]


def pages(route: str, name: str, limit: int, **query: str) -> list[list[dict[str, Any]]]:
    """Return the entries of all pages."""
    found, token = [], {}
    for _ in range(200):
        page = get(route, limit=str(limit), **query, **token)
        found.append(page[name])
        if page["nextToken"] is None:
            return found
        token = {"nextToken": page["nextToken"]}
    raise AssertionError("more than 200 pages")


# ---------------------------------------------------------------------------------------------------------------------
# Executions
# ---------------------------------------------------------------------------------------------------------------------


def test_an_execution_has_the_totals_of_its_jobs(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "settings", api.config.api_settings({**ENVIRONMENT, "RTO_MINUTES": "60"}))
    play(table, GOOD, "drsjob-1", 5 * HOUR, "exec-1")
    times = play(table, MIXED, "drsjob-2", 4 * HOUR, "exec-1")
    play(table, scripts.terminate(SERVERS[:2]), "drsjob-3", HOUR, "exec-1")

    body = get("/executions")

    created = NOW - 5 * HOUR
    launched = max(
        event.timestamp
        for event in played.events(MIXED, "drsjob-2", created=NOW - 4 * HOUR)
        if event.event_type == "SERVER_LAUNCHED"
    )
    assert body["executions"] == [
        {
            "executionId": "exec-1",
            "jobId": None,
            "status": "PARTIAL",
            "settled": True,
            "isDrill": True,
            "startedAt": format_time(created),
            "endedAt": format_time(times[-1]),
            "durationSeconds": (times[-1] - created).total_seconds(),
            "counts": {
                **dict.fromkeys(("pending", "converting", "launching", "skipped", "completed", "terminated"), 0),
                "totalServers": 4,
                "launched": 3,
                "failed": 1,
            },
            "rto": {
                "targetMinutes": 60,
                "actualMinutes": round((launched - created).total_seconds() / 60, 1),
                "actualSeconds": (launched - created).total_seconds(),
                "result": "MISSED",
            },
            "rpo": None,
            "requestedBy": None,
            "jobs": [
                {"jobId": "drsjob-1", "status": "COMPLETED"},
                {"jobId": "drsjob-2", "status": "PARTIAL"},
                {"jobId": "drsjob-3", "status": "COMPLETED"},
            ],
            "accounts": [],
            "regions": [],
        }
    ]
    assert body["nextToken"] is None


ENVIRONMENT = {
    "JOB_LOG_EVENTS_TABLE": TABLE,
    "HISTORY_DAYS": "400",
    "STALLED_AFTER_MINUTES": "45",
}


def with_points(script: Script, *minutes: float) -> Script:
    """Return a script whose servers have recovery points so many minutes before the job."""
    points = {server: timedelta(minutes=-value) for server, value in zip(script.servers, minutes, strict=False)}
    return replace(script, recovery_points=points)


@pytest.mark.parametrize(
    ("target", "rpo"),
    [
        ("5", {"targetMinutes": 5, "seconds": 1320.0, "result": "MISSED", "serversOver": 2}),
        ("22", {"targetMinutes": 22, "seconds": 1320.0, "result": "MET", "serversOver": 0}),
        (None, {"targetMinutes": None, "seconds": 1320.0, "result": None, "serversOver": None}),
    ],
)
def test_the_lists_state_the_recovery_point_objective(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch, target: str | None, rpo: dict[str, Any]
) -> None:
    environment = ENVIRONMENT | ({"RPO_MINUTES": target} if target else {})
    monkeypatch.setattr(api, "settings", api.config.api_settings(environment))
    script = with_points(scripts.launch(SERVERS[:2]), 7, 22)
    play(table, script, "drsjob-1", 5 * HOUR, "exec-1")
    play(table, scripts.terminate(SERVERS[:2]), "drsjob-2", 4 * HOUR, "exec-1")

    (execution,) = get("/executions")["executions"]
    terminate, launch = get("/jobs")["jobs"]
    (launched,) = get("/servers/{sourceServerId}", {"sourceServerId": SERVERS[1]})["launches"][-1:]

    assert (execution["rpo"], launch["rpo"], terminate["rpo"]) == (rpo, rpo, None)
    assert get("/executions/{executionId}/logs", {"executionId": "exec-1"})["rpo"] == rpo
    assert (launched["pointInTime"], launched["rpoSeconds"]) == (
        format_time(NOW - 5 * HOUR - timedelta(minutes=22)),
        1320.0,
    )


def test_the_newest_launch_of_a_server_decides_its_recovery_point(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "settings", api.config.api_settings({**ENVIRONMENT, "RPO_MINUTES": "10"}))
    play(table, with_points(scripts.launch(SERVERS[:2]), 30, 5), "drsjob-1", 5 * HOUR, "exec-1")
    play(table, with_points(scripts.launch(SERVERS[:1]), 6), "drsjob-2", 4 * HOUR, "exec-1")

    (execution,) = get("/executions")["executions"]

    assert execution["rpo"] == {"targetMinutes": 10, "seconds": 360.0, "result": "MET", "serversOver": 0}
    assert get("/executions/{executionId}/logs", {"executionId": "exec-1"})["rpo"] == execution["rpo"]


def test_a_launched_server_without_a_recovery_point_leaves_the_result_open(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "settings", api.config.api_settings({**ENVIRONMENT, "RPO_MINUTES": "10"}))
    play(table, with_points(scripts.launch(SERVERS[:2]), 5), "drsjob-1", 5 * HOUR, "exec-1")

    (execution,) = get("/executions")["executions"]

    assert execution["rpo"] == {"targetMinutes": 10, "seconds": 300.0, "result": None, "serversOver": 0}
    assert get("/executions/{executionId}/logs", {"executionId": "exec-1"})["rpo"] == execution["rpo"]


def test_a_job_that_started_before_the_update_is_listed_once(table: JobLogTable) -> None:
    for event in played.events(GOOD, "drsjob-1", created=NOW - HOUR, execution_id="exec-1"):
        is_old = event.event_type == "JOB_STARTED"
        detail = {name: value for name, value in event.detail.items() if name != "createdAt" or not is_old}
        table.put(replace(event, detail=detail), RETENTION)

    assert ids(get("/jobs")["jobs"]) == ids(get("/executions")["executions"]) == ["exec-1"]


def test_jobs_without_an_execution_are_listed_too(table: JobLogTable) -> None:
    play(table, GOOD, "drsjob-1", 3 * HOUR)
    play(table, MIXED, "drsjob-2", 2 * HOUR, "exec-1")

    listed = get("/executions")["executions"]

    assert [(entry["executionId"], entry["jobId"], entry["status"]) for entry in listed] == [
        ("exec-1", None, "PARTIAL"),
        (None, "drsjob-1", "COMPLETED"),
    ]
    assert [entry["jobs"] for entry in listed] == [
        [{"jobId": "drsjob-2", "status": "PARTIAL"}],
        [{"jobId": "drsjob-1", "status": "COMPLETED"}],
    ]


def test_a_running_execution_has_its_present_counts(table: JobLogTable) -> None:
    play(table, GOOD, "drsjob-1", 2 * HOUR, "exec-1")
    play(table, STUCK, "drsjob-2", HOUR, "exec-1")

    (entry,) = get("/executions")["executions"]
    log = get("/executions/{executionId}/logs", {"executionId": "exec-1"})

    assert (entry["status"], entry["endedAt"], entry["settled"]) == ("IN_PROGRESS", None, False)
    assert entry["counts"] == log["summary"]
    assert (entry["counts"]["launched"], entry["counts"]["converting"]) == (3, 1)
    assert 7200 < entry["durationSeconds"] < 2 * 7200
    assert [job["status"] for job in entry["jobs"]] == ["COMPLETED", "IN_PROGRESS"]


def test_a_server_that_a_later_job_launched_counts_once(table: JobLogTable) -> None:
    play(table, MIXED, "drsjob-1", 3 * HOUR, "exec-1")
    play(table, scripts.launch(SERVERS[3:4]), "drsjob-2", 2 * HOUR, "exec-1")

    (entry,) = get("/executions")["executions"]
    log = get("/executions/{executionId}/logs", {"executionId": "exec-1"})

    assert entry["status"] == log["status"] == "PARTIAL"
    assert entry["counts"] == log["summary"]
    assert (entry["counts"]["totalServers"], entry["counts"]["failed"]) == (2, 0)


@pytest.mark.parametrize("first", [GOOD, scripts.launch(SERVERS[:2], stuck=SERVERS[:1])])
def test_a_server_in_several_jobs_counts_once(table: JobLogTable, first: Script) -> None:
    play(table, first, "drsjob-1", 3 * HOUR, "exec-1")
    play(table, GOOD, "drsjob-2", 2 * HOUR, "exec-1")

    (entry,) = get("/executions")["executions"]

    assert entry["counts"] == get("/executions/{executionId}/logs", {"executionId": "exec-1"})["summary"]
    assert (entry["counts"]["totalServers"], entry["counts"]["launched"]) == (2, 2)


def play_deleted(table: JobLogTable, script: Script, job_id: str, execution_id: str | None) -> None:
    """Store the events of a job that was deleted before its end."""
    *details, end = played.details(script, job_id, created=NOW - 5 * HOUR, execution_id=execution_id)
    of_job = {name: value for name, value in end.items() if name not in {"outcome", "participatingServers"}}
    deletion = {**of_job, "eventType": "JOB_DELETED", "eventId": "deleted", "logDateTime": details[-1]["logDateTime"]}
    for detail in [*details, deletion]:
        table.put(parse(dumps(job_log(detail))), RETENTION)


@pytest.mark.parametrize("execution_id", ["exec-1", None])
def test_a_job_that_was_deleted_has_what_its_events_state(table: JobLogTable, execution_id: str | None) -> None:
    play_deleted(table, MIXED, "drsjob-1", execution_id)

    (entry,) = get("/executions")["executions"]
    (job,) = get("/jobs")["jobs"]
    log = get("/logs", **({"executionId": execution_id} if execution_id else {"jobId": "drsjob-1"}))

    assert entry["status"] == job["status"] == log["status"] == "PARTIAL"
    assert entry["counts"] == job["counts"] == log["summary"]
    assert (entry["counts"]["launched"], entry["counts"]["failed"]) == (1, 1)
    assert (entry["settled"], entry["endedAt"]) == (log["settled"], job["endedAt"])
    assert entry["settled"] is True
    assert entry["endedAt"] is not None
    assert [failure["shape"] for failure in get("/failures")["failures"]] == ["no rights"]
    if execution_id:
        assert [one["sourceServerId"] for one in compare()["newFailures"]] == [SERVERS[3]]


def test_a_cancelled_job_without_an_end_has_its_servers(table: JobLogTable) -> None:
    for event in played.events(scripts.cancelled(SERVERS[:2]), "drsjob-1", created=NOW - HOUR, execution_id="exec-1"):
        if "outcome" not in event.detail:
            table.put(event, RETENTION)

    (entry,) = get("/executions")["executions"]

    assert (entry["status"], entry["counts"]["totalServers"], entry["counts"]["terminated"]) == ("TERMINATED", 2, 2)


def test_a_job_without_an_execution_is_settled_as_in_its_log(table: JobLogTable) -> None:
    (*_, end) = played.events(GOOD, "drsjob-0")
    play(table, GOOD, "drsjob-1", end.timestamp - played.START + timedelta(minutes=5))

    (entry,) = get("/executions")["executions"]

    assert entry["settled"] is get("/jobs/{jobId}/logs", {"jobId": "drsjob-1"})["settled"] is True


@pytest.mark.parametrize(("limit", "jobs"), [(2, ["drsjob-4"]), (50, ["drsjob-0", "drsjob-1", "drsjob-4"])])
def test_an_execution_is_listed_once_if_its_index_lacks_jobs(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch, limit: int, jobs: list[str]
) -> None:
    for number, execution in enumerate(["exec-1", "exec-1", "exec-2", "exec-3", "exec-1"]):
        script = scripts.launch(SERVERS[:1], drill=execution == "exec-1")
        play(table, script, f"drsjob-{number}", (9 - number) * HOUR, execution)
    monkeypatch.setattr(Ledger, "jobs_of_execution", lambda *_: [])
    monkeypatch.setattr(lists, "_CHUNK", 1)

    (entry,) = get("/executions", limit=str(limit), isDrill="true")["executions"]

    assert [job["jobId"] for job in entry["jobs"]] == jobs


def test_a_job_that_the_index_of_executions_lacks_is_added(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        play(table, GOOD, f"drsjob-{number}", (9 - number) * HOUR, "exec-1")
    later, first = Ledger(dynamodb, TABLE).jobs(NOW - 10 * HOUR, NOW)
    monkeypatch.setattr(Ledger, "jobs_of_execution", lambda *_: [first])
    read = history.History(Ledger(dynamodb, TABLE), EventLogCache(table), None, None, None, NOW)
    before, _, after = read.execution("exec-1"), read.jobs_of("exec-1", later), read.execution("exec-1")

    assert before
    assert before.jobs == [first]
    assert after
    assert after.jobs == [first, later]


@pytest.mark.parametrize(
    ("ago", "word"), [(2 * HOUR, "IN_PROGRESS"), (timedelta(hours=23), "IN_PROGRESS"), (timedelta(days=2), "COMPLETED")]
)
def test_the_executions_table_decides_the_status_as_for_the_log(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch, ago: timedelta, word: str
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", TotalWaves=3)
    monkeypatch.setattr(api, "executions_table", executions_table(dynamodb))
    play(table, GOOD, "drsjob-1", ago, "exec-1")

    (entry,) = get("/executions")["executions"]
    log = get("/executions/{executionId}/logs", {"executionId": "exec-1"})

    assert entry["status"] == log["status"] == word
    assert entry["settled"] is log["settled"]
    assert (entry["endedAt"] is None) is (word == "IN_PROGRESS")
    assert log["plannedWaves"] == 3


def test_the_status_agrees_with_that_of_the_log(table: JobLogTable) -> None:
    scripted = [GOOD, MIXED, STUCK, scripts.silent_failure(SERVERS[:2]), scripts.cancelled(SERVERS[:1])]
    scripted += [
        scripts.terminate(SERVERS[:1]),
        scripts.network_recovery("sn-1"),
        scripts.converted_snapshot(SERVERS, ""),
    ]
    for number, script in enumerate(scripted):
        play(table, script, f"drsjob-{number}", (10 - number) * HOUR, f"exec-{number}")

    listed = get("/executions")["executions"]

    assert len(listed) == len(scripted)
    for entry in listed:
        log = get("/executions/{executionId}/logs", {"executionId": entry["executionId"]})
        assert {name: entry[name] for name in ("status", "settled", "counts", "rto", "rpo")} == {
            "status": log["status"],
            "settled": log["settled"],
            "counts": log["summary"],
            "rto": log["rto"],
            "rpo": log["rpo"],
        }
        if log["status"] != "IN_PROGRESS":
            assert entry["durationSeconds"] == log["durationSeconds"]


@pytest.fixture
def _many(table: JobLogTable) -> None:
    """Twelve jobs: executions with one, two and three jobs that overlap, and jobs without an execution."""
    executions = ["a", "b", "a", None, "c", "a", "b", None, "d", "e", None, "e"]
    for number, execution_id in enumerate(executions):
        script = MIXED if number % 3 == 0 else GOOD
        script = scripts.launch(script.servers, drill=number % 2 == 0) if number % 3 else script
        play(table, script, f"drsjob-{number:02}", timedelta(hours=50 - number), execution_id)


IN_ORDER = ["drsjob-10", "e", "d", "drsjob-07", "c", "drsjob-03", "b", "a"]


@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 100])
def test_the_pages_list_each_execution_once_and_in_order(limit: int) -> None:
    found = pages("/executions", "executions", limit)

    assert [id_ for page in found for id_ in ids(page)] == IN_ORDER
    assert all(len(page) <= limit for page in found)


@pytest.mark.slow
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    of_jobs=st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(1, 90)), min_size=1, max_size=9),
    limit=st.integers(1, 5),
    examined=st.integers(1, 5),
)
def test_any_page_lists_each_execution_once_and_in_order(
    table: JobLogTable,
    dynamodb: DynamoDBClient,
    of_jobs: list[tuple[str | None, int]],
    limit: int,
    examined: int,
) -> None:
    for row in dynamodb.scan(TableName=TABLE)["Items"]:
        dynamodb.delete_item(TableName=TABLE, Key={name: row[name] for name in ("JobId", "EventKey")})
    first: dict[str, tuple[int, str]] = {}
    for number, (execution_id, days) in enumerate(of_jobs):
        events = played.events(SHORT, f"drsjob-{number}", created=NOW - timedelta(days=days), execution_id=execution_id)
        for event in (events[0], events[-1]):
            table.put(event, RETENTION)
        name = execution_id or f"drsjob-{number}"
        first[name] = min(first.get(name, (0, "~")), (-days, f"drsjob-{number}"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "MAX_EXAMINED", examined)
        found = [id_ for page in pages("/executions", "executions", limit) for id_ in ids(page)]

    assert found == sorted(first, key=lambda name: first[name], reverse=True)


SHORT = scripts.launch(SERVERS[:1])


@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "COMPLETED"}, ["drsjob-10", "d", "drsjob-07", "c"]),
        ({"status": "PARTIAL"}, ["e", "drsjob-03", "b", "a"]),
        ({"status": "IN_PROGRESS"}, []),
        ({"isDrill": "true"}, ["drsjob-10", "e", "d", "c", "drsjob-03", "a"]),
        ({"isDrill": "false"}, ["drsjob-07", "b"]),
        ({"isDrill": "false", "status": "PARTIAL"}, ["b"]),
        ({"from_": "44"}, ["drsjob-10", "e", "d", "drsjob-07"]),
        ({"to": "46"}, ["c", "drsjob-03", "b", "a"]),
        ({"from_": "47", "to": "43"}, ["drsjob-07", "c", "drsjob-03"]),
        ({"server": SERVERS[3]}, ["e", "drsjob-03", "b", "a"]),
        ({"server": SERVERS[0]}, ["drsjob-10", "e", "d", "drsjob-07", "c", "b", "a"]),
        ({"server": SERVERS[0], "status": "PARTIAL"}, ["e", "b", "a"]),
        ({"server": SERVERS[3], "from_": "48"}, ["e", "drsjob-03"]),
        ({"server": "s-unknown"}, []),
    ],
)
@pytest.mark.parametrize("limit", [2, 100])
def test_executions_can_be_filtered(query: dict[str, str], expected: list[str], limit: int) -> None:
    query = {
        name: format_time(NOW - timedelta(hours=float(value)) + timedelta(minutes=-1 if name == "from_" else 1))
        if name in {"from_", "to"}
        else value
        for name, value in query.items()
    }

    assert [id_ for page in pages("/executions", "executions", limit, **query) for id_ in ids(page)] == expected


def test_a_server_of_a_running_job_is_found(table: JobLogTable) -> None:
    play(table, STUCK, "drsjob-1", HOUR, "exec-1")
    play(table, scripts.launch(SERVERS[4:5], stuck=SERVERS[4:5]), "drsjob-2", HOUR)
    play(table, scripts.launch(SERVERS[:1], stuck=SERVERS[:1]), "drsjob-3", HOUR, "exec-2")

    assert ids(get("/executions", server=SERVERS[5])["executions"]) == ["exec-1"]
    assert ids(get("/executions", server=SERVERS[4])["executions"]) == ["drsjob-2", "exec-1"]
    assert ids(get("/jobs", server=SERVERS[0])["jobs"]) == ["exec-2"]


def test_a_page_ends_after_a_limited_time(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        play(table, SHORT, f"drsjob-{number}", (number + 1) * HOUR)
    monkeypatch.setattr(lists, "MAX_SECONDS", -1.0)

    assert [ids(page) for page in pages("/executions", "executions", 50)] == [["drsjob-0"], ["drsjob-1"], ["drsjob-2"]]
    assert [ids(page) for page in pages("/jobs", "jobs", 50, status="FAILED")] == [[], [], []]


@pytest.mark.parametrize("query", [{}, {"server": "s-none"}])
@pytest.mark.parametrize("route", ["executions", "jobs", "failures"])
def test_a_page_ends_before_the_events_of_all_running_jobs_are_read(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch, route: str, query: dict[str, str]
) -> None:
    for number in range(4):
        play(table, STUCK, f"drsjob-{number}", (number + 1) * HOUR)
    read: list[str] = []
    of_job = api.logs.of_job
    monkeypatch.setattr(api.logs, "of_job", lambda job_id, now: (read.append(job_id), of_job(job_id, now))[1])
    for module in (lists, failures):
        monkeypatch.setattr(module, "MAX_SECONDS", -1.0)

    first = get(f"/{route}", **query)

    assert read[:1] == ["drsjob-0"]
    assert len(read) <= 2  # the one after the page is discarded
    assert first["nextToken"] is not None
    assert len(pages(f"/{route}", route, 50, **query)) == 4


@pytest.mark.parametrize("route", ["executions", "jobs"])
def test_the_jobs_of_a_server_are_found_without_their_events(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    for number in range(4):
        play(table, SHORT, f"drsjob-{number}", (number + 1) * HOUR)
    monkeypatch.delattr(Ledger, "job")

    assert [ids(page) for page in pages(f"/{route}", route, 3, server=SERVERS[0])] == [
        ["drsjob-0", "drsjob-1", "drsjob-2"],
        ["drsjob-3"],
    ]


def test_jobs_from_before_the_history_are_not_listed(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "settings", api.config.api_settings(ENVIRONMENT))
    play(table, SHORT, "drsjob-1", timedelta(days=399))
    play(table, SHORT, "drsjob-2", timedelta(days=401))

    assert ids(get("/jobs")["jobs"]) == ["drsjob-1"]
    assert ids(get("/jobs", from_="0001-01-01T00:00:00Z", to="9999-12-31T00:00:00Z")["jobs"]) == ["drsjob-1"]


@pytest.mark.parametrize("route", ["executions", "jobs", "failures"])
@pytest.mark.parametrize("server", [None, SERVERS[0]])
def test_a_period_outside_the_history_has_no_entries(table: JobLogTable, route: str, server: str | None) -> None:
    play(table, SHORT, "drsjob-1", HOUR)
    query = {} if server is None else {"server": server}

    assert get(f"/{route}", to="2001-01-01T00:00:00Z", **query)[route] == []
    assert get(f"/{route}", from_="2099-01-01T00:00:00Z", **query)[route] == []


def test_a_period_without_time_needs_no_query(dynamodb: DynamoDBClient) -> None:
    middle = NOW.replace(day=15)  # both in one month

    assert list(Ledger(dynamodb, TABLE).jobs(middle, middle - HOUR)) == []
    assert list(Ledger(dynamodb, TABLE).jobs(middle, middle + HOUR, before=f"{format_time(middle - HOUR)}#x")) == []


def test_a_page_of_executions_needs_a_query_for_each_of_them(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    for number in range(30):
        events = played.events(SHORT, f"drsjob-{number}", created=NOW - (number + 1) * HOUR, execution_id=f"e-{number}")
        for event in (events[0], events[-1]):
            table.put(event, RETENTION)
    asked: Counter[str] = Counter()
    dynamodb.meta.events.register(
        "before-call.dynamodb.*",
        lambda model, params, **_: asked.update([f"{model.name} {json.loads(params['body']).get('IndexName')}"]),
    )

    assert len(get("/executions", limit="10")["executions"]) == 10
    assert asked["Query ExecutionLedgerIndex"] == 11
    # One for the present month, and one or two for the next one and the one before. Then one or two for the requests.
    assert asked["Query LedgerIndex"] <= 5
    assert set(asked) == {"Query ExecutionLedgerIndex", "Query LedgerIndex"}


def ask(table: JobLogTable, job_id: str, ago: timedelta, execution_id: str | None, arn: str = ALICE) -> None:
    """Store the request of a job."""
    call = {"eventID": f"{job_id} {arn}", "eventTime": (NOW - ago).isoformat(timespec="seconds")}
    event = parse(dumps(request({"jobID": job_id}, userIdentity={"arn": arn}, **call)))
    table.put(replace(event, execution_id=execution_id), RETENTION)


@pytest.mark.parametrize("script", [GOOD, STUCK])
def test_the_lists_state_who_requested_an_execution_and_its_jobs(table: JobLogTable, script: Script) -> None:
    """STUCK: jobs that run are derived from their events."""
    for number, execution_id in enumerate([None, "exec-1", "exec-1", None]):
        play(table, script, f"drsjob-{number}", (4 - number) * HOUR, execution_id)
    ask(table, "drsjob-0", 4 * HOUR, None, "arn:aws:iam::111122223333:user/bob")
    ask(table, "drsjob-2", 2 * HOUR, "exec-1")

    assert [(entry["jobId"], entry["requestedBy"]) for entry in get("/jobs")["jobs"]] == [
        ("drsjob-3", None),
        ("drsjob-2", ALICE),
        ("drsjob-1", None),
        ("drsjob-0", "arn:aws:iam::111122223333:user/bob"),
    ]
    assert [(*ids([entry]), entry["requestedBy"]) for entry in get("/executions")["executions"]] == [
        ("drsjob-3", None),
        ("exec-1", ALICE),
        ("drsjob-0", "arn:aws:iam::111122223333:user/bob"),
    ]


@pytest.mark.parametrize("execution_id", [None, "exec-1"])
def test_a_job_of_which_only_the_request_is_stored_is_not_listed(table: JobLogTable, execution_id: str | None) -> None:
    ask(table, "drsjob-1", HOUR, execution_id)

    assert get("/jobs")["jobs"] == get("/executions")["executions"] == []


# ---------------------------------------------------------------------------------------------------------------------
# Jobs
# ---------------------------------------------------------------------------------------------------------------------


def test_a_job_has_its_attributes(table: JobLogTable) -> None:
    times = play(table, MIXED, "drsjob-1", HOUR, "exec-1")

    (entry,) = get("/jobs")["jobs"]

    assert entry == {
        "jobId": "drsjob-1",
        "executionId": "exec-1",
        "jobType": "LAUNCH",
        "initiatedBy": "START_DRILL",
        "requestedBy": None,
        "status": "PARTIAL",
        "isDrill": True,
        "startedAt": format_time(NOW - HOUR),
        "endedAt": format_time(times[-1]),
        "durationSeconds": (times[-1] - NOW + HOUR).total_seconds(),
        "counts": {
            **dict.fromkeys(("pending", "converting", "launching", "skipped", "completed", "terminated"), 0),
            "totalServers": 2,
            "launched": 1,
            "failed": 1,
        },
        "rpo": None,
        "account": None,
        "region": None,
    }


@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_the_pages_list_each_job_once_and_in_order(limit: int) -> None:
    of_pages = pages("/jobs", "jobs", limit)
    found = [entry["jobId"] for page in of_pages for entry in page]

    assert [len(page) for page in of_pages[:-1]] == [limit] * (len(of_pages) - 1)
    assert found == [f"drsjob-{number:02}" for number in reversed(range(12))]


def test_what_runs_is_searched_in_the_last_days_unless_from_is_given(table: JobLogTable) -> None:
    play(table, STUCK, "drsjob-new", timedelta(days=6), "exec-new")
    play(table, STUCK, "drsjob-old", timedelta(days=8), "exec-old")
    since = (NOW - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def ids(**query: str) -> list[str]:
        return [entry["executionId"] for entry in get("/executions", **query)["executions"]]

    assert ids(status="IN_PROGRESS") == ["exec-new"]
    assert ids(status="IN_PROGRESS", from_=since) == ids() == ["exec-new", "exec-old"]


@pytest.mark.usefixtures("_many")
def test_jobs_can_be_filtered() -> None:
    assert [job["jobId"] for job in get("/jobs", status="PARTIAL")["jobs"]] == [
        *("drsjob-09", "drsjob-06", "drsjob-03", "drsjob-00")
    ]
    found = pages("/jobs", "jobs", 3, server=SERVERS[3])
    assert [[job["jobId"] for job in page] for page in found] == [
        ["drsjob-09", "drsjob-06", "drsjob-03"],
        ["drsjob-00"],
    ]


def test_a_running_job_has_its_present_counts(table: JobLogTable) -> None:
    play(table, STUCK, "drsjob-1", HOUR)

    (entry,) = get("/jobs")["jobs"]

    assert (entry["status"], entry["counts"]["launched"], entry["counts"]["converting"]) == ("IN_PROGRESS", 1, 1)
    assert 3600 < entry["durationSeconds"] < 2 * 3600


# ---------------------------------------------------------------------------------------------------------------------
# Servers
# ---------------------------------------------------------------------------------------------------------------------


def test_a_server_has_its_launches_and_its_last_success(table: JobLogTable) -> None:
    play(table, scripts.launch(SERVERS[:2]), "drsjob-1", 5 * HOUR, "exec-1")
    times = play(table, scripts.launch(SERVERS[:1], failing={SERVERS[0]: "no rights"}, drill=False), "drsjob-2", HOUR)

    body = get("/servers/{sourceServerId}", {"sourceServerId": SERVERS[0]})

    failed, launched = body["launches"]
    assert (body["sourceServerId"], body["serverName"], body["nextToken"]) == (SERVERS[0], None, None)
    assert failed == {
        "jobId": "drsjob-2",
        "jobType": "LAUNCH",
        "jobCreatedAt": format_time(NOW - HOUR),
        "executionId": None,
        "isDrill": False,
        "account": None,
        "region": None,
        "state": "FAILED",
        "ec2InstanceId": None,
        "startedAt": format_time(times[1]),
        "endedAt": format_time(times[-2]),
        "durationSeconds": (times[-2] - times[1]).total_seconds(),
        "stepSeconds": failed["stepSeconds"],
        "pointInTime": None,
        "rpoSeconds": None,
        "error": "no rights",
    }
    assert list(failed["stepSeconds"]) == ["snapshot", "wait", "conversion", "launch"]
    assert (launched["jobId"], launched["state"], launched["executionId"]) == ("drsjob-1", "LAUNCHED", "exec-1")
    assert launched["ec2InstanceId"] == scripts.instance_id(SERVERS[0])
    assert body["lastSuccess"] == launched


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_the_pages_of_a_server_have_each_launch_once(table: JobLogTable, limit: int) -> None:
    for number in range(4):
        script = scripts.launch(SERVERS[:1], failing={SERVERS[0]: "no"} if number else {})
        play(table, script, f"drsjob-{number}", (10 - number) * HOUR, f"exec-{number}")
    # DRS repeats a step that failed: the server has two final events in the job.
    retried = [
        ("SNAPSHOT_FAIL", 10, {"sourceServerID": SERVERS[0]}),
        ("LAUNCH_FAILED", 99, {"sourceServerID": SERVERS[0]}),
    ]
    of_job = {"participatingServers": [{"sourceServerID": SERVERS[0], "launchStatus": "FAILED"}]}
    items = [("JOB_START", 1, {}), *retried, ("JOB_END", 600.03, {})]
    for event in played.events_of_short_job(items, NOW - timedelta(hours=8, minutes=30), job_id="drsjob-9", **of_job):
        table.put(event, RETENTION)

    found, token = [], {}
    while True:
        page = get("/servers/{sourceServerId}", {"sourceServerId": SERVERS[0]}, limit=str(limit), **token)
        found.append([launch["jobId"] for launch in page["launches"]])
        assert page["lastSuccess"]["jobId"] == "drsjob-0"
        if page["nextToken"] is None:
            break
        token = {"nextToken": page["nextToken"]}

    assert [job for page in found for job in page] == ["drsjob-3", "drsjob-2", "drsjob-9", "drsjob-1", "drsjob-0"]
    assert all(len(page) <= limit for page in found)


def test_an_unknown_server_has_no_launches() -> None:
    body = get("/servers/{sourceServerId}", {"sourceServerId": "s-unknown"})

    assert (body["launches"], body["lastSuccess"], body["serverName"], body["nextToken"]) == ([], None, None, None)


# ---------------------------------------------------------------------------------------------------------------------
# Failures
# ---------------------------------------------------------------------------------------------------------------------

DENIED = (
    "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: no rights for vol-0{}abcdef"
)


def test_failures_are_grouped_by_the_shape_of_their_errors(table: JobLogTable) -> None:
    errors = {SERVERS[0]: DENIED.format("123456789"), SERVERS[1]: DENIED.format("987654321"), SERVERS[2]: "other"}
    denied_hint = hint_of(DENIED)
    assert denied_hint
    play(table, scripts.launch(SERVERS[:4], failing=errors), "drsjob-1", 5 * HOUR, "exec-1")
    play(table, scripts.launch(SERVERS[:1], failing=errors), "drsjob-2", HOUR, "exec-2")
    play(table, scripts.silent_failure(SERVERS[4:5]), "drsjob-3", 2 * HOUR)
    play(table, GOOD, "drsjob-4", 2 * HOUR)

    body = get("/failures")

    denied, silent, other = body["failures"]
    assert denied["shape"] == DENIED.format("").replace("vol-0abcdef", "<id>")
    assert {name: denied[name] for name in denied if name not in {"shape", "newest"}} == {
        "service": "ec2",
        "operation": "DeleteVolume",
        "code": "UnauthorizedOperation",
        "hint": {
            "isKnown": True,
            "cause": denied_hint.cause,
            "firstStep": denied_hint.first_step,
            "source": denied_hint.source,
        },
        "count": 3,
        "serverCount": 2,
        "servers": [SERVERS[0], SERVERS[1]],
        "executionCount": 2,
        "executions": ["exec-2", "exec-1"],
    }
    assert denied["newest"]["error"] == DENIED.format("123456789")
    assert (denied["newest"]["jobId"], denied["newest"]["executionId"]) == ("drsjob-2", "exec-2")
    assert (silent["shape"], silent["count"], silent["newest"]["jobId"]) == (None, 1, "drsjob-3")
    assert silent["hint"]["cause"] == WITHOUT_ERROR.cause
    assert (other["shape"], other["service"], other["newest"]["sourceServerId"]) == ("other", None, SERVERS[2])
    assert (other["hint"]["isKnown"], other["hint"]["source"]) == (False, None)
    assert body["nextToken"] is None


def test_failures_of_a_running_job_and_of_a_period(table: JobLogTable) -> None:
    script = scripts.launch(SERVERS[:2], failing={SERVERS[0]: "now"}, stuck=SERVERS[1:2])
    play(table, script, "drsjob-1", HOUR, "exec-1")
    play(table, scripts.launch(SERVERS[:1], failing={SERVERS[0]: "before"}), "drsjob-2", 5 * HOUR)

    def shapes(**query: str) -> list[str]:
        return [group["shape"] for group in get("/failures", **query)["failures"]]

    assert sorted(shapes()) == ["before", "now"]
    assert shapes(from_=format_time(NOW - 2 * HOUR)) == ["now"]
    assert shapes(to=format_time(NOW - 2 * HOUR)) == ["before"]


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (100, [3])])
def test_a_page_of_failures_ends_with_its_last_group(table: JobLogTable, limit: int, sizes: list[int]) -> None:
    for number, error in enumerate(["first", "second", "third"]):
        script = scripts.launch(SERVERS[:1], failing={SERVERS[0]: error})
        play(table, script, f"drsjob-{number}", (number + 1) * HOUR)

    found = pages("/failures", "failures", limit)

    assert [len(page) for page in found] == sizes
    assert [group["shape"] for page in found for group in page] == ["first", "second", "third"]


# ---------------------------------------------------------------------------------------------------------------------
# Comparison
# ---------------------------------------------------------------------------------------------------------------------


def compare(execution_id: str = "exec-1", **query: str) -> dict[str, Any]:
    return get("/executions/{executionId}/comparison", {"executionId": execution_id}, **query)


def test_an_execution_is_compared_with_another_one(table: JobLogTable) -> None:
    before = scripts.launch([*SERVERS[:3], SERVERS[5]], failing={SERVERS[0]: "old", SERVERS[2]: "same"})
    this = scripts.launch(SERVERS[:4], failing={SERVERS[1]: "new", SERVERS[2]: "same"}, seed=2)
    play(table, before, "drsjob-0", 50 * HOUR, "exec-0")
    play(table, this, "drsjob-1", 5 * HOUR, "exec-1")
    listed = {entry["executionId"]: entry for entry in get("/executions")["executions"]}

    body = compare(with_="exec-0")

    totals = (
        "executionId",
        "status",
        "isDrill",
        "startedAt",
        "endedAt",
        "durationSeconds",
        "counts",
        "rto",
        "rpo",
        "settled",
    )
    assert body["this"] == {name: listed["exec-1"][name] for name in totals}
    assert body["other"] == {name: listed["exec-0"][name] for name in totals}
    assert body["differenceSeconds"] == pytest.approx(
        body["this"]["durationSeconds"] - body["other"]["durationSeconds"], abs=0.001
    )
    assert [step["step"] for step in body["steps"]] == ["snapshot", "wait", "conversion", "launch"]
    assert all(step["this"]["servers"] == 4 and step["other"]["servers"] == 4 for step in body["steps"])
    assert [server["sourceServerId"] for server in body["servers"]] == SERVERS[:3]
    launch = body["servers"][0]["steps"]["launch"]
    assert launch["differenceSeconds"] == pytest.approx(launch["seconds"] - launch["otherSeconds"], abs=0.001)
    assert [(one["sourceServerId"], one["error"]) for one in body["newFailures"]] == [(SERVERS[1], "new")]
    assert [(one["sourceServerId"], one["error"]) for one in body["resolvedFailures"]] == [(SERVERS[0], "old")]
    assert [one["sourceServerId"] for one in body["onlyInThis"]] == [SERVERS[3]]
    assert [one["sourceServerId"] for one in body["onlyInOther"]] == [SERVERS[5]]
    assert body["truncated"] is False


def test_the_default_is_the_last_execution_before_with_most_servers_in_common(table: JobLogTable) -> None:
    for number, (servers, ago) in enumerate(
        [(SERVERS[:3], 90), (SERVERS[:3], 80), (SERVERS[:2], 70), (SERVERS[:3], 50), (SERVERS[:4], 10)]
    ):
        play(table, scripts.launch(servers), f"drsjob-{number}", ago * HOUR, f"exec-{number}")
    play(table, scripts.launch(SERVERS[:3]), "drsjob-8", 60 * HOUR)  # no execution
    play(table, scripts.terminate(SERVERS[:3]), "drsjob-9", 55 * HOUR, "exec-9")

    converted = [("CONVERSION_FAIL", 99, {"sourceServerID": server}) for server in SERVERS[:3]]
    of_job = {"type": "CREATE_CONVERTED_SNAPSHOT", "tags": {"ExecutionId": "exec-7"}}
    for event in played.events_of_short_job(converted, NOW - 54 * HOUR, job_id="drsjob-7", **of_job):
        table.put(event, RETENTION)

    assert compare("exec-3")["other"]["executionId"] == "exec-1"
    assert compare("exec-2")["other"]["executionId"] == "exec-1"
    assert compare("exec-0")["other"] is None
    assert compare("exec-0")["onlyInThis"][0]["sourceServerId"] == SERVERS[0]


def test_a_running_execution_is_compared(table: JobLogTable) -> None:
    play(table, scripts.launch(SERVERS[4:]), "drsjob-0", 5 * HOUR, "exec-0")
    play(table, STUCK, "drsjob-1", HOUR, "exec-1")

    body = compare()

    assert (body["this"]["status"], body["other"]["executionId"]) == ("IN_PROGRESS", "exec-0")
    assert body["differenceSeconds"] is None
    assert [(one["state"], one["otherState"]) for one in body["servers"]] == [
        ("LAUNCHED", "LAUNCHED"),
        ("CONVERSION", "LAUNCHED"),
    ]


@pytest.mark.parametrize(
    ("execution_id", "query", "status", "message"),
    [
        ("unknown", {}, 404, "The ledger has no execution 'unknown'"),
        ("exec-1", {"with_": "unknown"}, 404, "The ledger has no execution 'unknown'"),
        ("exec-1", {"with_": "exec-1"}, 400, "with must be the ID of another execution"),
        ("exec-1", {"with_": ""}, 400, "with must be 1 to 2048 bytes long"),
    ],
)
def test_an_execution_that_cannot_be_compared(
    table: JobLogTable, execution_id: str, query: dict[str, str], status: int, message: str
) -> None:
    play(table, GOOD, "drsjob-1", HOUR, "exec-1")

    answer = send("/executions/{executionId}/comparison", {"executionId": execution_id}, **query)

    assert answer == (status, {"message": message})


def test_a_large_comparison_fits(table: JobLogTable, monkeypatch: pytest.MonkeyPatch) -> None:
    play(table, scripts.launch(SERVERS[:3], failing={SERVERS[0]: "x" * 900}), "drsjob-0", 5 * HOUR, "exec-0")
    play(table, scripts.launch(SERVERS[:3], failing={SERVERS[1]: "y" * 900}), "drsjob-1", HOUR, "exec-1")
    monkeypatch.setattr("drs_job_log.api.comparison._MAX_BYTES", 1500)

    body = compare()

    assert body["truncated"] is True
    assert [len(one["error"]) for one in body["newFailures"] + body["resolvedFailures"]] == [128, 128]
    assert 0 < len(body["servers"]) < 3


# ---------------------------------------------------------------------------------------------------------------------
# Requests
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "0"}, "limit must be a whole number from 1 to 100, not '0'"),
        ({"limit": "101"}, "limit must be a whole number from 1 to 100, not '101'"),
        (
            {"status": "NO_EVENTS"},
            "status must be IN_PROGRESS, COMPLETED, PARTIAL, FAILED or TERMINATED, not 'NO_EVENTS'",
        ),
        ({"isDrill": "yes"}, "isDrill must be true or false, not 'yes'"),
        ({"server": ""}, "server must be 1 to 2048 bytes long"),
        ({"from_": "2025-11-28"}, "from must be an ISO 8601 time like 2025-11-28T20:30:15Z, not '2025-11-28' "),
        ({"to": "now"}, "to must be an ISO 8601 time like 2025-11-28T20:30:15Z, not 'now' (encode + as %2B in a URL)"),
        (
            {"from_": "2025-11-29T00:00:00Z", "to": "2025-11-28T00:00:00Z"},
            "from must not be later than to",
        ),
        ({"nextToken": "abc"}, "nextToken must be an unchanged nextToken from an answer for the same request"),
    ],
)
@pytest.mark.parametrize("route", ["/executions", "/jobs"])
def test_an_invalid_parameter_is_refused_with_the_valid_form(route: str, query: dict[str, str], message: str) -> None:
    status, body = send(route, None, **query)

    assert status == 400
    assert body["message"].startswith(message)


@pytest.mark.usefixtures("_many")
def test_a_token_is_valid_for_its_list_only() -> None:
    token = get("/executions", limit="2")["nextToken"]
    of_server = get("/servers/{sourceServerId}", {"sourceServerId": SERVERS[0]}, limit="1")["nextToken"]

    assert ids(get("/executions", limit="5", nextToken=token)["executions"]) == IN_ORDER[2:7]
    for route, query in (
        ("/jobs", {"nextToken": token}),
        ("/failures", {"nextToken": token}),
        ("/executions", {"nextToken": token, "status": "FAILED"}),
        ("/executions", {"nextToken": token[:-1]}),
        ("/executions", {"nextToken": of_server}),
    ):
        assert send(route, None, **query)[0] == 400
    assert send("/servers/{sourceServerId}", {"sourceServerId": SERVERS[1]}, nextToken=of_server)[0] == 400


ROUTES = [
    ("/executions", None),
    ("/jobs", None),
    ("/failures", None),
    ("/servers/{sourceServerId}", {"sourceServerId": SERVERS[0]}),
    ("/executions/{executionId}/comparison", {"executionId": "exec-1"}),
]


@pytest.mark.parametrize(("route", "path"), ROUTES)
def test_an_unchanged_answer_is_not_sent_again(table: JobLogTable, route: str, path: dict[str, str] | None) -> None:
    play(table, scripts.launch(SERVERS[:2], failing={SERVERS[0]: "no"}, stuck=SERVERS[1:2]), "drsjob-1", HOUR, "exec-1")
    event: dict[str, Any] = {"routeKey": f"GET {route}", "pathParameters": path}
    headers = {"if-none-match": api.lambda_handler(event, CONTEXT)["headers"]["ETag"]}

    assert api.lambda_handler(event | {"headers": headers}, CONTEXT)["statusCode"] == 304
    play(table, scripts.launch(SERVERS[:2], failing={SERVERS[0]: "no"}), "drsjob-2", HOUR, "exec-1")
    assert api.lambda_handler(event | {"headers": headers}, CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize(("route", "path"), ROUTES)
@pytest.mark.parametrize(
    "message",
    [
        "The table does not have the specified index: LedgerIndex",
        "Cannot read from backfilling global secondary index: LedgerIndex",
    ],
)
def test_a_missing_index_is_reported(
    monkeypatch: pytest.MonkeyPatch, route: str, path: dict[str, str] | None, message: str
) -> None:
    def fail(*_: object) -> None:
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "Query")

    for name in ("jobs", "jobs_of_execution", "launches_of_server"):
        monkeypatch.setattr(Ledger, name, fail)

    answer = api.lambda_handler({"routeKey": f"GET {route}", "pathParameters": path}, CONTEXT)

    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert "Try again later" in json.loads(answer["body"])["message"]


def test_other_errors_of_the_ledger_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ClientError({"Error": {"Code": "ThrottlingException", "Message": "index"}}, "Query")
    monkeypatch.setattr(Ledger, "jobs", lambda *_: (_ for _ in ()).throw(failure))

    with pytest.raises(ClientError):
        send("/executions")


def test_the_logs_need_no_index_of_the_ledger(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    play(table, GOOD, "drsjob-1", HOUR, "exec-1")
    asked: set[str | None] = set()
    dynamodb.meta.events.register(
        "before-call.dynamodb.*", lambda params, **_: asked.add(json.loads(params["body"]).get("IndexName"))
    )

    for _ in range(2):
        get("/executions/{executionId}/logs", {"executionId": "exec-1"})
        get("/jobs/{jobId}/logs", {"jobId": "drsjob-1"})

    assert asked == {None, "ExecutionIdIndex", "LateIndex"}


def test_executions_that_an_index_does_not_contain_yet_are_listed(
    table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(table, GOOD, "drsjob-1", HOUR, "exec-1")
    monkeypatch.setattr(history.History, "_read", lambda *_: ([], history.TableAnswer()))

    assert ids(get("/executions")["executions"]) == ["exec-1"]
