"""What a month's bill is made of, counted while the real handlers run on the embedded AWS.

    .venv/bin/python -m benchmarks.counts

Two jobs, of 100 and of 1,000 events, are played from their first item to their last by a clock of their own: the
collector is called every three seconds, and a second environment of it at each launch result, which wakes it. What
they put on the bus is handed to ingest. Requests are counted by botocore's hooks, capacity by the sizes of items and
AWS's documented rules (the embedded AWS says the same of writes; its reads are all of one size), logs are what the
functions print, and processor time is that of this process without the simulator of DRS in it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import os
import secrets
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import boto3

from benchmarks.stage import staged
from benchmarks.table import arguments, write
from tests.support import scripts
from tests.support.drs import DrsServer, Simulator
from tests.support.envelopes import dumps, job_log, launch_result, sqs_records
from tests.support.environment import ENVIRONMENT
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.support.ministack import MiniStack
    from tests.support.scripts import Step

# Servers of a job of so many events: six for each, two for the job, two for the one that had an earlier instance.
SERVERS: Final[Mapping[int, int]] = {100: 16, 1000: 166}

# How much faster than the script a job is played: the larger one would take half a minute.
_SPEED: Final[Mapping[int, float]] = {100: 1, 1000: 2}

ERROR: Final = "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: " + "x" * 400

_EVENTS: Final = ENVIRONMENT["JOB_LOG_EVENTS_TABLE"]
_NOTICES: Final = ENVIRONMENT["NOTICES_TABLE"]
_POLL: Final = timedelta(seconds=3)
_PAGE: Final = 500  # of DRS; its own size is not known
_CHUNK: Final = 64 * 1024  # of EventBridge and SQS: each is billed as one
_UNLINKED: Final = 500  # events of a job that nobody links
_LINKED: Final = 20  # of these, to see what that costs
_LISTED: Final = 20  # jobs of 166 servers in DRS's list
_REPEATS: Final = 9  # of what processor time is taken of


def _context(milliseconds: int) -> Any:
    """What Lambda tells a handler."""
    return SimpleNamespace(
        function_name="drs-job-log",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:drs-job-log",
        aws_request_id="11111111-2222-3333-4444-555555555555",
        get_remaining_time_in_millis=lambda: milliseconds,
    )


_CONTEXT: Final = _context(29_000)
_ONE_PASS: Final = _context(6_000)  # too little for the collector's second one


def main() -> int:
    """Count, and print."""
    options = arguments(__doc__)
    with staged() as stack:
        counts = counted(stack)
    print(json.dumps(counts, indent=2))
    write(options.json, counts=counts)
    return 0


def counted(stack: MiniStack) -> dict[str, float]:
    """The counts, each by a name that says what it is and its unit; ``_100`` and ``_1000`` are a job's events."""
    clock = _Clock(datetime.now(UTC) - timedelta(hours=2))
    with DrsServer() as drs, _functions(drs.endpoint, clock) as (functions, seen):
        counts = _idle(functions, seen)
        for events in SERVERS:
            # One each: a simulator's speed is that of all its jobs.
            drs.simulator = Simulator(speed=_SPEED[events], clock=lambda: clock.now, page_size=_PAGE)
            counts |= _job(functions, seen, drs.simulator, clock, events)
        counts |= _unlinked(functions, seen, stack)
        drs.simulator = Simulator(clock=lambda: clock.now, page_size=_PAGE)
        counts |= _listed(functions, drs.simulator)
    return {name: round(value, 5) for name, value in counts.items()}


# ---------------------------------------------------------------------------------------------------------------------
# What is counted
# ---------------------------------------------------------------------------------------------------------------------


def _idle(functions: Any, seen: _Seen) -> dict[str, float]:
    """The two functions that the clock calls, with nothing to do."""
    counts: dict[str, float] = {}
    for name in ("collector", "linker"):
        handler = getattr(functions, name).handler
        handler({}, _ONE_PASS)  # connects
        with seen.anew():
            handler({}, _ONE_PASS)
            counts |= {
                f"{name}_idle_calls": seen.calls.total(),
                f"{name}_idle_read_units": seen.read_units,
                f"{name}_idle_log_bytes": seen.log_bytes,
                f"{name}_idle_log_lines": seen.log_lines,
                f"{name}_idle_metrics": len(seen.metrics),
            }
        counts[f"{name}_idle_cpu_ms"] = _median_cpu_ms(lambda handler=handler: handler({}, _ONE_PASS))
    return counts


