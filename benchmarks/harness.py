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
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from boto3.dynamodb.types import TypeSerializer

from benchmarks import product, quota
from benchmarks.clock import cpu_seconds
from tests.support import played, scripts, tables
from tests.support.drs import Simulator
from tests.support.envelopes import dumps, job_log
from tests.support.functions import ENVIRONMENT
from tests.support.ministack import MiniStack
from tests.support.scripts import server_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drs_job_log.model.events import JobLogEvent

    from benchmarks.quota import Groups

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
        One value per repeat. Reports show the median. Times are those at the CPU share of the function's memory.
    at_most
        The target for the median, if there is one.
    full_core
        For a time: the time on a full core without waiting, which is the CPU time, per repeat.
    emulator
        For a time: the CPU time of the emulators, which ``values`` do not contain, per repeat.
    measured
        The date, as YYYY-MM-DD.
    """

    what: str
    unit: str
    values: Sequence[float]
    at_most: float | None = None
    full_core: Sequence[float] = ()
    emulator: Sequence[float] = ()
    measured: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d}")

    @property
    def is_time(self) -> bool:
        return self.unit in ("ms", "s")

    def row(self) -> tuple[str, ...]:
        """The cells of the figure, as in ``TIMES`` or ``OTHERS``."""
        low, high = (number(bound(self.values)) for bound in (min, max))
        target = "" if self.at_most is None else f"≤ {self.at_most:g} {self.unit}"
        if self.at_most is not None and float(f"{statistics.median(self.values):.3g}") > self.at_most:
            target += " (missed)"
        median, *others = (
            f"{number(statistics.median(values))} {self.unit}" if values else ""
            for values in (self.values, self.full_core, self.emulator)
        )
        spread = f"{low} to {high}" if len(self.values) > 1 else ""
        return self.what, median, spread, *(others if self.is_time else []), target, self.measured


TIMES: Final = ("what", "at the share", "range", "CPU time on a full core", "emulator", "target", "measured on")
OTHERS: Final = ("what", "median", "range", "target", "measured on")


def number(value: float) -> str:
    """A number with three significant digits, or with all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Took:
    """What an invocation or a pass took, in milliseconds.

    Attributes
    ----------
    wall_ms
        The wall time, with the waits for the emulators.
    cpu_ms
        The CPU time of all threads.
    emulator_ms
        The CPU time of the emulators in this time. They have no quota.
    share_ms
        The time at the CPU share of the memory: the wall time under the quota without the time of the emulators, but
        not less than CPU time / share. Without a quota: CPU time / share.
    """

    wall_ms: float
    cpu_ms: float
    emulator_ms: float
    share_ms: float


def took(times: Sequence[Sequence[float]], memory_mb: int | None, *, has_quota: bool) -> Took:
    """The times of a function, from seconds at begin and end by the clocks of wall, function and emulators."""
    wall_ms, cpu_ms, emulator_ms = ((end - begin) * 1000 for begin, end in times)
    share_ms = cpu_ms / quota.share(memory_mb) if memory_mb else wall_ms
    if has_quota:
        share_ms = max(share_ms, wall_ms - emulator_ms)
    return Took(wall_ms, cpu_ms, emulator_ms, share_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass(Took):
    """A pass of the collector. ``drs_calls`` is the number of its requests to DRS."""

    drs_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Took):
    """The result of an invocation: answer, times, log, the requests to AWS (if traced), and the collector's passes."""

    answer: Any
    log: str
    trace: Sequence[Mapping[str, Any]]
    passes: Sequence[Pass]


def timed(what: str, repeats: Sequence[Took], at_most: float | None = None) -> Figure:
    """The figure of a time in milliseconds."""
    return Figure(
        what=what,
        unit="ms",
        values=[one.share_ms for one in repeats],
        full_core=[one.cpu_ms for one in repeats],
        emulator=[one.emulator_ms for one in repeats],
        at_most=at_most,
    )


