"""Linking: from a DRS job to the platform's execution, when an event is stored and, for what came too early, later."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final
from zlib import crc32

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.events import time_of
from drs_job_log.executions import HistoryError, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.events import JobLogEvent
    from drs_job_log.executions import ExecutionHistory, Finish
    from drs_job_log.store import JobLogStore

# A job that was not found is not looked up again for so long.
_NOT_FOUND: Final = timedelta(seconds=30)

# So many jobs are remembered; a function rarely lives to see as many.
_MOST_JOBS: Final = 10_000

# The platform's table is not scanned for a job more often than this. The clock may call a little early: then it waits.
_SCAN_SECONDS: Final = 60.0
_EARLY_SECONDS: Final = 5.0

# So long after a job's newest event its execution is looked for every minute.
_PATIENCE: Final = timedelta(hours=1)

# So long after a job's end its platform may take to write the job into the execution's record.
PLATFORM_DELAY: Final = timedelta(minutes=10)

# Of a run's time: kept for linking what was found.
_SECONDS_TO_LINK: Final = 15

_THREADS: Final = 10

logger = Logger(child=True)


@dataclass(slots=True)
class _Known:
    """What is remembered of a job: its execution, or that there was none and when."""

    execution_id: str | None = None
    not_found: datetime | None = None
    lock: Lock = field(default_factory=Lock)


class Links:
    """Executions of jobs, remembered. May be used from several threads."""

    def __init__(self, history: ExecutionHistory | None) -> None:
        self._index = history if history and history.settings.job_id_index else None
        self._jobs: dict[str, _Known] = {}

    def linked(self, event: JobLogEvent, now: datetime) -> JobLogEvent:
        """The event with its execution: its own, else that of its job as far as it can be had at once.

        The platform's table is asked by its index only, and not twice for a job: storing costs the same whatever its
        size. Where it cannot be asked, the event is to be stored all the same.
        """
        if len(self._jobs) > _MOST_JOBS:
            self._jobs = {}
        known = self._jobs.setdefault(event.job_id, _Known())
        if event.execution_id:
            known.execution_id = event.execution_id
            return event
        with known.lock:
            is_due = known.not_found is None or now - known.not_found > _NOT_FOUND
            if self._index and not known.execution_id and is_due:
                known.execution_id = self._look_up(self._index, event.job_id)
                known.not_found = None if known.execution_id else now
        return replace(event, execution_id=known.execution_id)

    @staticmethod
    def _look_up(history: ExecutionHistory, job_id: str) -> str | None:
        try:
            return history.find_by_index(job_id)
        except (HistoryError, BotoCoreError, ClientError):
            logger.exception("Execution not looked up; the linker goes on", job_id=job_id)
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What a run of the linker did. ``failures`` say why, by job or by what was asked."""

    events: int
    finished: int
    missing: int
    oldest_age: timedelta
    failures: Mapping[str, str]


