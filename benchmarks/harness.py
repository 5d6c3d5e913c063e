"""What all benchmarks share: figures, functions in processes of their own, the embedded AWS, and events to store."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from boto3.dynamodb.types import TypeSerializer

from benchmarks import product
from tests.support import played, scripts, tables
from tests.support.drs import Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.functions import ENVIRONMENT
from tests.support.ministack import MiniStack
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drs_job_log.model.events import JobLogEvent

ROOT: Final = Path(__file__).resolve().parents[1]

_SERVERS_OF_A_JOB: Final = 50
_serialize = TypeSerializer().serialize


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured quantity.

    Attributes
    ----------
    what, unit
        The quantity.
    values
        One value per repeat. Reports show the median.
    at_most
        The target for the median, if there is one.
    measured
        The date, as YYYY-MM-DD.
    """

    what: str
    unit: str
    values: Sequence[float]
    at_most: float | None = None
    measured: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d}")

    def row(self) -> tuple[str, ...]:
        """The cells of the figure: what, median, range, target, date."""
        low, high = (number(bound(self.values)) for bound in (min, max))
        target = "" if self.at_most is None else f"≤ {self.at_most:g} {self.unit}"
        if self.at_most is not None and float(f"{statistics.median(self.values):.3g}") > self.at_most:
            target += " (missed)"
        median = f"{number(statistics.median(self.values))} {self.unit}"
        return self.what, median, f"{low} to {high}" if len(self.values) > 1 else "", target, self.measured


HEADINGS: Final = ("what", "median", "range", "target", "measured on")


def number(value: float) -> str:
    """A number with three significant digits, or with all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an invocation: answer, CPU and wall time, printed log, and the requests to AWS (if traced)."""

    answer: Any
    cpu_ms: float
    wall_ms: float
    log: str
    trace: Sequence[Mapping[str, Any]]


class Function:
    """A Lambda function in a process of its own, as a context manager.

    All benchmarks except the deployed ones invoke functions through this class. A CPU quota belongs in ``__init__``.
    """

    def __init__(self, name: str, environment: Mapping[str, str], *, is_traced: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env=dict(environment),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._send({"function": name, "is_traced": is_traced})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes the input, which ends the process

    def __call__(self, event: Any, *, now: datetime | None = None, is_cache_empty: bool = False) -> Done:
        """Invoke the function. ``now`` replaces its clock.

        Raises
        ------
        RuntimeError
            If the function failed. Its traceback is on the standard error stream.
        """
        self._send(
            {
                "event": event,
                "now": now and now.isoformat(),
                "is_cache_empty": is_cache_empty,
            }
        )
        assert self._process.stdout
        if line := self._process.stdout.readline():
            return Done(**json.loads(line))
        raise RuntimeError(f"the function ended with status {self._process.wait()}")

    @property
    def peak_mb(self) -> float:
        """The highest resident memory of the process so far, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kilobytes) / 1024

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()


@dataclass(frozen=True, slots=True)
class Stage:
    """The embedded AWS with tables of its own for one scenario, and the environment of functions that use them."""

    stack: MiniStack
    events_table: str
    environment: Mapping[str, str]

    @staticmethod
    def make(stack: MiniStack) -> Stage:
        """Create the tables and the topic."""
        name = f"bench-{secrets.token_hex(4)}"
        dynamodb = stack.client("dynamodb")
        tables.create_events(dynamodb, f"{name}-events")
        tables.create_notices(dynamodb, f"{name}-notices")
        own = {
            "JOB_LOG_EVENTS_TABLE": f"{name}-events",
            "NOTICES_TABLE": f"{name}-notices",
            # The collector makes one pass in an invocation: the next one would start after the end of the invocation.
            "POLL_INTERVAL_SECONDS": "30",
            "FAILURE_TOPIC_ARN": stack.client("sns").create_topic(Name=name)["TopicArn"],
        }
        return Stage(stack, f"{name}-events", stack.environment | ENVIRONMENT | own)

    def function(self, name: str, *, is_traced: bool = False, **environment: str) -> Function:
        """Start a function with these tables, and with further environment variables."""
        return Function(name, {**self.environment, **environment}, is_traced=is_traced)

    def store(self, execution_id: str | None, least: int, *, is_running: bool = False) -> int:
        """Store at least this number of events of an execution, or of none. Return how many."""
        client = self.stack.client("dynamodb")
        job = stored = 0
        while stored < least:
            servers = [
                server_id(job * _SERVERS_OF_A_JOB + place)
                for place in range(min(_SERVERS_OF_A_JOB, -(-(least - stored) // len(scripts.LAUNCH))))
            ]
            script = scripts.launch(servers, stuck=servers[:1] if is_running else (), seed=job)
            created = datetime.now(UTC) - timedelta(minutes=20)
            events = played.events(script, f"drsjob-{execution_id}-{job}", created=created, execution_id=execution_id)
            for start in range(0, len(events), 25):  # the maximum of BatchWriteItem
                puts = [{"PutRequest": {"Item": item(event)}} for event in events[start : start + 25]]
                client.batch_write_item(RequestItems={self.events_table: puts})
            stored += len(events)
            job += 1
        return stored


@contextlib.contextmanager
def embedded_aws() -> Iterator[MiniStack]:
    """The embedded AWS. The clients of this process use it too."""
    with MiniStack() as stack:
        os.environ |= stack.environment
        yield stack


def item(event: JobLogEvent) -> dict[str, Any]:
    """The row of an event in DynamoDB's JSON."""
    return {name: _serialize(value) for name, value in product.row(event).items()}


def bodies(job_id: str, servers: int, *, execution_id: str | None = "exec-1") -> list[str]:
    """The messages of all events of a job. Each event happened now."""
    now = {"logDateTime": datetime.now(UTC).isoformat()}
    script = scripts.launch([server_id(place) for place in range(servers)], seed=2)
    return [dumps(job_log(one | now)) for one in played.details(script, job_id, execution_id=execution_id)]


def running(jobs: int, servers: int) -> Simulator:
    """DRS with jobs that started eight minutes ago and have logged most of their items. Its clock does not advance."""
    now = datetime.now(UTC)
    clock = iter([now - timedelta(minutes=8)] * jobs)  # each job reads the clock once when it starts
    simulator = Simulator(clock=lambda: next(clock, now))
    for job in range(jobs):
        simulator.start(scripts.launch([server_id(job * servers + place) for place in range(servers)], seed=job))
    return simulator
