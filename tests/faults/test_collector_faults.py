"""The collector under faults: 10,000 log items, or a fifth of that (see tests/support/profile.py)."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from drs_job_log.collect.collector import Collector, PassRequest
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.collect.event_bus import EventBus
from drs_job_log.config import Target
from drs_job_log.model.events import parse

from tests.support import scripts
from tests.support.drs import ApiError, DrsServer, Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.pipeline import SETTINGS
from tests.support.profile import scaled
from tests.support.scripts import server_id
from tests.unit.collect.test_collector import START, Table
from tests.unit.conftest import RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

JOBS, SERVERS, CLEANED = 8, scaled(200), scaled(25)
ITEMS = JOBS * (2 + 6 * SERVERS + 2 * CLEANED)
INTERVAL = timedelta(seconds=30)


@dataclass
class FaultyEventBus:
    """EventBridge that rejects each entry with ``reject_probability`` and queues the others."""

    reject_probability: float = 0.0
    rejected: int = 0
    queue: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def put_events(self, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        answers: list[dict[str, str]] = []
        for entry in Entries:
            if self.chance.random() < self.reject_probability:
                self.rejected += 1
                answers.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"})
            else:
                self.queue.append(dumps(job_log(json.loads(entry["Detail"]), source=entry["Source"])))
                answers.append({"EventId": "1"})
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


@dataclass
class Recovery:
    """A recovery with eight jobs, and the collector that reads them."""

    simulator: Simulator
    drs: DrsClient
    bus: FaultyEventBus = field(default_factory=FaultyEventBus)
    table: Table = field(default_factory=Table)
    delivered: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.now = START
        self.simulator.clock = lambda: self.now
        self.collector = self.cold()
        for job in range(JOBS):
            servers = [server_id(job * SERVERS + number) for number in range(SERVERS)]
            self.simulator.start(scripts.launch(servers, cleaned=servers[:CLEANED], seed=job))

    def cold(self) -> Collector:
        """Return a new collector, as after a cold start."""
        bus = EventBus(self.bus, "default", "drs.job-log")  # type: ignore[arg-type]
        return Collector([self.drs], self.table, bus, SETTINGS)  # type: ignore[arg-type]

    def collect(self) -> None:
        """Run a pass. Store the events of the bus in any order, and 10 % of them twice.

        A hostile sender, which is permitted, stores a harmless event with the identity of each event before.
        """
        done = self.collector.collect(PassRequest(), self.now)
        self.failures += Counter(reason.partition(":")[0] for reason in done.failures.values())
        messages = [*self.bus.queue, *self.bus.chance.sample(self.bus.queue, len(self.bus.queue) // 10)]
        self.bus.chance.shuffle(messages)
        self.bus.queue.clear()
        for message in messages:
            forged = json.loads(message)
            forged |= {"source": "acme.tool", "detail": forged["detail"] | {"eventType": "A_NOTE"}}
            self.table.put(parse(dumps(forged)), RETENTION)
            self.table.put(parse(message), RETENTION)
        self.delivered += len(messages)
        self.now += INTERVAL

    def run(self, cold_starts: int = 0) -> None:
        """Run passes for 40 minutes, until all jobs have ended and all failures are corrected."""
        ends = self.now + timedelta(minutes=40)
        passes = 0
        while self.now < ends:
            self.collect()
            passes += 1
            if cold_starts and passes % cold_starts == 0:
                self.collector = self.cold()

    def check(self) -> None:
        """Assert that exactly the items of the jobs are stored, each of them once."""
        for job_id in self.simulator.jobs:
            log = [item["event"] for item in self.simulator.whole_log(job_id)]
            rows = self.table.items[job_id].values()
            stored = [row["EventType"] for row in rows if row["Source"] == "drs.job-log"]
            assert len(stored) == len(log)
            assert Counter(stored) == Counter(
                scripts.STORED_AS.get(e, "JOB_COMPLETED" if e == "JOB_END" else e) for e in log
            )
            assert len(rows) == 2 * len(log)


@pytest.fixture(scope="module")
def server() -> Iterator[DrsServer]:
    with DrsServer() as server:
        yield server


@pytest.fixture
def recovery(server: DrsServer, monkeypatch: pytest.MonkeyPatch) -> Recovery:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DRS", server.endpoint)
    server.simulator = Simulator(page_size=scaled(500))
    drs = DrsClient(Target())
    drs.connect()
    assert scaled(10_000) <= ITEMS
    return Recovery(server.simulator, drs)


def test_all_items_are_stored_if_the_bus_rejects_half_of_the_entries(
    recovery: Recovery, count: Callable[..., None]
) -> None:
    recovery.bus.reject_probability = 0.5

    recovery.run(cold_starts=7)

    recovery.check()
    assert recovery.bus.rejected > ITEMS / 2
    assert recovery.failures["NotPutError"] > 10
    count("bus rejects half", rejected=recovery.bus.rejected, delivered=recovery.delivered, stored=ITEMS)


def test_all_items_are_stored_after_an_outage_of_drs(recovery: Recovery, count: Callable[..., None]) -> None:
    """DRS returns errors and throttles for five minutes. Then it denies access to single logs."""
    for _ in range(6):
        recovery.collect()
    for error in (ApiError("InternalServerException", status=500), ApiError("ThrottlingException", status=429)):
        recovery.simulator.fail("DescribeJobs", *[error] * 10_000)
        for _ in range(5):
            recovery.collect()
        recovery.simulator.clear_faults()
    for number, job_id in enumerate(recovery.simulator.jobs):
        error = ApiError("AccessDeniedException", status=403)
        recovery.simulator.fail(f"DescribeJobLogItems {job_id}", *[error] * (3 * number))

    recovery.run()

    recovery.check()
    assert sum(recovery.failures.values()) > 10
    count("DRS down", failed=recovery.failures.total(), delivered=recovery.delivered, stored=ITEMS)


def test_all_items_are_stored_with_small_pages_rejected_tokens_late_items_and_two_instances(
    recovery: Recovery, count: Callable[..., None]
) -> None:
    """A token is valid within a pass only. Two instances read the jobs at the same time and put the same events."""
    simulator = recovery.simulator
    simulator.page_size, simulator.token_lifetime = 37, timedelta(0)
    for job in simulator.jobs.values():
        assert job.script.end is not None
        late = job.script.end + timedelta(minutes=9)
        steps = [
            replace(step, late=late - step.after) if step.event == "SNAPSHOT_START" and place % 7 == 0 else step
            for place, step in enumerate(job.script.steps)
        ]
        job.script = replace(job.script, steps=steps)
    other = recovery.cold()

    while recovery.now < START + timedelta(minutes=40):
        other.collect(PassRequest(), recovery.now)
        recovery.collect()

    recovery.check()
    assert recovery.delivered > 2 * ITEMS
    assert not recovery.failures
    count("two instances", delivered=recovery.delivered, stored=ITEMS)
