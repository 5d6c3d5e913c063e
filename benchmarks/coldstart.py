"""Cold starts: from a fresh interpreter to a function's first answer, beside boto3 alone making the same requests.

The package is as Lambda unpacks it, without bytecode, and none is written; the libraries have theirs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3

from benchmarks import jobs
from benchmarks.lines import Line, side_by_side, wall_ms
from benchmarks.stage import TABLE, staged
from benchmarks.table import alone
from tests.support import scripts
from tests.support.drs import DrsServer, Simulator
from tests.support.envelopes import sqs_records
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.ministack import MiniStack

# What Lambda does, and what the least that could do the same work would.
HANDLER: Final = """
import importlib, json, sys
from types import SimpleNamespace
event, module = json.load(sys.stdin)
context = SimpleNamespace(
    function_name="f", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r",
    get_remaining_time_in_millis=lambda: 30_000,
)
importlib.import_module(f"drs_job_log.{module}").handler(event, context)
"""
BARE: Final = """
import json, sys
import boto3
clients = {}
for service, operation, request in json.load(sys.stdin):
    if service not in clients:
        clients[service] = boto3.client(service)
    getattr(clients[service], operation)(**request)
"""


def lines(_: MiniStack, *, short: bool) -> Iterator[Line]:
    """The table's lines about cold starts."""
    jobs.store(boto3.client("dynamodb"), TABLE, "exec-cold", 100)
    simulator = Simulator(speed=1000)
    job = simulator.start(scripts.drill(0))
    time.sleep(3)  # it takes half an hour
    with DrsServer(simulator) as drs, package() as folder:
        environment = os.environ | {
            "AWS_ENDPOINT_URL_DRS": drs.endpoint,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name, event, requests in works(job):
            ours, floor = side_by_side(
                range(1 if short else 7),
                lambda event=event, name=name: wall_ms(lambda: start(HANDLER, [event(), name], environment)),
                lambda requests=requests: wall_ms(lambda: start(BARE, requests(), environment)),
            )
            yield Line(
                what=f"cold start: {name}, to the first answer",
                unit="ms",
                ours=ours,
                floor=floor,
                floor_is="boto3 alone, the same requests",
                reach=1.3,
            )


def works(job: str) -> Iterator[tuple[str, Callable[[], Any], Callable[[], list[Any]]]]:
    """Of each function its first work: the event, and the requests that it takes."""
    ids = (f"drsjob-cold-{number}" for number in count())
    query = {
        "TableName": TABLE,
        "IndexName": "ExecutionIdIndex",
        "KeyConditionExpression": "ExecutionId = :id",
        "ExpressionAttributeValues": {":id": {"S": "exec-cold"}},
    }
    keys = {
        "TableName": TABLE,
        "KeyConditionExpression": "JobId = :id",
        "ExpressionAttributeValues": {":id": {"S": job}},
    }
    entries = [{"Source": "drs.job-log", "DetailType": "DRS Job Log", "Detail": "{}"}] * 7
    yield (
        "ingest",
        lambda: sqs_records(jobs.bodies(next(ids), 10)),
        lambda: [
            ("dynamodb", "put_item", {"TableName": TABLE, "Item": item})
            for item in jobs.items(jobs.bodies(next(ids), 10))
        ],
    )
    yield (
        "collector",
        dict,
        lambda: [
            ("drs", "describe_jobs", {}),
            ("drs", "describe_job_log_items", {"jobID": job}),
            ("dynamodb", "query", keys),
            ("drs", "describe_source_servers", {}),
            *[("events", "put_events", {"Entries": entries})] * 2,
        ],
    )
    yield (
        "linker",
        dict,
        lambda: [("dynamodb", "scan", {"TableName": TABLE, "IndexName": "UnlinkedIndex"})],
    )
    yield (
        "api",
        lambda: {
            "routeKey": "GET /executions/{executionId}/logs",
            "pathParameters": {"executionId": "exec-cold"},
        },
        lambda: [("dynamodb", "query", query)],
    )


def start(program: str, given: Any, environment: dict[str, str]) -> None:
    """Run a program in a fresh interpreter, to its end."""
    subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(given),
        env=environment,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )


@contextlib.contextmanager
def package() -> Iterator[Path]:
    """The package without what this machine's interpreter left in it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "lambda_src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, staged))
