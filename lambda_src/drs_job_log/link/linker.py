"""The linker: links events that were stored before their execution was known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zlib import crc32

from drs_job_log.errors import collect_errors
from drs_job_log.link.execution_status import update_status
from drs_job_log.link.resolver import RECORD_GRACE
from drs_job_log.model.events import time_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.link.execution_status import StatusUpdate
    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.table import JobLogTable

# The minimum time between two scans of the executions table for the same job. The schedule may invoke the linker up to
# _MAX_EARLY_SECONDS too early. The linker then waits.
_SCAN_INTERVAL_SECONDS: Final = 60.0
_MAX_EARLY_SECONDS: Final = 5.0

# A job is looked up every minute until its newest unlinked event is this old. Then it is looked up once an hour.
_EAGER_PERIOD: Final = timedelta(hours=1)

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
        The age of the oldest unlinked event.
    failures
        Job ID (or "scan") → reason.
    """

    events: int
    updated: int
    missing: int
    oldest_age: timedelta
    failures: Mapping[str, str]


class Linker:
    """Links stored events to their executions."""

    def __init__(self, table: JobLogTable, executions_table: ExecutionsTable | None) -> None:
        self._table = table
        self._executions_table = executions_table
        self._failing: Collection[str] = ()
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
        oldest = min(map(min, unlinked.values()), default=None)
        run = _Run(now, unlinked, seconds_left)
        always_due = {*job_ids, *self._failing}
        due = [job_id for job_id, keys in unlinked.items() if job_id in always_due or is_due(job_id, keys, now)]
        not_found = []
        # Shuffled per minute so that no job starves.
        for job_id in sorted(due, key=lambda job_id: crc32(f"{now:%H:%M} {job_id}".encode())):
            if run.seconds_for_lookups <= 0:
                break
            with collect_errors(run.failures, job_id, _LINKING_FAILED):
                if execution_id := self._look_up(job_id):
                    self._link(run, job_id, execution_id)
                else:
                    not_found.append(job_id)
        if not_found and self._executions_table and self._executions_table.settings.allow_scan:
            found: dict[str, str] = {}
            with collect_errors(run.failures, "scan", _LINKING_FAILED):
                found = self._scan(self._executions_table, not_found, lambda: run.seconds_for_lookups)
            for job_id, execution_id in found.items():
                with collect_errors(run.failures, job_id, _LINKING_FAILED):
                    self._link(run, job_id, execution_id)
        # A failing job is due in every run, so that the alarm stays on until the cause is fixed.
        self._failing = due if "scan" in run.failures else list(run.failures)
        return LinkResult(
            events=run.events,
            updated=run.status_updates.count("UPDATED"),
            missing=run.status_updates.count("MISSING"),
            oldest_age=now - time_of_key(oldest) if oldest else timedelta(0),
            failures=run.failures,
        )

    def _look_up(self, job_id: str) -> str | None:
        """Return the execution of a job from its other events, or from the index of the executions table."""
        execution_id = self._table.execution_of(job_id)
        if not execution_id and self._executions_table and self._executions_table.settings.job_id_index:
            execution_id = self._executions_table.find_by_index(job_id)
        return execution_id

    def _link(self, run: _Run, job_id: str, execution_id: str) -> None:
        """Link the events of a job while time is left, and update the status of the execution if the job has ended."""

        def link(key: str) -> bool:
            return run.seconds_left() > 0 and self._table.link(job_id, key, execution_id)

        *others, last = sorted(run.unlinked[job_id])
        run.events += sum(self._threads.map(link, others))
        if self._executions_table and self._executions_table.settings.update_status:
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
    failures: dict[str, str] = field(default_factory=dict)

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
