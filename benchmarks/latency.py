"""How long from an item's appearance in the DRS API to the API's answer that has it, on the embedded AWS.

    .venv/bin/python -m benchmarks.latency [--short]

The module is applied from examples/local. A job of which one server is stuck warms all functions and keeps the
collector polling; then the jobs that are measured are started one after the other on the simulator of DRS, and run at
the same time. Meanwhile a client asks the API again and again for three of them, and notes when it is first
answered each item. All clocks are this machine's.

The jobs run ``Load.speed`` times as fast as real ones, and so bring so many times as much a second. The embedded AWS
takes some 300 events a second, all in one process that also serves the client: hence no more speed, the jobs' starts
one after the other, and a client that asks for few of them.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from rich.progress import Progress, track

from benchmarks.lines import Line
from benchmarks.table import alone, console
from tests.support import scripts
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.deployment import Deployment

    Item = tuple[datetime, str | None]  # when it happened by the log, and to which server


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What runs.

    Attributes
    ----------
    jobs, servers, watched
        How many jobs, servers of each, and jobs that the client asks for.
    speed
        How much faster than DRS, whose jobs take 14 minutes.
    stagger
        Seconds from one job's start to the next.
    """

    jobs: int
    servers: int
    watched: int
    speed: float
    stagger: float


FULL: Final = Load(jobs=20, servers=100, watched=3, speed=5, stagger=3)
SHORT: Final = Load(jobs=2, servers=5, watched=2, speed=60, stagger=1)

# Between two requests of the client, in seconds. The query for an answer of 600 events takes the embedded AWS 0.1 s, in
# which it serves nobody else: a client that is always asking would be what is measured.
PAUSE: Final = 0.25


def lines(deployment: Deployment, *, short: bool) -> Iterator[Line]:
    """The lines of the latency.

    Raises
    ------
    AssertionError
        Where a row is missing or one too many, or an item was never answered.
    """
    load = SHORT if short else FULL
    deployment.drs_server.simulator = Simulator(speed=load.speed)
    rows_before = row_count(deployment)
    warm_up(deployment, load)
    client = Client(deployment)
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(client.ask)
        try:
            jobs = start(deployment, load, client)
            wait(deployment, rows_before, client)
        finally:
            client.is_over.set()
        asking.result()
    stored = seconds_to_rows(deployment, jobs)
    deployment.drs_server.simulator = Simulator()  # the collector has nothing more to do
    assert not client.left, f"{client.left} items were never answered"
    for answer, seconds in (("row", stored), ("API's answer", client.seconds)):
        console.print(f"{len(seconds):,} items, seconds to the {answer}: {distribution(seconds)}", highlight=False)
    interval = poll_interval(deployment)
    for percent, floor, floor_is, reach in (
        (50, interval / 2, "half the poll interval", 2.5),
        (99, interval, "the poll interval", 5.0),
    ):
        yield Line(
            what=f"from the DRS item to the API's answer, p{percent}: {load.jobs} jobs × {load.servers} servers, "
            f"{load.speed:g} × DRS's pace",
            unit="s",
            ours=[percentile(client.seconds, percent)],
            floor=[floor],
            floor_is=floor_is,
            reach=reach,
            kind="value at most",
        )


