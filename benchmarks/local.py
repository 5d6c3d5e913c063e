"""Scenarios in which one function runs against the embedded AWS, which has no CPU quota."""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from benchmarks import capacity, harness, product
from benchmarks.defaults import MEMORY_MB
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
    """Passes of the collector, while the jobs log about 36 items in each poll interval, as in a drill.

    A cold pass is the first one of a process. A minute's first pass is the first one of a later invocation.
    """
    for jobs, servers in ((2, 10),) if short else ((20, 100), (20, 200)):
        simulator = harness.running(jobs, servers, is_standing=False)
        with (
            DrsServer(simulator) as drs,
            stage.function(
                "collector", memory_mb=MEMORY_MB["collector"], AWS_ENDPOINT_URL_DRS=drs.endpoint
            ) as collector,
        ):
            cold, minutes = collector({}), []
            assert cold.answer["emitted"] > jobs * servers, cold.answer
            stage.put_running(simulator)
            for _ in range(1 if short else 3):
                minutes.append(collector({}, passes=2 if short else 4))
                assert minutes[-1].answer["jobs"] == jobs, minutes[-1].answer
        first, warm = [done.passes[0] for done in minutes], [one for done in minutes for one in done.passes[1:]]
        what = f"{jobs} running jobs × {servers} servers"
        targets = {"cold": 6000, "warm": 600} if servers == 100 else {}
        yield harness.timed(f"cold pass: {what}", cold.passes, targets.get("cold"))
        yield harness.timed(f"first pass of a minute: {what}", first)
        yield harness.timed(f"warm pass: {what}", warm, targets.get("warm"))
        for kind, made in (("the first pass of a minute", first), ("a warm pass", warm)):
            calls = [one.drs_calls for one in made]
            yield Figure(what=f"DRS calls of {kind}: {what}", unit="calls", values=calls)


