"""Finds the execution of an event when ingest stores the event."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.link.executions_table import ExecutionsTableError

if TYPE_CHECKING:
    from datetime import datetime

    from drs_job_log.link.executions_table import ExecutionsTable
    from drs_job_log.model.events import JobLogEvent

# After a lookup without result, the next lookup of the job waits for this time.
_NEGATIVE_TTL: Final = timedelta(seconds=30)

# The cache is cleared when it exceeds this number of jobs. An instance of the function rarely sees as many.
_MAX_CACHED_JOBS: Final = 10_000

# The longest expected time from a job's end until the orchestrator adds the job to the execution's record.
RECORD_GRACE: Final = timedelta(minutes=10)

logger = Logger(child=True)


@dataclass(slots=True)
class _CachedJob:
    """The execution of a job, or the time of the last lookup without result."""

    execution_id: str | None = None
    not_found_at: datetime | None = None
    lock: Lock = field(default_factory=Lock)


class ExecutionResolver:
    """Finds and caches the executions of jobs. Thread-safe."""

    def __init__(self, executions_table: ExecutionsTable | None) -> None:
        self._indexed = executions_table if executions_table and executions_table.settings.job_id_index else None
        self._jobs: dict[str, _CachedJob] = {}

    def resolve(self, event: JobLogEvent, now: datetime) -> JobLogEvent:
        """Return the event with its execution: of the job's tag, else from ``job_id_index``, else from its sender.

        The executions of the tag and of the index are cached for the other events of the job. The execution of another
        sender applies to its own event only.

        The executions table is only queried by its index, and at most once per ``_NEGATIVE_TTL`` for a job, so that the
        cost of storing an event does not depend on the size of the table.
        """
        if len(self._jobs) > _MAX_CACHED_JOBS:
            self._jobs = {}
        cached = self._jobs.setdefault(event.job_id, _CachedJob())
        if event.execution_id and event.is_from_collector:
            cached.execution_id = event.execution_id
            return event
        with cached.lock:
            is_due = cached.not_found_at is None or now - cached.not_found_at > _NEGATIVE_TTL
            if self._indexed and not cached.execution_id and is_due:
                cached.execution_id = self._look_up(self._indexed, event.job_id)
                cached.not_found_at = None if cached.execution_id else now
        return replace(event, execution_id=cached.execution_id or event.execution_id)

    @staticmethod
    def _look_up(executions_table: ExecutionsTable, job_id: str) -> str | None:
        try:
            return executions_table.find_by_index(job_id)
        except ExecutionsTableError:  # the executions table logged it
            return None
        except (BotoCoreError, ClientError):
            logger.exception("Execution lookup failed. The linker retries it", job_id=job_id)
            return None
