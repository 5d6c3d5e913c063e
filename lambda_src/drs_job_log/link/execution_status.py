"""The status of an execution in the executions table, set when its last job has ended."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

from drs_job_log.link.executions_table import ExecutionsTableError, is_terminal
from drs_job_log.model.progress import combined_status, progress_of

if TYPE_CHECKING:
    from drs_job_log.link.executions_table import ExecutionRecord, ExecutionsTable
    from drs_job_log.table import JobLogTable

# Other writers may change a record during an update, but only a few times.
_UPDATE_ATTEMPTS: Final = 5

StatusUpdate = Literal["UPDATED", "UNCHANGED", "MISSING"]


def update_status(
    executions_table: ExecutionsTable, table: JobLogTable, execution_id: str, job_id: str
) -> StatusUpdate:
    """Set the status of an execution if this job was its last one to end. A terminal status is never changed.

    Call it after the job's end is stored. Both tables are read consistently: if two jobs end at the same time, the call
    for the job that is stored later sees both ends. Return MISSING if no record of the execution contains the job.

    Raises
    ------
    ExecutionsTableError
        If the table does not match its settings, or another writer changes the record during each attempt.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If DynamoDB cannot be reached or refuses a request. It is safe to retry.
    """
    for _ in range(_UPDATE_ATTEMPTS):
        records = [record for record in executions_table.records(execution_id) if job_id in record.job_ids]
        if not records:
            return "MISSING"
        updates = [_update_record(executions_table, table, record) for record in records]
        if None not in updates:
            return "UPDATED" if "UPDATED" in updates else "UNCHANGED"
    raise ExecutionsTableError(f"another writer changed the record of {execution_id} during each attempt to update it")


def _update_record(
    executions_table: ExecutionsTable, table: JobLogTable, record: ExecutionRecord
) -> StatusUpdate | None:
    """Update one record as ``update_status`` does. Return None if another writer changed it meanwhile."""
    if is_terminal(record.status) or not record.names_every_job:
        return "UNCHANGED"
    jobs = sorted(record.job_ids)
    progress = progress_of(chain.from_iterable(table.events_of_job(job, consistent=True) for job in jobs))
    outcomes = [job.outcome for job in progress.jobs if job.outcome]
    if len(outcomes) < len(jobs) or progress.ended_at is None:
        return "UNCHANGED"
    is_written = executions_table.set_status(record, combined_status(outcomes), progress.ended_at)
    return "UPDATED" if is_written else None
