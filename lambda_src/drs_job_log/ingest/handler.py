"""The Lambda handler of ingest: stores the events of the queue, sends notifications and adds metrics."""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError

from drs_job_log import config
from drs_job_log.estimates import Estimator
from drs_job_log.ingest.checks import CheckProgress, ExecutionChecks, check_of
from drs_job_log.ingest.readiness import Readiness
from drs_job_log.ledger import Ledger
from drs_job_log.link.execution_status import StatusUpdate, update_status
from drs_job_log.link.executions_table import ExecutionsTable
from drs_job_log.link.resolver import RECORD_GRACE, ExecutionResolver
from drs_job_log.model.events import (
    DRILL_INSTANCES_LEFT,
    SMOKE_TEST,
    InvalidEventError,
    JobLogEvent,
    is_job_end,
    is_request,
    parse,
    require_plausible_time,
)
from drs_job_log.model.summary import is_in_ledger
from drs_job_log.notify.claims import Claims
from drs_job_log.notify.executions import ExecutionNotifier
from drs_job_log.notify.notifier import FailureNotifier, NotificationPendingError
from drs_job_log.notify.outbox import due_group
from drs_job_log.notify.publisher import Publisher
from drs_job_log.table import JobLogTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH_SIZE: Final = 10

# End of a step → the metric of its duration.
_DURATION_METRICS: Final[Mapping[str, str]] = {
    "SNAPSHOT_COMPLETED": "SnapshotDuration",
    "CONVERSION_COMPLETED": "ConversionDuration",
    "SERVER_LAUNCHED": "LaunchDuration",
    "JOB_COMPLETED": "JobDuration",
}

# A longer duration is an error of the sender, and is not added to the metrics.
_MAX_DURATION_SECONDS: Final = 30 * 24 * 3600

# Reasons for which a retry is planned: another invocation sends the notification, or it cannot be decided yet.
_PENDING: Final = (NotificationPendingError, IdempotencyAlreadyInProgressError)

# The number of servers whose earlier launches a check reads. A job has at most 200 servers.
_ESTIMATED_SERVERS: Final = 200

# The part of a message that a log line has.
_LOGGED_BODY: Final = 500

_TEST_RETENTION: Final = timedelta(hours=1)

# For all requests except storing events: if both attempts time out, enough time remains to store the batch.
_AUXILIARY: Final[Mapping[str, Any]] = {"connect_timeout": 1, "read_timeout": 2, "max_attempts": 2}

logger = Logger()
metrics = Metrics()
_emitting_metric = Lock()
_creating_client = Lock()


def count(metric: str) -> None:
    """Emit a metric of one failed or stalled server at once: the batch may end before its metrics are emitted."""
    with _emitting_metric, single_metric(name=metric, unit=MetricUnit.Count, value=1):
        pass


@cache
def _client(service: str) -> Any:
    return config.client(service, **_AUXILIARY)


def client(service: str) -> Any:
    """Return a client that few invocations need. It is created for its first use, so that cold starts do not wait."""
    with _creating_client:
        return _client(service)


def send_later(message: str, delay: timedelta) -> None:
    """Send a delayed message to the ingest queue: a timer."""
    client("sqs").send_message(
        QueueUrl=settings.notifications.queue_url,
        MessageBody=message,
        DelaySeconds=math.ceil(delay.total_seconds()),
    )


settings = config.ingest_settings()
dynamodb: DynamoDBClient = config.client(
    "dynamodb",
    # If all three attempts time out, the function still has time within its 30 s to report the other records.
    read_timeout=3,
    # Not "standard": if DynamoDB throttles many requests, its retry quota runs out and events go to the DLQ.
    retry_mode="legacy",
    # DynamoDB validates requests itself. boto3's validation takes a tenth of the CPU time of a batch.
    parameter_validation=False,
)
table = JobLogTable(dynamodb, settings.table_name)
executions_table = ExecutionsTable.from_settings(
    settings.executions_table, lambda: config.client("dynamodb", **_AUXILIARY)
)
resolver = ExecutionResolver(executions_table)
claims = Claims.for_records(dynamodb, settings.notifications.table_name, settings.retention)
publisher = Publisher(settings.notifications, sns=partial(client, "sns"), events=partial(client, "events"))
notifier = FailureNotifier(
    settings.notifications,
    publisher=publisher,
    claims=claims,
    dynamodb=dynamodb,
    table=table,
    count_failure=partial(count, "ServerFailures"),
    count_stall=partial(count, "ServersStalled"),
    count_plan_failure=partial(count, "PlanFailures"),
    schedule=send_later,
)
checks = ExecutionChecks(
    table=table,
    executions_table=executions_table,
    estimator=Estimator(Ledger(dynamodb, settings.table_name), settings.stalled_after, _ESTIMATED_SERVERS),
    notifier=ExecutionNotifier(claims, publisher),
    progress=CheckProgress(dynamodb, settings.notifications.table_name, claims.lifetime),
    schedule=send_later,
    rto_minutes=settings.rto_minutes,
    rpo_minutes=settings.rpo_minutes,
)
readiness = Readiness(
    notifier,
    dynamodb,
    settings.notifications.table_name,
    collector_sources=settings.collector_sources,
    max_age=claims.lifetime,
    count_stall=partial(count, "ReplicationStalls"),
)


