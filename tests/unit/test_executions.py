from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from drs_job_log.executions import ExecutionHistory, HistoryError, HistorySettings, finish, history_from, read_settings

from tests.support import scripts
from tests.support.played import START, events
from tests.unit.conftest import RETENTION, TABLE

if TYPE_CHECKING:
    from drs_job_log.store import JobLogStore
    from mypy_boto3_dynamodb import DynamoDBClient

SERVERS = [scripts.server_id(number) for number in range(6)]
GOOD = scripts.launch(SERVERS[:2])
MIXED = scripts.launch(SERVERS[2:4], failing={SERVERS[3]: "no rights"})
BAD = scripts.silent_failure(SERVERS[4:])
CANCELLED = scripts.cancelled(SERVERS[4:])

_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize

CAPITALS: dict[str, Any] = {"update_status": True}
SMALL: dict[str, Any] = {
    "update_status": True,
    "execution_id_attribute": "executionId",
    "waves_attribute": "waves",
    "wave_count_attribute": "totalWaves",
    "job_id_attribute": "jobId",
    "status_attribute": "status",
    "end_time_attribute": "endTime",
}


def create(client: DynamoDBClient, *keys: str, index: str | None = None) -> None:
    """The platform's table, with these keys and an index on an attribute of that name."""
    names = [*keys, *([index] if index else [])]
    indexes: Any = {
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-job",
                "KeySchema": [{"AttributeName": index, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ]
    }
    client.create_table(
        TableName="history",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        **(indexes if index else {}),
    )


def write(client: DynamoDBClient, **item: Any) -> None:
    client.put_item(TableName="history", Item={name: _serialize(value) for name, value in item.items()})


def records(client: DynamoDBClient) -> list[dict[str, Any]]:
    items = client.scan(TableName="history")["Items"]
    return [{name: _deserialize(value) for name, value in item.items()} for item in items]


def history(client: DynamoDBClient, **settings: Any) -> ExecutionHistory:
    return ExecutionHistory(client, "history", HistorySettings(**settings))


def store_job(store: JobLogStore, script: scripts.Script, job_id: str, *, all_but_the_end: bool = False) -> None:
    for event in events(script, job_id)[: -1 if all_but_the_end else None]:
        store.put(event, RETENTION * 1000)


# ---------------------------------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------------------------------


def test_settings_are_read_by_the_names_of_the_environment(dynamodb: DynamoDBClient) -> None:
    environment = {
        "EXECUTION_HISTORY_TABLE": "history",
        "EXECUTION_HISTORY_SETTINGS": json.dumps(
            {"executionIdAttribute": "executionId", "jobIdIndex": "by-job", "allowScan": True}
        ),
    }

    table = history_from(environment, lambda: dynamodb)

    assert table is not None
    assert table.settings == HistorySettings(
        execution_id_attribute="executionId", job_id_index="by-job", allow_scan=True
    )
    assert history_from({}, Mock(side_effect=AssertionError)) is None


@pytest.mark.parametrize("text", ["", "[]", "null", '{"scan": true}', '"allowScan"'])
def test_what_are_no_settings_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="EXECUTION_HISTORY_SETTINGS must be a JSON object"):
        read_settings(text)


# ---------------------------------------------------------------------------------------------------------------------
# Whose job is it
# ---------------------------------------------------------------------------------------------------------------------

WAVES = {
    "a list of maps": [{"WaveName": "one", "JobId": "drsjob-1"}, {"WaveName": "two"}],
    "JSON of a list": json.dumps([{"JobId": "drsjob-1"}, {}]),
    "a map by name": {"one": {"JobId": "drsjob-1"}, "two": {"Status": "PENDING"}},
    "a list in a map": {"Count": 2, "List": [{"JobId": "drsjob-1"}, {}]},
    "JSON in a map": {"List": json.dumps([{"JobId": "drsjob-1"}, {}])},
    "deep within a wave": [{"Result": {"Drs": {"Jobs": [{"JobId": "drsjob-1"}]}}}, {}],
    "a wave of several jobs": [{"JobId": ["drsjob-1", "drsjob-9"]}, {}],
    "a wave that is JSON": [json.dumps({"JobId": "drsjob-1"}), "{}"],
}