class Function:
    """A Lambda function in a process of its own, as a context manager.

    All benchmarks except the deployed ones invoke functions through this class.

    Parameters
    ----------
    emulators
        The process IDs of the emulators that the function uses.
    memory_mb
        The function has the CPU share of this memory. None: a full core.
    """

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        groups: Groups,
        emulators: Sequence[int],
        *,
        memory_mb: int | None = None,
        is_traced: bool = False,
    ) -> None:
        self._groups = groups
        self._emulators = emulators
        self._memory_mb = memory_mb
        if memory_mb:
            environment = groups.environment({**environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)})
        self._started = time.perf_counter(), 0.0, sum(map(cpu_seconds, emulators))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env=dict(environment),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._send({"function": name, "is_traced": is_traced, "emulators": emulators})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # closes the input, which ends the process

    def __call__(
        self, event: Any, *, now: datetime | None = None, is_cache_empty: bool = False, passes: int = 1
    ) -> Done:
        """Invoke the function. ``now`` replaces its clock. The collector makes at most this number of ``passes``.

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
                "passes": passes,
            }
        )
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"the function ended with status {self._process.wait()}")
        done = json.loads(line)
        made = [Pass(**self._took(one["times"]), drs_calls=one["drs_calls"]) for one in done["passes"]]
        return Done(
            **self._took(done["times"]), answer=done["answer"], log=done["log"], trace=done["trace"], passes=made
        )

    def limit(self, memory_mb: int) -> None:
        """Give the function the CPU share of this memory. It must have started with another one, and have answered."""
        self._memory_mb = memory_mb
        self._groups.limit(self._process.pid, memory_mb)

    def since_start(self) -> Took:
        """The times from the start of the process until now."""
        now = time.perf_counter(), cpu_seconds(self._process.pid), sum(map(cpu_seconds, self._emulators))
        return Took(**self._took(list(zip(self._started, now, strict=True))))

    def _took(self, times: Sequence[Sequence[float]]) -> dict[str, float]:
        has_quota = bool(self._memory_mb and self._groups.folder)
        assert not has_quota or self._groups.contains(self._process.pid), "the function has no quota"
        return asdict(took(times, self._memory_mb, has_quota=has_quota))

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
    groups: Groups
    events_table: str
    environment: Mapping[str, str]

    @staticmethod
    def make(stack: MiniStack, groups: Groups) -> Stage:
        """Create the tables and the topic."""
        name = f"bench-{secrets.token_hex(4)}"
        dynamodb = stack.client("dynamodb")
        tables.create_events(dynamodb, f"{name}-events")
        tables.create_notices(dynamodb, f"{name}-notices")
        own = {
            "JOB_LOG_EVENTS_TABLE": f"{name}-events",
            "NOTICES_TABLE": f"{name}-notices",
            "QUEUE_URL": stack.client("sqs").create_queue(QueueName=f"{name}-ingest")["QueueUrl"],
            "FAILURE_TOPIC_ARN": stack.client("sns").create_topic(Name=name)["TopicArn"],
        }
        return Stage(stack, groups, f"{name}-events", stack.environment | ENVIRONMENT | own)

    def function(
        self, name: str, *, memory_mb: int | None = None, is_traced: bool = False, **environment: str
    ) -> Function:
        """Start a function with these tables, and with further environment variables. See ``Function``."""
        environment = {**self.environment, **environment}
        emulators = self.stack.pid, os.getpid()  # this process has the simulator of DRS
        return Function(name, environment, self.groups, emulators, memory_mb=memory_mb, is_traced=is_traced)

    def store(self, execution_id: str | None, least: int, *, is_running: bool = False) -> int:
        """Store at least this number of events of an execution, or of none. Return how many."""
        job = stored = 0
        while stored < least:
            servers = [
                server_id(job * _SERVERS_OF_A_JOB + place)
                for place in range(min(_SERVERS_OF_A_JOB, -(-(least - stored) // len(scripts.LAUNCH))))
            ]
            script = scripts.launch(servers, stuck=servers[:1] if is_running else (), seed=job)
            created = datetime.now(UTC) - timedelta(minutes=20)
            events = played.events(script, f"drsjob-{execution_id}-{job}", created=created, execution_id=execution_id)
            self.put(events)
            stored += len(events)
            job += 1
        return stored

    def put(self, events: Sequence[JobLogEvent]) -> None:
        """Store these events."""
        for start in range(0, len(events), 25):  # the maximum of BatchWriteItem
            puts = [{"PutRequest": {"Item": item(event)}} for event in events[start : start + 25]]
            self.stack.client("dynamodb").batch_write_item(RequestItems={self.events_table: puts})

    def put_running(self, simulator: Simulator) -> None:
        """Store the events of all log items so far of all jobs of the simulator, as ingest does."""
        now = simulator.clock()
        for job_id, job in simulator.jobs.items():
            items = simulator.whole_log(job_id)[: sum(time <= now for time in simulator.appeared(job_id))]
            self.put(played.events_of(simulator._job(job), items, now=now))


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


def running(jobs: int, servers: int, *, is_standing: bool = True) -> Simulator:
    """DRS with jobs that started eight minutes ago and have logged most of their items.

    From now on, they stand still, or 20 jobs log about 12 items per second. The first job ends after two minutes, or
    later.
    """
    # At this age, 20 jobs with 100 servers log 5 items per second. The average of a whole job is 14.
    speed, now = 1 if is_standing else 250 / servers, datetime.now(UTC)
    clock = iter([now - timedelta(minutes=8) / speed] * jobs)  # each job reads the clock once when it starts
    simulator = Simulator(speed=speed, clock=lambda: next(clock, now if is_standing else datetime.now(UTC)))
    for job in range(jobs):
        simulator.start(scripts.launch([server_id(job * servers + place) for place in range(servers)], seed=job))
    return simulator