def _job(functions: Any, seen: _Seen, simulator: Simulator, clock: _Clock, events: int) -> dict[str, float]:
    """A job from its first item to its last, a viewer's poll after it, and ingest by itself."""
    ids = [server_id(events * 1000 + number) for number in range(SERVERS[events])]
    script = scripts.launch(ids, failing={ids[0]: ERROR}, cleaned=ids[1:2])
    assert len(script.steps) == events
    steps = [replace(step, after=step.after / simulator.speed) for step in script.steps]
    execution = f"exec-{events}-{secrets.token_hex(3)}"  # which nothing counted before belongs to
    job = simulator.start(script, {"ExecutionId": execution})
    with seen.anew():
        played = _play(functions, seen, clock, steps, job)
        sizes = [item_bytes(item) for item in seen.items]
        counts: dict[str, float] = {
            "servers": len(ids),
            "rows": len(sizes),
            "item_bytes": statistics.mean(sizes),
            # Of the table and of its index, by AWS's documented rule; and what the embedded AWS says.
            "write_units": sum(2 * math.ceil(size / 1024) for size in sizes),
            "write_units_embedded": seen.write_units[_EVENTS],
            "repeats": len(seen.repeated),
            "repeat_write_units": sum(math.ceil(item_bytes(item) / 1024) for item in seen.repeated),
            "notices": seen.calls["sns.Publish"],
            "notice_write_units": seen.write_units[_NOTICES],
            "read_units": seen.read_units,
            "events_put": len(played.entries),
            "event_bytes": statistics.mean(map(len, played.entries)),
            "event_chunks": _chunks(played.entries),
            "messages": len(played.messages),
            "message_bytes": statistics.mean(map(len, played.messages)),
            "message_chunks": _chunks(played.messages),
            "metrics": len(seen.metrics),
            "drs_calls_of_a_pass": max(played.drs_calls),
            "wakes": len(played.wake_cpu_ms),
            "wake_cpu_ms": statistics.mean(played.wake_cpu_ms),
            "pass_log_bytes": statistics.mean(played.log_bytes),
        }
    counts |= _poll(functions, seen, execution) | _ingest(functions, seen, played.messages)
    return {f"{name}_{events}": value for name, value in counts.items()}


def _poll(functions: Any, seen: _Seen, execution: str) -> dict[str, float]:
    """A viewer's poll of an execution, answered by a warm function."""
    event = {
        "routeKey": "GET /executions/{executionId}/logs",
        "pathParameters": {"executionId": execution},
        "queryStringParameters": {"limit": "100"},
    }
    functions.api.handler(event, _CONTEXT)
    with seen.anew():
        answer = functions.api.handler(event, _CONTEXT)
        return {
            "poll_calls": seen.calls.total(),
            "poll_read_units": seen.read_units,
            "poll_log_bytes": seen.log_bytes,
            "poll_answer_bytes": len(answer["body"].encode()),
            "poll_cpu_ms": _median_cpu_ms(lambda: functions.api.handler(event, _CONTEXT)),
        }


def _ingest(functions: Any, seen: _Seen, messages: Sequence[str]) -> dict[str, float]:
    """An invocation of ingest with one event, and with ten."""
    envelopes = [json.loads(message) for message in messages]
    # A server's failure is told besides, which the played job has counted.
    plain = [one for one in envelopes if "eventId" in one["detail"] and "error" not in one["detail"]]
    counts: dict[str, float] = {}
    for size in (1, 10):
        batches = [
            sqs_records(
                [
                    dumps(one | {"detail": one["detail"] | {"jobID": f"drsjob-{size}-{number}"}})
                    for one in (plain[(number * size + place) % len(plain)] for place in range(size))
                ]
            )
            for number in range(_REPEATS + 1)
        ]
        with seen.anew():
            functions.ingest.handler(batches.pop(), _CONTEXT)
            counts |= {f"ingest_of_{size}_log_bytes": seen.log_bytes, f"ingest_of_{size}_log_lines": seen.log_lines}
        times = [_cpu_ms(lambda batch=batch: functions.ingest.handler(batch, _CONTEXT)) for batch in batches]
        counts[f"ingest_of_{size}_cpu_ms"] = statistics.median(times)
    return counts


