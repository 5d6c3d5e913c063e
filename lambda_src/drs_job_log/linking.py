"""Linking: from a DRS job to the platform's execution, when an event is stored and, for what came too early, later."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.events import parse_time
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

# A job that was not found in so many minutes is from then on looked for once in as many.
_PATIENCE: Final = 60

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
        self._tries: dict[str, int] = {}
        self._scanned: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(_THREADS)

    def run(self, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0) -> Linked:
        """Look for the executions of all jobs with unlinked events, and link these. What fails, fails alone.

        It may be cut off anywhere: what is not linked is in the index of unlinked events, and found there again.
        """
        failures: dict[str, str] = {}
        unlinked = self._store.unlinked()
        oldest = min((min(keys).partition("#")[0] for keys in unlinked.values()), default=None)
        self._tries = {job_id: self._tries.get(job_id, 0) + 1 for job_id in unlinked}
        due = [job for job, tries in self._tries.items() if tries <= _PATIENCE or tries % _PATIENCE == 0]

        found = self._find(due, failures, seconds_left)
        # A try that failed is none: it is made, and heard of, every minute until what fails is mended.
        for job_id in due if "scan" in failures else failures:
            self._tries[job_id] -= 1
        finished: list[Finish] = []
        events = 0
        for job_id, execution_id in found.items():
            if seconds_left() <= 0:
                break
            with noting(failures, job_id):
                # Before its events are linked: a run that is cut off here finds them, and comes here, again.
                if self._history and self._history.settings.update_status:
                    finished.append(finish(self._history, self._store, execution_id, job_id))
                events += self._link(job_id, unlinked[job_id], execution_id, seconds_left)
        return Linked(
            events=events,
            finished=finished.count("FINISHED"),
            missing=finished.count("MISSING"),
            oldest_age=now - parse_time("EventKey", oldest) if oldest else timedelta(0),
            failures=failures,
        )

    def _find(
        self, job_ids: Collection[str], failures: dict[str, str], seconds_left: Callable[[], float]
    ) -> dict[str, str]:
        """The executions of those jobs that have one: by their other events, the table's index, or a scan of it."""
        found: dict[str, str] = {}
        for job_id in job_ids:
            if seconds_left() <= 0:
                return found
            with noting(failures, job_id):
                execution_id = self._store.execution_of(job_id)
                if not execution_id and self._history and self._history.settings.job_id_index:
                    execution_id = self._history.find_by_index(job_id)
                if execution_id:
                    found[job_id] = execution_id
        missing = [job_id for job_id in job_ids if job_id not in found]
        if missing and self._history and self._history.settings.allow_scan:
            with noting(failures, "scan"):
                found |= self._scan(self._history, missing, seconds_left)
        return found

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

    def _link(self, job_id: str, keys: Sequence[str], execution_id: str, seconds_left: Callable[[], float]) -> int:
        """Link events of a job while there is time; return how many."""

        def link(key: str) -> bool:
            return seconds_left() > 0 and self._store.link(job_id, key, execution_id)

        return sum(self._threads.map(link, keys))


@contextmanager
def noting(failures: dict[str, str], name: str) -> Iterator[None]:
    """Note a failure under a name instead of raising it."""
    try:
        yield
    except Exception as error:
        logger.exception("Not linked", subject=name)
        failures[name] = f"{type(error).__name__}: {error}"
