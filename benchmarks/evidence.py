"""The requests, sizes and CPU times of the reports of executions, from which benchmarks/cost.py computes their cost.

The real handler writes the reports of jobs with 100 and 1,000 log items, to S3 and DynamoDB of moto. moto runs in the
same process: its CPU time is measured and subtracted. ``python -m benchmarks.evidence`` prints the counts as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from benchmarks.capacity import write_units
from benchmarks.counts import ERROR, SERVERS, launch_of, read_units
from benchmarks.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BUCKET: Final = "evidence"
_CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SETTINGS: Final = {
    "EVIDENCE_BUCKET": _BUCKET,
    "EVIDENCE_PREFIX": "",
    "EVIDENCE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/drs-job-log-evidence",
    "EVIDENCE_RETENTION_DAYS": "2557",
    "RETENTION_DAYS": "30",
}
_READS: Final = ("s3.GetObject", "s3.HeadObject", "s3.GetBucketVersioning")


def counted(*, short: bool) -> dict[str, float]:
    """The counts, from a process of its own: moto must not answer the requests of other benchmarks."""
    command = [sys.executable, "-m", "benchmarks.evidence", *(["--short"] if short else [])]
    done = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
    counts: dict[str, float] = json.loads(done.stdout)
    return counts


@dataclass(frozen=True, slots=True)
class _Done:
    """An invocation. ``trace`` has its requests in the form of those of the other counts."""

    cpu_ms: float
    log_bytes: int
    trace: Sequence[Mapping[str, Any]]

    def number(self, *operations: str) -> int:
        return sum(call["operation"] in operations for call in self.trace)


class _Play:
    """The function, and an AWS of moto."""

    def __init__(self, log: io.StringIO) -> None:
        import boto3  # noqa: PLC0415 (after the start of moto)
        from drs_job_log.table import JobLogTable  # noqa: PLC0415

        from tests.support import functions, tables  # noqa: PLC0415

        dynamodb = boto3.client("dynamodb")
        name = functions.ENVIRONMENT["JOB_LOG_EVENTS_TABLE"]
        tables.create_events(dynamodb, name)
        self._table = JobLogTable(dynamodb, name)
        self._s3 = boto3.client("s3")
        self._s3.create_bucket(Bucket=_BUCKET, ObjectLockEnabledForBucket=True)
        self._context = functions.LambdaContext()
        self._log = log
        self.start()

    def start(self, **settings: str) -> None:
        """Start the function."""
        from tests.support import functions  # noqa: PLC0415

        self._handler: Any = functions.cold_start("evidence", **_SETTINGS, **settings).lambda_handler

    def happen(self, events: int, number: int) -> str:
        """Store the events of an execution with one job, launch results included. Return its ID."""
        from drs_job_log.model.events import parse  # noqa: PLC0415

        from tests.support import played, scripts  # noqa: PLC0415

        ids = [scripts.server_id(events * 1000 + place) for place in range(SERVERS[events])]
        script = scripts.launch(ids, failing={ids[0]: ERROR}, cleaned=ids[1:2])
        job, execution = f"drsjob-{number:017x}", f"exec-{events}-{number:06}"
        created = datetime.now(UTC) - timedelta(hours=24)
        launches = [
            replace(parse(launch_of(job, step, created + step.after)), execution_id=execution)
            for step in script.steps
            if step.event in {"LAUNCH_END", "LAUNCH_FAILED"}
        ]
        for event in (*played.events(script, job, created=created, execution_id=execution), *launches):
            self._table.put(event, timedelta(days=30))
        return execution

    def invoke(self, execution: str) -> _Done:
        """Send the message of an execution to the function."""
        from botocore.client import BaseClient  # noqa: PLC0415
        from moto.core.botocore_stubber import BotocoreStubber  # noqa: PLC0415

        from tests.support.envelopes import sqs_records  # noqa: PLC0415

        trace: list[dict[str, Any]] = []
        emulated = 0.0
        answer_of_moto, request = BotocoreStubber.__call__, BaseClient._make_api_call

        def timed(*arguments: Any, **named: Any) -> Any:
            nonlocal emulated
            began = time.process_time()
            try:
                return answer_of_moto(*arguments, **named)
            finally:
                emulated += time.process_time() - began

        def traced(client: Any, operation: str, arguments: Any) -> Any:
            call = {"operation": f"{client.meta.service_model.service_name}.{operation}", "request": arguments}
            trace.append(call)
            call["response"] = request(client, operation, arguments)
            return call["response"]

        event = sqs_records([json.dumps({"executionId": execution})])
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "1"
        logged = self._log.tell()
        with (
            patch.object(BotocoreStubber, "__call__", timed),
            patch.object(BaseClient, "_make_api_call", traced),
        ):
            began = time.process_time()
            answer = self._handler(event, self._context)
            seconds = time.process_time() - began - emulated
        assert answer == {"batchItemFailures": []}, answer
        return _Done(seconds * 1000, self._log.tell() - logged, trace)

    def sizes(self, execution: str) -> dict[str, int]:
        """The sizes of the objects of an execution by key."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET)
        entries = [entry for page in pages for entry in page["Contents"] if execution in entry["Key"]]
        return {entry["Key"]: entry["Size"] for entry in entries}


def _count(play: _Play, events: int, repeats: int) -> dict[str, float]:
    """Write reports, check them as the daily run does, and write one with the rows for Athena."""
    play.start()
    executions = [play.happen(events, number) for number in range(repeats + 1)]
    # Each list without its first invocation, which creates connections.
    written = [play.invoke(execution) for execution in executions][1:]
    checked = [play.invoke(execution) for execution in executions][1:]
    play.start(EVIDENCE_TABLES="true")
    with_rows = play.happen(events, repeats + 1)
    rows_written = play.invoke(with_rows)
    rows = {key: size for key, size in play.sizes(with_rows).items() if key.startswith("tables/")}
    first, check = written[0], checked[0]
    puts = [call["request"]["Item"] for call in first.trace if call["operation"] == "dynamodb.PutItem"]
    units = sum(map(write_units, puts))
    counts: dict[str, float] = {
        **{f"{key.rpartition('/')[2].partition('.')[0]}_file_bytes": n for key, n in play.sizes(executions[1]).items()},
        "puts": first.number("s3.PutObject"),
        "gets": first.number(*_READS),
        "check_gets": check.number(*_READS),
        "write_units": units,
        # A put whose condition is not met is billed by the size of the stored item.
        "check_write_units": check.number("dynamodb.PutItem") * units,
        "rows_bytes": sum(rows.values()),
        "rows_puts": rows_written.number("s3.PutObject") - first.number("s3.PutObject"),
    }
    for name, done, all_ in (("", first, written), ("check_", check, checked)):
        counts |= {
            f"{name}calls": len(done.trace),
            f"{name}read_units": read_units(done.trace),
            f"{name}log_bytes": done.log_bytes,
            f"{name}cpu_ms": statistics.median(one.cpu_ms for one in all_),
        }
    return {f"evidence_{name}_{events}": round(value, 5) for name, value in counts.items()}


def _main(*, short: bool) -> None:
    from moto import mock_aws  # noqa: PLC0415

    counts: dict[str, float] = {}
    log = io.StringIO()
    with patch.dict(os.environ, _CREDENTIALS), mock_aws(), contextlib.redirect_stdout(log):
        play = _Play(log)
        for events in (100,) if short else SERVERS:
            counts |= _count(play, events, 2 if short else 5)
    json.dump(counts, sys.stdout, indent=2)


if __name__ == "__main__":
    _main(short="--short" in sys.argv[1:])
