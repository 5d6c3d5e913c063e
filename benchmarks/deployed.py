"""Scenarios on the module as applied from examples/local on the embedded AWS: end-to-end latency and a burst.

The embedded AWS starts the functions. Each process of a function has the CPU quota of its memory.
"""

from __future__ import annotations

import secrets
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from benchmarks.clock import cpu_seconds
from benchmarks.harness import Figure
from tests.support import played, scripts
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from benchmarks.quota import Groups
    from tests.support.deployment import Deployment

    Item = tuple[datetime, str | None]  # logDateTime and source server of a log item

# Seconds between two requests for an execution. The embedded AWS is one process: a client without a pause would slow
# down what is measured.
PAUSE: Final = 0.25
STAGGER: Final = 3  # seconds between two job starts
# A DRS job takes 14 minutes. This saves time, and leaves enough CPU time for the embedded AWS and the client.
SPEED: Final = 4


def figures(groups: Groups, *, short: bool) -> Iterator[Figure]:
    """Apply the module once and run all scenarios. The embedded AWS slows down with use, so latency is first.

    Raises
    ------
    AssertionError
        If a function process had no quota, although the machine allows quotas.
    """
    before = groups.joined()
    with deployed(settings=groups.environment({})) as deployment:
        if short:
            yield from latency(deployment, jobs=2, servers=5, watched=2, speed=300)
        else:
            yield from latency(deployment, jobs=20, servers=100, watched=3, speed=SPEED, targets={50: 2.5, 99: 5})
            yield from latency(deployment, jobs=20, servers=200, watched=3, speed=SPEED, targets={99: 8})
        yield from burst(deployment, events=100 if short else 1000, repeats=1 if short else 4)
        started = deployment.stack.log.read_text().count("Lambda worker spawned for")
        assert not groups.folder or 0 < started <= groups.joined() - before, f"{started} function processes"


def latency(
    deployment: Deployment,
    *,
    jobs: int,
    servers: int,
    watched: int,
    speed: float,
    targets: Mapping[int, float] = MappingProxyType({}),
) -> Iterator[Figure]:
    """Time from an item's appearance in the DRS API to the API's first answer with the event.

    The jobs run at ``speed`` times the speed of DRS. The client reads ``watched`` of them. ``targets`` are seconds by
    percentile.

    Raises
    ------
    AssertionError
        If an event is missing, is stored twice, or is never in an answer.
    """
    deployment.drs_server.simulator = Simulator(speed=speed)
    _warm_up(deployment, servers)
    client = _Client(deployment)
    began, emulator, own = time.monotonic(), cpu_seconds(deployment.stack.pid), time.process_time()
    with ThreadPoolExecutor(watched) as threads:
        try:
            started, asking = _start(client, threads, range(jobs), servers, watched)
            end = max(max(deployment.drs.appeared(job)) for job in started)
            while datetime.now(UTC) < end or (client.left and datetime.now(UTC) < end + timedelta(minutes=1)):
                time.sleep(0.2)
        finally:
            client.is_over.set()
        for asked in asking:
            asked.result()
    seconds = time.monotonic() - began
    emulator, own = cpu_seconds(deployment.stack.pid) - emulator, time.process_time() - own
    for job in started:
        eventually(lambda job=job: len(deployment.rows(job)) >= len(deployment.drs.whole_log(job)))  # type: ignore[misc]
        rows = [(datetime.fromisoformat(row["Timestamp"]), row.get("SourceServerId")) for row in deployment.rows(job)]
        assert sorted(rows, key=str) == sorted(_appearances(deployment, job), key=str), f"{job}: missing or extra rows"
    assert not client.left, f"{client.left} items were never in an answer"
    deployment.drs_server.simulator = Simulator()  # the collector has no more work
    what = f"{jobs} jobs × {servers} servers, {speed:g} × the speed of DRS"
    percentiles = statistics.quantiles(client.seconds, n=100, method="inclusive")
    for percent in (50, 99):
        yield Figure(
            what=f"DRS item to API answer, p{percent}: {what}",
            unit="s",
            values=[percentiles[percent - 1]],
            at_most=targets.get(percent),
        )
    for process, used in (("the embedded AWS", emulator), ("client and DRS simulator", own)):
        load = 100 * used / seconds
        yield Figure(what=f"CPU use of {process}: {what}", unit="% of a core", values=[load])


