"""The door of the queue: stores its events, each once, and counts them."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from botocore.config import Config

from drs_job_log.events import JOB_ENDS, InvalidEventError, JobLogEvent, parse
from drs_job_log.executions import Finish, finish, history_from
from drs_job_log.linking import PLATFORM_DELAY, Links
from drs_job_log.store import JobLogStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

_BATCH_SIZE = 10

logger = Logger()
metrics = Metrics()
store = JobLogStore(
    boto3.client(
        "dynamodb",
        # Three tries of a hung connection end within the function's 30 s, so that the rest of the batch counts.
        config=Config(
            connect_timeout=2,
            read_timeout=3,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=_BATCH_SIZE,
        ),
    ),
    os.environ["JOB_LOG_EVENTS_TABLE"],
)
history = history_from(
    os.environ,
    boto3.client(
        "dynamodb",
        # Before the event is stored: a table of somebody else's that hangs must leave time for that.
        config=Config(
            connect_timeout=1,
            read_timeout=2,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=_BATCH_SIZE,
        ),
    ),
)
links = Links(history)
retention = timedelta(days=int(os.environ["RETENTION_DAYS"]))


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
def handler(event: dict[str, Any], _context: LambdaContext) -> PartialItemFailureResponse:
    """Store the events of a batch of SQS messages; report those that failed, alone.

    Raises
    ------
    aws_lambda_powertools.utilities.batch.exceptions.BatchProcessingError
        Where every record failed, so that Lambda's Errors metric tells.
    """
    with processor(event["Records"], ingest):
        count([result for status, result, _ in processor.process() if status == "success"])
    return processor.response()


def ingest(record: SQSRecord) -> Outcome:
    """Store the event of one message, linked where its execution is known; a job's end may end its execution.

    Raises
    ------
    InvalidEventError
        Where the message is no event.
    drs_job_log.executions.HistoryError
        Where the event is stored, but the platform's table is not as its settings say.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        Where DynamoDB cannot be reached or refuses.
    """
    try:
        event = links.linked(parse(record.body), datetime.now(UTC))
        is_new = store.put(event, retention)
        # Also where the event is not new: whoever stored it may have been cut off here.
        finished = finish_execution(event, datetime.now(UTC)) if event.event_type in JOB_ENDS else None
    except InvalidEventError as error:
        logger.error("Event rejected", message_id=record.message_id, reason=str(error))
        raise
    except Exception:
        logger.exception("Event not stored", message_id=record.message_id)
        raise
    return Outcome(event, is_new, datetime.now(UTC) - event.timestamp, finished)


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
    if missing := sum(outcome.finish == "MISSING" for outcome in outcomes):
        metrics.add_metric("ExecutionsMissing", MetricUnit.Count, missing)
    metrics.add_metadata("EventsBySource", Counter(outcome.event.source for outcome in new))