def storing(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Time of a batch of the ingest function, and the requests and write units of an event."""
    ids = (f"drsjob-stored-{number}" for number in itertools.count())

    def batch() -> Any:
        return sqs_records(harness.bodies(next(ids), 2)[:10])

    with stage.function("ingest", memory_mb=MEMORY_MB["ingest"]) as ingest:
        done = [ingest(batch()) for _ in range(4 if short else 61)]
    assert all(one.answer == STORED for one in done)
    yield harness.timed("a batch of 10 events in ingest", done[1:])  # the first one connects

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
    for servers, at_most in ((2, None), (20, None)) if short else ((2, None), (20, None), (100, 2.2)):
        events = played.events(scripts.launch([server_id(place) for place in range(servers)]), next(ids))
        units = sum(capacity.write_units(harness.item(event)) for event in events)
        what = f"write units per event: a job of {servers} servers"
        yield Figure(what=what, unit="units", values=[units / len(events)], at_most=at_most)


def reading(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Time of an answer of the API, with nothing cached and for a poll of the viewer."""
    repeats = 2 if short else 7
    with stage.function("api", memory_mb=MEMORY_MB["api"]) as api:
        for size, at_most in ((100, None),) if short else ((1000, 300), (5000, 1000)):
            execution = f"exec-{size}"
            stored = stage.store(execution, size, is_running=True)
            done = [_ask(api, execution, is_cache_empty=True) for _ in range(repeats)]
            yield harness.timed(f"API answer, {stored:,} events, nothing cached", done[1:], at_most)
        new = iter(harness.bodies("drsjob-new", 10, execution_id=execution))
        done = []
        for _ in range(repeats):
            for body in itertools.islice(new, 3):
                item = harness.item(product.parse(body))
                stage.stack.client("dynamodb").put_item(TableName=stage.events_table, Item=item)
            since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
            done.append(_ask(api, execution, since=since))
    yield harness.timed(f"viewer's poll, {stored:,} events, 3 of them new", done[1:], 100)


def listing(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Time of a page of the list of executions, with and without a filter."""
    executions = 200 if short else 20_000
    script, begin = scripts.launch([server_id(place) for place in range(4)]), datetime.now(UTC) - timedelta(days=29)
    for number in range(executions):
        created = begin + number * timedelta(days=28) / executions
        events = played.events(script, f"drsjob-{number:017x}", created=created, execution_id=f"exec-{number:06}")
        stage.put([events[0], events[-1]])
    with stage.function("api", memory_mb=MEMORY_MB["api"]) as api:
        done = []
        for _ in range(2 if short else 8):
            done.append(answered(api({"routeKey": "GET /executions", "queryStringParameters": {}})))
            assert len(json.loads(done[-1].answer["body"])["executions"]) == 50
        yield harness.timed(f"API: a page of 50 of {executions:,} executions", done[1:], 300)


def _ask(api: harness.Function, execution: str, *, is_cache_empty: bool = False, **parameters: str) -> Done:
    return answered(api(request(execution, **parameters), is_cache_empty=is_cache_empty))


def answered(done: Done) -> Done:
    """The result of the API, which must be an answer with status 200."""
    assert done.answer["statusCode"] == 200, done.answer
    return done


def request(execution: str, **parameters: str) -> dict[str, Any]:
    """A request of a browser for the first page of an execution."""
    return {
        "routeKey": "GET /executions/{executionId}/logs",
        "headers": {"accept-encoding": "gzip, deflate, br"},
        "pathParameters": {"executionId": execution},
        "queryStringParameters": parameters,
    }


def growth(stage: Stage, *, short: bool) -> Iterator[Figure]:
    """Time to store an event in an empty table and in a large one."""
    size, blocks, block = (1_000, 2, 5) if short else (1_000_000, 10, 50)
    _import(stage, large := f"{stage.events_table}-{size}", size)
    events = harness.bodies("drsjob-growth", 100)
    with (
        stage.function("ingest", memory_mb=MEMORY_MB["ingest"]) as empty,
        stage.function("ingest", memory_mb=MEMORY_MB["ingest"], JOB_LOG_EVENTS_TABLE=large) as filled,
    ):
        # In turn, so that other load of the machine affects both. One event varies more than the difference.
        times: dict[harness.Function, list[float]] = {empty: [], filled: []}
        for start in range(0, (blocks + 1) * block, block):
            for ingest, medians in times.items():
                done = [ingest(sqs_records([body])) for body in events[start : start + block]]
                assert all(one.answer == STORED for one in done)
                medians.append(statistics.median(one.wall_ms for one in done))
    for ingest, rows in ((empty, 0), (filled, size)):
        what = f"time to store an event, with the emulator, {rows:,} rows in the table"
        yield Figure(what=what, unit="ms", values=times[ingest][1:])


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
        "api": lambda: request("exec-cold"),
    }
    with DrsServer(simulator) as drs, tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "lambda_src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {"AWS_ENDPOINT_URL_DRS": drs.endpoint, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        for name, event in events.items():
            times = []
            for _ in range(1 if short else 7):
                given = event()
                with stage.function(name, memory_mb=MEMORY_MB[name], **environment) as function:
                    function(given)
                    times.append(function.since_start())
            took = times[1:] or times  # the first one reads files that are not in the page cache
            yield harness.timed(f"cold start to the first answer: {name}", took)


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
        ("api", f"an execution of {stored:,} events", [request("exec-large", limit="1000")] * 2, '"statusCode": 200'),
    ]
    with DrsServer(harness.running(20 // scale or 1, 200 // scale)) as drs:
        for name, what, events, part in loads:
            with stage.function(name, AWS_ENDPOINT_URL_DRS=drs.endpoint) as function:
                answers = [json.dumps(function(event).answer) for event in events]
                assert part in answers[-1], f"{name}: {answers[-1]:.500}"
                peak, limit = function.peak_mb, MEMORY_MB[name]
                yield Figure(what=f"peak memory of {name}: {what}", unit="MB", values=[peak], at_most=limit)
    yield Figure(what="size of the package", unit="KB", values=[len(package.content()) / 1024], at_most=400)