class FollowUpError(Exception):
    """A follow-up action of an event failed. The event is stored: ``result``."""

    def __init__(self, result: IngestResult) -> None:
        super().__init__(f"{result.event.job_id} {result.event.key}")
        self.result = result


class OtherMessageError(Exception):
    """A message that is no event of a job failed: a timer, or a fact about readiness. The cause is the reason."""


class ConcurrentBatchProcessor(BatchProcessor):
    """Powertools' batch processor, with the records of a batch processed in parallel.

    In threads, and not with Powertools' asyncio variant, since boto3 blocks.
    """

    _threads = ThreadPoolExecutor(max_workers=_BATCH_SIZE)

    def process(self) -> list[tuple[Any, ...]]:
        """Return the result of each record, in the order of the records."""
        return list(self._threads.map(self._process_record, self.records))

    def _entire_batch_failed(self) -> bool:
        """Whether the batch is an error of the function. A pending notification is none: its retry is planned."""
        causes = [error.__cause__ for _, error, _ in self.exceptions if error]
        are_pending = all(isinstance(cause, _PENDING) for cause in causes)
        return super()._entire_batch_failed() and not are_pending


processor = ConcurrentBatchProcessor(event_type=EventType.SQS)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The result of one record. ``is_new``: the table did not contain the event. ``lag``: time from event to row."""

    event: JobLogEvent
    is_new: bool
    lag: timedelta
    status_update: StatusUpdate | None


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Store the events of a batch of SQS messages, and report the records that failed.

    Raises
    ------
    aws_lambda_powertools.utilities.batch.exceptions.BatchProcessingError
        If every record failed, so that Lambda's Errors metric counts it.
    """
    claims.start_invocation(context)
    with processor(event["Records"], process):
        stored = [result for status, result, _ in processor.process() if status == "success" and result]
        failed = [error.result for _, error, _ in processor.exceptions if isinstance(error, FollowUpError)]
        add_metrics([*stored, *failed])
    return processor.response()


def process(record: SQSRecord) -> IngestResult | None:
    """Store the event of one message (see ``ingest``), or do what another message requests (see ``handle_other``).

    Raises
    ------
    InvalidEventError
        If the message is about readiness and not valid.
    OtherMessageError
        If another message failed or is pending. It is safe to retry.
    """
    try:
        if handle_other(record.body, datetime.now(UTC)):
            return None
    except InvalidEventError as error:
        logger.error("Event rejected", message_id=record.message_id, reason=str(error))
        raise
    except Exception as error:
        log_failure(error, "Message not handled", message_id=record.message_id, body=record.body[:_LOGGED_BODY])
        raise OtherMessageError(record.message_id) from error
    return ingest(record)


def handle_other(body: str, now: datetime) -> bool:
    """Send collected notices, check an execution, or report a fact about readiness. False: it is an event of a job."""
    if (group := due_group(body)) is not None:
        notifier.send_collected(group)
    elif check := check_of(body):
        checks.make(check, now)
    else:
        return readiness.handle(body, now)
    return True


def log_failure(error: Exception, message: str, **keys: Any) -> None:
    """Log why a message is retried. A pending notification is no error."""
    if isinstance(error, _PENDING):
        logger.info("A notification is pending, and the message is retried", **keys, reason=str(error))
    else:
        logger.exception(message, **keys)


