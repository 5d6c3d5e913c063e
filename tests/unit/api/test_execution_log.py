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
# A log
# ---------------------------------------------------------------------------------------------------------------------


@given(st.data())
def test_a_log_is_the_same_however_its_events_come(data: st.DataObject) -> None:
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


def test_what_nothing_new_came_to_is_not_folded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(START)
    log.add([event("a", START), event("b", START, jobID="drsjob-2")])
    folded = Mock(side_effect=logs.job_state_of)
    monkeypatch.setattr(logs, "job_state_of", folded)

    log.add([event("a", START)])
    assert folded.call_count == 0

    log.add([event("c", START, jobID="drsjob-2")])
    assert [[event.event_id for event in of_job] for ((of_job,), _) in folded.call_args_list] == [["b", "c"]]


# ---------------------------------------------------------------------------------------------------------------------
# What is remembered of an execution is all that it has
# ---------------------------------------------------------------------------------------------------------------------


class Index:
    """The indexes by execution, as DynamoDB has them: behind the table by a while, which differs by the row."""

    def __init__(self) -> None:
        self.now = START
        self.asked: list[str] = []
        self._rows: list[tuple[datetime, dict[str, Any]]] = []

    def put(self, event: JobLogEvent, *, stored: datetime, linked: datetime | None, behind: timedelta) -> None:
        """A row that came to its execution when it was stored or, by the linker, later."""
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
        self.asked.append(IndexName)
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
                # What is in time and what is not; a sender's clock may be ahead.
                "lag": st.floats(-30, 30).map(lambda value: value * SECOND) | seconds,
                "linked": st.none() | seconds,
                "behind": st.floats(0, 39).map(lambda value: value * SECOND),
            }
        )
    ),
    st.lists(seconds, min_size=1, max_size=12),
)
@example(  # as late as is still in time, and seen in the index as late as is allowed for
    [
        {"happened": 0 * SECOND, "lag": 0 * SECOND, "linked": None, "behind": 0 * SECOND},
        {"happened": 0 * SECOND, "lag": 20 * SECOND, "linked": None, "behind": 39 * SECOND},
    ],
    [58 * SECOND, 60 * SECOND],
)
@example(  # a little later, which is late
    [
        {"happened": 0 * SECOND, "lag": 0 * SECOND, "linked": None, "behind": 0 * SECOND},
        {"happened": 0 * SECOND, "lag": 22.5 * SECOND, "linked": None, "behind": 39 * SECOND},
    ],
    [61 * SECOND, 62 * SECOND],
)
def test_what_is_answered_from_memory_is_what_the_index_has(
    arrivals: Sequence[dict[str, Any]], reads: Sequence[timedelta]
) -> None:
    index = Index()
    remembered = EventLogCache(JobLogTable(index, "table"))  # type: ignore[arg-type]
    for number, arrival in enumerate(arrivals):
        happened = START + arrival["happened"]
        stored = happened + arrival["lag"]
        index.put(
            event(str(number), happened, **({"executionId": None} if arrival["linked"] else {})),
            stored=stored,
            linked=None if arrival["linked"] is None else stored + arrival["linked"],
            behind=arrival["behind"],
        )

    for read in sorted(reads):
        index.now = START + read

        log = remembered.of_execution("exec-1", index.now)

        assert keys(log) == index.keys


def test_an_index_that_is_slower_than_is_allowed_for_is_caught_up_with() -> None:
    index = Index()
    remembered = EventLogCache(JobLogTable(index, "table"))  # type: ignore[arg-type]
    index.put(event("first", START), stored=START, linked=None, behind=timedelta())
    index.put(event("slow", START), stored=START, linked=None, behind=120 * SECOND)
    for at in range(0, 200, 3):
        index.now = START + at * SECOND
        log = remembered.of_execution("exec-1", index.now)
    assert keys(log) != index.keys  # so it is slower than is allowed for

    index.now = START + FULL_READ_INTERVAL
    assert keys(remembered.of_execution("exec-1", index.now)) == index.keys


def test_a_whole_read_may_be_asked_for() -> None:
    index = Index()
    remembered = EventLogCache(JobLogTable(index, "table"))  # type: ignore[arg-type]
    index.put(event("first", START), stored=START, linked=None, behind=timedelta())
    remembered.of_execution("exec-1", index.now)

    remembered.of_execution("exec-1", index.now + 9 * SECOND, 10 * SECOND)
    remembered.of_execution("exec-1", index.now + 10 * SECOND, 10 * SECOND)

    assert index.asked == ["ExecutionIdIndex", "ExecutionIdIndex", "LateIndex", "ExecutionIdIndex"]


