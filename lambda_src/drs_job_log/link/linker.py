"""The linker: links events that were stored before their execution was known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zlib import crc32

from aws_lambda_powertools import Logger

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

# The linker gives up when the newest unlinked event of a job is this old. Most TERMINATE jobs belong to no execution.
_SEARCH_PERIOD: Final = timedelta(days=1)
_TERMINATION_GRACE: Final = timedelta(minutes=15)

# Reserved at the end of a run, to link the jobs that were found.
_SECONDS_FOR_LINKING: Final = 15

# The share of the other time that is reserved for lookups when UnlinkedIndex is read, and for the scan of the
# executions table when jobs are looked up.
_SHARE_OF_LOOKUPS: Final = 2 / 3
_SHARE_OF_SCAN: Final = 1 / 3

_LINK_THREADS: Final = 10

_LINKING_FAILED: Final = "Linking failed"

logger = Logger(child=True)


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
        The age of the oldest event in UnlinkedIndex, without the events of TERMINATE jobs. Zero in a run for some jobs.
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
        self._scanning: Collection[str] = ()
        self._is_new = True
        # A pass over UnlinkedIndex can take several runs: where the next run continues, and the number of runs and the
        # oldest event, if there is one, of this pass so far and of the last one.
        self._position: tuple[str, str] | None = None
        self._runs_of_pass = self._runs_of_last_pass = 0
        self._oldest_of_pass: Sequence[str] = ()
        self._oldest_of_last_pass: Sequence[str] = ()
        self._threads = ThreadPoolExecutor(_LINK_THREADS)

    def run(
        self, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0, job_ids: Collection[str] = ()
    ) -> LinkResult:
        """Find the executions of all due jobs with unlinked events, and link the events.

        With ``job_ids``, only these jobs are due, and the events that the linker gave up are linked too. A failure does
        not stop the other jobs. The run may be cut off at any point: an event that is not linked stays in
        UnlinkedIndex, and a later run finds it there. If there is too little time for all jobs, the next run continues
        with the first job that this run did not reach.
        """
        run = _Run(now, seconds_left)
        if self._executions_table:
            with collect_errors(run.failures, "executions table", _LINKING_FAILED), run.rejections("executions table"):
                self._executions_table.check()
        oldest_age = timedelta(0)
        if job_ids:
            not_found, _ = self._look_up_all(run, list(job_ids))
            self._link_or_give_up_all(run, not_found, may_give_up=False)
            self._scanning = {*self._scanning, *run.scanning}
        else:
            index, is_end = self._table.unlinked(self._position, lambda: run.has_time(_SHARE_OF_LOOKUPS))
            run.unlinked |= index
            not_found, not_reached = self._look_up_all(run, self._due(index, now))
            self._link_or_give_up_all(run, not_found, may_give_up=True)
            self._scanning = run.scanning
            # A failing job is due in every run, so that the alarm stays on until the cause is fixed.
            self._failing = run.failures.keys() | run.rejected
            self._position = self._position_before(not_reached, index, is_end=is_end)
            self._runs_of_pass += 1
            oldest_age = self._oldest_age(run, index)
            if self._position is None:
                self._runs_of_last_pass, self._runs_of_pass = self._runs_of_pass, 0
        return LinkResult(
            events=run.events,
            updated=run.status_updates.count("UPDATED"),
            missing=run.status_updates.count("MISSING"),
            oldest_age=oldest_age,
            is_rejected=bool(run.rejected) or "REJECTED" in run.status_updates,
            failures=run.failures,
        )

    def _due(self, index: Mapping[str, Sequence[str]], now: datetime) -> list[str]:
        """Return the jobs to look up: those with an unfinished scan, then those of the index in its order."""
        always_due = {*self._failing, *self._scanning}
        due = [job_id for job_id in self._scanning if job_id not in index]
        minutes = max(1, self._runs_of_pass, self._runs_of_last_pass)
        due += [job_id for job_id, keys in index.items() if job_id in always_due or is_due(job_id, keys, now, minutes)]
        # A new instance does not know where the last run ended. It starts at any job, so that no job starves.
        start = crc32(f"{now:%H:%M}".encode()) % max(1, len(due)) if self._is_new else 0
        self._is_new = False
        return due[start:] + due[:start]

    def _position_before(
        self, not_reached: AbstractSet[str], index: Mapping[str, Sequence[str]], *, is_end: bool
    ) -> tuple[str, str] | None:
        """Return the position in UnlinkedIndex at which the next run starts. None is its beginning.

        ``index`` is the part that this run read, and ``is_end`` whether it is the last part.
        """
        position = self._position
        for job_id, keys in index.items():
            if job_id in not_reached:
                return position
            position = (job_id, keys[-1])
        return None if is_end else position

    def _oldest_age(self, run: _Run, index: Mapping[str, Sequence[str]]) -> timedelta:
        """Return the age of the oldest unlinked event, also of those that other runs of the pass read."""
        self._terminations = {*self._terminations, *run.terminations} & index.keys()
        keys = [min(keys) for job_id, keys in index.items() if job_id not in self._terminations]
        self._oldest_of_pass = sorted([*self._oldest_of_pass, *keys])[:1]
        if self._position is None:
            self._oldest_of_last_pass, self._oldest_of_pass = self._oldest_of_pass, ()
        oldest = min([*self._oldest_of_pass, *self._oldest_of_last_pass], default=None)
        return run.now - time_of_key(oldest) if oldest else timedelta(0)

    def _look_up_all(self, run: _Run, job_ids: Sequence[str]) -> tuple[dict[str, JobFacts], AbstractSet[str]]:
        """Look up jobs while time is left, and link those that have an execution.

        Of a job that this run did not read in UnlinkedIndex, the events that the linker gave up are linked too. Return
        the facts of the jobs without an execution, and the jobs for which no time was left.
        """
        not_found: dict[str, JobFacts] = {}
        for place, job_id in enumerate(job_ids):
            if not run.has_time(_SHARE_OF_SCAN if self._scanned_table else 0):
                return not_found, set(job_ids[place:])
            with collect_errors(run.failures, job_id, _LINKING_FAILED):
                if job_id not in run.unlinked:
                    run.unlinked[job_id] = self._table.unlinked_of_job(job_id)
                if not run.unlinked[job_id]:
                    continue
                facts = self._table.facts_of(job_id, self._collector_sources)
                if facts.job_type == "TERMINATE":
                    run.terminations.add(job_id)
                if execution_id := self._look_up(run, job_id, facts):
                    self._link(run, job_id, facts, execution_id)
                else:
                    not_found[job_id] = facts
        return not_found, set()

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

    def _link_or_give_up_all(self, run: _Run, jobs: Mapping[str, JobFacts], *, may_give_up: bool) -> None:
        """Scan the executions table for jobs. Link those that it has, and give up those that are searched too long."""
        found: dict[str, str] = {}
        if jobs and self._scanned_table:
            with collect_errors(run.failures, "scan", _LINKING_FAILED), run.rejections("scan"):
                found = self._scan(self._scanned_table, jobs, lambda: run.seconds_for_lookups)
            run.scanning = jobs.keys() & self._scanned_table.unfinished.keys() - found.keys()
        for job_id, facts in jobs.items():
            if run.seconds_left() <= 0:
                return
            with collect_errors(run.failures, job_id, _LINKING_FAILED):
                if execution_id := found.get(job_id) or self._execution_of_others(run, job_id, facts):
                    self._link(run, job_id, facts, execution_id)
                elif may_give_up and self._is_searched_too_long(run, job_id, facts):
                    self._give_up(run, job_id)

    def _execution_of_others(self, run: _Run, job_id: str, facts: JobFacts) -> str | None:
        """Return the execution that other senders' events state.

        If the executions table is searched, they count only when the record of the job is overdue.
        """
        settings = self._executions_table.settings if self._executions_table else None
        is_searching = settings is not None and bool(settings.job_id_index or settings.allow_scan)
        is_scanned = job_id not in run.scanning or "scan" in run.rejected
        is_overdue = run.age_of(job_id) >= RECORD_GRACE and is_scanned
        return facts.other_execution_id if not is_searching or is_overdue else None

    @staticmethod
    def _is_searched_too_long(run: _Run, job_id: str, facts: JobFacts) -> bool:
        """Whether the search for the execution of a job ends. It does not end while the search itself fails."""
        period = _TERMINATION_GRACE if facts.job_type == "TERMINATE" else _SEARCH_PERIOD
        is_searched = job_id not in run.scanning and run.rejected.isdisjoint({job_id, "scan"})
        return is_searched and run.age_of(job_id) >= period

    def _give_up(self, run: _Run, job_id: str) -> None:
        """Remove the events of a job from UnlinkedIndex while time is left."""

        def give_up(key: str) -> bool:
            return run.seconds_left() > 0 and self._table.give_up(job_id, key)

        if events := sum(self._threads.map(give_up, run.unlinked[job_id])):
            logger.warning("Gave up the search for the execution of a job", job_id=job_id, events=events)

    @property
    def _scanned_table(self) -> ExecutionsTable | None:
        """The executions table, if the linker scans it."""
        table = self._executions_table
        return table if table and table.settings.allow_scan else None

    def _link(self, run: _Run, job_id: str, facts: JobFacts, execution_id: str) -> None:
        """Link the events of a job while time is left, and update the status of the execution if the job has ended."""

        def link(key: str) -> bool:
            return run.seconds_left() > 0 and self._table.link(job_id, key, execution_id)

        given_up = self._table.unlinked_of_job(job_id) if facts.is_given_up else ()
        *others, last = sorted({*run.unlinked[job_id], *given_up})
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
        """Scan for the jobs that were not part of a complete scan in the last minute. Return the executions by job."""
        self._scanned_at = {
            job: at for job, at in self._scanned_at.items() if time.monotonic() - at < _SCAN_INTERVAL_SECONDS
        }
        waits = {
            job: self._scanned_at[job] + _SCAN_INTERVAL_SECONDS - time.monotonic()
            if job in self._scanned_at and job not in executions_table.unfinished
            else 0.0
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
    """The state of a run.

    Attributes
    ----------
    unlinked
        The events that this run handles: job ID → ``EventKey`` of each event.
    scanning
        The jobs for which the scan of the executions table failed or must continue in the next run.
    rejected
        What the run could not use or find because the executions table does not match its settings.
    """

    now: datetime
    seconds_left: Callable[[], float]
    unlinked: dict[str, list[str]] = field(default_factory=dict)
    events: int = 0
    status_updates: list[StatusUpdate] = field(default_factory=list)
    terminations: set[str] = field(default_factory=set)
    scanning: Collection[str] = ()
    failures: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    _seconds_at_start: float = 0.0

    def __post_init__(self) -> None:
        self._seconds_at_start = max(0.0, self.seconds_for_lookups)

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

    def has_time(self, reserved: float) -> bool:
        """Whether more than this share of the seconds for lookups is left."""
        return self.seconds_for_lookups > self._seconds_at_start * reserved

    def age_of(self, job_id: str) -> timedelta:
        """Return the age of the newest unlinked event of a job."""
        return self.now - time_of_key(max(self.unlinked[job_id]))


def is_due(job_id: str, keys: Collection[str], now: datetime, minutes: int) -> bool:
    """Whether a run looks up a job with these unlinked events. ``minutes`` is the time since the last run for the job.

    In the first hour after its newest event, each run looks it up. Then it is looked up once an hour, in a minute that
    depends on the job ID, so that the lookups are spread over the hour.
    """
    is_new = now - time_of_key(max(keys)) < _EAGER_PERIOD
    return is_new or (now.minute - crc32(job_id.encode())) % 60 < minutes