@dataclass(slots=True)
class _Client:
    """Reads executions from the API while they have items that no answer had yet. ``seconds`` has each item's delay."""

    deployment: Deployment
    seconds: list[float] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    waiting: dict[str, dict[Item, datetime]] = field(default_factory=dict)  # by execution

    @property
    def left(self) -> int:
        """The number of items that no answer had yet."""
        return sum(map(len, self.waiting.values()))

    def ask(self, execution: str) -> None:
        """Read an execution until ``is_over`` is set."""
        waiting = self.waiting[execution]
        while not self.is_over.is_set():
            if waiting and min(waiting.values()) < datetime.now(UTC):
                self._ask(execution, waiting)
            self.is_over.wait(PAUSE)

    def _ask(self, execution: str, waiting: dict[Item, datetime]) -> None:
        since = quote(min(time for time, _ in waiting).isoformat())
        status, answer = self.deployment.get(f"/executions/{execution}/logs?limit=1000&since={since}")
        now = datetime.now(UTC)
        assert status == 200, answer
        for entry in answer["logs"]:
            item = (datetime.fromisoformat(entry["timestamp"]), entry["sourceServerId"])
            if appeared := waiting.pop(item, None):
                self.seconds.append((now - appeared).total_seconds())


def _warm_up(deployment: Deployment, servers: int) -> None:
    """Collect a job that does not end: all functions are warm, and the collector keeps polling."""
    ids = [server_id(100_000 + number) for number in range(servers)]
    job = deployment.drs.start(scripts.launch(ids, stuck=ids[:1]))
    deployment.wake()
    eventually(lambda: len(deployment.rows(job)) > 2 * servers, seconds=120)
    for _ in range(3):
        deployment.get(f"/jobs/{job}/logs")


def _start(
    client: _Client, threads: ThreadPoolExecutor, numbers: range, servers: int, watched: int
) -> tuple[list[str], list[Future[None]]]:
    """Start the jobs one after the other, and a thread of the client for some of them, evenly spread."""
    jobs, asking = [], []
    for number in numbers:
        ids = [server_id(number * servers + place) for place in range(servers)]
        execution = f"exec-latency-{servers}-{number}"
        jobs.append(client.deployment.drs.start(scripts.launch(ids, seed=number), {"ExecutionId": execution}))
        if number in numbers[len(numbers) // (2 * watched) :: len(numbers) // watched][:watched]:
            client.waiting[execution] = _appearances(client.deployment, jobs[-1])
            asking.append(threads.submit(client.ask, execution))
        time.sleep(STAGGER if len(numbers) > 2 else 0)
    return jobs, asking


def _appearances(deployment: Deployment, job: str) -> dict[Item, datetime]:
    """The time at which each item of a job's log appears."""
    log = deployment.drs.whole_log(job)
    items = [(datetime.fromisoformat(item["logDateTime"]), item["eventData"].get("sourceServerID")) for item in log]
    return dict(zip(items, deployment.drs.appeared(job), strict=True))


def burst(deployment: Deployment, *, events: int, repeats: int) -> Iterator[Figure]:
    """Time from the first PutEvents until the queue is empty: events through rule, queue and ingest."""
    times = []
    for _ in range(repeats):
        now = datetime.now(UTC).isoformat()
        script = scripts.launch([server_id(number) for number in range(16)])
        ids = [f"drsjob-{secrets.token_hex(9)[:17]}" for _ in range(-(-events // len(script.steps)))]
        details = [detail | {"logDateTime": now} for job in ids for detail in played.details(script, job)][:events]
        times.append(_seconds_to_store(deployment, details))
        stored = sum(len(deployment.rows(job)) for job in ids)
        assert stored == len(details), f"{stored} of {len(details)} events were stored"
    yield Figure(what=f"{events:,} events put at once, all stored", unit="s", values=times[-3:], at_most=10)


def _seconds_to_store(deployment: Deployment, details: Sequence[dict[str, object]]) -> float:
    began = time.perf_counter()
    deployment.put_events(details)
    while deployment.waiting():
        assert time.perf_counter() - began < 120, "events are stuck in the queue"
        time.sleep(0.05)
    return time.perf_counter() - began
