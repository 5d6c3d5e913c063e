from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from drs_job_log.api import execution_log as logs
from drs_job_log.api.execution_log import FULL_READ_INTERVAL, EventLog, EventLogCache
from drs_job_log.model.events import format_time, parse
from drs_job_log.model.progress import progress_of
from drs_job_log.table import JobLogTable, to_item
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import played, scripts
from tests.support.envelopes import dumps, job_log
from tests.support.tables import rows
from tests.unit.conftest import RETENTION
from tests.unit.model.test_progress import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drs_job_log.model.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

START = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def event(name: str, happened: datetime, **more: Any) -> JobLogEvent:
    detail = {"jobID": "drsjob-1", "eventType": "LAUNCH_END", "eventId": name, "sourceServerID": f"s-{name}"}
    return parse(dumps(job_log(detail | {"logDateTime": format_time(happened), "executionId": "exec-1"} | more)))


def keys(log: EventLog) -> set[tuple[str, str]]:
    return {(event.job_id, event.key) for _, event in log.after(("", "", ""))}


# ---------------------------------------------------------------------------------------------------------------------
# Event log
# ---------------------------------------------------------------------------------------------------------------------


@given(st.data())
def test_the_log_does_not_depend_on_the_order_of_additions(data: st.DataObject) -> None:
    events = data.draw(st.permutations(EVERYTHING))
    again = data.draw(st.lists(st.sampled_from(EVERYTHING)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=5)))
    log = EventLog(START)

    for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        log.add(events[start:end])
        log.add(again)

    assert log.progress == progress_of(EVERYTHING)
    assert [at for at, _ in log.after(("", "", ""))] == sorted(
        (format_time(event.timestamp), event.job_id, event.event_id) for event in EVERYTHING
    )


def test_only_jobs_with_new_events_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(START)
    log.add([event("a", START), event("b", START, jobID="drsjob-2")])
    computed = Mock(side_effect=logs.job_state_of)
    monkeypatch.setattr(logs, "job_state_of", computed)

    log.add([event("a", START)])
    assert computed.call_count == 0

    log.add([event("c", START, jobID="drsjob-2")])
    assert [(job_id, [event.event_id for event in events]) for ((job_id, events), _) in computed.call_args_list] == [
        ("drsjob-2", ["b", "c"])
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Cache
# ---------------------------------------------------------------------------------------------------------------------


class Index:
    """Simulate the indexes by execution. Each row appears after its own delay, as in DynamoDB."""

    def __init__(self) -> None:
        self.now = START
        self.queried: list[str] = []
        self._rows: list[tuple[datetime, dict[str, Any]]] = []

    def put(self, event: JobLogEvent, *, stored: datetime, linked: datetime | None, behind: timedelta) -> None:
        """Add a row that had its execution when it was stored, or that the linker linked later."""
        item = to_item(event, ingested_at=stored, retention=RETENTION)
        if linked:
            item |= {"LateAt": format_time(linked)}
        visible = (linked or stored) + behind
        self._rows.append((visible, {name: TypeSerializer().serialize(value) for name, value in item.items()}))

    @property
    def keys(self) -> set[tuple[str, str]]:
        return {(row["JobId"]["S"], row["EventKey"]["S"]) for visible, row in self._rows if visible <= self.now}

    def get_paginator(self, _: str) -> Index:
        return self

    def paginate(self, *, IndexName: str, ExpressionAttributeValues: Any, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        self.queried.append(IndexName)
        time = {"ExecutionIdIndex": "Timestamp", "LateIndex": "LateAt"}[IndexName]
        start = ExpressionAttributeValues.get(":start", {"S": ""})["S"]
        items = [row for at, row in self._rows if at <= self.now and time in row and row[time]["S"] >= start]
        yield {"Items": items[::2]}
        yield {"Items": items[1::2]}


seconds = st.floats(0, 400).map(lambda value: value * SECOND)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "happened": st.floats(-300, 400).map(lambda value: value * SECOND),
                # On time or late. The clock of a sender may be ahead.
                "lag": st.floats(-30, 30).map(lambda value: value * SECOND) | seconds,
                "linked": st.none() | seconds,
                "behind": st.floats(0, 39).map(lambda value: value * SECOND),
            }
        )
    ),
    st.lists(seconds, min_size=1, max_size=12),
)
@example(  # the largest lag of an event on time, with the largest allowed delay of the index
    [
        {"happened": 0 * SECOND, "lag": 0 * SECOND, "linked": None, "behind": 0 * SECOND},
        {"happened": 0 * SECOND, "lag": 20 * SECOND, "linked": None, "behind": 39 * SECOND},
    ],
    [58 * SECOND, 60 * SECOND],
)
@example(  # slightly later, so the event is late
    [
        {"happened": 0 * SECOND, "lag": 0 * SECOND, "linked": None, "behind": 0 * SECOND},
        {"happened": 0 * SECOND, "lag": 22.5 * SECOND, "linked": None, "behind": 39 * SECOND},
    ],
    [61 * SECOND, 62 * SECOND],
)
def test_the_cached_log_has_the_events_of_the_index(
    rows_of_index: Sequence[dict[str, Any]], reads: Sequence[timedelta]
) -> None:
    index = Index()
    cache = EventLogCache(JobLogTable(index, "table"))  # type: ignore[arg-type]
    for number, row in enumerate(rows_of_index):
        happened = START + row["happened"]
        stored = happened + row["lag"]
        index.put(
            event(str(number), happened, **({"executionId": None} if row["linked"] else {})),
            stored=stored,
            linked=None if row["linked"] is None else stored + row["linked"],
            behind=row["behind"],
        )

    for read in sorted(reads):
        index.now = START + read

        log = cache.of_execution("exec-1", index.now)

        assert keys(log) == index.keys