class Linker:
    """Links what was stored before its execution was known."""

    def __init__(self, store: JobLogStore, history: ExecutionHistory | None) -> None:
        self._store = store
        self._history = history
        self._failing: Collection[str] = ()
        self._scanned: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(_THREADS)

    def run(
        self, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0, asked: Collection[str] = ()
    ) -> Linked:
        """Look for the executions of all jobs with unlinked events, and link these. What fails, fails alone.

        Jobs that are ``asked`` for are looked for whether or not they are due.
        It may be cut off anywhere: what is not linked is in the index of unlinked events, and found there again.
        """
        unlinked = self._store.unlinked()
        oldest = min(map(min, unlinked.values()), default=None)
        run = _Run(now, unlinked, seconds_left)
        wanted = {*asked, *self._failing}
        due = [job_id for job_id, keys in unlinked.items() if job_id in wanted or is_due(job_id, keys, now)]
        missing = []
        # In another order each minute: where time runs out, it is not always the same jobs that go without.
        for job_id in sorted(due, key=lambda job_id: crc32(f"{now:%H:%M} {job_id}".encode())):
            if run.seconds_to_look <= 0:
                break
            with noting(run.failures, job_id):
                if execution_id := self._look_up(job_id):
                    self._link(run, job_id, execution_id)
                else:
                    missing.append(job_id)
        if missing and self._history and self._history.settings.allow_scan:
            found: dict[str, str] = {}
            with noting(run.failures, "scan"):
                found = self._scan(self._history, missing, lambda: run.seconds_to_look)
            for job_id, execution_id in found.items():
                with noting(run.failures, job_id):
                    self._link(run, job_id, execution_id)
        # What fails is tried, and heard of, every minute until it is mended.
        self._failing = due if "scan" in run.failures else list(run.failures)
        return Linked(
            events=run.events,
            finished=run.finished.count("FINISHED"),
            missing=run.finished.count("MISSING"),
            oldest_age=now - time_of(oldest) if oldest else timedelta(0),
            failures=run.failures,
        )

    def _look_up(self, job_id: str) -> str | None:
        """The execution of a job by its other events or the platform's index."""
        execution_id = self._store.execution_of(job_id)
        if not execution_id and self._history and self._history.settings.job_id_index:
            execution_id = self._history.find_by_index(job_id)
        return execution_id

    def _link(self, run: _Run, job_id: str, execution_id: str) -> None:
        """Link a job's events while there is time; where it has ended, this may end its execution."""

        def link(key: str) -> bool:
            return run.seconds_left() > 0 and self._store.link(job_id, key, execution_id)

        *others, last = sorted(run.unlinked[job_id])
        run.events += sum(self._threads.map(link, others))
        if self._history and self._history.settings.update_status:
            # Before the last is linked: it is the reason to come here again where this fails or is cut off.
            finished = finish(self._history, self._store, execution_id, job_id)
            if finished == "MISSING" and run.now - time_of(last) < PLATFORM_DELAY:
                return
            run.finished.append(finished)
        run.events += link(last)

    def _scan(
        self, history: ExecutionHistory, job_ids: Collection[str], seconds_left: Callable[[], float]
    ) -> dict[str, str]:
        """One scan for all jobs that none was made for within the last minute."""
        self._scanned = {job: at for job, at in self._scanned.items() if time.monotonic() - at < _SCAN_SECONDS}
        waits = {
            job: self._scanned[job] + _SCAN_SECONDS - time.monotonic() if job in self._scanned else 0.0
            for job in job_ids
        }
        due = [job for job, wait in waits.items() if wait <= _EARLY_SECONDS]
        if not due:
            return {}
        time.sleep(max(0.0, *(waits[job] for job in due)))
        self._scanned |= dict.fromkeys(due, time.monotonic())
        return history.find_by_scan(due, seconds_left)


@dataclass(slots=True)
class _Run:
    """A run of the linker, as far as it is."""

    now: datetime
    unlinked: Mapping[str, Sequence[str]]
    seconds_left: Callable[[], float]
    events: int = 0
    finished: list[Finish] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def seconds_to_look(self) -> float:
        """Seconds that may still go by before what was found is to be linked."""
        return self.seconds_left() - _SECONDS_TO_LINK


def is_due(job_id: str, keys: Collection[str], now: datetime) -> bool:
    """Whether a job with these unlinked events is to be looked for this minute.

    For an hour after its newest event, every minute; from then on once an hour, each job in a minute of its own.
    """
    return now - time_of(max(keys)) < _PATIENCE or now.minute == crc32(job_id.encode()) % 60


@contextmanager
def noting(failures: dict[str, str], name: str) -> Iterator[None]:
    """Note a failure under a name instead of raising it."""
    try:
        yield
    except Exception as error:
        logger.exception("Not linked", subject=name)
        failures[name] = f"{type(error).__name__}: {error}"
