"""How long the API takes to answer for executions of 100, 1,000 and 5,000 events, and what part of that is ours.

    .venv/bin/python -m benchmarks.api [--requests 100] [--events 100 1000 5000]

The module is applied from examples/local on the embedded AWS. Two things are timed in turn, again and again, so that a
busy moment of the machine meets both alike:

- HTTP: a signed request to the warm API, as a client sees it: the gateway, the function and its queries;
- handler: the same code called in this process, with the same queries to the same table. Of it, DynamoDB is the time in
  boto3's calls, decoded answers included; the rest is ours.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import requests
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.support import played, scripts
from tests.support.deployment import SIGNED, deployed
from tests.support.recovery import CONTEXT
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drs_job_log.store import JobLogStore
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.deployment import Deployment

console = Console()

SERVERS = 50  # of a job
ERROR = "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: " + "x" * 400
HOUR = timedelta(hours=1)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100, help="of each kind and size")
    parser.add_argument("--events", type=int, nargs="+", default=[100, 1000, 5000], help="at least, of an execution")
    parser.add_argument("--limit", type=int, default=100, help="events of a page")
    options = parser.parse_args()

    with deployed() as deployment:
        os.environ |= deployment.stack.environment | {"JOB_LOG_EVENTS_TABLE": deployment.outputs["table_name"]}
        rows = [measure(deployment, events, options.requests, options.limit) for events in options.events]
    report(rows)
    return 0


@dataclass(frozen=True)
class Row:
    """Milliseconds of each request."""

    events: int
    kilobytes: float
    http: Sequence[float]
    handler: Sequence[float]
    dynamodb: Sequence[float]


class Stopwatch:
    """Sums the milliseconds that a client spends in its calls, from their parameters to their decoded answers."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.milliseconds = 0.0
        self._began = 0.0
        client.meta.events.register_first("provide-client-params.dynamodb", self._start)
        client.meta.events.register_last("after-call.dynamodb", self._stop)

    def _start(self, **_: object) -> None:
        self._began = time.perf_counter()

    def _stop(self, **_: object) -> None:
        self.milliseconds += (time.perf_counter() - self._began) * 1000


def measure(deployment: Deployment, events: int, times: int, limit: int) -> Row:
    """Store an execution of so many events, and time what is asked about it."""
    from drs_job_log import api  # noqa: PLC0415 (it reads its environment then)

    execution_id = f"exec-{events}"
    stored = store(api.store, execution_id, events)
    url = f"{deployment.api_url}/executions/{execution_id}/logs?limit={limit}"
    route = "GET /executions/{executionId}/logs"
    event = {
        "routeKey": route,
        "pathParameters": {"executionId": execution_id},
        "queryStringParameters": {"limit": str(limit)},
    }
    session = requests.Session()
    stopwatch = Stopwatch(api.client)
    row = Row(stored, len(ask(session, url)) / 1024, [], [], [])
    for _ in track(range(times), f"{stored:,} events", console=console):
        row.http.append(timed(lambda: ask(session, url)))
        stopwatch.milliseconds = 0.0
        row.handler.append(timed(lambda: api.handler(event, CONTEXT)))
        row.dynamodb.append(stopwatch.milliseconds)
    return row


def ask(session: requests.Session, url: str) -> bytes:
    answer = session.get(url, auth=SIGNED, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.content


def timed(call: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def store(table: JobLogStore, execution_id: str, least: int) -> int:
    """Store jobs of 50 servers, and one smaller, until the execution has so many events; return how many it has."""
    stored = number = 0
    with ThreadPoolExecutor(8) as threads:
        while stored < least:
            servers = [server_id(number * SERVERS + place) for place in range(min(SERVERS, -(-(least - stored) // 6)))]
            script = scripts.launch(servers, failing={servers[0]: ERROR}, seed=number)
            job = f"drsjob-{execution_id}-{number}"
            events = played.events(script, job, created=datetime.now(UTC) - HOUR, execution_id=execution_id)
            stored += sum(threads.map(lambda event: table.put(event, timedelta(days=30)), events))
            number += 1
    return stored


def report(rows: Sequence[Row]) -> None:
    """Print the medians, and the 95th percentiles in brackets."""
    table = Table("events", "answer", "HTTP", "handler", "DynamoDB", "ours", "ours / DynamoDB")
    for row in rows:
        ours = [whole - part for whole, part in zip(row.handler, row.dynamodb, strict=True)]
        ratios = [part / whole for part, whole in zip(ours, row.dynamodb, strict=True)]
        times = (figures(values) for values in (row.http, row.handler, row.dynamodb, ours))
        table.add_row(f"{row.events:,}", f"{row.kilobytes:.0f} KB", *times, f"{statistics.median(ratios):.2f}")
    console.print("Milliseconds: the median of the requests and, in brackets, the 95th percentile.")
    console.print(table)


def figures(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} ({statistics.quantiles(values, n=20)[-1]:.0f})"


if __name__ == "__main__":
    sys.exit(main())