def test_a_full_read_finds_events_of_a_slow_index() -> None:
    index = Index()
    cache = EventLogCache(JobLogTable(index, "table"))  # type: ignore[arg-type]
    index.put(event("first", START), stored=START, linked=None, behind=timedelta())
    index.put(event("slow", START), stored=START, linked=None, behind=120 * SECOND)
    for at in range(0, 200, 3):
        index.now = START + at * SECOND
        log = cache.of_execution("exec-1", index.now)
    assert keys(log) != index.keys  # the index is slower than the allowed delay

    index.now = START + FULL_READ_INTERVAL
    assert keys(cache.of_execution("exec-1", index.now)) == index.keys


def test_a_full_read_can_be_requested() -> None:
    index = Index()
    cache = EventLogCache(JobLogTable(index, "table"))  # type: ignore[arg-type]
    index.put(event("first", START), stored=START, linked=None, behind=timedelta())
    cache.of_execution("exec-1", index.now)

    cache.of_execution("exec-1", index.now + 9 * SECOND, 10 * SECOND)
    cache.of_execution("exec-1", index.now + 10 * SECOND, 10 * SECOND)

    assert index.queried == ["ExecutionIdIndex", "ExecutionIdIndex", "LateIndex", "ExecutionIdIndex"]


def test_the_size_of_the_cache_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MAX_CACHE_BYTES", 10 * logs._EVENT_BYTES)
    table = Mock(new_events_of_execution=Mock(return_value=[]))
    cache = EventLogCache(table)

    def read(execution_id: str, events: int) -> bool:
        """Read an execution. Return whether it was cached."""
        table.reset_mock()
        table.events_of_execution.return_value = [event(str(number), START) for number in range(events)]
        cache.of_execution(execution_id, START)
        return table.events_of_execution.call_count == 0

    assert [read("a", 4), read("b", 4), read("a", 4), read("b", 4)] == [False, False, True, True]
    assert not read("c", 6)  # evicts a, the least recently used
    assert [read("b", 4), read("c", 6), read("a", 4)] == [True, True, False]
    assert [read("large", 11), read("large", 11), read("a", 4)] == [False, True, False]
    assert [read("nothing", 0), read("nothing", 0)] == [False, False]