def test_so_much_is_remembered_and_always_the_last_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MAX_CACHE_BYTES", 10 * logs._EVENT_BYTES)
    store = Mock(new_events_of_execution=Mock(return_value=[]))
    remembered = EventLogCache(store)

    def read(execution_id: str, events: int) -> bool:
        """Ask for an execution; return whether it was remembered."""
        store.reset_mock()
        store.events_of_execution.return_value = [event(str(number), START) for number in range(events)]
        remembered.of_execution(execution_id, START)
        return store.events_of_execution.call_count == 0

    assert [read("a", 4), read("b", 4), read("a", 4), read("b", 4)] == [False, False, True, True]
    assert not read("c", 6)  # and a, the oldest, goes
    assert [read("b", 4), read("c", 6), read("a", 4)] == [True, True, False]
    assert [read("large", 11), read("large", 11), read("a", 4)] == [False, True, False]
    assert [read("nothing", 0), read("nothing", 0)] == [False, False]


def test_an_event_of_long_texts_counts_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MAX_CACHE_BYTES", 100_000)
    store = Mock(new_events_of_execution=Mock(return_value=[]))
    store.events_of_execution.return_value = [event("a", START, message="x" * 30_000, error="y" * 30_000)]
    remembered = EventLogCache(store)

    for execution_id in ("exec-1", "exec-2", "exec-1"):
        remembered.of_execution(execution_id, START)

    assert store.events_of_execution.call_count == 3


def test_without_its_index_all_is_read_each_time() -> None:
    """While a table is restored or given the index, or a version without it comes back."""
    store = Mock()
    store.events_of_execution.return_value = [event("a", START)]
    error = {"Error": {"Code": "ValidationException", "Message": "The table does not have the specified index"}}
    store.new_events_of_execution.side_effect = ClientError(error, "Query")
    remembered = EventLogCache(store)

    for _ in range(3):
        assert len(remembered.of_execution("exec-1", START)) == 1
    assert store.events_of_execution.call_count == 3

    error["Error"]["Code"] = "ThrottlingException"
    with pytest.raises(ClientError):
        remembered.of_execution("exec-1", START)


def test_a_read_that_failed_is_not_remembered() -> None:
    store = Mock()
    store.events_of_execution.return_value = [event("a", START)]
    store.new_events_of_execution.side_effect = RuntimeError
    remembered = EventLogCache(store)
    remembered.of_execution("exec-1", START)

    with pytest.raises(RuntimeError):
        remembered.of_execution("exec-1", START)
    remembered.of_execution("exec-1", START)

    assert store.events_of_execution.call_count == 2


# ---------------------------------------------------------------------------------------------------------------------
# The same in DynamoDB
# ---------------------------------------------------------------------------------------------------------------------


def test_late_is_what_came_to_its_execution_long_after_it_happened(
    store: JobLogTable, dynamodb: DynamoDBClient
) -> None:
    now = datetime.now(UTC)
    store.put(event("in time", now - 10 * SECOND), RETENTION)
    store.put(event("late", now - 60 * SECOND), RETENTION)
    store.put(event("late and unlinked", now - 60 * SECOND, executionId=None), RETENTION)
    unlinked = event("unlinked", now, executionId=None)
    store.put(unlinked, RETENTION)

    def late() -> set[str]:
        return {row["EventId"] for row in rows(dynamodb, IndexName="LateIndex")}

    assert late() == {"late"}
    assert store.link(unlinked.job_id, unlinked.key, "exec-1")
    assert late() == {"late", "unlinked"}
    known = {(unlinked.job_id, unlinked.key)}
    new = store.new_events_of_execution("exec-1", now + 3600 * SECOND, known)
    assert new == []
    new = store.new_events_of_execution("exec-1", now, known)
    assert {event.event_id for event in new} == {"in time", "late"}
    assert store.new_events_of_execution("exec-2", now, ()) == []


def test_a_real_execution_grows_from_read_to_read(store: JobLogTable) -> None:
    servers = [scripts.server_id(number) for number in range(6)]
    events = played.events(
        scripts.launch(servers, failing={servers[0]: json.dumps("no rights")}),
        "drsjob-1",
        created=datetime.now(UTC) - timedelta(minutes=20),
        execution_id="exec-1",
    )
    remembered = EventLogCache(store)

    for start in range(0, len(events), 5):
        for one in events[start : start + 5]:
            store.put(one, RETENTION)
        log = remembered.of_execution("exec-1", datetime.now(UTC))

        assert log.progress == EventLogCache(store).of_execution("exec-1", datetime.now(UTC)).progress
        assert len(log) == min(start + 5, len(events))
