"""How long from an item's appearance in the DRS API to its row in the table, on the embedded AWS.

    .venv/bin/python -m benchmarks.latency [--jobs 20] [--servers 100] [--speed 1] [--stagger 3]

The module is applied from examples/local. A job of 100 servers, of which one is stuck, warms all functions and keeps
the collector polling; then the jobs that are measured are started one after the other on the simulator of DRS, and run
at the same time. A row's time is its IngestedAt, taken just before it is put; all clocks are this machine's.

A job of 100 servers logs 200 items in its first seconds. The embedded AWS takes some 200 events a second, all in one
process: with --stagger 0 that limit is what is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from tests.support import scripts
from tests.support.deployment import deployed, eventually
from tests.support.drs import Simulator
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

console = Console()


def main() -> int:
    """Measure, and print; the exit status is 1 where rows are missing or one too many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--servers", type=int, default=100, help="of each job")
    parser.add_argument("--speed", type=float, default=1, help="how much faster than DRS, which takes 14 minutes")
    parser.add_argument("--stagger", type=float, default=3, help="seconds from one job's start to the next")
    options = parser.parse_args()

    simulator = Simulator(speed=options.speed)
    with deployed(simulator) as deployment:
        warm_up(deployment)
        jobs = []
        for number in range(options.jobs):
            first = number * options.servers
            servers = [server_id(first + place) for place in range(options.servers)]
            jobs.append(simulator.start(scripts.launch(servers, seed=number)))
            time.sleep(options.stagger)
        wait(deployment, jobs)
        return report(deployment, jobs)


def warm_up(deployment: Deployment) -> None:
    """Have a job collected by the schedule, and leave it running."""
    servers = [server_id(100_000 + number) for number in range(100)]
    job = deployment.drs.start(scripts.launch(servers, stuck=servers[:1]))
    with console.status("warming up: the schedule's first minute …"):
        eventually(lambda: len(deployment.rows(job)) > 200, seconds=120)


def wait(deployment: Deployment, jobs: list[str]) -> None:
    """Until every item has a row, or a minute after the last one appeared."""
    expected = sum(len(deployment.drs.whole_log(job)) for job in deployment.drs.jobs)
    ends = max(max(deployment.drs.appeared(job)) for job in jobs)
    with Progress(console=console) as progress:
        task = progress.add_task("rows", total=expected)
        # Counted by the functions' own metrics: to read the rows would take much of the machine that is measured.
        while not progress.finished and (datetime.now(UTC) - ends).total_seconds() < 60:
            progress.update(task, completed=sum(sum(line.get("EventsStored", [])) for line in deployment.metrics()))
            time.sleep(5)


def report(deployment: Deployment, jobs: list[str]) -> int:
    """Print the distribution."""
    seconds: list[float] = []
    by_minute: defaultdict[int, list[float]] = defaultdict(list)
    began = deployment.drs.jobs[jobs[0]].began
    missing = extra = 0
    for job in jobs:
        log = deployment.drs.whole_log(job)
        keys = [(datetime.fromisoformat(item["logDateTime"]), item["eventData"].get("sourceServerID")) for item in log]
        appeared = dict(zip(keys, deployment.drs.appeared(job), strict=True))
        rows = {
            (datetime.fromisoformat(row["Timestamp"]), row.get("SourceServerId")): row for row in deployment.rows(job)
        }
        missing += len(appeared.keys() - rows.keys())
        extra += len(deployment.rows(job)) - len(appeared.keys() & rows.keys())
        for key in appeared.keys() & rows.keys():
            took = (datetime.fromisoformat(rows[key]["IngestedAt"]) - appeared[key]).total_seconds()
            seconds.append(took)
            by_minute[int((appeared[key] - began).total_seconds() // 60)].append(took)
    percentiles = statistics.quantiles(seconds, n=1000)
    metrics = Counter[str]()
    for line in deployment.metrics():
        for name in ("EventsStored", "EventsRepeated"):
            metrics[name] += sum(line.get(name, []))
    console.print(f"{len(seconds)} items of {len(jobs)} jobs; {missing} rows missing, {extra} too many")
    console.print("seconds from the item to its row:")
    for name, value in {
        "p50": percentiles[499],
        "p90": percentiles[899],
        "p99": percentiles[989],
        "p99.9": percentiles[998],
        "max": max(seconds),
    }.items():
        console.print(f"  {name:6}{value:6.2f}")
    console.print("by the minute:")
    for minute, took in sorted(by_minute.items()):
        p99 = statistics.quantiles(took, n=100)[98] if len(took) > 1 else took[0]
        console.print(f"  {minute:3}  {len(took):5} items  p50 {statistics.median(took):5.2f}  p99 {p99:5.2f}")
    console.print(f"DRS was called: {dict(deployment.drs.calls)}", highlight=False)
    console.print(f"ingest counted: {dict(metrics)}", highlight=False)
    return int(bool(missing or extra))


if __name__ == "__main__":
    sys.exit(main())