def test_the_size_of_texts_counts_for_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MAX_CACHE_BYTES", 100_000)
    table = Mock(new_events_of_execution=Mock(return_value=[]))
    table.events_of_execution.return_value = [event("a", START, message="x" * 30_000, error="y" * 30_000)]
    cache = EventLogCache(table)

    for execution_id in ("exec-1", "exec-2", "exec-1"):
        cache.of_execution(execution_id, START)

    assert table.events_of_execution.call_count == 3


def test_each_read_is_full_if_the_late_index_is_missing() -> None:
    """The index can be missing after a restore, an upgrade or a rollback of the module."""
    table = Mock()
    table.events_of_execution.return_value = [event("a", START)]
    error = {"Error": {"Code": "ValidationException", "Message": "The table does not have the specified index"}}
    table.new_events_of_execution.side_effect = ClientError(error, "Query")
    cache = EventLogCache(table)

    for _ in range(3):
        assert len(cache.of_execution("exec-1", START)) == 1
    assert table.events_of_execution.call_count == 3

    error["Error"]["Code"] = "ThrottlingException"
    with pytest.raises(ClientError):
        cache.of_execution("exec-1", START)


def test_a_failed_read_removes_the_execution_from_the_cache() -> None:
    table = Mock()
    table.events_of_execution.return_value = [event("a", START)]
    table.new_events_of_execution.side_effect = RuntimeError
    cache = EventLogCache(table)
    cache.of_execution("exec-1", START)

    with pytest.raises(RuntimeError):
        cache.of_execution("exec-1", START)
    cache.of_execution("exec-1", START)

    assert table.events_of_execution.call_count == 2


# ---------------------------------------------------------------------------------------------------------------------
# Indexes of DynamoDB
# ---------------------------------------------------------------------------------------------------------------------


def test_late_and_later_linked_events_are_in_the_late_index(table: JobLogTable, dynamodb: DynamoDBClient) -> None:
    now = datetime.now(UTC)
    table.put(event("in time", now - 10 * SECOND), RETENTION)
    table.put(event("late", now - 60 * SECOND), RETENTION)
    table.put(event("late and unlinked", now - 60 * SECOND, executionId=None), RETENTION)
    unlinked = event("unlinked", now, executionId=None)
    table.put(unlinked, RETENTION)

    def late() -> set[str]:
        return {row["EventId"] for row in rows(dynamodb, IndexName="LateIndex")}

    assert late() == {"late"}
    assert table.link(unlinked.job_id, unlinked.key, "exec-1")
    assert late() == {"late", "unlinked"}
    known = {(unlinked.job_id, unlinked.key)}
    new = table.new_events_of_execution("exec-1", now + 3600 * SECOND, known)
    assert new == []
    new = table.new_events_of_execution("exec-1", now, known)
    assert {event.event_id for event in new} == {"in time", "late"}
    assert table.new_events_of_execution("exec-2", now, ()) == []


def test_the_cached_log_grows_with_new_events(table: JobLogTable) -> None:
    servers = [scripts.server_id(number) for number in range(6)]
    events = played.events(
        scripts.launch(servers, failing={servers[0]: json.dumps("no rights")}),
        "drsjob-1",
        created=datetime.now(UTC) - timedelta(minutes=20),
        execution_id="exec-1",
    )
    cache = EventLogCache(table)

    for start in range(0, len(events), 5):
        for one in events[start : start + 5]:
            table.put(one, RETENTION)
        log = cache.of_execution("exec-1", datetime.now(UTC))

        assert log.progress == EventLogCache(table).of_execution("exec-1", datetime.now(UTC)).progress
        assert len(log) == min(start + 5, len(events))
