"""What storing the next event costs as the tables grow, and what a naive build pays for it, on the embedded AWS.

    .venv/bin/python -m benchmarks.growth [--short]

The ingest function runs in this process, one event a batch, beside the embedded AWS with tables of several sizes at the
same time; events are stored in turn into all of them. The rows that are there have real keys, links included, and
nothing else. The embedded AWS keeps its tables in memory, so that the time is mostly a request's; what DynamoDB counts,
requests and units, is what grows there or does not.

The naive build is the same function, but that it scans the platform's table of executions for every event, as far as
the event's execution. Ours asks once for a job, by an index, or does not ask.
"""

from __future__ import annotations

import contextlib
import io
import math
import secrets
import statistics
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self
from unittest.mock import patch

from boto3.dynamodb.types import TypeSerializer
from rich.progress import track
from rich.table import Table

from benchmarks.counts import item_bytes
from benchmarks.filling import fill
from benchmarks.lines import Line, figure, in_turn, wall_ms
from benchmarks.stage import staged
from benchmarks.table import arguments, console, show, write
from tests.support import played, scripts, tables
from tests.support.envelopes import dumps, job_log, sqs_records
from tests.support.recovery import CONTEXT
from tests.support.scripts import instance_id, server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drs_job_log.events import JobLogEvent
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.ministack import MiniStack

# Events are stored in blocks, of which the median counts: one alone varies more than what is looked for.
BLOCK: Final = 50

SERVERS: Final = 100  # of a job: 602 events

NAIVE: Final = "a scan for every event"

_serialize = TypeSerializer().serialize


def main() -> int:
    """Measure, and print."""
    options = arguments(__doc__)
    with staged() as stack:
        measured = list(lines(stack, short=options.short))
        found = naive(stack, short=options.short)
    show(measured)
    show_naive(found)
    write(options.json, lines=[line.record() for line in measured], naive=[asdict(cost) for cost in found])
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# Rows that are there
# ---------------------------------------------------------------------------------------------------------------------


def lines(stack: MiniStack, *, short: bool) -> Iterator[Line]:
    """The lines of the growth."""
    sizes, repeats = ((100, 1_000), 3) if short else ((1_000, 100_000, 1_000_000), 7)
    for size in sizes:
        fill(stack, tables.events(filled(size)), rows(size), size)
    yield from times(stack, sizes, repeats)
    yield from units(stack, sizes[-1])


def times(stack: MiniStack, sizes: Sequence[int], repeats: int) -> Iterator[Line]:
    """How long the next event takes, with so many rows there."""
    events = bodies(job_id(1), SERVERS, execution_id="exec-1")
    nexts = {size: iter(events) for size in (0, *sizes)}
    none, *full = in_turn(
        track(range(repeats), "storing the next event", console=console),
        lambda: block_ms(empty(stack), nexts[0]),
        *(partial(lambda size: block_ms(filled(size), nexts[size]), size) for size in sizes),
    )
    for size, ms in zip(sizes, full, strict=True):
        yield Line(
            what=f"storing the next event with {size:,} rows there: flat",
            unit="ms",
            ours=ms,
            floor=none,
            floor_is="with none",
            reach=1.2,
        )


def units(stack: MiniStack, size: int) -> Iterator[Line]:
    """What DynamoDB counts for the next event, with so many rows there."""
    from drs_job_log import ingest  # noqa: PLC0415 (it reads its environment then)

    counted = []
    for table in (empty(stack), filled(size)):
        with Meter(ingest.client) as meter:
            block_ms(table, iter(bodies(job_id(2), SERVERS, execution_id="exec-2")))
        counted.append(meter.of_one(BLOCK))
    floor, ours = counted
    for unit in ("requests", "write units"):
        yield Line(
            what=f"what DynamoDB counts for it with {size:,} rows there: flat",
            unit=unit,
            ours=[ours[unit]],
            floor=[floor[unit]],
            floor_is="with none",
            reach=1,
        )
    assert not ours["read units"], "storing an event reads nothing"


