"""The status of an execution in the executions table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.collect.job_log import corrections, read_log, to_detail, to_item
from drs_job_log.config import ExecutionsTableSettings
from drs_job_log.link.execution_status import RecordChangedError, update_status
from drs_job_log.model.events import ENDINGS, parse
from drs_job_log.model.progress import combine, is_decided_by, job_state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.envelopes import dumps, job_log
from tests.support.executions import (
    BAD,
    CANCELLED,
    CAPITALS,
    GOOD,
    MIXED,
    SERVERS,
    SMALL,
    create,
    executions_table,
    records,
    write,
)
from tests.support.played import START, events
from tests.support.profile import EXAMPLES
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support import scripts

pytestmark = pytest.mark.slow


def store_job(table: JobLogTable, script: scripts.Script, job_id: str, *, all_but_the_end: bool = False) -> None:
    for event in events(script, job_id)[: -1 if all_but_the_end else None]:
        table.put(event, RETENTION * 1000)


@pytest.mark.parametrize(
    ("settings", "range_key"), [(CAPITALS, ()), (CAPITALS, ("PlanId",)), (SMALL, ("planId",))], ids=str
)
@pytest.mark.parametrize(
    ("waves", "status"),
    [
        ([GOOD, GOOD], "COMPLETED"),
        ([GOOD, MIXED], "PARTIAL"),
        ([GOOD, BAD], "PARTIAL"),
        ([BAD, BAD], "FAILED"),
        ([CANCELLED], "TERMINATED"),
        ([GOOD, CANCELLED], "PARTIAL"),
    ],
)
def test_the_last_wave_sets_the_status_and_the_end_time(  # noqa: PLR0917
    dynamodb: DynamoDBClient,
    table: JobLogTable,
    settings: dict[str, Any],
    range_key: tuple[str, ...],
    waves: list[scripts.Script],
    status: str,
) -> None:
    names = ExecutionsTableSettings(table_name="history", **settings)
    create(dynamodb, names.execution_id_attribute, *range_key)
    jobs = [f"drsjob-{number}" for number in range(len(waves))]
    record = {
        names.execution_id_attribute: "exec-1",
        **dict.fromkeys(range_key, "plan"),
        names.status_attribute: "POLLING",
        names.waves_attribute: [{names.job_id_attribute: job} for job in jobs],
        "other": "untouched",
    }
    write(dynamodb, **record)
    executions = executions_table(dynamodb, **settings)
    for wave, job in zip(waves[:-1], jobs, strict=False):
        store_job(table, wave, job)
        assert update_status(executions, table, "exec-1", job) == "UNCHANGED"
    store_job(table, waves[-1], jobs[-1])
    assert records(dynamodb) == [record]

    assert update_status(executions, table, "exec-1", jobs[-1]) == "UPDATED"

    ended = max(event.timestamp for wave, job in zip(waves, jobs, strict=True) for event in events(wave, job))
    (after,) = records(dynamodb)
    end_time = ended.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert after == record | {names.status_attribute: status, names.end_time_attribute: end_time}


def test_the_end_time_can_be_epoch_seconds(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    update_status(
        executions_table(dynamodb, update_status=True, end_time_format="EPOCH_SECONDS"), table, "exec-1", "drsjob-1"
    )

    assert records(dynamodb)[0]["EndTime"] == int(START.timestamp()) + 30


@pytest.mark.parametrize(
    "status",
    [
        *("COMPLETED", "PARTIAL", "CANCELLED", "Cancelled", "TERMINATED", "TIMED_OUT"),
        # Words of public orchestrators, and a status that is not a text.
        *("PARTIAL_SUCCESS", "SUCCESS", "STOPPED", "CompletedWithFailure", "completedWithExceptions"),
        *("planExecutionTimedOut", "CANCELLING", "anything else", 7, False),
    ],
)
def test_a_status_that_does_not_mean_running_is_never_overwritten(
    dynamodb: DynamoDBClient, table: JobLogTable, status: object
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status=status, Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == status


@pytest.mark.parametrize("status", ["RUNNING", "in-progress", "In Progress", "InProgress", "not started", None, ""])
def test_a_running_status_is_overwritten(dynamodb: DynamoDBClient, table: JobLogTable, status: str | None) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status=status, Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"
    assert records(dynamodb)[0]["Status"] == "FAILED"


def test_the_running_statuses_are_configurable(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    store_job(table, BAD, "drsjob-1")
    executions = executions_table(dynamodb, running_statuses=("On its way",))

    for status, update in (("RUNNING", "UNCHANGED"), ("ON_ITS_WAY", "UPDATED")):
        write(dynamodb, ExecutionId="exec-1", Status=status, Waves=[{"JobId": "drsjob-1"}])
        assert update_status(executions, table, "exec-1", "drsjob-1") == update


# ---------------------------------------------------------------------------------------------------------------------
# Corrected ends
# ---------------------------------------------------------------------------------------------------------------------


def store_corrected_end(table: JobLogTable, job_id: str, *, revision: int | None = 1) -> None:
    """Store the end of BAD again: DRS changed the launch status of a server."""
    *_, end = events(BAD, job_id)
    servers = [
        server | dict.fromkeys(("launchStatus", "state"), "LAUNCHED" if place == 0 else "FAILED")
        for place, server in enumerate(end.detail["participatingServers"])
    ]
    detail = {**end.detail, "participatingServers": servers, "outcome": "PARTIAL"}
    if revision:
        detail["revision"] = revision
    table.put(replace(end, event_id="corrected", detail=detail), RETENTION * 1000)


def failed_execution(dynamodb: DynamoDBClient, table: JobLogTable, **settings: Any) -> ExecutionsTable:
    """Return an executions table with exec-1, whose status FAILED the module has set."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")
    executions = executions_table(dynamodb, **settings)
    assert update_status(executions, table, "exec-1", "drsjob-1") == "UPDATED"
    return executions