@pytest.mark.parametrize("waves", WAVES.values(), ids=WAVES.keys())
def test_a_job_is_found_by_a_scan_in_whatever_form_waves_have(dynamodb: DynamoDBClient, waves: Any) -> None:
    create(dynamodb, "ExecutionId", "PlanId")
    write(dynamodb, ExecutionId="exec-1", PlanId="plan", Waves=waves)
    write(dynamodb, ExecutionId="exec-2", PlanId="plan", Waves=[{"JobId": "drsjob-2"}])
    table = history(dynamodb)

    assert table.find_by_scan(["drsjob-1", "drsjob-3"], lambda: 1) == {"drsjob-1": "exec-1"}
    (record,) = table.records("exec-1")
    assert len(record.waves) == 2
    assert "drsjob-1" in record.job_ids
    assert not record.names_every_job


@pytest.mark.parametrize("waves", [None, "", "no JSON", "[", 7, [], {}, [None], "[" * 100_000])
def test_waves_that_are_none_name_no_job(dynamodb: DynamoDBClient, waves: Any) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=waves)

    (record,) = history(dynamodb).records("exec-1")

    assert (record.job_ids, record.names_every_job) == (frozenset(), False)


def test_a_record_without_waves_is_one(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", JobId="drsjob-1")

    assert history(dynamodb).find_by_scan(["drsjob-1"], lambda: 1) == {"drsjob-1": "exec-1"}
    assert history(dynamodb).records("exec-1")[0].names_every_job


def test_a_scan_reads_all_pages_and_goes_on_where_it_was_cut_off(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")
    for number in range(40):
        waves = [{"JobId": f"drsjob-{number}", "Text": "x" * 65_000}]
        write(dynamodb, ExecutionId=f"exec-{number}", Waves=waves)
    wanted = {f"drsjob-{number}": f"exec-{number}" for number in range(40)}

    assert history(dynamodb).find_by_scan(wanted, lambda: 1) == wanted

    table, once = history(dynamodb), iter([1, 0])
    first = table.find_by_scan(wanted, lambda: next(once))
    assert 0 < len(first) < 40
    rest = table.find_by_scan(wanted, lambda: 1)
    assert first | rest == wanted
    assert not first.keys() & rest.keys()


@pytest.mark.parametrize(("settings", "attribute"), [(CAPITALS, "JobId"), (SMALL, "currentJob")])
def test_a_job_is_found_by_the_index_whatever_its_key_is_called(
    dynamodb: DynamoDBClient, settings: dict[str, Any], attribute: str
) -> None:
    names = HistorySettings(**settings)
    create(dynamodb, names.execution_id_attribute, "PlanId", index=attribute)
    write(dynamodb, **{names.execution_id_attribute: "exec-1", "PlanId": "plan", attribute: "drsjob-1"})
    table = history(dynamodb, **settings, job_id_index="by-job")

    assert table.find_by_index("drsjob-1") == "exec-1"
    assert table.find_by_index("drsjob-2") is None


def test_a_job_of_two_executions_is_linked_to_neither(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId", index="JobId")
    for execution in ("exec-1", "exec-2"):
        write(dynamodb, ExecutionId=execution, JobId="drsjob-1", Waves=[{"JobId": "drsjob-1"}])
    table = history(dynamodb, job_id_index="by-job")

    assert table.find_by_index("drsjob-1") is None
    assert table.find_by_scan(["drsjob-1"], lambda: 1) == {}


def test_an_index_without_the_executions_id_is_named(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "PlanId", index="JobId")
    write(dynamodb, PlanId="plan", ExecutionId="exec-1", JobId="drsjob-1")

    with pytest.raises(HistoryError, match="must be an index that projects ExecutionId; by-job of history does not"):
        history(dynamodb, job_id_index="by-job").find_by_index("drsjob-1")


def test_an_index_that_is_not_there_is_named(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "ExecutionId")

    with pytest.raises(HistoryError, match="job_id_index must be a global secondary index of history, not by-job"):
        history(dynamodb, job_id_index="by-job").find_by_index("drsjob-1")


def test_an_execution_id_that_is_not_the_key_is_named(dynamodb: DynamoDBClient) -> None:
    create(dynamodb, "PlanId")

    with pytest.raises(HistoryError, match="must be the partition key of history, which is PlanId, not ExecutionId"):
        history(dynamodb).records("exec-1")


@pytest.mark.parametrize(
    ("statuses", "is_over"),
    [
        ([], None),
        (["POLLING"], False),
        ([None], False),
        (["COMPLETED"], True),
        (["cancelled"], True),
        (["FAILED", "RUNNING"], False),
        (["FAILED", "PARTIAL"], True),
    ],
)
def test_the_platform_says_whether_an_execution_is_over(
    dynamodb: DynamoDBClient, statuses: list[str | None], is_over: bool | None
) -> None:
    create(dynamodb, "ExecutionId", "PlanId")
    for number, status in enumerate(statuses):
        write(dynamodb, ExecutionId="exec-1", PlanId=str(number), **({"Status": status} if status else {}))

    assert history(dynamodb).is_over("exec-1") is is_over


# ---------------------------------------------------------------------------------------------------------------------
# The end
# ---------------------------------------------------------------------------------------------------------------------


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
        ([CANCELLED], "FAILED"),
    ],
)
def test_an_execution_ends_with_its_last_wave_as_its_servers_did(  # noqa: PLR0917
    dynamodb: DynamoDBClient,
    store: JobLogStore,
    settings: dict[str, Any],
    range_key: tuple[str, ...],
    waves: list[scripts.Script],
    status: str,
) -> None:
    names = HistorySettings(**settings)
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
    table = history(dynamodb, **settings)
    for wave, job in zip(waves[:-1], jobs, strict=False):
        store_job(store, wave, job)
        assert finish(table, store, "exec-1", job) == "UNCHANGED"
    store_job(store, waves[-1], jobs[-1])
    assert records(dynamodb) == [record]

    assert finish(table, store, "exec-1", jobs[-1]) == "FINISHED"

    ended = max(event.timestamp for wave, job in zip(waves, jobs, strict=True) for event in events(wave, job))
    (after,) = records(dynamodb)
    end_time = ended.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert after == record | {names.status_attribute: status, names.end_time_attribute: end_time}


def test_the_end_time_can_be_in_seconds(dynamodb: DynamoDBClient, store: JobLogStore) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}])
    store_job(store, BAD, "drsjob-1")

    finish(history(dynamodb, update_status=True, end_time_format="EPOCH_SECONDS"), store, "exec-1", "drsjob-1")

    assert records(dynamodb)[0]["EndTime"] == int(START.timestamp()) + 30


