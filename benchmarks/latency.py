"""How long from an item's appearance in the DRS API to its row in the table, on the embedded AWS.

    .venv/bin/python -m benchmarks.latency [--jobs 20] [--servers 100] [--speed 2]

The module is applied from examples/local. All jobs are started at once on the simulator of DRS; the collector is woken
as CloudTrail's event would wake it, and from then on called by its schedule. A row's time is its IngestedAt, taken just
before it is put; all clocks are this machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from tests.support import scripts
from tests.support.deployment import deployed
from tests.support.drs import Simulator
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from tests.support.deployment import Deployment

WAKE = {"detail-type": "AWS API Call via CloudTrail", "source": "aws.drs", "detail": {"eventName": "StartRecovery"}}

console = Console()


def main() -> int:
    """Measure, and print; the exit status is 1 where rows are missing or one too many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--servers", type=int, default=100, help="of each job")
    parser.add_argument("--speed", type=float, default=2, help="how much faster than a real job")
    options = parser.parse_args()

    simulator = Simulator(speed=options.speed)
    with deployed(simulator) as deployment:
        jobs = []
        for number in range(options.jobs):
            first = number * options.servers
            servers = [server_id(first + place) for place in range(options.servers)]
            jobs.append(simulator.start(scripts.launch(servers, seed=number)))
        deployment.stack.client("lambda").invoke(
            FunctionName=deployment.outputs["collector_function_name"],
            InvocationType="Event",
            Payload=json.dumps(WAKE),
        )
        wait(deployment, jobs)
        return report(deployment, jobs)


def wait(deployment: Deployment, jobs: list[str]) -> None:
    """Until every item has a row, or a minute after the last one appeared."""
    expected = sum(len(deployment.drs.whole_log(job)) for job in jobs)
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
        seconds += [
            (datetime.fromisoformat(rows[key]["IngestedAt"]) - appeared[key]).total_seconds()
            for key in appeared.keys() & rows.keys()
        ]
    percentiles = statistics.quantiles(seconds, n=1000)
    metrics = Counter[str]()
    for line in deployment.metrics():
        for name in ("EventsStored", "EventsRepeated", "CollectorFailures", "CollectorHeartbeat"):
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
    console.print(f"DRS was called: {dict(deployment.drs.calls)}", highlight=False)
    console.print(f"the functions counted: {dict(metrics)}", highlight=False)
    return int(bool(missing or extra))


if __name__ == "__main__":
    sys.exit(main())
