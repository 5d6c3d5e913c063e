"""The ledger: what it keeps of each job and each server, and how the API reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from drs_job_log.ledger import Ledger
from drs_job_log.link.reindex import reindex
from drs_job_log.model.events import EVENT_SOURCE, parse
from drs_job_log.model.progress import job_state_of
from drs_job_log.model.summary import is_in_ledger, server_summaries_of, summary_of
from drs_job_log.table import JobLogTable, ledger_attributes
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.support import played, scripts, tables
from tests.support.envelopes import ALICE, dumps, job_log, launch_result, request
from tests.support.scripts import server_id
from tests.unit.conftest import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drs_job_log.model.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

HISTORY = timedelta(days=5000)
START = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
FOREVER = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
ONE, TWO, THREE = (server_id(number) for number in (1, 2, 3))
DENIED = "An error occurred (UnauthorizedOperation) when calling the RunInstances operation: denied"


@pytest.fixture
def ledger(dynamodb: DynamoDBClient) -> Ledger:
    return Ledger(dynamodb, TABLE)


def drill(job_id: str, *servers: str, after: timedelta = timedelta(), **options: Any) -> list[JobLogEvent]:
    """Return the events of a complete drill."""
    execution_id = options.pop("execution_id", "exec-1")
    script = scripts.launch(servers or (ONE, TWO), **options)
    return played.events(script, job_id, created=START + after, execution_id=execution_id)


def store(table: JobLogTable, *jobs: list[JobLogEvent]) -> None:
    for events in jobs:
        for event in events:
            table.put(event, HISTORY)


def old_events(events: list[JobLogEvent]) -> list[JobLogEvent]:
    """Return events as earlier versions of the module sent them."""
    new_keys = {"createdAt", "rtoMinutes", "stepSeconds"}
    new_server_keys = {"startedAt", "endedAt", "stepSeconds", "ec2InstanceID", "error"}

    def old(detail: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in detail.items() if name not in new_keys}
        if "participatingServers" in kept:
            kept["participatingServers"] = [
                {name: value for name, value in server.items() if name not in new_server_keys}
                for server in kept["participatingServers"]
            ]
        return kept

    return [replace(event, detail=old(event.detail)) for event in events]


def store_as_old(dynamodb: DynamoDBClient, table: JobLogTable, events: list[JobLogEvent]) -> None:
    """Store events as earlier versions of the module stored them."""
    store(table, old_events(events))
    for row in tables.rows(dynamodb):
        detail = next(event.detail for event in old_events(events) if event.key == row["EventKey"])
        dynamodb.update_item(
            TableName=TABLE,
            Key={"JobId": {"S": row["JobId"]}, "EventKey": {"S": row["EventKey"]}},
            UpdateExpression="REMOVE LedgerKey, LedgerMonth, LedgerServerId, Servers, Summary",
        )
        if "participatingServers" in detail:
            dynamodb.update_item(
                TableName=TABLE,
                Key={"JobId": {"S": row["JobId"]}, "EventKey": {"S": row["EventKey"]}},
                UpdateExpression="SET EventData.participatingServers = :servers",
                ExpressionAttributeValues={
                    ":servers": {
                        "L": [
                            {"M": {name: {"S": value} for name, value in server.items()}}
                            for server in detail["participatingServers"]
                        ]
                    }
                },
            )


# ---------------------------------------------------------------------------------------------------------------------
# Jobs
# ---------------------------------------------------------------------------------------------------------------------


def test_the_summary_of_a_job_states_what_it_did(table: JobLogTable, ledger: Ledger) -> None:
    events = drill("drsjob-1", ONE, TWO, failing={TWO: DENIED})
    store(table, events)

    (job,) = ledger.jobs(*FOREVER)

    launched = next(event for event in events if event.event_type == "SERVER_LAUNCHED")
    assert (job.job_id, job.execution_id, job.job_type, job.is_drill) == ("drsjob-1", "exec-1", "LAUNCH", True)
    assert (job.status, job.created_at, job.ended_at) == ("PARTIAL", START, events[-1].timestamp)
    assert (job.counts, job.server_count) == ({"launched": 1, "failed": 1}, 2)
    assert job.last_launched_at == launched.timestamp
    assert (job.end_key, job.rto_minutes) == (events[-1].key, None)


def test_the_servers_of_a_job_have_their_steps_and_errors(table: JobLogTable, ledger: Ledger) -> None:
    events = drill("drsjob-1", ONE, TWO, failing={TWO: DENIED * 100})
    store(table, events)

    (servers,) = ledger.servers_of(ledger.jobs(*FOREVER)).values()

    one, two = servers
    assert (one.source_server_id, one.state, one.launch_status) == (ONE, "LAUNCHED", "LAUNCHED")
    assert one.ec2_instance_id == scripts.instance_id(ONE)
    assert list(one.step_seconds) == ["snapshot", "wait", "conversion", "launch"]
    assert one.started_at is not None
    assert one.ended_at is not None
    assert sum(one.step_seconds.values()) == pytest.approx((one.ended_at - one.started_at).total_seconds(), abs=1)
    assert (two.state, two.error) == ("FAILED", (DENIED * 100)[:1024])


@pytest.mark.parametrize(
    "script",
    [
        scripts.launch([ONE, TWO, THREE], failing={TWO: DENIED}, cleaned=[ONE]),
        scripts.launch([ONE], drill=False),
        scripts.silent_failure([ONE, TWO]),
        scripts.cancelled([ONE, TWO]),
        scripts.terminate([ONE, TWO]),
        scripts.converted_snapshot([ONE], "PENDING"),
        scripts.network_recovery("sn-1", server=ONE),
        scripts.without_job_end(scripts.launch([ONE, TWO])),
    ],
)
def test_the_summary_from_the_rows_is_that_from_all_events(
    table: JobLogTable, ledger: Ledger, script: scripts.Script
) -> None:
    store(table, played.events(script, "drsjob-1", created=START))
    state = job_state_of("drsjob-1", table.events_of_job("drsjob-1"))

    (job,) = ledger.jobs(*FOREVER)

    assert replace(job, end_key=None) == summary_of(state, "exec-1")
    assert ledger.servers_of([job])["drsjob-1"] == server_summaries_of(state)


def test_a_running_job_has_its_number_of_servers(table: JobLogTable, ledger: Ledger) -> None:
    store(table, drill("drsjob-1")[:5])

    (job,) = ledger.jobs(*FOREVER)

    assert (job.status, job.is_running, job.server_count, job.counts) == ("IN_PROGRESS", True, 2, {})
    assert ledger.servers_of([job]) == {}


def test_jobs_are_listed_in_a_period_the_newest_first(table: JobLogTable, ledger: Ledger) -> None:
    months = [timedelta(days=31 * number) for number in range(4)]
    store(table, *(drill(f"drsjob-{number}", after=after) for number, after in enumerate(months)))

    ids = [job.job_id for job in ledger.jobs(*FOREVER)]
    after_second = [job.job_id for job in ledger.jobs(START + months[1], FOREVER[1])]
    until_second = [job.job_id for job in ledger.jobs(FOREVER[0], START + months[1])]

    assert ids == ["drsjob-3", "drsjob-2", "drsjob-1", "drsjob-0"]
    assert after_second == ["drsjob-3", "drsjob-2", "drsjob-1"]
    assert until_second == ["drsjob-1", "drsjob-0"]


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=12))
def test_a_list_continues_after_any_job(days: list[int]) -> None:
    """Also after one of several jobs that were created at the same time."""
    from drs_job_log.table import JobLogTable  # noqa: PLC0415

    with mock_aws():
        client = boto3.client("dynamodb")
        tables.create_events(client, TABLE)
        store(
            JobLogTable(client, TABLE),
            *(drill(f"drsjob-{number}", ONE, after=timedelta(days=day)) for number, day in enumerate(days)),
        )
        ledger = Ledger(client, TABLE)
        whole = list(ledger.jobs(*FOREVER))

        assert sorted(job.job_id for job in whole) == sorted(f"drsjob-{number}" for number in range(len(days)))
        for place, job in enumerate(whole):
            assert list(ledger.jobs(*FOREVER, before=job.position)) == whole[place + 1 :]


def test_the_jobs_of_an_execution_are_in_the_order_of_their_creation(table: JobLogTable, ledger: Ledger) -> None:
    store(
        table,
        drill("drsjob-2", after=timedelta(hours=1)),
        drill("drsjob-1"),
        drill("drsjob-3", execution_id="exec-2"),
    )

    assert [job.job_id for job in ledger.jobs_of_execution("exec-1")] == ["drsjob-1", "drsjob-2"]
    assert ledger.jobs_of_execution("exec-9") == []


def test_a_job_that_is_linked_later_belongs_to_its_execution(table: JobLogTable, ledger: Ledger) -> None:
    store(table, drill("drsjob-1", execution_id=None))
    assert [job.execution_id for job in ledger.jobs(*FOREVER)] == [None]

    for key in table.unlinked_of_job("drsjob-1"):
        table.link("drsjob-1", key, "exec-7")

    assert [job.execution_id for job in ledger.jobs(*FOREVER)] == ["exec-7"]
    assert [job.job_id for job in ledger.jobs_of_execution("exec-7")] == ["drsjob-1"]


def test_a_cancelled_job_is_terminated(table: JobLogTable, ledger: Ledger) -> None:
    start = drill("drsjob-1")[0]
    cancel = {**start.detail, "eventType": "JOB_CANCEL", "eventId": "cancel", "logDateTime": "2026-01-31T23:40:00Z"}
    store(table, [start, parse(dumps(job_log(cancel)))])

    (job,) = ledger.jobs(*FOREVER)

    assert (job.status, job.ended_at) == ("TERMINATED", datetime(2026, 1, 31, 23, 40, tzinfo=UTC))


def test_a_corrected_end_replaces_the_end(table: JobLogTable, ledger: Ledger) -> None:
    *others, end = drill("drsjob-1", ONE, TWO, failing={TWO: DENIED})
    servers = [{**server, "state": "LAUNCHED"} for server in end.detail["participatingServers"]]
    detail = {**end.detail, "revision": 1, "outcome": "SUCCEEDED", "participatingServers": servers}
    corrected = replace(end, event_id="corrected", detail=detail)
    store(table, [*others, corrected, end])

    (job,) = ledger.jobs(*FOREVER)

    assert (job.status, job.counts, job.end_key) == ("COMPLETED", {"launched": 2}, corrected.key)


def test_a_corrected_end_without_a_launched_server_has_no_last_launch(table: JobLogTable, ledger: Ledger) -> None:
    *others, end = drill("drsjob-1", ONE)
    servers = [{**server, "state": "FAILED"} for server in end.detail["participatingServers"]]
    detail = {**end.detail, "revision": 1, "outcome": "FAILED", "participatingServers": servers}
    store(table, [*others, end, replace(end, event_id="corrected", detail=detail)])

    (job,) = ledger.jobs(*FOREVER)

    assert (job.status, job.counts, job.last_launched_at) == ("FAILED", {"failed": 1}, None)


def test_a_server_that_failed_without_an_error_of_drs_has_none(table: JobLogTable, ledger: Ledger) -> None:
    """The log and the API state a reason of the module, which depends on the time of the read."""
    store(table, played.events(scripts.silent_failure([ONE]), "drsjob-1", created=START))

    (server,) = ledger.servers_of(ledger.jobs(*FOREVER))["drsjob-1"]

    assert (server.state, server.error) == ("FAILED", None)


def test_the_objective_of_a_job_is_that_of_its_tag(table: JobLogTable, ledger: Ledger) -> None:
    store(table, [replace(event, detail={**event.detail, "rtoMinutes": 45}) for event in drill("drsjob-1")])

    assert [job.rto_minutes for job in ledger.jobs(*FOREVER)] == [45]


def test_events_of_other_senders_are_not_in_the_ledger(table: JobLogTable, ledger: Ledger) -> None:
    foreign = [replace(event, source="acme", is_foreign=True) for event in drill("drsjob-1")]
    result = parse(dumps(launch_result()))
    store(table, foreign, [result])

    assert list(ledger.jobs(*FOREVER)) == []
    assert [*ledger.launches_of_server(ONE, 10), *ledger.launches_of_server("s-1", 10)] == []


def test_a_job_id_that_is_too_long_for_the_index_is_stored(table: JobLogTable, ledger: Ledger) -> None:
    store(table, drill("drsjob-" + "1" * 1500)[:1])

    assert list(ledger.jobs(*FOREVER)) == []


def test_a_server_id_that_is_too_long_for_the_index_is_stored() -> None:
    launched = next(event for event in drill("drsjob-1") if event.event_type == "SERVER_LAUNCHED")

    assert ledger_attributes(launched) == {"LedgerServerId": ONE}
    assert ledger_attributes(replace(launched, source_server_id="s" * 2049)) == {}


# ---------------------------------------------------------------------------------------------------------------------
# Requests
# ---------------------------------------------------------------------------------------------------------------------


def asked(
    job_id: str, after: timedelta = timedelta(), execution_id: str | None = "exec-1", who: str = ALICE
) -> JobLogEvent:
    """Return the request of a job that was created some time after START. Its time has whole seconds."""
    call = {"eventTime": (START + after).isoformat(timespec="seconds"), "eventID": who}
    event = parse(dumps(request({"jobID": job_id}, userIdentity={"arn": who}, **call)))
    return replace(event, execution_id=execution_id)


@pytest.mark.parametrize("delay", [timedelta(seconds=-1), timedelta(0), timedelta(minutes=2)])
@pytest.mark.parametrize("execution_id", [None, "exec-1"])
def test_a_job_states_who_requested_it(
    table: JobLogTable, ledger: Ledger, delay: timedelta, execution_id: str | None
) -> None:
    """The request does not have the time of the creation. The job is listed once nevertheless, at its creation."""
    store(table, [asked("drsjob-1", delay, execution_id)], drill("drsjob-1", execution_id=execution_id))

    (job,) = ledger.jobs(*FOREVER)

    assert (job.requested_by, job.created_at, job.execution_id) == (ALICE, START, execution_id)
    assert ledger.job("drsjob-1") == job
    assert ledger.jobs_of_execution("exec-1") == ([job] if execution_id else [])


def test_the_requests_of_several_months_are_found_on_each_page(table: JobLogTable, ledger: Ledger) -> None:
    """START is half an hour before February. The requests are in the months before and after those of their jobs."""
    ages = {"drsjob-1": timedelta(0), "drsjob-2": timedelta(minutes=29.99), "drsjob-3": timedelta(minutes=30.01)}
    ages |= {"drsjob-4": timedelta(days=100), "drsjob-5": timedelta(days=101)}
    for number, (job_id, age) in enumerate(ages.items()):
        delay = timedelta(seconds=-5 if number % 2 == 0 else 5)
        store(table, drill(job_id, after=age)[:1], [asked(job_id, age + delay, who=f"user-{number}")])

    jobs = list(ledger.jobs(*FOREVER))

    assert [(job.job_id, job.requested_by) for job in jobs] == [
        (f"drsjob-{number}", f"user-{number - 1}") for number in (5, 4, 3, 2, 1)
    ]
    for place, job in enumerate(jobs):
        assert list(ledger.jobs(FOREVER[0], job.created_at, job.position)) == jobs[place + 1 :]


def test_a_list_reads_no_more_requests_than_those_of_its_jobs(
    table: JobLogTable, ledger: Ledger, dynamodb: DynamoDBClient
) -> None:
    store(table, drill("drsjob-1")[:1], drill("drsjob-2", after=timedelta(days=300))[:1])
    months: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb.Query",
        lambda params, **_: months.append(json.loads(params["body"])["ExpressionAttributeValues"][":month"]["S"]),
    )

    next(ledger.jobs(*FOREVER))

    assert [month for month in months if month.startswith("requests-")] == ["requests-2026-11"]


def test_of_several_requests_the_first_one_counts(table: JobLogTable, ledger: Ledger) -> None:
    store(table, drill("drsjob-1"), [asked("drsjob-1", timedelta(seconds=age), who=str(age)) for age in (3, 1, 2)])

    (job,) = ledger.jobs(*FOREVER)

    assert job.requested_by == "1"
    assert ledger.jobs_of_execution("exec-1") == [ledger.job("drsjob-1")] == [job]


def test_a_job_of_which_only_the_request_is_known_is_not_in_the_ledger(table: JobLogTable, ledger: Ledger) -> None:
    store(table, [asked("drsjob-1")], drill("drsjob-2"))

    assert [job.job_id for job in ledger.jobs(*FOREVER)] == ["drsjob-2"]
    assert [job.job_id for job in ledger.jobs_of_execution("exec-1")] == ["drsjob-2"]
    assert ledger.job("drsjob-1") is None


def test_a_request_without_an_identity_or_from_another_sender_is_not_in_the_ledger() -> None:
    anonymous = parse(dumps(request({}, userIdentity={})))
    forged = parse(dumps(job_log({"jobID": "drsjob-1", "eventType": "JOB_REQUESTED", "requestedBy": "mallory"})))

    for event in (anonymous, forged, replace(forged, source="my.tool", is_foreign=True), asked("j" * 1500)):
        assert ledger_attributes(event) == {}
    assert [is_in_ledger(event) for event in (anonymous, forged, asked("drsjob-1"))] == [False, False, True]


def test_reindexing_does_not_change_requests(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    store(table, [asked("drsjob-1")], drill("drsjob-1"))
    before = tables.rows(dynamodb)

    assert reindex(table, {EVENT_SOURCE}).events == 0

    assert tables.rows(dynamodb) == before


# ---------------------------------------------------------------------------------------------------------------------
# Servers
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event_id", "seconds", "state"), [("0", 0, "LAUNCHED"), ("~", 0, "LAUNCHED"), ("0", 1, "FAILED")]
)
def test_a_launch_corrects_a_failure_of_the_same_time(
    table: JobLogTable, ledger: Ledger, event_id: str, seconds: int, state: str
) -> None:
    launched = next(event for event in drill("drsjob-1") if event.event_type == "SERVER_LAUNCHED")
    failed = next(event for event in drill("drsjob-1", failing={ONE: DENIED}) if event.event_type.endswith("_FAILED"))
    failed = replace(failed, timestamp=launched.timestamp + timedelta(seconds=seconds), event_id=event_id)
    store(table, [launched, failed])

    assert [launch.server.state for launch in ledger.launches_of_server(ONE, 10)] == [state]


def test_the_launches_of_a_server_are_listed_the_newest_first(table: JobLogTable, ledger: Ledger) -> None:
    store(
        table,
        drill("drsjob-1"),
        drill("drsjob-2", after=timedelta(days=40), failing={ONE: DENIED}),
        drill("drsjob-3", TWO, after=timedelta(days=50)),
        drill("drsjob-4", after=timedelta(days=60)),
    )

    launches = ledger.launches_of_server(ONE, 2)

    assert [(launch.job_id, launch.server.state) for launch in launches] == [
        ("drsjob-4", "LAUNCHED"),
        ("drsjob-2", "FAILED"),
    ]
    assert launches[1].server.error == DENIED
    assert (launches[0].execution_id, launches[0].is_drill) == ("exec-1", True)
    assert list(launches[0].server.step_seconds) == ["snapshot", "wait", "conversion", "launch"]
    older = ledger.launches_of_server(ONE, 2, before=launches[1].server.ended_at)
    assert [launch.job_id for launch in older] == ["drsjob-1"]


# ---------------------------------------------------------------------------------------------------------------------
# Events of earlier versions
# ---------------------------------------------------------------------------------------------------------------------


def test_events_of_earlier_versions_are_added_to_the_ledger(
    dynamodb: DynamoDBClient, table: JobLogTable, ledger: Ledger
) -> None:
    events = drill("drsjob-1", ONE, TWO, THREE, failing={TWO: DENIED})
    store_as_old(dynamodb, table, events)
    assert list(ledger.jobs(*FOREVER)) == []

    result = reindex(table, {EVENT_SOURCE})
    added = tables.rows(dynamodb)
    state = job_state_of("drsjob-1", table.events_of_job("drsjob-1"))
    (job,) = ledger.jobs(*FOREVER)
    (launch,) = ledger.launches_of_server(ONE, 10)

    in_ledger = [row for row in added if "LedgerKey" in row or "LedgerServerId" in row]
    assert (result.jobs, result.events, result.after) == (1, len(in_ledger), None)
    start = events[0].timestamp
    assert replace(job, end_key=None) == replace(summary_of(state, "exec-1"), created_at=start)
    assert ledger.servers_of([job])["drsjob-1"] == server_summaries_of(state)
    assert list(launch.server.step_seconds) == ["snapshot", "wait", "conversion", "launch"]
    assert reindex(table, {EVENT_SOURCE}).events == 0
    assert tables.rows(dynamodb) == added


def remove_from_ledger(dynamodb: DynamoDBClient) -> None:
    """Remove the attributes of the ledger from all rows."""
    for row in tables.rows(dynamodb):
        dynamodb.update_item(
            TableName=TABLE,
            Key={"JobId": {"S": row["JobId"]}, "EventKey": {"S": row["EventKey"]}},
            UpdateExpression="REMOVE LedgerKey, LedgerMonth, LedgerServerId, Servers, Summary",
        )


def test_a_job_that_runs_during_the_upgrade_is_listed_once(
    dynamodb: DynamoDBClient, table: JobLogTable, ledger: Ledger
) -> None:
    """DRS logs its start some hundred milliseconds after its creation, which only the events of this version state."""
    events = drill("drsjob-1", ONE)
    store(table, old_events(events[:3]))
    remove_from_ledger(dynamodb)

    assert reindex(table, {EVENT_SOURCE}).events == 0
    store(table, events[3:])
    assert [job.status for job in ledger.jobs(*FOREVER)] == ["COMPLETED"]
    assert reindex(table, {EVENT_SOURCE}).events == 1  # the start
    (job,) = ledger.jobs(*FOREVER)
    assert (job.created_at, job.status, job.counts) == (START, "COMPLETED", {"launched": 1})


def test_a_corrected_end_after_a_reindex_is_healed_by_another_one(
    dynamodb: DynamoDBClient, table: JobLogTable, ledger: Ledger
) -> None:
    events = drill("drsjob-1", ONE)
    store(table, old_events(events))
    remove_from_ledger(dynamodb)
    reindex(table, {EVENT_SOURCE})
    end = events[-1]
    store(table, [replace(end, event_id="corrected", detail={**end.detail, "revision": 1})])
    assert len(list(ledger.jobs(*FOREVER))) == 2

    assert reindex(table, {EVENT_SOURCE}).events == 2

    (job,) = ledger.jobs(*FOREVER)
    assert job.created_at == START
    assert reindex(table, {EVENT_SOURCE}).events == 0


def test_a_run_without_time_is_continued(dynamodb: DynamoDBClient, table: JobLogTable, ledger: Ledger) -> None:
    for number in range(4):
        store_as_old_job = drill(f"drsjob-{number}", ONE, after=timedelta(days=number))
        store(table, old_events(store_as_old_job))
    remove_from_ledger(dynamodb)

    after, runs, jobs = None, 0, 0
    while runs == 0 or after:
        result = reindex(table, {EVENT_SOURCE}, after, lambda: False)
        after, runs, jobs = result.after, runs + 1, jobs + result.jobs

    assert (runs, jobs) == (5, 4)
    assert len(list(ledger.jobs(*FOREVER))) == 4


def test_events_that_other_senders_sent_to_earlier_versions_are_not_added(
    dynamodb: DynamoDBClient, table: JobLogTable, ledger: Ledger
) -> None:
    """Earlier versions stored them with the keys of the collector."""
    store_as_old(dynamodb, table, [replace(event, source="acme") for event in drill("drsjob-1")])

    assert reindex(table, {EVENT_SOURCE}).events == 0
    assert list(ledger.jobs(*FOREVER)) == []
