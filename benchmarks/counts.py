"""The requests, capacity units, log bytes and CPU times from which benchmarks/cost.py computes the monthly cost.

Two jobs, with 100 and 1,000 events, run from their first item to their last under a simulated clock. The collector is
invoked every three seconds. Events that the collector puts on the bus, and launch results of DRS, go to the ingest
function. Capacity units follow AWS's documented rules for item sizes; the embedded AWS
reports the same write units, but counts each read as one size.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.ingest.checks import Check

from benchmarks import local, product
from benchmarks.capacity import item_bytes, ledger_bytes, write_units
from tests.support import scripts
from tests.support.drs import DrsServer, Simulator
from tests.support.envelopes import dumps, job_log, launch_result, sqs_records
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.harness import Done, Function, Stage

    Call = Mapping[str, Any]

# Servers of a job, by its events: six each, two of the job, two of the server whose earlier instance DRS deletes.
SERVERS: Final[Mapping[int, int]] = {100: 16, 1000: 166}
ERROR: Final = "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: " + "x" * 400

_SPEED: Final[Mapping[int, float]] = {100: 1, 1000: 2}  # saves half a minute of measuring
_POLL: Final = timedelta(seconds=3)
_PAGE: Final = 500  # items per page of DRS, an assumption
_CHUNK: Final = 64 * 1024  # EventBridge and SQS bill each chunk as one event or request
_UNLINKED: Final = 500  # unlinked events
_LISTED: Final = 20  # jobs in the answer of DescribeJobs


def counted(stage: Stage, *, short: bool) -> dict[str, float]:
    """The counts. A name has the quantity, its unit and, where it applies, the number of events of the job."""
    repeats = 2 if short else 9
    with DrsServer() as drs, contextlib.ExitStack() as running:

        def start(name: str) -> Function:
            function = stage.function(name, is_traced=True, AWS_ENDPOINT_URL_DRS=drs.endpoint)
            return running.enter_context(function)

        play = _Play(stage, *map(start, ("collector", "ingest", "api")), repeats=repeats)
        linker = start("linker")
        drs.simulator = Simulator(clock=lambda: play.now, page_size=_PAGE)
        counts = _idle("collector", play.collector, repeats) | _idle("linker", linker, repeats)
        for events in (100,) if short else SERVERS:
            drs.simulator = Simulator(speed=_SPEED[events], clock=lambda: play.now, page_size=_PAGE)
            counts |= {f"{name}_{events}": value for name, value in play.job(drs.simulator, events).items()}
        counts |= _unlinked(stage, play.ingest, linker, play.now, repeats)
        drs.simulator = Simulator(clock=lambda: play.now, page_size=_PAGE)
        counts |= _listed(start("list of jobs"), drs.simulator, repeats)
    return {name: round(value, 5) for name, value in counts.items()}


@dataclass(slots=True)
class _Play:
    """The functions, a clock, and what a job has them do."""

    stage: Stage
    collector: Function
    ingest: Function
    api: Function
    repeats: int
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=2))
    done: list[Done] = field(default_factory=list)
    passes: list[Done] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def job(self, simulator: Simulator, events: int) -> dict[str, float]:
        """Run a job to its end. Then count a viewer's poll, and invocations of ingest."""
        for results in (self.done, self.passes, self.entries, self.messages):
            results.clear()
        ids = [server_id(events * 1000 + number) for number in range(SERVERS[events])]
        script = scripts.launch(ids, failing={ids[0]: ERROR}, cleaned=ids[1:2])
        assert len(script.steps) == events
        execution = f"exec-{events}-000000"
        job = simulator.start(script, {"ExecutionId": execution})
        launches = self._run([replace(step, after=step.after / simulator.speed) for step in script.steps], job)

        trace = [call for one in self.done for call in one.trace]
        puts = [call for call in trace if call["operation"] == "dynamodb.PutItem" and self._is_event(call)]
        rows = [call["request"]["Item"] for call in puts if call["succeeded"]]
        repeated = [call["request"]["Item"] for call in puts if not call["succeeded"]]
        sizes = [item_bytes(row) for row in rows]
        notices = [
            call
            for call in trace
            if call["succeeded"]
            and "TableName" in call["request"]
            and not self._is_event(call)
            and call["operation"] != "dynamodb.GetItem"
            and not _is_lock(call)
        ]
        counts: dict[str, float] = {
            "servers": len(ids),
            "rows": len(rows),
            "item_bytes": statistics.mean(sizes),
            "write_units": sum(map(write_units, rows)),
            "ledger_bytes": sum(map(ledger_bytes, rows)),
            "repeats": len(repeated),
            "repeat_write_units": sum(math.ceil(item_bytes(row) / 1024) for row in repeated),
            "notices": sum(call["operation"] == "sns.Publish" for call in trace),
            "notice_write_units": sum(map(_capacity, notices)),
            "read_units": read_units(trace, rows),
            "event_chunks": sum(-(-len(text) // _CHUNK) for text in self.entries),
            "messages": len(self.messages),
            "message_chunks": sum(-(-len(text) // _CHUNK) for text in self.messages),
            "metrics": len({name for one in self.done for name in _metrics(one)}),
            "launch_results": launches,
            "pass_log_bytes": statistics.mean(len(one.log) for one in self.passes),
        }
        return counts | self._poll(execution, rows) | self._ingest_alone() | self._checks(job, rows)

    def _run(self, steps: Sequence[scripts.Step], job: str) -> int:
        """Invoke the functions until the job has ended. Return the number of launch results of DRS."""
        start = self.now
        launches = {  # DRS sends its own event after the item; half a second is an assumption
            start + step.after + timedelta(seconds=0.5): step
            for step in steps
            if step.event in {"LAUNCH_END", "LAUNCH_FAILED"}
        }
        polls = {start + number * _POLL: None for number in range(math.ceil(steps[-1].after / _POLL) + 2)}
        for self.now, step in sorted((polls | launches).items(), key=lambda due: due[0]):
            if step:
                messages = [launch_of(job, step, self.now)]
                self.done += _in_batches(self.ingest, messages, self.now)
                self.messages += messages
                continue
            done = self.collector({}, now=self.now)
            self.passes.append(done)
            entries = [
                entry["Detail"]
                for call in done.trace
                if call["operation"] == "events.PutEvents"
                for entry in call["request"]["Entries"]
            ]
            messages = [dumps(job_log(json.loads(entry))) for entry in entries]
            self.done += [done, *_in_batches(self.ingest, messages, self.now)]
            self.entries += entries
            self.messages += messages
        return len(launches)

    def _poll(self, execution: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """A viewer's poll of an execution that a warm function answers."""
        event = local.request(execution, limit="100")
        self.api(event, now=self.now)
        polls = [self.api(event, now=self.now) for _ in range(self.repeats + 1)]
        return {
            "poll_calls": len(polls[0].trace),
            "poll_read_units": read_units(polls[0].trace, rows),
            "poll_log_bytes": len(polls[0].log),
            "poll_cpu_ms": statistics.median(poll.cpu_ms for poll in polls[1:]),
        }

    def _ingest_alone(self) -> dict[str, float]:
        """An invocation of ingest with one event."""
        envelopes = [json.loads(message) for message in self.messages]
        # A failed server has a notification too, which the job has counted.
        plain = [one for one in envelopes if "eventId" in one["detail"] and "error" not in one["detail"]]
        done = []
        for number in range(self.repeats + 1):
            envelope = plain[number % len(plain)]
            body = dumps(envelope | {"detail": envelope["detail"] | {"jobID": f"drsjob-alone-{number}"}})
            done += _in_batches(self.ingest, [body], self.now)
        return {
            "ingest_of_1_log_bytes": len(done[0].log),
            "ingest_of_1_cpu_ms": statistics.median(one.cpu_ms for one in done[1:]),
        }

    def _checks(self, job: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """A check of an execution that has ended and is not settled."""
        now = self.now + timedelta(minutes=5)
        checks = [
            Check(job_id=job, phase="end", series="counted", number=number).to_message()
            for number in range(self.repeats + 2)
        ]
        # The first one reports the start.
        _, *done = [one for message in checks for one in _in_batches(self.ingest, [message], now)]
        return {
            "check_calls": len(done[0].trace),
            "check_read_units": read_units(done[0].trace, rows),
            "check_write_units": sum(_capacity(call) for call in done[0].trace if _is_write(call)),
            "check_log_bytes": len(done[0].log),
            "check_cpu_ms": statistics.median(one.cpu_ms for one in done[1:]),
        }

    def _is_event(self, call: Call) -> bool:
        return bool(call["request"].get("TableName") == self.stage.events_table)


def _is_lock(call: Call) -> bool:
    """Whether a request concerns the lock of the collector. Here, each pass takes it; in AWS, each minute does."""
    key = call["request"].get("Key") or call["request"].get("Item", {})
    return bool(key.get("id") == {"S": "collector"})


def _idle(name: str, function: Function, repeats: int) -> dict[str, float]:
    """A scheduled function without work."""
    function({})  # connects
    done = [function({}) for _ in range(repeats + 1)]
    return {
        f"{name}_idle_calls": len(done[0].trace),
        f"{name}_idle_read_units": read_units(done[0].trace),
        f"{name}_idle_log_bytes": len(done[0].log),
        f"{name}_idle_metrics": len(_metrics(done[0])),
        f"{name}_idle_cpu_ms": statistics.median(one.cpu_ms for one in done[1:]),
    }


def _unlinked(stage: Stage, ingest: Function, linker: Function, now: datetime, repeats: int) -> dict[str, float]:
    """The linker with events that stay unlinked, per event; and the late link of an event."""
    none = [linker({}) for _ in range(repeats)]
    job = f"drsjob-{0:017}"
    happened = datetime.now(UTC) - timedelta(hours=3)  # the linker looks up such old events once an hour only
    messages = [
        dumps(
            launch_result(**{"job-id": job})
            | {"id": f"unlinked-{number:027}", "time": (happened + timedelta(seconds=number)).isoformat()}
        )
        for number in range(_UNLINKED)
    ]
    _in_batches(ingest, messages, now)
    linker({})
    done = [linker({}) for _ in range(repeats)]
    scanned, before = (read_units(one[0].trace) for one in (done, none))
    busy_ms, idle_ms = (statistics.median(one.cpu_ms for one in results) for results in (done, none))
    client = stage.stack.client("dynamodb")
    key = {"JobId": {"S": job}, "EventKey": {"S": product.parse(messages[0]).key}}
    link = client.update_item(  # as the linker does
        TableName=stage.events_table,
        Key=key,
        UpdateExpression="SET ExecutionId = :id, LateAt = :now REMOVE UnlinkedJobId",
        ExpressionAttributeValues={":id": {"S": "exec-late"}, ":now": {"S": now.isoformat()}},
        ReturnConsumedCapacity="TOTAL",
    )
    return {
        "unlinked_scan_read_units_per_event": (scanned - before) / _UNLINKED,
        "unlinked_scan_cpu_ms_per_event": max(0.0, busy_ms - idle_ms) / _UNLINKED,
        "late_link_write_units_per_event": link["ConsumedCapacity"]["CapacityUnits"],
    }


def _listed(lister: Function, simulator: Simulator, repeats: int) -> dict[str, float]:
    """CPU time of the list of jobs, per server of a job. A pass lists the jobs of a day once a minute."""

    def median_ms() -> float:
        return statistics.median([lister({}).cpu_ms for _ in range(repeats + 1)][1:])

    none_ms = median_ms()
    servers = [server_id(number) for number in range(SERVERS[1000])]
    for _ in range(_LISTED):
        simulator.start(scripts.silent_failure(servers))
    return {"listed_server_cpu_ms": max(0.0, median_ms() - none_ms) / (_LISTED * len(servers))}


def _in_batches(ingest: Function, messages: Sequence[str], now: datetime) -> list[Done]:
    """The invocations of ingest with all messages, ten at a time."""
    return [ingest(sqs_records(list(messages[start : start + 10])), now=now) for start in range(0, len(messages), 10)]


def launch_of(job: str, step: scripts.Step, now: datetime) -> str:
    """DRS's own launch result."""
    state = "RECOVERY_LAUNCH_SUCCEEDED" if step.event == "LAUNCH_END" else "RECOVERY_LAUNCH_FAILED"
    server = step.data["sourceServerID"]
    return dumps(
        launch_result(**{"job-id": job, "state": state})
        | {"id": f"11111111-2222-3333-{server[2:]}", "time": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
        | {"resources": [f"arn:aws:drs:us-east-1:111122223333:source-server/{server}"]}
    )


def _is_write(call: Call) -> bool:
    return call["operation"] in {"dynamodb.PutItem", "dynamodb.UpdateItem"}


def _capacity(call: Call) -> float:
    return float(call["response"].get("ConsumedCapacity", {}).get("CapacityUnits", 0))


def _metrics(done: Done) -> set[str]:
    """The names of the custom metrics in the log. They share one dimension."""
    return {
        metric["Name"]
        for line in map(json.loads, done.log.splitlines())
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
    }


def read_units(trace: Iterable[Call], rows: Sequence[Mapping[str, Any]] = ()) -> float:
    """The read units of all reads. ``rows`` are whole items: DynamoDB bills them even if it returns less."""
    sizes = defaultdict[str, list[int]](list)  # by job and by execution
    for row in rows:
        for key in {"JobId", "ExecutionId"} & row.keys():
            sizes[row[key]["S"]].append(item_bytes(row))
    total = 0.0
    for call in trace:
        if call["operation"] == "dynamodb.GetItem":
            total += 1  # a small item with a consistent read
        if call["operation"] in ("dynamodb.Query", "dynamodb.Scan"):
            request, response = call["request"], call["response"]
            size: float = sum(map(item_bytes, response["Items"]))
            if "ProjectionExpression" in request:
                values = request["ExpressionAttributeValues"]
                key = values[":job" if ":job" in values else ":id"]["S"]
                size = response["ScannedCount"] * statistics.fmean(sizes[key] or [0])
            total += (math.ceil(size / 4096) or 1) / (1 if request.get("ConsistentRead") else 2)
    return total