@pytest.mark.parametrize("end_time_format", ["ISO8601", "EPOCH_SECONDS"])
def test_a_corrected_end_corrects_the_status_that_the_module_set(
    dynamodb: DynamoDBClient, table: JobLogTable, end_time_format: str
) -> None:
    executions = failed_execution(dynamodb, table, end_time_format=end_time_format)
    (before,) = records(dynamodb)
    assert before["Status"] == "FAILED"

    store_corrected_end(table, "drsjob-1")

    assert update_status(executions, table, "exec-1", "drsjob-1") == "UPDATED"
    assert records(dynamodb) == [before | {"Status": "PARTIAL"}]
    assert update_status(executions, table, "exec-1", "drsjob-1") == "UNCHANGED"


@pytest.mark.parametrize(
    "written",
    [
        {"Status": "STOPPED"},  # with the end time of the module
        {"Status": "failed"},
        {"Status": "FAILED", "EndTime": "2025-11-28T20:30:30Z"},
        {"Status": "FAILED", "EndTime": None},
    ],
)
def test_a_corrected_end_does_not_change_what_another_writer_set(
    dynamodb: DynamoDBClient, table: JobLogTable, written: dict[str, Any]
) -> None:
    executions = failed_execution(dynamodb, table)
    (record,) = records(dynamodb)
    write(dynamodb, **(record | written))
    store_corrected_end(table, "drsjob-1")

    assert update_status(executions, table, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb) == [record | written]


def test_without_a_corrected_end_the_status_is_set_once(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    executions = failed_execution(dynamodb, table)
    store_corrected_end(table, "drsjob-1", revision=None)

    assert update_status(executions, table, "exec-1", "drsjob-1") == "UNCHANGED"


def test_a_correction_does_not_overwrite_a_concurrent_change(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    executions = failed_execution(dynamodb, table)
    (record,) = records(dynamodb)
    store_corrected_end(table, "drsjob-1")
    set_status = executions.set_status

    def after_another_writer(*arguments: Any) -> bool:
        write(dynamodb, **(record | {"EndTime": "now"}))
        return set_status(*arguments)

    monkeypatch.setattr(executions, "set_status", after_another_writer)

    assert update_status(executions, table, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb) == [record | {"EndTime": "now"}]


# ---------------------------------------------------------------------------------------------------------------------
# The ends of the jobs are sufficient
# ---------------------------------------------------------------------------------------------------------------------


def test_only_the_ends_of_jobs_are_read(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}])
    for job in ("drsjob-1", "drsjob-2"):
        store_job(table, MIXED, job)
    answers: list[Any] = []
    dynamodb.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: answers.append(parsed["Count"]))

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"

    assert answers == [1, 1, 1]  # the record, and the end of each job