class Client:
    """Asks the API for executions as long as an item of theirs has appeared that it has not been answered.

    Attributes
    ----------
    seconds
        Of each item that it was answered: from its appearance to the answer.
    is_over
        Set it to end ``ask``, which runs in a thread of its own.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.seconds: list[float] = []
        self.is_over = threading.Event()
        self._deployment = deployment
        self._waiting: dict[str, dict[Item, datetime]] = {}  # by the execution

    @property
    def left(self) -> int:
        """How many items of what it watches it has not been answered."""
        return sum(map(len, self._waiting.values()))

    def watch(self, execution_id: str, job: str) -> None:
        """Ask for this execution too, which is a job."""
        self._waiting[execution_id] = appearances(self._deployment, job)

    def ask(self) -> None:
        """Ask, until it is over."""
        while not self.is_over.is_set():
            for execution_id, waiting in list(self._waiting.items()):
                if waiting and min(waiting.values()) < datetime.now(UTC):
                    self._ask(execution_id, waiting)
            self.is_over.wait(PAUSE)

    def _ask(self, execution_id: str, waiting: dict[Item, datetime]) -> None:
        since = quote(min(time for time, _ in waiting).isoformat())
        status, answer = self._deployment.get(f"/executions/{execution_id}/logs?limit=1000&since={since}")
        now = datetime.now(UTC)
        assert status == 200, answer
        for entry in answer["logs"]:
            item = (datetime.fromisoformat(entry["timestamp"]), entry["sourceServerId"])
            if appeared := waiting.pop(item, None):
                self.seconds.append((now - appeared).total_seconds())


def warm_up(deployment: Deployment, load: Load) -> None:
    """Have a job collected, and leave it running: the collector goes on polling."""
    servers = [server_id(100_000 + number) for number in range(load.servers)]
    job = deployment.drs.start(scripts.launch(servers, stuck=servers[:1]))
    deployment.wake()
    console.print("warming up …")
    eventually(lambda: len(deployment.rows(job)) > 2 * load.servers, seconds=120)
    for _ in range(3):
        deployment.get(f"/jobs/{job}/logs")


def start(deployment: Deployment, load: Load, client: Client) -> list[str]:
    """Start the jobs, one after the other, with those that the client watches spread among them; return their ids."""
    jobs = []
    watched = range(load.jobs)[load.jobs // (2 * load.watched) :: load.jobs // load.watched]
    for number in track(range(load.jobs), "latency: starting jobs", console=console):
        first = number * load.servers
        servers = [server_id(first + place) for place in range(load.servers)]
        execution_id = f"exec-latency-{number}"
        jobs.append(deployment.drs.start(scripts.launch(servers, seed=number), {"ExecutionId": execution_id}))
        if number in watched:
            client.watch(execution_id, jobs[-1])
        time.sleep(load.stagger)
    return jobs


def wait(deployment: Deployment, rows_before: int, client: Client) -> None:
    """Until every item has a row and the client its answers, or a minute after the last one appeared."""
    drs = deployment.drs
    expected = sum(len(drs.whole_log(job)) for job in drs.jobs)
    deadline = max(max(drs.appeared(job)) for job in drs.jobs) + timedelta(minutes=1)
    with Progress(console=console) as progress:
        task = progress.add_task("latency: rows", total=expected)
        while (client.left or not progress.finished) and datetime.now(UTC) < deadline:
            progress.update(task, completed=row_count(deployment) - rows_before)
            time.sleep(1)


def row_count(deployment: Deployment) -> int:
    """How many rows the table has; the embedded AWS counts them at once, as the real one does not."""
    table = deployment.stack.client("dynamodb").describe_table(TableName=deployment.outputs["table_name"])["Table"]
    count: int = table["ItemCount"]
    return count


def seconds_to_rows(deployment: Deployment, jobs: Sequence[str]) -> list[float]:
    """Of each item: from its appearance until just before its row is put.

    Raises
    ------
    AssertionError
        Where a row is missing, or one too many.
    """
    seconds = []
    missing = extra = 0
    for job in jobs:
        appeared = appearances(deployment, job)
        rows = deployment.rows(job)
        ingested = {
            (datetime.fromisoformat(row["Timestamp"]), row.get("SourceServerId")): row["IngestedAt"] for row in rows
        }
        missing += len(appeared.keys() - ingested.keys())
        extra += len(rows) - len(appeared.keys() & ingested.keys())
        seconds += [
            (datetime.fromisoformat(ingested[item]) - appeared[item]).total_seconds()
            for item in appeared.keys() & ingested.keys()
        ]
    assert not missing, f"{missing} rows are missing"
    assert not extra, f"{extra} rows are too many"
    return seconds


def appearances(deployment: Deployment, job: str) -> dict[Item, datetime]:
    """When each item of a job's log appears."""
    log = deployment.drs.whole_log(job)
    items = [(datetime.fromisoformat(item["logDateTime"]), item["eventData"].get("sourceServerID")) for item in log]
    return dict(zip(items, deployment.drs.appeared(job), strict=True))


def poll_interval(deployment: Deployment) -> float:
    """Seconds between two of the collector's looks at DRS."""
    collector = deployment.stack.client("lambda").get_function_configuration(
        FunctionName=deployment.outputs["collector_function_name"]
    )
    return float(collector["Environment"]["Variables"]["POLL_INTERVAL_SECONDS"])


def percentile(seconds: Sequence[float], percent: int) -> float:
    """What so many in a hundred did not exceed."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


def distribution(seconds: Sequence[float]) -> str:
    """Percentiles, as text."""
    named = {f"p{percent}": percentile(seconds, percent) for percent in (50, 90, 99)} | {"max": max(seconds)}
    return ", ".join(f"{name} {value:.2f}" for name, value in named.items())


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, deployed))