def ingest(record: SQSRecord) -> IngestResult:
    """Store the event of one message, with its execution if it is known.

    The follow-up actions (notification, status of the execution) also run for a repeated event, because the invocation
    that stored it may have been cut off before them.

    Raises
    ------
    InvalidEventError
        If the message is not a valid event.
    FollowUpError
        If the event is stored, and a follow-up action failed or is pending. The cause is the reason.
    Exception
        If DynamoDB cannot be reached or refuses a request. It is safe to retry.
    """
    try:
        event = parse(record.body, settings.collector_sources)
        require_plausible_time(event, datetime.now(UTC), settings.retention)
        event = resolver.resolve(event, datetime.now(UTC))
        is_new = table.put(event, retention_of(event))
        lag = datetime.now(UTC) - event.timestamp
    except InvalidEventError as error:
        logger.error("Event rejected", message_id=record.message_id, reason=str(error))
        raise
    except Exception:
        logger.exception("Event not stored", message_id=record.message_id)
        raise
    try:
        notifier.notify(event)
        checks.begin(event)
        status_update = update_execution(event, datetime.now(UTC))
    except Exception as error:
        log_failure(
            error,
            "Event stored, but a follow-up action failed",
            message_id=record.message_id,
            job_id=event.job_id,
            key=event.key,
        )
        raise FollowUpError(IngestResult(event, is_new, lag, None)) from error
    return IngestResult(event, is_new, lag, status_update)


def retention_of(event: JobLogEvent) -> timedelta:
    """Return the time to keep an event. A test event of the collector is only kept until the smoke test has read it."""
    if event.event_type == SMOKE_TEST and event.is_from_collector:
        return _TEST_RETENTION
    return settings.history if is_in_ledger(event) else settings.retention


def update_execution(event: JobLogEvent, now: datetime) -> StatusUpdate | None:
    """Update the status of the execution of a job that the event ends, if ``update_status`` is enabled.

    A TERMINATE job cleans up, and does not change the status of an execution. The executions table does not have the
    executions of recovery plans.
    """
    if not executions_table or not executions_table.settings.update_status or not event.execution_id:
        return None
    if not is_job_end(event.event_type, event.detail) or event.detail.get("jobType") == "TERMINATE":
        return None
    if "recoveryPlanStep" in event.detail:
        return None
    update = update_status(executions_table, table, event.execution_id, event.job_id)
    if update == "MISSING" and now - event.timestamp < RECORD_GRACE:
        table.requeue_for_linker(event.job_id, event.key)
        return None
    return update


def add_metrics(results: list[IngestResult]) -> None:
    """Add the results of a batch to the metrics. Sources are metadata, since each value of a dimension is billed.

    AWS bills a metric for each hour in which it has a value. A metric that is usually zero is therefore sent only if it
    is not zero.
    """
    new = [result for result in results if result.is_new]
    metrics.add_metric("EventsStored", MetricUnit.Count, len(new))
    if repeated := len(results) - len(new):
        metrics.add_metric("EventsRepeated", MetricUnit.Count, repeated)
    if unlinked := sum(result.event.execution_id is None for result in new):
        metrics.add_metric("EventsUnlinked", MetricUnit.Count, unlinked)
    for result in new:
        # CloudTrail can be minutes late, and the event of a check has the time of the first check of the day.
        if not (
            is_request(result.event.event_type, result.event.source) or result.event.event_type == DRILL_INSTANCES_LEFT
        ):
            metrics.add_metric("EventLag", MetricUnit.Milliseconds, max(0.0, result.lag / timedelta(milliseconds=1)))
        if (seconds := _duration(result.event)) is not None:
            metrics.add_metric(_DURATION_METRICS[result.event.event_type], MetricUnit.Seconds, seconds)
    if missing := sum(result.status_update == "MISSING" for result in results):
        metrics.add_metric("ExecutionsMissing", MetricUnit.Count, missing)
    if rejected := sum(result.status_update == "REJECTED" for result in results):
        metrics.add_metric("ExecutionsTableRejected", MetricUnit.Count, rejected)
    metrics.add_metadata("EventsBySource", Counter(result.event.source for result in new))


def _duration(event: JobLogEvent) -> float | None:
    """Return the duration in seconds of the step that the event ends. None if there is no step or no valid duration."""
    match event.detail.get("durationSeconds"):
        case bool():
            return None
        case int() | Decimal() as seconds if (
            event.event_type in _DURATION_METRICS and 0 <= seconds < _MAX_DURATION_SECONDS
        ):
            return float(seconds)
    return None