def test_the_other_jobs_are_not_read_if_a_job_has_not_ended(
    dynamodb: DynamoDBClient, table: JobLogTable, requests: Counter[str]
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": f"drsjob-{number}"} for number in range(4)])
    store_job(table, GOOD, "drsjob-3")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-3") == "UNCHANGED"

    assert requests["Query"] == 2  # the record, and the first job


def without(end: JobLogEvent, *keys: str) -> JobLogEvent:
    return replace(end, detail={key: value for key, value in end.detail.items() if key not in keys})


@pytest.mark.parametrize(
    "changed",
    [
        lambda end: without(end, "outcome"),
        lambda end: without(end, "participatingServers"),
        lambda end: replace(
            end,
            detail=end.detail | {"participatingServers": [{"sourceServerID": SERVERS[2], "launchStatus": "LAUNCHED"}]},
        ),
        lambda end: replace(end, event_type="JOB_DELETED", detail={"jobType": "LAUNCH"}),
    ],
    ids=["no outcome", "no servers", "no state of a server", "deleted job"],
)
def test_all_events_of_a_job_are_read_if_its_end_is_not_sufficient(
    dynamodb: DynamoDBClient, table: JobLogTable, changed: Callable[[JobLogEvent], JobLogEvent]
) -> None:
    """The end is of an earlier version, or of another tool that uses the source of the collector."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    *others, end = events(MIXED, "drsjob-1")
    for one in (*others, changed(end)):
        table.put(one, RETENTION * 1000)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"
    assert records(dynamodb)[0]["Status"] == "PARTIAL"


def test_the_end_of_another_sender_does_not_end_a_job_of_the_collector(
    dynamodb: DynamoDBClient, table: JobLogTable
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    *others, end = events(GOOD, "drsjob-1")
    for one in (*others, replace(end, source="acme", is_foreign=True)):
        table.put(one, RETENTION * 1000)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UNCHANGED"

    table.put(end, RETENTION * 1000)
    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"
    assert records(dynamodb)[0]["Status"] == "COMPLETED"


def test_the_job_of_another_sender_has_the_outcome_of_its_servers(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    for one in events(MIXED, "drsjob-1"):
        detail = one.detail | ({"outcome": "SUCCEEDED", "participatingServers": []} if "outcome" in one.detail else {})
        table.put(replace(one, source="acme", is_foreign=True, detail=detail), RETENTION * 1000)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"
    assert records(dynamodb)[0]["Status"] == "PARTIAL"


_STEPS = ("SNAPSHOT_START", "CONVERSION_START", "CONVERSION_FAIL", "LAUNCH_START", "LAUNCH_FAILED", "LAUNCH_END")
_STATUSES = st.sampled_from(["", "PENDING", "IN_PROGRESS", "LAUNCHED", "FAILED", "TERMINATED"])
_ITEMS = st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 605), st.integers(0, 3)), max_size=12)


@dataclass(frozen=True)
class RandomJob:
    """A job of 1 to 3 servers that ends after 600 s. Its log can name a server (3) that DRS does not list.

    Attributes
    ----------
    items
        Log items: event, seconds after the start, number of the server.
    late_items
        Log items that DRS adds after the end of the job. Their times can be later than the end.
    statuses, late_statuses
        The ``launchStatus`` of each server when the job ends, and later.
    """

    type: str
    servers: int
    items: Sequence[tuple[str, int, int]]
    late_items: Sequence[tuple[str, int, int]]
    statuses: Sequence[str]
    late_statuses: Sequence[str]
    is_cancelled: bool
    has_end_item: bool

    def publish(self, job_id: str, published: dict[str, Any], *, is_late: bool) -> list[JobLogEvent]:
        """Return the new events of a pass of the collector after the end of the job. Add them to ``published``."""
        statuses = self.late_statuses if is_late else self.statuses
        items = [*self.items, *(self.late_items if is_late else ()), ("JOB_START", 0, 0)]
        items += [("JOB_CANCEL", 599, 0)] * self.is_cancelled + [("JOB_END", 600, 0)] * self.has_end_item
        job: Any = {
            "jobID": job_id,
            "type": self.type,
            "status": "COMPLETED",
            "creationDateTime": START.isoformat(),
            "endDateTime": (START + timedelta(seconds=600)).isoformat(),
            "participatingServers": [
                {"sourceServerID": f"s-{number}"} | ({"launchStatus": status} if status else {})
                for number, status in enumerate(statuses[: self.servers])
            ],
        }
        log_items: Any = [
            {
                "event": event,
                "logDateTime": (START + timedelta(seconds=seconds)).isoformat(),
                "eventData": {} if event.startswith("JOB") else {"sourceServerID": f"s-{server}"},
            }
            for event, seconds, server in items
        ]
        log = read_log(job, [to_item(job, item) for item in log_items], START + timedelta(hours=1))
        new = [item for item in [*log.items, *corrections(job, log, published)] if item.key not in published]
        # A correction refers to the end that is stored.
        published |= {item.key: {**item.detail, "eventType": item.event_type} for item in new}
        if not is_late:
            assert not any("revision" in item.detail for item in new)
        return [parse(dumps(job_log(to_detail(item, job, {}, {}, "ExecutionId")))) for item in new]


RANDOM_JOBS = st.builds(
    RandomJob,
    type=st.sampled_from(["LAUNCH", "LAUNCH", "TERMINATE", "CREATE_CONVERTED_SNAPSHOT"]),
    servers=st.integers(0, 3),
    items=_ITEMS,
    late_items=_ITEMS,
    statuses=st.tuples(_STATUSES, _STATUSES, _STATUSES),
    late_statuses=st.tuples(_STATUSES, _STATUSES, _STATUSES),
    is_cancelled=st.booleans(),
    has_end_item=st.booleans(),
)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.lists(RANDOM_JOBS, min_size=1, max_size=3))
def test_the_outcome_by_ends_is_the_outcome_by_all_events(jobs: list[RandomJob]) -> None:
    """For random jobs with retries and failures, before and after late items and changed launch statuses."""
    stored: list[list[JobLogEvent]] = [[] for _ in jobs]
    published: list[dict[str, Any]] = [{} for _ in jobs]
    for is_late in (False, True):
        for number, job in enumerate(jobs):
            stored[number] += job.publish(f"drsjob-{number}", published[number], is_late=is_late)
        endings = [[event for event in events if event.event_type in ENDINGS] for events in stored]
        assert all(map(is_decided_by, endings))

        by_ends = combine(job_state_of(f"drsjob-{number}", events) for number, events in enumerate(endings))
        by_all = combine(job_state_of(f"drsjob-{number}", events) for number, events in enumerate(stored))

        assert (by_ends.outcome, by_ends.ended_at) == (by_all.outcome, by_all.ended_at)


# ---------------------------------------------------------------------------------------------------------------------
# Conditions
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"Waves": [{"JobId": "drsjob-1"}, {"WaveName": "not begun"}]},
        {"Waves": [{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}]},
        {"Waves": [{"JobId": ["drsjob-1", "drsjob-2"]}]},
        # Some public orchestrators append a wave when it starts, and store the number of waves in advance.
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": 3},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": "3"},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": "three"},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": {"N": 2}},
    ],
)
def test_the_status_is_unchanged_if_another_wave_has_not_ended(
    dynamodb: DynamoDBClient, table: JobLogTable, record: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", **record)
    store_job(table, GOOD, "drsjob-1")
    store_job(table, GOOD, "drsjob-2", all_but_the_end=True)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == "POLLING"


@pytest.mark.parametrize(
    "waves",
    [
        [{"JobId": "drsjob-1", "Servers": [{"JobId": "ssm-123"}]}],  # job of another service
        {"one": {"Servers": ["s-1"], "Result": {"JobId": "drsjob-1"}}},
        {"Waves": [{"JobId": "drsjob-1"}], "Text": "of no wave", "Names": ["one"]},
    ],
)
def test_other_attributes_of_a_wave_do_not_delay_the_status(
    dynamodb: DynamoDBClient, table: JobLogTable, waves: Any
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", Waves=waves)
    store_job(table, GOOD, "drsjob-1")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "UPDATED"


def test_the_tables_are_read_with_strong_consistency(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    """If two jobs end at the same time, the later update must read both. moto is always consistent."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, GOOD, "drsjob-1")
    queries: list[Any] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb.Query", lambda params, **_: queries.append(params))

    update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1")

    assert [(query["TableName"], query["ConsistentRead"]) for query in queries] == [("history", True), (TABLE, True)]


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"Waves": []},
        {"Waves": [{"JobId": "drsjob-2"}]},
        # Waves or a job in attributes that the settings do not name.
        {"WaveList": [{"JobId": "drsjob-1"}, {"WaveName": "not begun"}]},
        {"CurrentWave": {"JobId": "drsjob-1"}},
    ],
)
def test_a_missing_execution_is_reported_and_not_created(
    dynamodb: DynamoDBClient, table: JobLogTable, record: dict[str, Any] | None
) -> None:
    create(dynamodb, "ExecutionId")
    if record:
        write(dynamodb, ExecutionId="exec-1", **record)
    store_job(table, BAD, "drsjob-1")
    before = records(dynamodb)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "MISSING"
    assert records(dynamodb) == before


