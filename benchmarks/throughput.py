"""Events a second through rule, queue and ingest, beside functions that do next to nothing, on the embedded AWS.

    .venv/bin/python -m benchmarks.throughput [--short]

The module is applied from examples/local. Beside it stand, twice, a rule, a queue and a mapping with the same settings:
before a function that only acknowledges, and before one that puts each message as it is, on the same condition. The
same events go each way in turn, each time from the first put until the queue is empty and nothing of it in work; then
every row of ours must be there.

The embedded AWS is one process. Beside the function that only acknowledges, it has a request more to serve for each
event of ours, as many as the bus, the queue and the mapping cost it: what is left for ours to lose shows beside the
function that puts.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import statistics
import sys
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.progress import track

from benchmarks.lines import Line, in_turn
from benchmarks.table import alone, console
from tests.support import played, scripts, tables
from tests.support.deployment import deployed
from tests.support.drills import entry
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.support.deployment import Deployment

SERVERS: Final = 16  # of a job: 98 events

ACKNOWLEDGES: Final = """
def handler(event, context):
    return {"batchItemFailures": []}
"""

PUTS: Final = """
import os
from concurrent.futures import ThreadPoolExecutor

import boto3

client = boto3.client("dynamodb")
threads = ThreadPoolExecutor(10)


def put(record):
    client.put_item(
        TableName=os.environ["TABLE"],
        Item={"JobId": {"S": "job"}, "EventKey": {"S": record["messageId"]}, "Body": {"S": record["body"]}},
        ConditionExpression="attribute_not_exists(JobId)",
    )


def handler(event, context):
    list(threads.map(put, event["Records"]))
    return {"batchItemFailures": []}
"""

MAPPING_SETTINGS: Final = ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig")

# As no event goes missing, this is only for what is broken.
_PATIENCE_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Way:
    """A way from the bus to a function: the source whose events take it, and its queue."""

    source: str
    queue_url: str


def lines(deployment: Deployment, *, short: bool) -> Iterator[Line]:
    """The lines of the throughput."""
    jobs, rounds = (1, 2) if short else (10, 3)
    profile = Profile(deployment)
    ours = Way(deployment.outputs["event_source"], deployment.outputs["queue_url"])
    acknowledging, putting = beside(deployment, ACKNOWLEDGES), beside(deployment, PUTS)
    ways = {
        "ingest": lambda: stored_rate(deployment, ours, jobs),
        "a function that only acknowledges": lambda: rate(deployment, acknowledging, events(jobs)),
        "a function that only puts each message": lambda: rate(deployment, putting, events(jobs)),
    }
    stored, *floors = in_turn(
        track(range(rounds), "throughput", console=console),
        *(partial(profile.of, name, way) for name, way in ways.items()),
    )
    _ours, *others = ways
    for rates, floor_is in zip(floors, others, strict=True):
        yield Line(
            what=f"events a second through rule, queue and ingest, {len(events(jobs)):,} put at once",
            unit="/s",
            ours=stored,
            floor=rates,
            floor_is=floor_is,
            reach=0.7,
            kind="ratio at least",
        )
    console.print(f"Milliseconds of processor time an event: {profile.text(len(events(jobs)))}", highlight=False)


class Profile:
    """What takes the time: seconds of processor time of the embedded AWS and of its functions' processes, by way."""

    def __init__(self, deployment: Deployment) -> None:
        self._leader = deployment.stack.pid
        self._seconds: dict[str, list[tuple[float, float]]] = {}

    def of(self, name: str, call: Callable[[], float]) -> float:
        """The figure of a call that sends events a way."""
        before = self._read()
        figure = call()
        self._seconds.setdefault(name, []).append(
            tuple(now - then for now, then in zip(self._read(), before, strict=True))  # type: ignore[arg-type]
        )
        return figure

    def text(self, events: int) -> str:
        """Medians of the rounds."""
        return "; ".join(
            f"{name}: {statistics.median(aws) * 1000 / events:.2f} of the embedded AWS, "
            f"{statistics.median(functions) * 1000 / events:.2f} of the functions"
            for name, rounds in self._seconds.items()
            for aws, functions in [zip(*rounds, strict=True)]
        )

    def _read(self) -> tuple[float, float]:
        """Of the embedded AWS, and of all other processes of its session."""
        aws = functions = 0.0
        for file in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended
                pid, _, rest = file.read_text().partition(" (")
                fields = rest.rpartition(") ")[2].split()
                if int(fields[3]) == self._leader:  # proc(5): its session; 11 and 12 are its time, in ticks
                    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                    if int(pid) == self._leader:
                        aws += seconds
                    else:
                        functions += seconds
        return aws, functions