@pytest.mark.parametrize(
    "status", ["COMPLETED", "PARTIAL", "FAILED", "CANCELLED", "Cancelled", "CANCELED", "TERMINATED", "TIMED_OUT"]
)
def test_a_terminal_status_is_never_overwritten(dynamodb: DynamoDBClient, store: JobLogStore, status: str) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status=status, Waves=[{"JobId": "drsjob-1"}])
    store_job(store, BAD, "drsjob-1")

    assert finish(history(dynamodb), store, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == status


@pytest.mark.parametrize(
    "record",
    [
        {"Waves": [{"JobId": "drsjob-1"}, {"WaveName": "not begun"}]},
        {"Waves": [{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}]},
        {"Waves": [{"JobId": ["drsjob-1", "drsjob-2"]}]},
        # Public platforms append a wave when it begins, and say beforehand how many there will be.
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": 3},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": "3"},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": "three"},
        {"Waves": [{"JobId": "drsjob-1"}], "TotalWaves": {"N": 2}},
    ],
)
def test_an_execution_is_not_over_when_its_first_wave_is(
    dynamodb: DynamoDBClient, store: JobLogStore, record: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", **record)
    store_job(store, GOOD, "drsjob-1")
    store_job(store, GOOD, "drsjob-2", all_but_the_end=True)

    assert finish(history(dynamodb), store, "exec-1", "drsjob-1") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == "POLLING"


@pytest.mark.parametrize(
    "waves",
    [
        [{"JobId": "drsjob-1", "Servers": [{"JobId": "ssm-123"}]}],  # of something else
        {"one": {"Servers": ["s-1"], "Result": {"JobId": "drsjob-1"}}},
        {"Waves": [{"JobId": "drsjob-1"}], "Text": "of no wave", "Names": ["one"]},
    ],
)
def test_what_stands_beside_a_waves_job_is_not_waited_for(
    dynamodb: DynamoDBClient, store: JobLogStore, waves: Any
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", Waves=waves)
    store_job(store, GOOD, "drsjob-1")

    assert finish(history(dynamodb), store, "exec-1", "drsjob-1") == "FINISHED"


def test_the_tables_are_read_as_they_are_now(dynamodb: DynamoDBClient, store: JobLogStore) -> None:
    """On which it rests that of two jobs that end at once the later one sees the other; moto is always consistent."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="POLLING", Waves=[{"JobId": "drsjob-1"}])
    store_job(store, GOOD, "drsjob-1")
    asked: list[Any] = []
    dynamodb.meta.events.register("provide-client-params.dynamodb.Query", lambda params, **_: asked.append(params))

    finish(history(dynamodb), store, "exec-1", "drsjob-1")

    assert [(query["TableName"], query["ConsistentRead"]) for query in asked] == [("history", True), (TABLE, True)]


@pytest.mark.parametrize(
    "record",
    [
        None,
        {"Waves": []},
        {"Waves": [{"JobId": "drsjob-2"}]},
        # Waves, or a job, under names that the settings do not have.
        {"WaveList": [{"JobId": "drsjob-1"}, {"WaveName": "not begun"}]},
        {"CurrentWave": {"JobId": "drsjob-1"}},
    ],
)
def test_an_execution_that_is_not_there_is_missing_and_not_made(
    dynamodb: DynamoDBClient, store: JobLogStore, record: dict[str, Any] | None
) -> None:
    create(dynamodb, "ExecutionId")
    if record:
        write(dynamodb, ExecutionId="exec-1", **record)
    store_job(store, BAD, "drsjob-1")
    before = records(dynamodb)

    assert finish(history(dynamodb), store, "exec-1", "drsjob-1") == "MISSING"
    assert records(dynamodb) == before


def test_of_two_jobs_that_end_at_once_both_may_set_the_status(dynamodb: DynamoDBClient, store: JobLogStore) -> None:
    """Both are stored before either looks: both see both, one sets it, the other finds it set."""
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Status="RUNNING", Waves=[{"JobId": "drsjob-1"}, {"JobId": "drsjob-2"}])
    store_job(store, GOOD, "drsjob-1")
    store_job(store, MIXED, "drsjob-2")
    first, second = history(dynamodb), history(dynamodb)
    (as_read_by_both,) = first.records("exec-1")

    assert finish(first, store, "exec-1", "drsjob-1") == "FINISHED"
    assert not second.set_status(as_read_by_both, "FAILED", START)
    assert finish(second, store, "exec-1", "drsjob-2") == "UNCHANGED"
    assert records(dynamodb)[0]["Status"] == "PARTIAL"


@pytest.mark.parametrize(
    "change", [{"Waves": [{"JobId": "drsjob-1"}, {}]}, {"Status": "CANCELLED"}, {"Status": "CANCELLED", "Waves": []}]
)
def test_a_record_that_changes_meanwhile_is_looked_at_again(
    dynamodb: DynamoDBClient, store: JobLogStore, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    create(dynamodb, "ExecutionId")
    before = {"ExecutionId": "exec-1", "Waves": [{"JobId": "drsjob-1"}]}
    write(dynamodb, **before)
    store_job(store, BAD, "drsjob-1")
    table = history(dynamodb)
    set_status = table.set_status

    def after_somebody_else(*arguments: Any) -> bool:
        write(dynamodb, **(before | change))
        return set_status(*arguments)

    monkeypatch.setattr(table, "set_status", after_somebody_else)

    assert finish(table, store, "exec-1", "drsjob-1") in {"UNCHANGED", "MISSING"}
    assert records(dynamodb) == [before | change]


def test_a_record_that_others_never_leave_alone_is_a_failure(
    dynamodb: DynamoDBClient, store: JobLogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(dynamodb, "ExecutionId")
    write(dynamodb, ExecutionId="exec-1", Waves=[{"JobId": "drsjob-1"}])
    store_job(store, BAD, "drsjob-1")
    table = history(dynamodb)
    monkeypatch.setattr(table, "set_status", lambda *_: False)

    with pytest.raises(HistoryError, match="changed by others"):
        finish(table, store, "exec-1", "drsjob-1")


def test_a_table_that_is_not_there_is_a_failure(dynamodb: DynamoDBClient, store: JobLogStore) -> None:
    with pytest.raises(ClientError):
        finish(history(dynamodb), store, "exec-1", "drsjob-1")