def test_only_one_of_two_concurrent_updates_succeeds(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    """Both jobs are stored before the first update, so both updates read both jobs."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}])
    store_job(table, GOOD, "drsjob-1")
    store_job(table, MIXED, "drsjob-2")
    first, second = executions_table(dynamodb), executions_table(dynamodb)
    (read_by_both,) = first.records("exec-1")

    assert update_status(first, table, "exec-1", "drsjob-1") == "UPDATED"
    assert not second.set_status(read_by_both, "FAILED", START)
    assert update_status(second, table, "exec-1", "drsjob-2") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == "PARTIAL"


@pytest.mark.parametrize(
    "change", [{"Waves": [{"JobId": "drsjob-1"}, {}]}, {"Status": "CANCELLED"}, {"Status": "CANCELLED", "Waves": []}]
)
def test_the_record_is_read_again_if_it_changed(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId")
    before = {"ExecutionId": "exec-1", "Waves": [{"JobId": "drsjob-1"}]}
    write(dynamodb, **before)
    store_job(table, BAD, "drsjob-1")
    executions = executions_table(dynamodb)
    set_status = executions.set_status

    def after_another_writer(*arguments: Any) -> bool:
        write(dynamodb, **(before | change))
        return set_status(*arguments)

    monkeypatch.setattr(executions, "set_status", after_another_writer)

    assert update_status(executions, table, "exec-1", "drsjob-1") in {"UNCHANGED", "MISSING"}
    assert records(dynamodb) == [before | change]


def test_the_update_fails_if_the_record_changes_at_each_attempt(
    dynamodb: DynamoDBClient, table: JobLogTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")
    executions = executions_table(dynamodb)
    monkeypatch.setattr(executions, "set_status", lambda *_: False)

    with pytest.raises(RecordChangedError, match="another writer changed"):
        update_status(executions, table, "exec-1", "drsjob-1")


def test_the_update_fails_if_the_executions_table_does_not_exist(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    with pytest.raises(ClientError):
        update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1")


def test_a_deleted_record_is_not_created_again(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    executions = executions_table(dynamodb)
    (record,) = executions.records("exec-1")
    unconditional = replace(record, as_read={})
    dynamodb.delete_item(TableName="history", Key={"ExecutionId": {"S": "exec-1"}})

    assert not executions.set_status(unconditional, "COMPLETED", START)

    assert records(dynamodb) == []


@pytest.mark.parametrize("keys", [("AppId_PlanId", "ExecutionId"), ("PlanId",)])
def test_a_table_with_another_partition_key_is_rejected(
    dynamodb: DynamoDBClient, table: JobLogTable, keys: tuple[str, ...]
) -> None:
    """drs-plan-automation has the execution ID as the sort key."""
    create(dynamodb, *keys)
    write(dynamodb, **dict.fromkeys(keys, "exec-1"), Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "REJECTED"


def test_an_update_that_dynamodb_rejects_is_not_repeated(dynamodb: DynamoDBClient, table: JobLogTable) -> None:
    """For example, the item would exceed 400 KB."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    store_job(table, BAD, "drsjob-1")

    def reject(**_: Any) -> None:
        error = {"Code": "ValidationException", "Message": "Item size to update has exceeded the maximum allowed size"}
        raise ClientError({"Error": error}, "UpdateItem")

    dynamodb.meta.events.register("before-call.dynamodb.UpdateItem", reject)

    assert update_status(executions_table(dynamodb), table, "exec-1", "drsjob-1") == "REJECTED"
