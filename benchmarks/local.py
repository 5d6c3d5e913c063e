"""Scenarios in which one function runs against the embedded AWS. CPU times include all threads of the function only."""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from benchmarks import harness, product
from benchmarks.harness import ROOT, Figure, Stage
from tests.support import package, played, scripts, tables
from tests.support.drs import DrsServer, Simulator
from tests.support.envelopes import sqs_records
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Done

STORED: Final[dict[str, Any]] = {"batchItemFailures": []}


def passes(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Passes of the collector: the first one of a process, and those after it."""
    for jobs, servers in ((2, 10),) if short else ((20, 100), (20, 200)):
        simulator = harness.running(jobs, servers)
        with (
            DrsServer(simulator) as drs,
            stage.function("collector", AWS_ENDPOINT_URL_DRS=drs.endpoint) as collector,
        ):
            done = []
            for _ in range(2 if short else 6):
                simulator.calls.clear()
                done.append(collector({}))
                assert (done[-1].answer["passes"], done[-1].answer["jobs"]) == (1, jobs), done[-1].answer
        what = f"{jobs} running jobs × {servers} servers"
        yield Figure(what=f"CPU time of a cold pass: {what}", unit="ms", values=[done[0].cpu_ms])
        yield Figure(what=f"CPU time of a warm pass: {what}", unit="ms", values=[one.cpu_ms for one in done[1:]])
        yield Figure(what=f"DRS calls of a warm pass: {what}", unit="calls", values=[simulator.calls.total()])


def storing(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """CPU time of a batch of the ingest function, and the requests and write units of an event."""
    ids = (f"drsjob-stored-{number}" for number in itertools.count())

    def batch() -> Any:
        return sqs_records(harness.bodies(next(ids), 2)[:10])

    with stage.function("ingest") as ingest:
        done = [ingest(batch()) for _ in range(4 if short else 61)]
    assert all(one.answer == STORED for one in done)
    values = [one.cpu_ms for one in done[1:]]  # the first one connects
    yield Figure(what="CPU time of a batch of 10 events in ingest", unit="ms", values=values)

    messages = harness.bodies(next(ids), 20)
    batches = [sqs_records(messages[start : start + 10]) for start in range(0, len(messages), 10)]
    with stage.function("ingest", is_traced=True) as ingest:
        for what in ("new", "repeated"):
            trace = [call for one in batches for call in ingest(one).trace]
            yield Figure(
                what=f"DynamoDB requests per {what} event",
                unit="requests",
                values=[len(trace) / len(messages)],
                at_most=1.25,  # one to store it; for a launch, another one to look for the notification of a failure
            )
            if what == "new":
                puts = [call for call in trace if call["operation"] == "dynamodb.PutItem"]
                units = sum(call["response"]["ConsumedCapacity"]["CapacityUnits"] for call in puts)
                yield Figure(what="write units per event", unit="units", values=[units / len(messages)])


def reading(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """CPU time of an answer of the API, with nothing cached and for a poll of the viewer."""
    repeats = 2 if short else 7
    with stage.function("api") as api:
        for size in (100,) if short else (1000, 5000):
            execution = f"exec-{size}"
            stored = stage.store(execution, size, is_running=True)
            done = [_ask(api, execution, is_cache_empty=True) for _ in range(repeats)]
            yield Figure(
                what=f"CPU time of an API answer, {stored:,} events, nothing cached",
                unit="ms",
                values=[one.cpu_ms for one in done[1:]],
            )
        new = iter(harness.bodies("drsjob-new", 10, execution_id=execution))
        done = []
        for _ in range(repeats):
            for body in itertools.islice(new, 3):
                item = harness.item(product.parse(body))
                stage.stack.client("dynamodb").put_item(TableName=stage.events_table, Item=item)
            since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
            done.append(_ask(api, execution, since=since))
    yield Figure(
        what=f"CPU time of a viewer's poll, {stored:,} events, 3 of them new",
        unit="ms",
        values=[one.cpu_ms for one in done[1:]],
    )


def _ask(api: harness.Function, execution: str, *, is_cache_empty: bool = False, **parameters: str) -> Done:
    done = api(_request(execution, **parameters), is_cache_empty=is_cache_empty)
    assert done.answer["statusCode"] == 200, done.answer
    return done


def _request(execution: str, **parameters: str) -> dict[str, Any]:
    return {
        "routeKey": "GET /executions/{executionId}/logs",
        "pathParameters": {"executionId": execution},
        "queryStringParameters": parameters,
    }


def growth(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Time to store an event in an empty table and in a large one."""
    size, blocks, block = (1_000, 2, 5) if short else (1_000_000, 10, 50)
    _import(stage, large := f"{stage.events_table}-{size}", size)
    events = harness.bodies("drsjob-growth", 100)
    with (
        stage.function("ingest") as empty,
        stage.function("ingest", JOB_LOG_EVENTS_TABLE=large) as filled,
    ):
        # In turn, so that other load of the machine affects both. One event varies more than the difference.
        times: dict[harness.Function, list[float]] = {empty: [], filled: []}
        for start in range(0, (blocks + 1) * block, block):
            for ingest, medians in times.items():
                done = [ingest(sqs_records([body])) for body in events[start : start + block]]
                assert all(one.answer == STORED for one in done)
                medians.append(statistics.median(one.wall_ms for one in done))
    for ingest, rows in ((empty, 0), (filled, size)):
        yield Figure(what=f"time to store an event, {rows:,} rows in the table", unit="ms", values=times[ingest][1:])


def _import(stage: Stage, table: str, size: int) -> None:
    """Create a table of whole jobs, nine of ten linked, with DynamoDB's import from S3. Rows have only their keys."""
    script = scripts.launch([server_id(place) for place in range(100)])
    keys = [event.key for event in played.events(script, "any", created=datetime.now(UTC) - timedelta(days=1))]
    s3, dynamodb = stage.stack.client("s3"), stage.stack.client("dynamodb")
    s3.create_bucket(Bucket=table)
    for first in range(0, size, 50_000):
        lines = []
        for place in range(first, min(size, first + 50_000)):
            job, at = divmod(place, len(keys))
            link = {"ExecutionId": f"exec-{job}"} if job % 10 else {"UnlinkedJobId": f"drsjob-{job:017x}"}
            row = {"JobId": f"drsjob-{job:017x}", "EventKey": keys[at], "Timestamp": keys[at].partition("#")[0]} | link
            lines.append(json.dumps({"Item": {name: {"S": value} for name, value in row.items()}}))
        s3.put_object(Bucket=table, Key=f"{first}", Body="\n".join(lines).encode())
    state = dynamodb.import_table(
        S3BucketSource={"S3Bucket": table},
        InputFormat="DYNAMODB_JSON",
        TableCreationParameters=tables.events(table),
    )["ImportTableDescription"]
    while state["ImportStatus"] == "IN_PROGRESS":
        time.sleep(0.2)
        state = dynamodb.describe_import(ImportArn=state["ImportArn"])["ImportTableDescription"]
    assert (state["ImportStatus"], state["ImportedItemCount"]) == ("COMPLETED", size), state


def coldstart(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Time from the start of the interpreter to the first answer. The package has no bytecode, as in Lambda."""
    stage.store("exec-cold", 100)
    simulator = Simulator(speed=1000)
    simulator.start(scripts.drill(0))
    time.sleep(0 if short else 3)  # the drill takes half an hour
    ids = (f"drsjob-cold-{number}" for number in itertools.count())
    events: dict[str, Callable[[], Any]] = {
        "ingest": lambda: sqs_records(harness.bodies(next(ids), 2)[:10]),
        "collector": dict,
        "linker": dict,
        "api": lambda: _request("exec-cold"),
    }
    with DrsServer(simulator) as drs, tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "lambda_src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {"AWS_ENDPOINT_URL_DRS": drs.endpoint, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        for name, event in events.items():
            times = []
            for _ in range(1 if short else 11):
                given, began = event(), time.perf_counter()
                with stage.function(name, **environment) as function:
                    function(given)
                times.append((time.perf_counter() - began) * 1000)
            values = times[1:] or times  # the first one reads files that are not in the page cache
            yield Figure(what=f"cold start to the first answer: {name}", unit="ms", values=values)


def memory(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Peak memory of each function at more than the largest supported load, and the size of the package."""
    scale = 50 if short else 1
    envelopes = [json.loads(body) for body in harness.bodies("drsjob-large", 2)[:10]]
    for envelope in envelopes:
        envelope["detail"]["error"] = "x" * (240 * 1024 - len(json.dumps(envelope)))
    large = sqs_records([json.dumps(envelope) for envelope in envelopes])
    unlinked = stage.store(None, 10_000 // scale)
    stored = stage.store("exec-large", 10_000 // scale, is_running=True)
    loads: list[tuple[str, str, list[Any], str]] = [  # the last is a part of the answer
        ("linker", f"{unlinked:,} unlinked events", [{}] * 2, '"events": 0'),
        ("ingest", "batches of 10 events of 240 KB", [large] * 3, '"batchItemFailures": []'),
        ("collector", f"{20 // scale or 1} running jobs of {200 // scale} servers", [{}], '"passes": 1'),
        ("api", f"an execution of {stored:,} events", [_request("exec-large", limit="1000")] * 2, '"statusCode": 200'),
    ]
    with DrsServer(harness.running(20 // scale or 1, 200 // scale)) as drs:
        for name, what, events, part in loads:
            with stage.function(name, AWS_ENDPOINT_URL_DRS=drs.endpoint) as function:
                answers = [json.dumps(function(event).answer) for event in events]
                assert part in answers[-1], f"{name}: {answers[-1]:.500}"
                yield Figure(what=f"peak memory of {name}: {what}", unit="MB", values=[function.peak_mb], at_most=256)
    yield Figure(what="size of the package", unit="KB", values=[len(package.content()) / 1024], at_most=400)
