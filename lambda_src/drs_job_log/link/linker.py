"""The linker: links events that were stored before their execution was known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zlib import crc32

from drs_job_log.errors import collect_errors
from drs_job_log.link.execution_status import update_status
from drs_job_log.link.executions_table import ExecutionsTableError
from drs_job_log.link.resolver import RECORD_GRACE
from drs_job_log.model.events import time_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from drs_job_log.link.execution_status import StatusUpdate
    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.table import JobFacts, JobLogTable

# The minimum time between two scans of the executions table for the same job. The schedule may invoke the linker up to
# _MAX_EARLY_SECONDS too early. The linker then waits.
_SCAN_INTERVAL_SECONDS: Final = 60.0
_MAX_EARLY_SECONDS: Final = 5.0

# A job is looked up every minute until its newest unlinked event is this old. Then it is looked up once an hour.
_EAGER_PERIOD: Final = timedelta(hours=1)

# After this time without a new event, the linker stops to search for the execution of a TERMINATE job.
_TERMINATION_GRACE: Final = timedelta(minutes=15)

# Reserved at the end of a run, to link the jobs that were found.
_SECONDS_FOR_LINKING: Final = 15

_LINK_THREADS: Final = 10

_LINKING_FAILED: Final = "Linking failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResult:
    """The result of a run.

    Attributes
    ----------
    events
        The number of linked events.
    updated, missing
        The number of executions whose status was set, and of executions without a matching record.
    oldest_age
        The age of the oldest unlinked event, without the events of TERMINATE jobs.
    is_rejected
        Whether the executions table does not match its settings.
    failures
        Job ID (or "scan", or "executions table") → reason.
    """

    events: int
    updated: int
    missing: int
    oldest_age: timedelta
    is_rejected: bool
    failures: Mapping[str, str]


class Linker:
    """Links stored events to their executions. ``collector_sources`` are the sources of the collector's events."""

    def __init__(
        self, table: JobLogTable, executions_table: ExecutionsTable | None, collector_sources: AbstractSet[str]
    ) -> None:
        self._table = table
        self._executions_table = executions_table
        self._collector_sources = collector_sources
        self._failing: Collection[str] = ()
        self._terminations: Collection[str] = ()
        self._scanned_at: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(_LINK_THREADS)

    def run(
        self, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0, job_ids: Collection[str] = ()
    ) -> LinkResult:
        """Find the executions of all due jobs with unlinked events, and link the events.

        The jobs in ``job_ids`` are always due. A failure does not stop the other jobs. The run may be cut off at any
        point: an event that is not linked stays in UnlinkedIndex, and the next run finds it there.
        """
        unlinked = self._table.unlinked()
        run = _Run(now, unlinked, seconds_left)
        if self._executions_table:
            with collect_errors(run.failures, "executions table", _LINKING_FAILED), run.rejections("executions table"):
                self._executions_table.check()
        always_due = {*job_ids, *self._failing}
        due = [job_id for job_id, keys in unlinked.items() if job_id in always_due or is_due(job_id, keys, now)]
        not_found: dict[str, JobFacts] = {}
        # Shuffled per minute so that no job starves.
        for job_id in sorted(due, key=lambda job_id: crc32(f"{now:%H:%M} {job_id}".encode())):
            if run.seconds_for_lookups <= 0:
                break
            with collect_errors(run.failures, job_id, _LINKING_FAILED):
                facts = self._table.facts_of(job_id, self._collector_sources)
                if facts.job_type == "TERMINATE":
                    run.terminations.add(job_id)
                if execution_id := self._look_up(run, job_id, facts):
                    self._link(run, job_id, execution_id)
                else:
                    not_found[job_id] = facts
        found: dict[str, str] = {}
        if not_found and self._executions_table and self._executions_table.settings.allow_scan:
            with collect_errors(run.failures, "scan", _LINKING_FAILED), run.rejections("scan"):
                found = self._scan(self._executions_table, not_found, lambda: run.seconds_for_lookups)
        for job_id, facts in not_found.items():
            with collect_errors(run.failures, job_id, _LINKING_FAILED):
                self._link_or_give_up(run, job_id, facts, found.get(job_id))
        # A failing job is due in every run, so that the alarm stays on until the cause is fixed.
        failing = run.failures.keys() | run.rejected
        self._failing = due if "scan" in failing else failing
        self._terminations = {*self._terminations, *run.terminations} & unlinked.keys()
        oldest = min((min(keys) for job_id, keys in unlinked.items() if job_id not in self._terminations), default=None)
        return LinkResult(
            events=run.events,
            updated=run.status_updates.count("UPDATED"),
            missing=run.status_updates.count("MISSING"),
            oldest_age=now - time_of_key(oldest) if oldest else timedelta(0),
            is_rejected=bool(run.rejected) or "REJECTED" in run.status_updates,
            failures=run.failures,
        )

    def _look_up(self, run: _Run, job_id: str, facts: JobFacts) -> str | None:
        """Return the execution of a job from its tag or linked events, its launches, or ``job_id_index``."""
        execution_id = facts.execution_id or self._execution_of_launches(facts)
        if not execution_id and self._executions_table and self._executions_table.settings.job_id_index:
            with run.rejections(job_id):
                execution_id = self._executions_table.find_by_index(job_id)
        return execution_id

    def _execution_of_launches(self, facts: JobFacts) -> str | None:
        """Return the execution of the jobs that launched the servers of a TERMINATE job, if they have the same one."""
        launches = [self._table.facts_of(job_id, self._collector_sources) for job_id in facts.launch_job_ids]
        executions = {launch.execution_id for launch in launches}
        return executions.pop() if len(executions) == 1 else None

    def _link_or_give_up(self, run: _Run, job_id: str, facts: JobFacts, execution_id: str | None) -> None:
        """Link a job to the execution that the scan found, else to that of other senders' events.

        If the executions table is searched, other senders count only when its record is overdue. A TERMINATE job often
        belongs to no execution, so the search for it ends.
        """
        age = run.now - time_of_key(max(run.unlinked[job_id]))
        if not execution_id and (not self._is_searching or (age >= RECORD_GRACE and self._is_searched(run))):
            execution_id = facts.other_execution_id
        if execution_id:
            self._link(run, job_id, execution_id)
        elif facts.job_type == "TERMINATE" and age >= _TERMINATION_GRACE:
            for key in run.unlinked[job_id]:
                self._table.give_up(job_id, key)

    @property
    def _is_searching(self) -> bool:
        """Whether the linker searches the executions table for jobs."""
        settings = self._executions_table.settings if self._executions_table else None
        return settings is not None and bool(settings.job_id_index or settings.allow_scan)

    def _is_searched(self, run: _Run) -> bool:
        """Whether the last scan read the whole executions table, or no scan is possible."""
        if not self._executions_table or not self._executions_table.settings.allow_scan or "scan" in run.rejected:
            return True
        return self._executions_table.is_scan_complete

    def _link(self, run: _Run, job_id: str, execution_id: str) -> None:
        """Link the events of a job while time is left, and update the status of the execution if the job has ended."""

        def link(key: str) -> bool:
            return run.seconds_left() > 0 and self._table.link(job_id, key, execution_id)

        *others, last = sorted(run.unlinked[job_id])
        run.events += sum(self._threads.map(link, others))
        is_termination = job_id in run.terminations
        if self._executions_table and self._executions_table.settings.update_status and not is_termination:
            # Before the last event is linked: if the update fails or is cut off, the event causes another attempt.
            update = update_status(self._executions_table, self._table, execution_id, job_id)
            if update == "MISSING" and run.now - time_of_key(last) < RECORD_GRACE:
                return
            run.status_updates.append(update)
        run.events += link(last)

    def _scan(
        self, executions_table: ExecutionsTable, job_ids: Collection[str], seconds_left: Callable[[], float]
    ) -> dict[str, str]:
        """Make one scan for the jobs that were not part of a scan in the last minute. Return the executions by job."""
        self._scanned_at = {
            job: at for job, at in self._scanned_at.items() if time.monotonic() - at < _SCAN_INTERVAL_SECONDS
        }
        waits = {
            job: self._scanned_at[job] + _SCAN_INTERVAL_SECONDS - time.monotonic() if job in self._scanned_at else 0.0
            for job in job_ids
        }
        due = [job for job, wait in waits.items() if wait <= _MAX_EARLY_SECONDS]
        if not due:
            return {}
        time.sleep(max(0.0, *(waits[job] for job in due)))
        self._scanned_at |= dict.fromkeys(due, time.monotonic())
        return executions_table.find_by_scan(due, seconds_left)


@dataclass(slots=True)
class _Run:
    """The state of a run."""

    now: datetime
    unlinked: Mapping[str, Sequence[str]]
    seconds_left: Callable[[], float]
    events: int = 0
    status_updates: list[StatusUpdate] = field(default_factory=list)
    terminations: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)

    @contextmanager
    def rejections(self, subject: str) -> Iterator[None]:
        """Record that the executions table does not match its settings. The executions table logs it."""
        try:
            yield
        except ExecutionsTableError:
            self.rejected.add(subject)

    @property
    def seconds_for_lookups(self) -> float:
        """The seconds left for lookups, without the time that is reserved for linking."""
        return self.seconds_left() - _SECONDS_FOR_LINKING


def is_due(job_id: str, keys: Collection[str], now: datetime) -> bool:
    """Whether a job with these unlinked events is looked up in this minute.

    In the first hour after its newest event, it is looked up every minute. Then it is looked up once an hour, in a
    minute that depends on the job ID, so that the lookups are spread over the hour.
    """
    return now - time_of_key(max(keys)) < _EAGER_PERIOD or now.minute == crc32(job_id.encode()) % 60
