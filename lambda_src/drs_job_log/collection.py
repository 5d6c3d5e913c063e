"""Collecting: one pass over the DRS jobs of every target, and what is remembered from pass to pass."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from aws_lambda_powertools import Logger

from drs_job_log.bus import batches, to_text
from drs_job_log.events import format_time
from drs_job_log.joblog import (
    durations,
    ended_before,
    read_log,
    server_counts,
    server_ids,
    stalled_servers,
    to_detail,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_drs.type_defs import JobTypeDef

    from drs_job_log.bus import EventBus
    from drs_job_log.drs import Drs
    from drs_job_log.store import JobLogStore

    Thing = TypeVar("Thing")
    Result = TypeVar("Result")

_THREADS: Final = 10

# What was put on the bus and is not in the table after so long is put there again.
_RESEND: Final = timedelta(minutes=5)

# A job that nobody here looked at for a poll interval and this: another invocation may have gone on with it.
_LATE: Final = timedelta(seconds=10)

# A job created at the very moment that is asked for must not be missed.
_MARGIN: Final = timedelta(minutes=1)

# Of an invocation's time: kept for what was read, so that a log that hangs does not hold back the others; and for the
# metrics.
_SECONDS_TO_WRITE: Final = 3.0
_SECONDS_TO_END: Final = 1.0

logger = Logger(child=True)


class OutOfTimeError(RuntimeError):
    """The invocation is about to end: the next one goes on."""


class NotPutError(RuntimeError):
    """EventBridge went on failing some events."""


class NotStoredError(RuntimeError):
    """Events that were put on the bus do not reach the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to collect: see the inputs ``collector``, ``execution_id_tag`` and ``retention_days``."""

    lookback: timedelta
    retention: timedelta
    poll_interval: timedelta
    stalled_after: timedelta
    execution_id_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which jobs to read: those with these ids, those created since, or (neither) what is due."""

    job_ids: Sequence[str] = ()
    since: datetime | None = None

    @property
    def by_hand(self) -> bool:
        """Whether a person asked: then what is remembered does not count."""
        return bool(self.job_ids or self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What a pass did.

    Attributes
    ----------
    running_jobs, running_executions
        How many run. A job that names no execution counts as one.
    servers
        Those of running jobs: how many in which state, by the names of the API's summary.
    failures
        Say why, by what failed: an account and Region, a job, some events.
    """

    jobs: int
    emitted: int
    stalled: int
    running_jobs: int
    running_executions: int
    servers: Mapping[str, int]
    failures: Mapping[str, str]


@dataclass(slots=True)
class JobMemory:
    """What is known of a job.

    Attributes
    ----------
    stored
        Keys that the table was seen to hold.
    emitted
        Keys put on the bus, and when.
    unstored
        Keys that had to be put there again, since the table did not hold them long after.
    complete
        All keys, once no more will come.
    stalled
        Servers that were counted as stalled.
    execution_id
        The execution that the job's tag names, else the job's own id.
    servers
        How many were in which state when its log was read.
    """

    stored: set[str] = field(default_factory=set)
    emitted: dict[str, datetime] = field(default_factory=dict)
    unstored: set[str] = field(default_factory=set)
    complete: frozenset[str] | None = None
    stalled: set[str] = field(default_factory=set)
    execution_id: str = ""
    servers: Counter[str] = field(default_factory=Counter)
    looked_at: datetime | None = None

    def lacks(self, key: str, now: datetime) -> bool:
        """Whether it is neither stored nor was lately put on its way."""
        return key not in self.stored and not (key in self.emitted and now - self.emitted[key] < _RESEND)

    def is_in_doubt(self, key: str, now: datetime, poll_interval: timedelta) -> bool:
        """Whether the table may hold what memory lacks: it was emitted, or others may have gone on meanwhile."""
        return key in self.emitted or self.looked_at is None or now - self.looked_at > poll_interval + _LATE

    @property
    def is_settled(self) -> bool:
        """Whether all of it is stored, and nothing more will come."""
        return self.complete is not None and self.complete <= self.stored

    def is_done(self, now: datetime) -> bool:
        """Whether there is nothing to look for, at least for now."""
        return self.complete is not None and not any(self.lacks(key, now) for key in self.complete)


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job, where it was found, and what is known of it."""

    drs: Drs
    job: JobTypeDef
    memory: JobMemory

    def __str__(self) -> str:
        return f"{self.job['jobID']} in {self.drs}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A new fact on its way to the bus."""

    text: str
    key: str
    memory: JobMemory


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a job brought: new facts, and servers that newly stand still."""

    entries: Sequence[Entry] = ()
    stalled: frozenset[str] = frozenset()


class Collector:
    """Puts on the bus what the job logs of the targets have and the store does not hold."""

    def __init__(self, targets: Sequence[Drs], store: JobLogStore, bus: EventBus, settings: Settings) -> None:
        self._targets = targets
        self._store = store
        self._bus = bus
        self._settings = settings
        # Of each target that was ever asked, by job.
        self._memory: dict[Drs, dict[str, JobMemory]] = {}
        self._readers = ThreadPoolExecutor(_THREADS)
        self._writers = ThreadPoolExecutor(_THREADS)

    def collect(self, request: Request, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0) -> Pass:
        """Make one pass. What fails, fails alone; what there is no time for, the next pass does."""
        attempts = _Attempts()

        def read(
            things: Iterable[Thing], name: Callable[[Thing], str], work: Callable[[Thing], Result]
        ) -> Iterator[Result]:
            return attempts.each(self._readers, things, name, work, lambda: seconds_left() - _SECONDS_TO_WRITE)

        # Generators: events are put on the bus while other logs are still being read.
        jobs: list[FoundJob] = []
        looks: list[Look] = []

        def found() -> Iterator[FoundJob]:
            for of_target in read(self._targets, str, lambda drs: self._jobs(drs, request, now)):
                jobs.extend(of_target)
                yield from of_target

        def entries() -> Iterator[Entry]:
            for look in read(found(), str, lambda job: self._look(job, now, attempts)):
                looks.append(look)
                yield from look.entries

        emitted = sum(
            attempts.each(
                self._writers,
                batches(entries()),
                lambda batch: f"events from {batch[0].key} on",
                lambda batch: self._put(batch, now),
                lambda: seconds_left() - _SECONDS_TO_END,
            )
        )
        for job_id in set(request.job_ids) - {found.job["jobID"] for found in jobs}:
            attempts.failures[job_id] = "no account and Region that is collected knows it"
        # Remembered: a target that cannot be asked now counts by what it said last.
        of_targets = [*self._memory.values()]
        running = [job for memory in of_targets for job in memory.values() if job.complete is None]
        return Pass(
            jobs=len(jobs),
            emitted=emitted,
            stalled=sum(len(look.stalled) for look in looks),
            running_jobs=len(running),
            running_executions=len({job.execution_id for job in running}),
            servers=sum((job.servers for job in running), Counter()),
            failures=attempts.failures,
        )

    def _jobs(self, drs: Drs, request: Request, now: datetime) -> list[FoundJob]:
        """The jobs of a target that are asked for, or else due: those of the look-back window and all unfinished."""
        drs.connect()
        if request.by_hand:
            # What is remembered may be what is doubted.
            asked = drs.jobs(ids=request.job_ids, since=request.since)
            return [FoundJob(drs, job, JobMemory()) for job in asked]

        start = now - self._settings.lookback
        if drs in self._memory:
            listed = drs.jobs(since=start - _MARGIN)
            unfinished = {job_id for job_id, memory in self._memory[drs].items() if not memory.is_settled}
            if older := sorted(unfinished - {job["jobID"] for job in listed}):
                listed += drs.jobs(ids=older)
        else:
            unfinished = set()
            listed = drs.jobs()  # one from before the window may still run
        # By id: while pages are read, a new job may push another one over to the next page.
        due = {job["jobID"]: job for job in listed if job["jobID"] in unfinished or not ended_before(job, start)}
        known = self._memory.get(drs, {})
        memory = self._memory[drs] = {job_id: known.get(job_id) or JobMemory() for job_id in due}
        for job_id, job in due.items():
            memory[job_id].execution_id = job.get("tags", {}).get(self._settings.execution_id_tag) or job_id
        return [FoundJob(drs, job, memory[job_id]) for job_id, job in due.items()]

    def _look(self, found: FoundJob, now: datetime, attempts: _Attempts) -> Look:
        """Read a job's log, unless all of it is known, and the table where memory does not do."""
        job, memory = found.job, found.memory
        if memory.is_done(now) and not memory.unstored:
            return Look()
        log = read_log(job, found.drs.log(job["jobID"]), now)
        kept = format_time(now - self._settings.retention)  # what is older, the table deletes at once
        facts = [fact for fact in log.facts if fact.time >= kept]
        new = [fact for fact in facts if memory.lacks(fact.key, now)]
        if memory.unstored or any(memory.is_in_doubt(fact.key, now, self._settings.poll_interval) for fact in new):
            memory.stored = self._store.keys(job["jobID"])
            new = [fact for fact in new if fact.key not in memory.stored]
        if still := memory.unstored.intersection(fact.key for fact in facts) - memory.stored:
            with attempts.noting(f"events of {found}"):
                raise NotStoredError(
                    f"{len(still)} events were put on the bus twice, {_RESEND.seconds // 60} minutes apart, and not "
                    "stored: look at the rule, the queue and ingest; they are put again"
                )
        memory.unstored = still | {fact.key for fact in new if fact.key in memory.emitted}
        memory.looked_at = now
        memory.servers = server_counts(job, log)
        if log.is_complete:
            memory.complete = frozenset(fact.key for fact in facts)
        stalled = frozenset(stalled_servers(job, log, self._settings.stalled_after, now) - memory.stalled)
        memory.stalled |= stalled
        if stalled:
            logger.warning("Servers stand still", job_id=job["jobID"], source_server_ids=sorted(stalled))

        names: Mapping[str, str] = {}
        if new:
            with attempts.noting(f"server names of {found}"):  # without names rather than not at all
                names = found.drs.names(server_ids(job))
        seconds = durations(job, log) if new else {}
        details = [to_detail(fact, job, names, seconds, self._settings.execution_id_tag) for fact in new]
        entries = [Entry(to_text(detail), fact.key, memory) for fact, detail in zip(new, details, strict=True)]
        return Look(entries, stalled)

    def _put(self, batch: Sequence[Entry], now: datetime) -> int:
        """Put a batch on the bus; return how many events that were, all of them."""
        failed = self._bus.put([entry.text for entry in batch])
        for place, entry in enumerate(batch):
            if place not in failed:
                entry.memory.emitted[entry.key] = now
        if failed:
            reasons = "; ".join(sorted(set(failed.values())))
            raise NotPutError(f"EventBridge failed {len(failed)} of {len(batch)} events: {reasons}")
        return len(batch)


class _Attempts:
    """Work on several things at a time, of which one that fails leaves the others, and is noted."""

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}

    def each(
        self,
        threads: ThreadPoolExecutor,
        things: Iterable[Thing],
        name: Callable[[Thing], str],
        work: Callable[[Thing], Result],
        seconds_left: Callable[[], float],
    ) -> Iterator[Result]:
        """What the work made of each thing, as it comes, without those that failed or took too long."""

        def in_time(thing: Thing) -> Result:
            if seconds_left() <= 0:
                raise OutOfTimeError("no time was left; the next pass goes on")
            return work(thing)

        futures = {threads.submit(in_time, thing): thing for thing in things}
        try:
            for future in as_completed(futures, timeout=max(0.0, seconds_left())):
                with self.noting(name(futures.pop(future))):
                    yield future.result()
        except TimeoutError:
            for future, thing in futures.items():
                future.cancel()
                with self.noting(name(thing)):
                    raise OutOfTimeError("it took too long; the next pass begins it again") from None

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note a failure under a name instead of raising it."""
        try:
            yield
        except Exception as error:
            logger.exception("Not collected", subject=name)
            self.failures[name] = f"{type(error).__name__}: {error}"
