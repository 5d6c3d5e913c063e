"""Peak memory of each function at its largest work, and the size of the package.

Each runs in a process of its own, which Lambda's limit would be of; the floor is the interpreter with boto3 and a
client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import boto3

from benchmarks import jobs
from benchmarks.lines import Line
from benchmarks.stage import TABLE, staged
from benchmarks.table import alone
from tests.support.drs import DrsServer
from tests.support.envelopes import sqs_records
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.ministack import MiniStack

LIMIT_MB: Final = 256  # functions.memory_size
PACKAGE_KB: Final = 150

# As large as a message of the queue may be.
MESSAGE_BYTES: Final = 240 * 1024

# Works, and says how many megabytes that took at most and what the last answer was.
WORK: Final = """
import contextlib, importlib, io, json, re, sys
from types import SimpleNamespace
import boto3
module, events = json.load(sys.stdin)
answer = None
context = SimpleNamespace(
    function_name="f", memory_limit_in_mb=256, invoked_function_arn="arn", aws_request_id="r",
    get_remaining_time_in_millis=lambda: 30_000,
)
if module is None:
    boto3.client("dynamodb")
else:
    handler = importlib.import_module(f"drs_job_log.{module}").handler
    with contextlib.redirect_stdout(io.StringIO()):
        for event in events:
            answer = handler(event, context)
# (What getrusage says may be the parent's.)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
print(json.dumps(answer))
"""


def lines(_: MiniStack, *, short: bool) -> Iterator[Line]:
    """The table's lines about memory and size."""
    scale = 50 if short else 1
    with DrsServer(jobs.running(20 // scale or 1, 200 // scale)) as drs:
        environment = os.environ | {"PYTHONPATH": str(ROOT / "lambda_src"), "AWS_ENDPOINT_URL_DRS": drs.endpoint}
        floor, _nothing = peak_mb(None, [], environment)
        for name, what, events, is_done in works(scale):
            ours, answer = peak_mb(name, events, environment)
            assert is_done(answer), f"{name}: {answer!r:.500}"
            yield Line(
                what=f"peak memory: {name}, {what}",
                unit="MB",
                ours=[ours],
                floor=[floor],
                floor_is="the interpreter with boto3",
                reach=LIMIT_MB,
                kind="value at most",
            )
    sources = [path for path in sorted((ROOT / "lambda_src").rglob("*")) if is_packed(path)]
    yield Line(
        what="size of the package",
        unit="KB",
        ours=[zipped_kb(sources)],
        floor=[sum(path.stat().st_size for path in sources) / 1024],
        floor_is="its sources, not zipped",
        reach=PACKAGE_KB,
        kind="value at most",
    )


def works(scale: int) -> Iterator[tuple[str, str, list[Any], Callable[[Any], bool]]]:
    """Of each function the largest work that it is built for: its events, and whether the last answer tells of it."""
    client = boto3.client("dynamodb")
    texts = [json.loads(body) for body in jobs.bodies("drsjob-large", 10)]
    for envelope in texts:
        envelope["detail"]["error"] = "x" * (MESSAGE_BYTES - len(json.dumps(envelope)))
    batch = sqs_records([json.dumps(text) for text in texts])
    yield "ingest", "batches of 10 events of 240 KB", [batch] * 3, lambda answer: answer == {"batchItemFailures": []}

    wake = {"detail-type": "DRS Source Server Launch Result"}
    yield "collector", "20 running jobs of 200 servers", [wake], lambda answer: answer["emitted"] > 16_000 // scale**2

    unlinked = jobs.store(client, TABLE, None, 10_000 // scale)
    yield "linker", f"{unlinked:,} unlinked events", [{}] * 2, lambda answer: answer == {"events": 0, "finished": 0}

    stored = jobs.store(client, TABLE, "exec-large", 10_000 // scale, is_running=True)
    asked = {
        "routeKey": "GET /executions/{executionId}/logs",
        "pathParameters": {"executionId": "exec-large"},
        "queryStringParameters": {"limit": "1000"},
    }
    yield (
        "api",
        f"an execution of {stored:,} events",
        [asked] * 2,
        lambda answer: len(json.loads(answer["body"])["logs"]) > 50,
    )


def peak_mb(module: str | None, events: list[Any], environment: dict[str, str]) -> tuple[float, Any]:
    """Megabytes that a process held at most while a function did its work, and its last answer."""
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        input=json.dumps([module, events]),
        env=environment,
        text=True,
        capture_output=True,
        check=True,
    )
    megabytes, answer = done.stdout.splitlines()[-2:]
    return float(megabytes), json.loads(answer)


def is_packed(path: Any) -> bool:
    """Whether a file is one that main.tf packs."""
    return path.suffix in {".py", ".html", ".css", ".js", ".svg"}


def zipped_kb(sources: list[Any]) -> float:
    """Kilobytes of the package."""
    package = BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources:
            archive.write(path, path.relative_to(ROOT / "lambda_src"))
    return len(package.getvalue()) / 1024


if __name__ == "__main__":
    sys.exit(alone(__doc__, lines, staged))
