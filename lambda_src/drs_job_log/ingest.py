"""The door of the queue: stores its events, each once, tells of servers that failed, and counts."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer
from botocore.config import Config

from drs_job_log.events import JOB_ENDS, InvalidEventError, JobLogEvent, parse
from drs_job_log.executions import Finish, finish, history_from
from drs_job_log.linking import PLATFORM_DELAY, Links
from drs_job_log.notify import BeingToldError, Notices, Settings
from drs_job_log.store import JobLogStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sns import SNSClient

_BATCH_SIZE = 10

# What each step lasted, by the event that ends it.
_DURATIONS: Final[Mapping[str, str]] = {
    "SNAPSHOT_COMPLETED": "SnapshotDuration",
    "CONVERSION_COMPLETED": "ConversionDuration",
    "SERVER_LAUNCHED": "LaunchDuration",
    "JOB_COMPLETED": "JobDuration",
}

# No step lasts so long: whoever says so is mistaken.
_MAX_SECONDS: Final = 30 * 24 * 3600

# For what is asked beside the table: it may hang, and must leave time for storing.
_BESIDE = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=_BATCH_SIZE,
)

logger = Logger()
metrics = Metrics()
counting = Lock()
making = Lock()  # boto3's default session is not made for several threads


def count_failure() -> None:
    """Count a failed server at once, in a line of its own: the batch may be cut off before its metrics are sent."""
    with counting, single_metric(name="ServerFailures", unit=MetricUnit.Count, value=1):
        pass


def sns() -> SNSClient:
    """The client that tells, made when the first server fails: nobody else is to wait for it."""
    with making:
        return _sns()


@cache
def _sns() -> SNSClient:
    return boto3.client("sns", config=_BESIDE)


client = boto3.client(
    "dynamodb",
    # Three tries of a hung connection end within the function's 30 s, so that the rest of the batch counts. In legacy
    # mode, for the standard one stops trying again when it had to for long: where DynamoDB throttled three requests in
    # ten, events went to the dead-letter queue.
    config=Config(
        connect_timeout=2,
        read_timeout=3,
        retries={"mode": "legacy", "total_max_attempts": 3},
        max_pool_connections=_BATCH_SIZE,
        parameter_validation=False,  # a tenth of a batch's processor time, for what DynamoDB looks at itself
    ),
)
store = JobLogStore(client, os.environ["JOB_LOG_EVENTS_TABLE"])
history = history_from(os.environ, lambda: boto3.client("dynamodb", config=_BESIDE))
links = Links(history)
retention = timedelta(days=int(os.environ["RETENTION_DAYS"]))
notices = Notices(
    Settings(
        name=os.environ["POWERTOOLS_SERVICE_NAME"],
        topic_arn=os.environ.get("FAILURE_TOPIC_ARN"),
        viewer=os.environ.get("VIEWER_URL"),
        runbook=f"{os.environ['RUNBOOKS']}/server-failed.md",
    ),
    sns=sns,
    memory=DynamoDBPersistenceLayer(os.environ["NOTICES_TABLE"], boto3_client=client),
    store=store,
    retention=retention,
    count=count_failure,
)


class OverlappingBatchProcessor(BatchProcessor):
    """Powertools' processor, with the records of a batch in work at the same time.

    Threads and not its asyncio variant: boto3 blocks.
    """

    _threads = ThreadPoolExecutor(max_workers=_BATCH_SIZE)

    def process(self) -> list[tuple[Any, ...]]:
        """Outcome of every record, in the order of the records."""
        return list(self._threads.map(self._process_record, self.records))


processor = OverlappingBatchProcessor(event_type=EventType.SQS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event: newly stored, or known already."""

    event: JobLogEvent
    is_new: bool
    lag: timedelta
    finish: Finish | None


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Store the events of a batch of SQS messages; report those that failed, alone.

    Raises
    ------
    aws_lambda_powertools.utilities.batch.exceptions.BatchProcessingError
        Where every record failed, so that Lambda's Errors metric tells.
    """
    notices.begin(context)
    with processor(event["Records"], ingest):
        count([result for status, result, _ in processor.process() if status == "success"])
    return processor.response()


def ingest(record: SQSRecord) -> Outcome:
    """Store the event of one message, linked where its execution is known.

    Then what follows from it, also where it is not new, for whoever stored it may have been cut off here: a server's
    failure is told, and a job's end may end its execution.

    Raises
    ------
    InvalidEventError
        Where the message is no event.
    drs_job_log.executions.HistoryError
        Where the event is stored, but the platform's table is not as its settings say.
    Exception
        Where DynamoDB or, for the notice, SNS cannot be reached or refuses; trying again is safe.
    """
    try:
        event = links.linked(parse(record.body), datetime.now(UTC))
        is_new = store.put(event, retention)
        lag = datetime.now(UTC) - event.timestamp
    except InvalidEventError as error:
        logger.error("Event rejected", message_id=record.message_id, reason=str(error))
        raise
    except Exception:
        logger.exception("Event not stored", message_id=record.message_id)
        raise
    try:
        notices.tell(event)
        finished = finish_execution(event, datetime.now(UTC)) if event.event_type in JOB_ENDS else None
    except BeingToldError as error:
        logger.info("Event stored, and comes again", message_id=record.message_id, reason=str(error))
        raise
    except Exception:
        logger.exception(
            "Event stored, but not what follows from it",
            message_id=record.message_id,
            job_id=event.job_id,
            key=event.key,
        )
        raise
    return Outcome(event, is_new, lag, finished)


def finish_execution(end: JobLogEvent, now: datetime) -> Finish | None:
    """Set the status of the execution of a job that ended, where the platform wants that; the event is stored."""
    if not history or not history.settings.update_status or not end.execution_id:
        return None
    finished = finish(history, store, end.execution_id, end.job_id)
    if finished == "MISSING" and now - end.timestamp < PLATFORM_DELAY:
        store.revisit(end.job_id, end.key)
        return None
    return finished


def count(outcomes: list[Outcome]) -> None:
    """Add the outcomes of a batch to the metrics. Sources are no dimension, which would cost: the log line has them."""
    new = [outcome for outcome in outcomes if outcome.is_new]
    metrics.add_metric("EventsStored", MetricUnit.Count, len(new))
    metrics.add_metric("EventsRepeated", MetricUnit.Count, len(outcomes) - len(new))
    metrics.add_metric("EventsUnlinked", MetricUnit.Count, sum(o.event.execution_id is None for o in new))
    for outcome in new:
        metrics.add_metric("EventLag", MetricUnit.Milliseconds, max(0.0, outcome.lag / timedelta(milliseconds=1)))
        if (seconds := _duration(outcome.event)) is not None:
            metrics.add_metric(_DURATIONS[outcome.event.event_type], MetricUnit.Seconds, seconds)
    if missing := sum(outcome.finish == "MISSING" for outcome in outcomes):
        metrics.add_metric("ExecutionsMissing", MetricUnit.Count, missing)
    metrics.add_metadata("EventsBySource", Counter(outcome.event.source for outcome in new))


def _duration(event: JobLogEvent) -> float | None:
    """Seconds that the step lasted which an event ends; None where it ends none, or does not say."""
    match event.detail.get("durationSeconds"):
        case bool():
            return None
        case int() | Decimal() as seconds if event.event_type in _DURATIONS and 0 <= seconds < _MAX_SECONDS:
            return float(seconds)
    return None
