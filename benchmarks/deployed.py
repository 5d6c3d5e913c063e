"""Scenarios on the module as applied from examples/local on the embedded AWS: end-to-end latency and a burst.

The embedded AWS starts the functions, so a CPU quota for these scenarios belongs in ``figures``.
"""

from __future__ import annotations

import secrets
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from benchmarks.harness import Figure
from tests.support import played, scripts
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.deployment import Deployment

    Item = tuple[datetime, str | None]  # logDateTime and source server of a log item

# Seconds between two requests of the client. The embedded AWS is one process: a client without a pause would slow down
# what is measured.
PAUSE: Final = 0.25
STAGGER: Final = 3  # seconds between two job starts


def figures(*, short: bool) -> Iterator[Figure]:
    """Apply the module once and run both scenarios. The embedded AWS slows down with use, so latency is first."""
    with deployed() as deployment:
        # A DRS job takes 14 minutes. The embedded AWS stores about 300 events per second, which limits the speed.
        yield from (
            latency(deployment, jobs=2, servers=5, watched=2, speed=300)
            if short
            else latency(deployment, jobs=20, servers=100, watched=3, speed=5)
        )
        yield from burst(deployment, jobs=1 if short else 10, repeats=1 if short else 4)


def latency(deployment: Deployment, *, jobs: int, servers: int, watched: int, speed: float) -> Iterator[Figure]:
    """Time from an item's appearance in the DRS API to the API's first answer with the event.

    The jobs run at ``speed`` times the speed of DRS. The client reads ``watched`` of them.

    Raises
    ------
    AssertionError
        If an event is missing, is stored twice, or is never in an answer.
    """
    deployment.drs_server.simulator = Simulator(speed=speed)
    _warm_up(deployment, servers)
    client = _Client(deployment)
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(client.ask)
        try:
            started = _start(deployment, client, range(jobs), servers, watched)
            end = max(max(deployment.drs.appeared(job)) for job in started)
            while datetime.now(UTC) < end or (client.left and datetime.now(UTC) < end + timedelta(minutes=1)):
                time.sleep(0.2)
        finally:
            client.is_over.set()
        asking.result()
    for job in started:
        eventually(lambda job=job: len(deployment.rows(job)) >= len(deployment.drs.whole_log(job)))  # type: ignore[misc]
        rows = [(datetime.fromisoformat(row["Timestamp"]), row.get("SourceServerId")) for row in deployment.rows(job)]
        assert sorted(rows, key=str) == sorted(_appearances(deployment, job), key=str), f"{job}: missing or extra rows"
    assert not client.left, f"{client.left} items were never in an answer"
    deployment.drs_server.simulator = Simulator()  # the collector has no more work
    what = f"{jobs} jobs × {servers} servers, {speed:g} × the speed of DRS"
    percentiles = statistics.quantiles(client.seconds, n=100, method="inclusive")
    for percent, at_most in ((50, 2.5), (99, 5.0)):
        yield Figure(
            what=f"DRS item to API answer, p{percent}: {what}",
            unit="s",
            values=[percentiles[percent - 1]],
            at_most=at_most,
        )


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

    def ask(self) -> None:
        """Read until ``is_over`` is set."""
        while not self.is_over.is_set():
            for execution, waiting in list(self.waiting.items()):
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


def _start(deployment: Deployment, client: _Client, numbers: range, servers: int, watched: int) -> list[str]:
    """Start the jobs one after the other. The client reads some of them, evenly spread."""
    jobs = []
    for number in numbers:
        ids = [server_id(number * servers + place) for place in range(servers)]
        execution = f"exec-latency-{number}"
        jobs.append(deployment.drs.start(scripts.launch(ids, seed=number), {"ExecutionId": execution}))
        if number in numbers[len(numbers) // (2 * watched) :: len(numbers) // watched]:
            client.waiting[execution] = _appearances(deployment, jobs[-1])
        time.sleep(STAGGER if len(numbers) > 2 else 0)
    return jobs


def _appearances(deployment: Deployment, job: str) -> dict[Item, datetime]:
    """The time at which each item of a job's log appears."""
    log = deployment.drs.whole_log(job)
    items = [(datetime.fromisoformat(item["logDateTime"]), item["eventData"].get("sourceServerID")) for item in log]
    return dict(zip(items, deployment.drs.appeared(job), strict=True))


def burst(deployment: Deployment, *, jobs: int, repeats: int) -> Iterator[Figure]:
    """Events per second through rule, queue and ingest, from the first PutEvents until the queue is empty."""
    rates = []
    for _ in range(repeats):
        now = datetime.now(UTC).isoformat()
        script = scripts.launch([server_id(number) for number in range(16)])
        ids = [f"drsjob-{secrets.token_hex(9)[:17]}" for _ in range(jobs)]
        details = [detail | {"logDateTime": now} for job in ids for detail in played.details(script, job)]
        rates.append(_rate(deployment, details))
        stored = sum(len(deployment.rows(job)) for job in ids)
        assert stored == len(details), f"{stored} of {len(details)} events were stored"
    yield Figure(what=f"burst of {len(details):,} events: events stored per second", unit="/s", values=rates[-3:])


def _rate(deployment: Deployment, details: Sequence[dict[str, object]]) -> float:
    began = time.perf_counter()
    deployment.put_events(details)
    while deployment.waiting():
        assert time.perf_counter() - began < 120, "events are stuck in the queue"
        time.sleep(0.02)
    return len(details) / (time.perf_counter() - began)
