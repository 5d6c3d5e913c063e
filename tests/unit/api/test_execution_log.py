from __future__ import annotations

import base64
import gc
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from drs_job_log.api import execution_log as logs
from drs_job_log.api.execution_log import FULL_READ_INTERVAL, EventLog, EventLogCache
from drs_job_log.model.events import format_time, parse
from drs_job_log.model.progress import progress_of
from drs_job_log.table import _PROGRESS_KEYS, JobLogTable, from_item, to_item
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import played, scripts
from tests.support.envelopes import dumps, job_log
from tests.support.tables import rows
from tests.unit.conftest import RETENTION
from tests.unit.model.test_progress import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from drs_job_log.model.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

START = datetime(2025, 11, 28, 20, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def event(name: str, happened: datetime, **more: Any) -> JobLogEvent:
    detail = {"jobID": "drsjob-1", "eventType": "LAUNCH_END", "eventId": name, "sourceServerID": f"s-{name}"}
    return parse(dumps(job_log(detail | {"logDateTime": format_time(happened), "executionId": "exec-1"} | more)))


def size_of(events: int) -> int:
    """Return the size of a log with this number of events."""
    log = EventLog(START)
    log.add(event(str(number), START) for number in range(events))
    return log.size


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
    assert len(log.progress.jobs) == 2
    computed = Mock(side_effect=logs.job_state_of)
    monkeypatch.setattr(logs, "job_state_of", computed)

    log.add([event("a", START)])
    assert len(log.progress.jobs) == 2
    assert computed.call_count == 0

    log.add([event("c", START, jobID="drsjob-2")])
    assert len(log.progress.servers) == 3
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
    monkeypatch.setattr(logs, "_MAX_CACHE_BYTES", 10 * size_of(1))
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
# Logs that are too large for one request
# ---------------------------------------------------------------------------------------------------------------------


class LargeTable:
    """Simulate an execution and a job with many events. Counts the events that were read."""

    def __init__(self, events: int) -> None:
        self.events = [event(f"{number:05}", START + number * SECOND) for number in range(events)]
        self.read = 0
        self.full_reads = 0
        self.fails_at: int | None = None

    def events_of_execution(self, _: str) -> Iterator[JobLogEvent]:
        self.full_reads += 1
        for number, one in enumerate(self.events):
            if number == self.fails_at:
                raise RuntimeError
            self.read += 1
            yield one

    events_of_job = events_of_execution

    def new_events_of_execution(self, _: str, since: datetime, known: Container[object]) -> list[JobLogEvent]:
        return [one for one in self.events if (one.job_id, one.key) not in known and one.timestamp >= since]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each event takes a second. A request can therefore read 10 events."""
    clock = count()
    monkeypatch.setattr(logs, "monotonic", lambda: next(clock))


Read = Callable[[EventLogCache, datetime], EventLog]


@pytest.fixture(params=["execution", "job"])
def read(request: pytest.FixtureRequest) -> Read:
    """Read the log of an execution or a job."""
    if request.param == "job":
        return lambda cache, now: cache.of_job("drsjob-1", now)
    return lambda cache, now: cache.of_execution("exec-1", now)


@pytest.mark.usefixtures("slow")
def test_a_large_log_is_read_in_several_requests(read: Read) -> None:
    table = LargeTable(25)
    cache = EventLogCache(table)  # type: ignore[arg-type]

    reads = []
    for number in range(3):
        log = read(cache, START + number * SECOND)
        reads.append((len(log), len(log.progress.servers), log.is_partial, log.read_at))

    # The time of the log is that of its first request: later events may be missing.
    assert reads == [(9, 9, True, START), (18, 18, True, START), (25, 25, False, START)]
    assert (table.full_reads, table.read) == (1, 25)


@pytest.mark.usefixtures("slow")
def test_a_failed_read_of_a_large_log_begins_again(read: Read) -> None:
    table = LargeTable(25)
    cache = EventLogCache(table)  # type: ignore[arg-type]
    table.fails_at = 12
    assert len(read(cache, START)) == 9

    with pytest.raises(RuntimeError):
        read(cache, START)
    table.fails_at = None

    assert [len(read(cache, START)) for _ in range(3)] == [9, 18, 25]


def test_a_log_is_read_up_to_the_limit_of_its_size(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MAX_LOG_BYTES", 10 * size_of(1))
    table = LargeTable(25)
    cache = EventLogCache(table)  # type: ignore[arg-type]

    for _ in range(3):
        log = read(cache, START)
        assert (len(log), log.is_partial, log.is_full, table.read) == (10, True, True, 10)


def test_a_log_does_not_grow_beyond_the_limit_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    table = LargeTable(10)
    cache = EventLogCache(table)  # type: ignore[arg-type]
    assert not cache.of_execution("exec-1", START).is_partial
    monkeypatch.setattr(logs, "_MAX_LOG_BYTES", 10 * size_of(1))
    table.events += LargeTable(20).events[10:]

    log = cache.of_execution("exec-1", START + SECOND)

    assert (len(log), log.is_partial) == (10, True)


def test_other_logs_leave_the_cache_while_a_large_log_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MAX_CACHE_BYTES", 10 * size_of(1))
    table = LargeTable(5)
    cache = EventLogCache(table)  # type: ignore[arg-type]
    cache.of_execution("small", START)
    table.events = LargeTable(25).events
    cached = []

    def events_of_execution(_: str) -> Iterator[JobLogEvent]:
        for one in table.events:
            yield one
            cached.append(("execution", "small") in cache._cache)

    monkeypatch.setattr(table, "events_of_execution", events_of_execution)
    cache.of_execution("large", START)

    assert cached == [True] * 10 + [False] * 15


@pytest.mark.usefixtures("slow")
def test_a_log_keeps_its_events_while_it_is_read_in_full_again() -> None:
    table = LargeTable(15)
    cache = EventLogCache(table)  # type: ignore[arg-type]
    for _ in range(2):
        log = cache.of_execution("exec-1", START)
    assert not log.is_partial
    table.events.append(event("other", START - 3600 * SECOND))  # only a full read finds it

    later = START + FULL_READ_INTERVAL
    log = cache.of_execution("exec-1", later)
    assert (len(log), log.is_partial, log.read_at) == (15, False, START)
    log = cache.of_execution("exec-1", later + SECOND)
    assert (len(log), log.is_partial, log.read_at) == (16, False, later)


@pytest.mark.usefixtures("slow")
def test_a_requested_full_read_is_continued_by_the_next_request() -> None:
    table = LargeTable(15)
    cache = EventLogCache(table)  # type: ignore[arg-type]
    for _ in range(2):
        cache.of_execution("exec-1", START)

    cache.of_execution("exec-1", START + 20 * SECOND, 10 * SECOND)
    log = cache.of_execution("exec-1", START + 21 * SECOND)

    assert (log.full_read_at, log.unread, table.full_reads) == (START + 20 * SECOND, None, 2)


def test_a_full_read_of_a_large_log_is_valid_for_longer() -> None:
    log = EventLog(START)
    assert not log.was_read_in_full(START, 10 * SECOND)
    log.add(LargeTable(2_500).events)
    log.full_read_at = START

    assert log.was_read_in_full(START + 11 * SECOND, 10 * SECOND)
    assert not log.was_read_in_full(START + 12 * SECOND, 10 * SECOND)


@pytest.mark.slow
def test_the_size_of_a_log_is_at_least_its_memory() -> None:
    """With the texts and lists of a job of 200 servers, as an answer of DynamoDB has them."""
    servers = [scripts.server_id(number) for number in range(200)]
    script = scripts.launch(servers, failing=dict.fromkeys(servers[:50], "é" * 500))
    items = []
    for one in played.events(script, "drsjob-1", created=START):
        projected = replace(one, detail={name: one.detail[name] for name in _PROGRESS_KEYS if name in one.detail})
        item = to_item(projected, ingested_at=START, retention=RETENTION)
        items.append({name: TypeSerializer().serialize(value) for name, value in item.items()})
    text = json.dumps(items, default=lambda binary: base64.b64encode(binary).decode())
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        log = EventLog(START)
        details: dict[str, Any] = {}
        log.add(from_item(item, details) for item in json.loads(text))
        assert len(log.progress.servers) == 200
        details.clear()
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert memory <= log.size <= 2 * memory


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


@pytest.mark.slow
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