def empty(stack: MiniStack) -> str:
    """A new table without rows."""
    name = f"rows-none-{secrets.token_hex(4)}"
    tables.create_events(stack.client("dynamodb"), name)
    return name


def filled(size: int) -> str:
    """The table of so many rows."""
    return f"rows-{size}"


def rows(number: int) -> Iterator[dict[str, Any]]:
    """So many rows of whole jobs, nine in ten linked: their keys, and those of the indexes."""
    log = played.events(scripts.launch(servers(SERVERS)), "any", created=datetime.now(UTC) - timedelta(days=1))
    keys = [(event.key, event.key.partition("#")[0]) for event in log]
    for place in range(number):
        job, at = divmod(place, len(keys))
        key, timestamp = keys[at]
        link = {"ExecutionId": f"exec-{job}"} if job % 10 else {"UnlinkedJobId": job_id(job)}
        row = {"JobId": job_id(job), "EventKey": key, "Timestamp": timestamp} | link
        yield {name: {"S": value} for name, value in row.items()}


def block_ms(table: str, events: Iterator[str]) -> float:
    """Milliseconds that storing one of the next events takes: the median of a block."""
    return statistics.median(store_ms(table, next(events)) for _ in range(BLOCK))


def store_ms(table: str, body: str) -> float:
    """Milliseconds that the ingest function takes for a message, over a table."""
    from drs_job_log import ingest  # noqa: PLC0415 (it reads its environment then)
    from drs_job_log.store import JobLogStore  # noqa: PLC0415

    batch = sqs_records([body])
    silent = contextlib.redirect_stdout(io.StringIO())  # its metrics
    with patch.object(ingest, "store", JobLogStore(ingest.client, table)), silent:
        return wall_ms(lambda: ingest.handler(batch, CONTEXT))


# ---------------------------------------------------------------------------------------------------------------------
# A naive build
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What an event costs: milliseconds of each that was measured; requests, read units and write units on average."""

    build: str
    executions: int
    ms: Sequence[float]
    units: Mapping[str, float]


def naive(stack: MiniStack, *, short: bool) -> list[Cost]:
    """What an event costs a naive build and ours, with executions of several numbers."""
    sizes = (10, 100) if short else (100, 1_000, 10_000)
    return [cost for size in sizes for cost in costs(stack, size)]


def costs(stack: MiniStack, size: int) -> list[Cost]:
    """What an event costs with so many executions: a whole job by ours, an event each of some jobs by the naive one."""
    from drs_job_log import ingest  # noqa: PLC0415 (it reads its environment then)
    from drs_job_log.executions import ExecutionHistory, HistorySettings  # noqa: PLC0415
    from drs_job_log.linking import Links  # noqa: PLC0415

    table = f"executions-{size}"
    fill(stack, EXECUTIONS | {"TableName": table}, map(execution, range(size)), size)
    history = ExecutionHistory(ingest.client, table, HistorySettings(job_id_index="by-job"))
    builds: dict[str, Links | Scan] = {
        NAIVE: Scan(ingest.client, table),
        "ours, by job_id_index": Links(history),
        "ours, not asking": Links(None),
    }
    # Of jobs that stand evenly in the table, for it is read as far as the event's.
    some = max(2, min(size, 20, 10_000 // size))
    spread = [bodies(job_id(3 * (size * (2 * n + 1) // (2 * some)) + 2), 1)[0] for n in range(some)]
    whole = bodies(job_id(2), 16)
    found: list[Cost] = []
    for build, links in builds.items():
        name = f"{table}-{len(found)}"
        tables.create_events(stack.client("dynamodb"), name)
        events = spread if build == NAIVE else whole
        with patch.object(ingest, "links", links), Meter(ingest.client) as meter:
            ms = [store_ms(name, body) for body in track(events, f"{size:,} executions: {build}", console=console)]
        found.append(Cost(build, size, ms, meter.of_one(len(events))))
    return found


class Scan:
    """What a naive build has in the place of ``Links``."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def linked(self, event: JobLogEvent, _now: datetime) -> JobLogEvent:
        """The event with the execution of which a wave has its job."""
        for page in self._client.get_paginator("scan").paginate(TableName=self._table):
            for item in page["Items"]:
                if any(wave["M"]["JobId"]["S"] == event.job_id for wave in item["Waves"]["L"]):
                    return replace(event, execution_id=item["ExecutionId"]["S"])
        return event