def events(jobs: int) -> list[dict[str, Any]]:
    """Details of the events of so many jobs, new ones each time, all of which just happened."""
    now = datetime.now(UTC)
    script = scripts.launch([server_id(number) for number in range(SERVERS)])
    ids = (f"drsjob-{secrets.token_hex(9)[:17]}" for _ in range(jobs))
    return [detail | {"logDateTime": now.isoformat()} for job in ids for detail in played.details(script, job)]


def stored_rate(deployment: Deployment, way: Way, jobs: int) -> float:
    """As ``rate``, of events of which every one must be in the table afterwards."""
    details = events(jobs)
    measured = rate(deployment, way, details)
    stored = sum(len(deployment.rows(job)) for job in {detail["jobID"] for detail in details})
    assert stored == len(details), f"{stored} of {len(details)} events were stored"
    return measured


def rate(deployment: Deployment, way: Way, details: Sequence[Mapping[str, Any]]) -> float:
    """Events a second, from the first put until the last is acknowledged."""
    client = deployment.stack.client("events")
    entries = [entry(dict(detail), way.source) for detail in details]
    began = time.perf_counter()
    for start in range(0, len(entries), 10):  # the most that EventBridge takes at once
        answer = client.put_events(Entries=entries[start : start + 10])
        assert answer["FailedEntryCount"] == 0, answer
    while deployment.waiting(way.queue_url):
        assert time.perf_counter() - began < _PATIENCE_SECONDS, "events are stuck in the queue"
        time.sleep(0.02)
    return len(details) / (time.perf_counter() - began)


def beside(deployment: Deployment, code: str) -> Way:
    """Make, beside the module, a rule, a queue, a mapping and a function with its settings but this code; and a table.

    They end with the embedded AWS.
    """
    name = f"floor-{secrets.token_hex(4)}"
    sqs, bus, functions = (deployment.stack.client(service) for service in ("sqs", "events", "lambda"))
    ingest = deployment.outputs["ingest_function_name"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=ingest)["EventSourceMappings"]
    configuration = functions.get_function_configuration(FunctionName=ingest)

    wanted: Any = ["VisibilityTimeout", "MessageRetentionPeriod"]
    attributes = sqs.get_queue_attributes(QueueUrl=deployment.outputs["queue_url"], AttributeNames=wanted)["Attributes"]
    queue_url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    tables.create_events(deployment.stack.client("dynamodb"), name)
    functions.create_function(
        FunctionName=name,
        Handler="index.handler",
        Code={"ZipFile": zipped("index.py", code)},
        Environment={"Variables": {"TABLE": name}},
        **{setting: configuration[setting] for setting in ("Runtime", "Role", "Timeout", "MemorySize")},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=queue_arn,
        **{setting: mapping[setting] for setting in MAPPING_SETTINGS if setting in mapping},
    )
    bus.put_rule(Name=name, EventPattern=json.dumps({"source": [name], "detail-type": ["DRS Job Log"]}))
    bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue_arn}])
    return Way(name, queue_url)


def zipped(name: str, text: str) -> bytes:
    """A zip with one file."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(name, text)
    return package.getvalue()


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, deployed))