def _unlinked(functions: Any, seen: _Seen, stack: MiniStack) -> dict[str, float]:
    """The linker with events that nobody links, by one of these; and what linking one costs."""
    with seen.anew():
        functions.linker.handler({}, _CONTEXT)
        none_units = seen.read_units
    none_ms = _median_cpu_ms(lambda: functions.linker.handler({}, _CONTEXT))
    job = f"drsjob-{0:017}"
    happened = datetime.now(UTC) - timedelta(hours=3)  # so long ago that it is looked up but once an hour
    messages = [
        dumps(
            launch_result(**{"job-id": job})
            | {"id": f"unlinked-{number:027}", "time": (happened + timedelta(seconds=number)).isoformat()}
        )
        for number in range(_UNLINKED)
    ]
    for first in range(0, _UNLINKED, 10):
        functions.ingest.handler(sqs_records(messages[first : first + 10]), _CONTEXT)
    with seen.anew():
        functions.linker.handler({}, _CONTEXT)
        units, keys = seen.read_units, [*seen.scanned_keys]
    milliseconds = _median_cpu_ms(lambda: functions.linker.handler({}, _CONTEXT))
    store = functions.linker.linker._store
    with seen.anew():
        store.execution_of(job)
        look_up_units = seen.read_units
    with seen.anew():
        for key in keys[:_LINKED]:
            store.link(job, key, "exec-late")
        link_units = seen.write_units[_EVENTS]
    client = stack.client("dynamodb")
    for key in keys:  # for whoever uses the table next
        client.delete_item(TableName=_EVENTS, Key={"JobId": {"S": job}, "EventKey": {"S": key}})
    return {
        "unlinked_scan_read_units_per_event": (units - none_units) / _UNLINKED,
        "unlinked_scan_cpu_ms_per_event": max(0.0, milliseconds - none_ms) / _UNLINKED,
        "unlinked_look_up_read_units_per_job": look_up_units,
        "late_link_write_units_per_event": link_units / _LINKED,
    }


def _listed(functions: Any, simulator: Simulator) -> dict[str, float]:
    """What each pass of the collector pays for a job that it lists, running or not, by one of the job's servers."""
    (target,) = functions.collector.collector._targets
    none_ms = _median_cpu_ms(target.jobs)
    servers = [server_id(number) for number in range(SERVERS[1000])]
    script = scripts.silent_failure(servers)
    for _ in range(_LISTED):
        simulator.start(script)
    return {"listed_server_cpu_ms": (_median_cpu_ms(target.jobs) - none_ms) / (_LISTED * len(servers))}


def _chunks(texts: Sequence[str]) -> int:
    return sum(math.ceil(len(text) / _CHUNK) for text in texts)