EXECUTIONS: Final = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": "ExecutionId", "KeyType": "HASH"},
        {"AttributeName": "PlanId", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("ExecutionId", "PlanId", "JobId")
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-job",
            "KeySchema": [{"AttributeName": "JobId", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


def execution(number: int) -> dict[str, Any]:
    """An execution as public orchestrators keep it: of three waves of eight servers: some 3 KB."""
    waves = [
        {
            "WaveName": f"wave {wave}",
            "JobId": job_id(3 * number + wave),
            "Status": "COMPLETED",
            "StartTime": "2026-01-01T20:30:00Z",
            "EndTime": "2026-01-01T20:52:00Z",
            "Servers": [
                {
                    "SourceServerId": server,
                    "ServerName": f"prod-web-{server[-4:]}",
                    "InstanceId": instance_id(server),
                    "Status": "LAUNCHED",
                }
                for server in servers(8)
            ],
        }
        for wave in range(3)
    ]
    record = {
        "ExecutionId": f"exec-{number:08}",
        "PlanId": f"plan-{number % 20}",
        "Status": "COMPLETED",
        "StartTime": "2026-01-01T20:30:00Z",
        "EndTime": "2026-01-01T21:36:00Z",
        "JobId": waves[-1]["JobId"],  # for the index
        "Waves": waves,
    }
    return {name: _serialize(value) for name, value in record.items()}


def show_naive(found: Sequence[Cost]) -> None:
    """Print what an event costs each build."""
    table = Table("executions", "build", "ms an event (of all)", *found[0].units)
    for cost in found:
        ms = f"{figure(statistics.median(cost.ms))} ({figure(min(cost.ms))} … {figure(max(cost.ms))})"
        table.add_row(f"{cost.executions:,}", cost.build, ms, *map(figure, cost.units.values()))
    console.print(table)


# ---------------------------------------------------------------------------------------------------------------------
# What both have in common
# ---------------------------------------------------------------------------------------------------------------------


class Meter:
    """Counts what a client asks of DynamoDB, as a context manager.

    Read units are by the size of what is answered, as DynamoDB counts where nothing is filtered; the embedded AWS takes
    each read for half a unit.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self.requests = 0
        self.read_units = self.write_units = 0.0
        self._hooks: dict[str, Any] = {"provide-client-params.dynamodb": self._ask, "after-call.dynamodb": self._count}
        self._events = client.meta.events

    def __enter__(self) -> Self:
        for event, hook in self._hooks.items():
            self._events.register(event, hook)
        return self

    def __exit__(self, *_: object) -> None:
        for event, hook in self._hooks.items():
            self._events.unregister(event, hook)

    def of_one(self, events: int) -> dict[str, float]:
        """What one of so many events took."""
        counted = {"requests": self.requests, "read units": self.read_units, "write units": self.write_units}
        return {unit: number / events for unit, number in counted.items()}

    def _ask(self, params: dict[str, Any], model: Any, **_: object) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def _count(self, parsed: dict[str, Any], **_: object) -> None:
        self.requests += 1
        if "Items" in parsed:
            size = sum(item_bytes(item) for item in parsed["Items"])
            self.read_units += max(1, math.ceil(size / 4096)) / 2  # eventually consistent
        else:
            self.write_units += parsed.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)


def bodies(job: str, number: int, execution_id: str | None = None) -> list[str]:
    """Messages of the events of a job of so many servers, all of which just happened."""
    now = {"logDateTime": datetime.now(UTC).isoformat()}
    details = played.details(scripts.launch(servers(number), seed=2), job, execution_id=execution_id)
    return [dumps(job_log(detail | now)) for detail in details]


def servers(number: int) -> list[str]:
    return [server_id(place) for place in range(number)]


def job_id(number: int) -> str:
    return f"drsjob-{number:017x}"


if __name__ == "__main__":
    sys.exit(main())
