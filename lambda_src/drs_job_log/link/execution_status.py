"""The status of an execution in the executions table, set when its last job has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from drs_job_log.link.executions_table import ExecutionsTableError
from drs_job_log.model.events import is_job_end
from drs_job_log.model.progress import OUTCOMES, combine, is_decided_by, job_state_of

if TYPE_CHECKING:
    from drs_job_log.link.executions_table import ExecutionRecord, ExecutionsTable
    from drs_job_log.table import JobLogTable

# Other writers may change a record during an update, but only a few times.
_UPDATE_ATTEMPTS: Final = 5

StatusUpdate = Literal["UPDATED", "UNCHANGED", "MISSING", "REJECTED"]


class RecordChangedError(RuntimeError):
    """Another writer changed the record during each attempt to update it. It is safe to retry."""


def update_status(
    executions_table: ExecutionsTable, table: JobLogTable, execution_id: str, job_id: str
) -> StatusUpdate:
    """Set the status of an execution if this job was its last one to end. A final status is not changed.

    There is one exception: after a corrected end of a job, the status that this function set is corrected too.

    Call it after the job's end is stored. Both tables are read consistently: if two jobs end at the same time, the call
    for the job that is stored later sees both ends. Return MISSING if no record of the execution contains the job, and
    REJECTED if the executions table does not match its settings.

    Raises
    ------
    RecordChangedError
        If another writer changes the record during each attempt. It is safe to retry.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If DynamoDB cannot be reached or refuses a request. It is safe to retry.
    """
    try:
        for _ in range(_UPDATE_ATTEMPTS):
            records = [record for record in executions_table.records(execution_id) if job_id in record.job_ids]
            if not records:
                return "MISSING"
            updates = [_update_record(executions_table, table, record) for record in records]
            if None not in updates:
                return "UPDATED" if "UPDATED" in updates else "UNCHANGED"
    except ExecutionsTableError:
        return "REJECTED"
    raise RecordChangedError(f"another writer changed the record of {execution_id} during each attempt to update it")


def _update_record(
    executions_table: ExecutionsTable, table: JobLogTable, record: ExecutionRecord
) -> StatusUpdate | None:
    """Update one record as ``update_status`` does. Return None if another writer changed it meanwhile."""
    is_final = executions_table.is_final(record.status)
    # A list, because a status can have any type, also one that has no hash.
    if not record.names_every_job or (is_final and record.status not in list(OUTCOMES)):
        return "UNCHANGED"
    states, is_corrected = [], False
    for job_id in sorted(record.job_ids):
        endings = table.endings_of_job(job_id)
        if not any(is_job_end(event.event_type, event.detail) for event in endings):
            return "UNCHANGED"
        events = endings if is_decided_by(endings) else table.events_of_job(job_id, consistent=True)
        states.append(job_state_of(job_id, events))
        is_corrected |= any("revision" in event.detail for event in endings)
    progress = combine(states)
    if progress.outcome is None or progress.ended_at is None:
        return "UNCHANGED"
    if is_final:
        is_own = is_corrected and executions_table.has_end_time(record, progress.ended_at)
        if not is_own or record.status == progress.outcome:
            return "UNCHANGED"
    is_written = executions_table.set_status(record, progress.outcome, progress.ended_at)
    return "UPDATED" if is_written else None