def item_bytes(item: Mapping[str, Any]) -> int:
    """Size of an item in DynamoDB's JSON, by the rule that AWS documents.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, part),) = value.items()
    match kind:
        case "S":
            return len(part.encode())
        case "N":
            return math.ceil(len(part.strip("-").replace(".", "").strip("0")) / 2) + 1
        case "M":
            return 3 + item_bytes(part) + len(part)
        case "L":
            return 3 + sum(1 + _value_bytes(one) for one in part)
        case _:
            return 1


# ---------------------------------------------------------------------------------------------------------------------
# Playing a job
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Clock:
    """The clock of DRS and of the functions here."""

    now: datetime


@dataclass(slots=True)
class _Played:
    """What went through: details put on the bus, messages of the queue; and the passes while the job ran."""

    entries: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    drs_calls: list[int] = field(default_factory=list)
    log_bytes: list[int] = field(default_factory=list)
    wake_cpu_ms: list[float] = field(default_factory=list)


def _play(functions: Any, seen: _Seen, clock: _Clock, steps: Sequence[Step], job: str) -> _Played:
    """Have a job collected and stored to its end."""
    played, start = _Played(), clock.now
    launches = {  # when DRS's own event comes, half a second after the item
        start + step.after + timedelta(seconds=0.5): step
        for step in steps
        if step.event in {"LAUNCH_END", "LAUNCH_FAILED"}
    }
    polls = {start + number * _POLL: None for number in range(math.ceil(steps[-1].after / _POLL) + 2)}
    for clock.now, step in sorted((polls | launches).items(), key=lambda due: due[0]):
        drs_calls, log_bytes = seen.drs_calls, seen.log_bytes
        if step:
            wake = json.loads(_launch(job, step, clock.now))
            played.wake_cpu_ms.append(_cpu_ms(lambda wake=wake: functions.woken.handler(wake, _ONE_PASS)))
        else:
            functions.collector.handler({}, _ONE_PASS)
        played.drs_calls.append(seen.drs_calls - drs_calls)
        played.log_bytes.append(seen.log_bytes - log_bytes)
        entries = seen.taken_entries()
        messages = [dumps(job_log(json.loads(entry))) for entry in entries]
        messages += [_launch(job, step, clock.now)] if step else []
        for first in range(0, len(messages), 10):
            functions.ingest.handler(sqs_records(messages[first : first + 10]), _CONTEXT)
        played.entries += entries
        played.messages += messages
    return played


def _launch(job: str, step: Step, now: datetime) -> str:
    """DRS's own launch result."""
    state = "RECOVERY_LAUNCH_SUCCEEDED" if step.event == "LAUNCH_END" else "RECOVERY_LAUNCH_FAILED"
    server = step.data["sourceServerID"]
    return dumps(
        launch_result(**{"job-id": job, "state": state})
        | {"id": f"11111111-2222-3333-{server[2:]}", "time": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
        | {"resources": [f"arn:aws:drs:us-east-1:111122223333:source-server/{server}"]}
    )


# ---------------------------------------------------------------------------------------------------------------------
# Watching the functions
# ---------------------------------------------------------------------------------------------------------------------


class _Seen:
    """What the functions did since ``anew``: their requests, DynamoDB's units, and what they printed."""

    def __init__(self) -> None:
        self.printed = io.StringIO()
        self._lock = threading.Lock()
        self._sizes = defaultdict[str, list[int]](list)  # of the stored events, by job and by execution
        self._forget()

    def _forget(self) -> None:
        self.calls = Counter[str]()
        self.read_units = 0.0
        self.write_units = Counter[str]()
        self.scanned_keys: list[str] = []
        self.items: list[dict[str, Any]] = []
        self.repeated: list[dict[str, Any]] = []
        self._entries: list[str] = []
        self.printed.seek(0)
        self.printed.truncate()

    @contextlib.contextmanager
    def anew(self) -> Iterator[None]:
        """Count from here."""
        self._forget()
        yield

    @property
    def drs_calls(self) -> int:
        return sum(number for name, number in self.calls.items() if name.startswith("drs."))

    @property
    def log_bytes(self) -> int:
        return len(self.printed.getvalue().encode())

    @property
    def log_lines(self) -> int:
        return self.printed.getvalue().count("\n")

    @property
    def metrics(self) -> set[str]:
        """Names of the metrics that CloudWatch makes of the lines; they share one dimension."""
        lines = (json.loads(line) for line in self.printed.getvalue().splitlines())
        return {
            metric["Name"]
            for line in lines
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
            for metric in directive["Metrics"]
        }

    def taken_entries(self) -> list[str]:
        """Details put on the bus since the last time."""
        entries, self._entries = self._entries, []
        return entries

    def watch(self, session: boto3.Session) -> None:
        """Watch the clients that this session makes from now on."""
        session.events.register("before-send", self._sent)
        # (botocore's stubs know no handler that answers.)
        session.events.register("provide-client-params.dynamodb", self._ask_for_units)  # type: ignore[arg-type]
        session.events.register("provide-client-params.events.PutEvents", self._put)
        session.events.register("after-call.dynamodb", self._answered)

    def _sent(self, event_name: str, **_: Any) -> None:
        with self._lock:
            self.calls[event_name.removeprefix("before-send.")] += 1

    def _put(self, params: dict[str, Any], **_: Any) -> None:
        with self._lock:
            self._entries += [entry["Detail"] for entry in params["Entries"]]

    @staticmethod
    def _ask_for_units(params: dict[str, Any], context: dict[str, Any], **_: Any) -> dict[str, Any]:
        context["request"] = params
        return params | {"ReturnConsumedCapacity": "INDEXES"}

    def _answered(
        self, http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        request, is_done = context["request"], http_response.status_code == 200
        with self._lock:
            match model.name:
                case "Query" | "Scan":
                    units = math.ceil(self._bytes_read(request, parsed) / 4096) or 1
                    self.read_units += units if request.get("ConsistentRead") else units / 2
                    if model.name == "Scan":
                        self.scanned_keys += [item["EventKey"]["S"] for item in parsed["Items"]]
                case "PutItem" if request["TableName"] == _EVENTS:
                    item = request["Item"]
                    (self.items if is_done else self.repeated).append(item)
                    for key in {"JobId", "ExecutionId"} & item.keys() if is_done else ():
                        self._sizes[item[key]["S"]].append(item_bytes(item))
            if is_done and model.name in {"PutItem", "UpdateItem", "DeleteItem"}:
                self.write_units[request["TableName"]] += parsed["ConsumedCapacity"]["CapacityUnits"]

    def _bytes_read(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
        """Of the items that a page was made of, whole: what is not projected or filtered out is read all the same."""
        if "ProjectionExpression" not in request:
            return sum(item_bytes(item) for item in answer["Items"])
        (key,) = (value["S"] for name, value in request["ExpressionAttributeValues"].items() if name in {":job", ":id"})
        return float(answer["ScannedCount"]) * statistics.fmean(self._sizes[key] or [0])


@contextlib.contextmanager
def _functions(drs_endpoint: str, clock: _Clock) -> Iterator[tuple[Any, _Seen]]:
    """The functions as Lambda has them when it starts, watched; ``woken`` is another environment of the collector."""
    seen = _Seen()
    with (
        _variable("AWS_ENDPOINT_URL_DRS", drs_endpoint),
        _fresh_modules(),
        contextlib.redirect_stdout(seen.printed),
        contextlib.ExitStack() as running,
    ):
        session, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, boto3.Session()
        seen.watch(boto3.DEFAULT_SESSION)
        functions = SimpleNamespace(collector=_imported("collector"), woken=_imported("collector"))
        for name in ("ingest", "linker", "api"):
            setattr(functions, name, _imported(name))
        # Those that ask what time it is: an event that is stored long after it happened costs more.
        store = importlib.import_module("drs_job_log.store")
        for module in (*(vars(functions)[name] for name in ("collector", "woken", "ingest", "api")), store):
            running.enter_context(patch.object(module, "datetime", SimpleNamespace(now=lambda _: clock.now)))
        handlers = [module.logger.registered_handler for module in vars(functions).values()]
        streams = [handler.setStream(seen.printed) for handler in handlers]  # the one before
        try:
            yield functions, seen
        finally:
            boto3.DEFAULT_SESSION = session
            for handler, stream in zip(handlers, streams, strict=True):
                handler.setStream(stream or sys.__stdout__)


def _imported(name: str) -> Any:
    """A function's module, which reads its environment now."""
    sys.modules.pop(f"drs_job_log.{name}", None)
    return importlib.import_module(f"drs_job_log.{name}")


@contextlib.contextmanager
def _fresh_modules() -> Iterator[None]:
    """Leave the functions' modules as they were: those that are imported within are for nobody else."""
    package, names = importlib.import_module("drs_job_log"), ("collector", "ingest", "linker", "api")
    kept = {name: sys.modules.get(f"drs_job_log.{name}") for name in names}
    try:
        yield
    finally:
        for name, module in kept.items():
            sys.modules.pop(f"drs_job_log.{name}", None)
            vars(package).pop(name, None)
            if module:
                sys.modules[f"drs_job_log.{name}"] = module
                setattr(package, name, module)


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _median_cpu_ms(call: Callable[[], object]) -> float:
    return statistics.median(_cpu_ms(call) for _ in range(_REPEATS))


def _cpu_ms(call: Callable[[], object]) -> float:
    """Milliseconds of processor time that a call takes, without those of the simulator's threads."""
    servers = _servers_seconds()
    began = time.process_time()
    call()
    seconds = time.process_time() - began
    return (seconds - sum(now - servers.get(thread, 0.0) for thread, now in _servers_seconds().items())) * 1000


def _servers_seconds() -> dict[int, float]:
    """Processor seconds of each thread that serves the simulator, by its id."""
    threads = (thread for thread in threading.enumerate() if "process_request_thread" in thread.name)
    idents = [thread.ident for thread in threads if thread.ident]
    return {ident: time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in idents}


if __name__ == "__main__":
    sys.exit(main())
