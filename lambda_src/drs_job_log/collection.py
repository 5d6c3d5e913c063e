"""Collecting: one pass over the DRS jobs of every target, and what is remembered from pass to pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from aws_lambda_powertools import Logger

from drs_job_log.bus import batches, to_text
from drs_job_log.joblog import created_at, ended_before, read_log, server_ids, stalled_servers, to_detail

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

logger = Logger(child=True)


class OutOfTimeError(RuntimeError):
    """The invocation is about to end: the next one goes on."""


class NotPutError(RuntimeError):
    """EventBridge went on failing some events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to collect: see the inputs ``collector`` and ``execution_id_tag``."""

    lookback: timedelta
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
    """What a pass did. ``failures`` say why, by what failed: an account and Region, a job, some events."""

    jobs: int
    emitted: int
    stalled: int
    is_running: bool
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
    complete
        All keys, once no more will come.
    stalled
        Servers that were counted as stalled.
    """

    stored: set[str] = field(default_factory=set)
    emitted: dict[str, datetime] = field(default_factory=dict)
    complete: frozenset[str] | None = None
    stalled: set[str] = field(default_factory=set)
    looked_at: datetime | None = None

    def lacks(self, key: str, now: datetime) -> bool:
        """Whether it is neither stored nor was lately put on its way."""
        return key not in self.stored and not (key in self.emitted and now - self.emitted[key] < _RESEND)

    def is_in_doubt(self, key: str, now: datetime, poll_interval: timedelta) -> bool:
        """Whether the table may hold what memory lacks: it was emitted, or others may have gone on meanwhile."""
        return key in self.emitted or self.looked_at is None or now - self.looked_at > poll_interval + _LATE

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
        self._memory: dict[Drs, dict[str, JobMemory]] = {drs: {} for drs in targets}
        # Of each target that was ever asked: when its oldest unfinished job was created, if it has one.
        self._unfinished_since: dict[Drs, datetime | None] = {}
        self._threads = ThreadPoolExecutor(_THREADS)

    def collect(self, request: Request, now: datetime, has_time: Callable[[], bool] = lambda: True) -> Pass:
        """Make one pass. What fails, fails alone; what there is no time for, the next pass does."""
        attempts = _Attempts(self._threads, has_time)

        listed = attempts.each(self._targets, str, lambda drs: self._jobs(drs, request, now))
        jobs = [found for of_target in listed for found in of_target]
        for job_id in set(request.job_ids) - {found.job["jobID"] for found in jobs}:
            attempts.failures[job_id] = "no account and Region that is collected knows it"

        looks = list(attempts.each(jobs, str, lambda found: self._look(found, now, attempts)))
        entries = [entry for look in looks for entry in look.entries]
        put = attempts.each(
            batches(entries), lambda batch: f"events from {batch[0].key} on", lambda batch: self._put(batch, now)
        )

        return Pass(
            jobs=len(jobs),
            emitted=sum(put),
            stalled=sum(len(look.stalled) for look in looks),
            # A target that cannot be asked now counts by what it said last.
            is_running=any(found.memory.complete is None for found in jobs) or any(self._unfinished_since.values()),
            failures=attempts.failures,
        )

    def _jobs(self, drs: Drs, request: Request, now: datetime) -> list[FoundJob]:
        """The jobs of a target that are asked for, or else due: those of the look-back window and all that run."""
        drs.connect()
        if request.by_hand:
            # What is remembered may be what is doubted.
            return [FoundJob(drs, job, JobMemory()) for job in drs.jobs(ids=request.job_ids, since=request.since)]

        start = now - self._settings.lookback
        if drs in self._unfinished_since:
            jobs = drs.jobs(since=min(start, self._unfinished_since[drs] or start) - _MARGIN)
        else:
            jobs = drs.jobs()  # one from before the window may still run
        due = [job for job in jobs if not ended_before(job, start)]
        unfinished = [created_at(job) for job in due if job.get("status") != "COMPLETED"]
        self._unfinished_since[drs] = min(filter(None, unfinished), default=None)
        known = self._memory[drs]
        self._memory[drs] = {job["jobID"]: known.get(job["jobID"], JobMemory()) for job in due}
        return [FoundJob(drs, job, self._memory[drs][job["jobID"]]) for job in due]

    def _look(self, found: FoundJob, now: datetime, attempts: _Attempts) -> Look:
        """Read a job's log, unless all of it is known, and the table where memory does not do."""
        job, memory = found.job, found.memory
        if memory.is_done(now):
            return Look()
        log = read_log(job, found.drs.log(job["jobID"]), now)
        new = [fact for fact in log.facts if memory.lacks(fact.key, now)]
        if any(memory.is_in_doubt(fact.key, now, self._settings.poll_interval) for fact in new):
            memory.stored = self._store.keys(job["jobID"])
            new = [fact for fact in new if fact.key not in memory.stored]
        memory.looked_at = now
        if log.is_complete:
            memory.complete = frozenset(fact.key for fact in log.facts)
        stalled = frozenset(stalled_servers(job, log, self._settings.stalled_after, now) - memory.stalled)
        memory.stalled |= stalled
        if stalled:
            logger.warning("Servers stand still", job_id=job["jobID"], source_server_ids=sorted(stalled))

        names: Mapping[str, str] = {}
        if new:
            with attempts.noting(f"server names of {found}"):  # without names rather than not at all
                names = found.drs.names(server_ids(job))
        tag = self._settings.execution_id_tag
        return Look([Entry(to_text(to_detail(fact, job, names, tag)), fact.key, memory) for fact in new], stalled)

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

    def __init__(self, threads: ThreadPoolExecutor, has_time: Callable[[], bool]) -> None:
        self._threads = threads
        self._has_time = has_time
        self.failures: dict[str, str] = {}

    def each(
        self, things: Iterable[Thing], name: Callable[[Thing], str], work: Callable[[Thing], Result]
    ) -> Iterator[Result]:
        """What the work made of each thing, in their order, without those that failed."""

        def in_time(thing: Thing) -> Result:
            if not self._has_time():
                raise OutOfTimeError("no time was left; the next pass goes on")
            return work(thing)

        for thing, future in [(thing, self._threads.submit(in_time, thing)) for thing in things]:
            with self.noting(name(thing)):
                yield future.result()

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note a failure under a name instead of raising it."""
        try:
            yield
        except Exception as error:
            logger.exception("Not collected", subject=name)
            self.failures[name] = f"{type(error).__name__}: {error}"
