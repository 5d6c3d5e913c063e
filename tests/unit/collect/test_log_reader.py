from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from drs_job_log.collect import log_reader
from drs_job_log.collect.drs_client import DrsClient, LogPage
from drs_job_log.collect.job_log import to_item
from drs_job_log.collect.log_reader import LogReader
from drs_job_log.config import Target

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator, throttling
from tests.support.scripts import Step, server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drs_job_log.collect.job_log import JobLogItem

START = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Reading:
    """A job with one item per second, its log of which it reads, and the time."""

    def __init__(self, drs: DrsClient, simulator: Simulator) -> None:
        self.drs, self.simulator, self.reader, self.now = drs, simulator, LogReader(), START
        self.items: Sequence[JobLogItem] = []
        simulator.clock = lambda: self.now
        steps = [Step(place * SECOND, "SNAPSHOT_START", {"sourceServerID": server_id(place)}) for place in range(200)]
        script = dataclasses.replace(scripts.launch([server_id(1)]), steps=steps, end=None)
        self.job_id = simulator.start(script)

    @property
    def job(self) -> Any:
        return self.simulator._job(self.simulator.jobs[self.job_id])

    def read(self, seconds: float = 0) -> int:
        """Read after some seconds. Return the number of calls."""
        self.now += seconds * SECOND
        self.simulator.calls.clear()
        self.items = self.reader.read(self.drs, self.job, self.now)
        return self.simulator.calls["DescribeJobLogItems"]

    @property
    def is_complete(self) -> bool:
        """Whether the reader has all items of the log once, in their order."""
        expected = [server_id(place) for place in range(200) if place * SECOND <= self.now - START]
        return self.servers == expected

    @property
    def servers(self) -> list[str | None]:
        """The servers of the items."""
        return [item.source_server_id for item in self.items]


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    simulator = Simulator(page_size=10)
    with DrsServer(simulator) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
        drs = DrsClient(Target())
        drs.connect()
        yield Reading(drs, simulator)


def test_a_read_continues_at_the_last_page(reading: Reading) -> None:
    assert reading.read(34) == 4  # 35 items
    reading.reader._whole_read_at = reading.now

    assert reading.read() == 1
    assert reading.read(5) == 1  # the last page is full
    assert reading.is_complete
    assert reading.read(1) == 2
    assert reading.read(20) == 3
    assert reading.is_complete


def test_the_whole_log_is_read_once_a_minute_and_after_the_end_of_the_job(reading: Reading) -> None:
    reading.read(100)
    calls = [reading.read(3) for _ in range(20)]

    assert [number for number in calls if number > 5] == [max(calls)]
    assert reading.is_complete
    job = reading.simulator.jobs[reading.job_id]
    job.script = dataclasses.replace(job.script, end=timedelta(seconds=170))
    assert [reading.read(10) for _ in range(3)] == [18, 19, 20]


def test_an_expired_token_causes_a_read_of_the_whole_log(reading: Reading) -> None:
    reading.simulator.token_lifetime = timedelta(0)
    reading.read(34)
    reading.reader._whole_read_at = reading.now

    assert reading.read(1) == 1 + 4
    assert reading.is_complete


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [ApiError("AccessDeniedException", status=403), throttling(), ApiError("InternalError", status=500)]
)
def test_an_error_that_does_not_concern_the_token_is_raised(reading: Reading, error: ApiError) -> None:
    reading.read(34)
    reading.reader._whole_read_at = reading.now
    reading.simulator.fail("DescribeJobLogItems", *[error] * 3)

    with pytest.raises(ClientError, match=error.code):
        reading.read(1)

    reading.simulator.clear_faults()
    assert reading.read() == 1
    assert reading.is_complete


def test_an_item_that_is_unchanged_is_not_converted_again(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[str] = []

    def counted(job: Any, log_item: Any) -> JobLogItem:
        converted.append(log_item["eventData"]["sourceServerID"])
        return to_item(job, log_item)

    monkeypatch.setattr(log_reader, "to_item", counted)
    for _ in range(60):
        reading.read(3)

    assert converted == [server_id(place) for place in range(181)]


def test_an_item_that_appears_on_an_earlier_page_is_found_within_a_minute(reading: Reading) -> None:
    reading.read(34)
    job = reading.simulator.jobs[reading.job_id]
    late = Step(timedelta(seconds=5.5), "SNAPSHOT_START", {"sourceServerID": server_id(999)})
    job.script = dataclasses.replace(job.script, steps=[*job.script.steps[:6], late, *job.script.steps[6:]])

    for _ in range(20):
        reading.read(3)

    assert reading.servers[5:8] == [server_id(5), server_id(999), server_id(6)]
    assert len(reading.servers) == len(set(reading.servers)) == 96


def test_a_read_that_ends_during_a_later_one_does_no_harm(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that a pass abandoned, because time ran out, continues in the next invocation."""
    reading.read(24)
    reading.reader._whole_read_at = reading.now
    pages, drs = reading.drs.log_pages, reading.drs

    def pages_during_which_another_read_ends(job_id: str, token: str | None = None) -> Iterator[LogPage]:
        early = list(pages(job_id, token))
        monkeypatch.setattr(drs, "log_pages", pages)
        reading.now += 15 * SECOND
        reading.reader.read(drs, reading.job, reading.now)
        yield from early

    monkeypatch.setattr(drs, "log_pages", pages_during_which_another_read_ends)
    reading.reader.read(drs, reading.job, reading.now)
    for _ in range(3):
        reading.read(1)

    assert reading.is_complete
    reading.read(61)
    assert reading.is_complete
