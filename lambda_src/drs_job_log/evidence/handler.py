"""The Lambda handler of evidence: writes the reports of the executions in its queue. Once a day, it checks all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from drs_job_log import config
from drs_job_log.evidence.bucket import Bucket, ConflictError
from drs_job_log.evidence.writer import NotSettledError, ReportWriter, Subject
from drs_job_log.evidence_records import Records
from drs_job_log.ledger import Ledger
from drs_job_log.link.executions_table import ExecutionsTable
from drs_job_log.table import JobLogTable, keep_items_as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from drs_job_log.model.summary import JobSummary

# An index can lag behind the events that settled the execution. Later, a further wave is the reason.
_MAX_RECEIVES_UNSETTLED: Final = 2

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_MESSAGES_PER_REQUEST: Final = 10

logger = Logger()
metrics = Metrics()
settings = config.evidence_settings()
dynamodb: DynamoDBClient = config.client("dynamodb", read_timeout=5)
keep_items_as_json(dynamodb)
sqs: SQSClient = config.client("sqs")
ledger = Ledger(dynamodb, settings.table_name)
writer = ReportWriter(
    table=JobLogTable(dynamodb, settings.table_name),
    executions_table=ExecutionsTable.from_settings(settings.executions_table, lambda: dynamodb),
    bucket=Bucket(config.client("s3", read_timeout=30), settings),
    records=Records(dynamodb, settings.table_name),
    settings=settings,
)
# A failed record is a metric of its own, and not an error of the function.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class NotQueuedError(Exception):
    """SQS rejected messages of the daily run. It is safe to repeat it."""


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Write the reports of the messages of a batch, and report the records that failed.

    ``{"reconcile": true}`` sends a message for each execution and job whose events are stored, so that missing reports
    are written, and reports whose facts changed get a new revision.

    Raises
    ------
    ValueError
        If the event is neither a batch of SQS nor ``{"reconcile": true}``.
    NotQueuedError
        If SQS rejected messages.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If the ledger cannot be read, or SQS cannot be reached.
    """
    if event == {"reconcile": True}:
        return {"queued": reconcile(datetime.now(UTC))}
    if "Records" not in event:
        raise ValueError(f'the event must be {{"reconcile": true}} or a batch of SQS messages, not {event!r:.200}')
    return process_partial_response(event, process, processor, context)


def process(record: SQSRecord) -> None:
    """Write the report of one message.

    Raises
    ------
    ValueError
        If the message names neither an execution nor a job.
    NotSettledError, ConflictError
        See ``ReportWriter.write``. A further attempt follows.
    Exception
        If the report cannot be written. It is safe to retry.
    """
    try:
        subject = subject_of(record.body)
        result = writer.write(subject, datetime.now(UTC))
    except NotSettledError as error:
        if int(record.attributes.approximate_receive_count) <= _MAX_RECEIVES_UNSETTLED:
            logger.info("Report not due", reason=str(error))
            raise
        logger.info("Report not due. The end of the execution sends a further message", reason=str(error))
        return
    except ConflictError as error:
        logger.info("Another invocation writes the report", reason=str(error))
        raise
    except Exception:
        metrics.add_metric("EvidenceFailures", MetricUnit.Count, 1)
        logger.exception("Report not written", body=record.body[:500])
        raise
    if result == "WRITTEN":
        metrics.add_metric("ReportsWritten", MetricUnit.Count, 1)
    logger.info("Report checked", subject=subject.id, result=result)


def subject_of(body: str) -> Subject:
    """Return what a message names: an event "DRS Execution Settled", or a message of ``to_message``.

    Raises
    ------
    ValueError
        If it names neither an execution nor a job.
    """
    message = json.loads(body)
    values = message.get("detail", message) if isinstance(message, dict) else {}
    if isinstance(values, dict):
        match values:
            case {"executionId": str() as execution_id} if execution_id:
                return Subject(execution_id=execution_id)
            case {"jobId": str() as job_id} if job_id:
                return Subject(job_id=job_id)
            case {"jobIds": [str() as job_id, *_]}:
                return Subject(job_id=job_id)
    raise ValueError(f"the message must name an executionId or a jobId: {body:.200}")


def to_message(subject: Subject) -> str:
    """Return the message that asks for the report of an execution or a job."""
    key = "executionId" if subject.execution_id else "jobId"
    return json.dumps({key: subject.id})


def reconcile(now: datetime) -> int:
    """Send a message for each execution, and each job without one. Return their number."""
    subjects = sorted({subject_of_job(job) for job in ledger.jobs(now - settings.lookback, now)}, key=to_message)
    for start in range(0, len(subjects), _MESSAGES_PER_REQUEST):
        send(subjects[start : start + _MESSAGES_PER_REQUEST])
    return len(subjects)


def subject_of_job(job: JobSummary) -> Subject:
    """Return the execution of a job, or the job if it has none."""
    return Subject(execution_id=job.execution_id) if job.execution_id else Subject(job_id=job.job_id)


def send(subjects: Iterable[Subject]) -> None:
    """Send the messages of up to ten subjects.

    Raises
    ------
    NotQueuedError
        If SQS rejects one of them.
    """
    answer = sqs.send_message_batch(
        QueueUrl=settings.queue_url,
        Entries=[{"Id": str(place), "MessageBody": to_message(subject)} for place, subject in enumerate(subjects)],
    )
    if failed := answer.get("Failed"):
        raise NotQueuedError(f"SQS rejected {len(failed)} messages: {failed[0].get('Code')}")
