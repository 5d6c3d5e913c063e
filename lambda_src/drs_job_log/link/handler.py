"""The Lambda handler of the linker. A schedule invokes it every minute."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from drs_job_log import config
from drs_job_log.link.executions_table import ExecutionsTable
from drs_job_log.link.linker import Linker, LinkResult
from drs_job_log.table import JobLogTable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

# Reserved at the end of an invocation, for requests in progress and the metrics.
_SECONDS_TO_FINISH: Final = 8

logger = Logger()
metrics = Metrics()
settings = config.linker_settings()
dynamodb: DynamoDBClient = config.client("dynamodb")
linker = Linker(
    JobLogTable(dynamodb, settings.table_name),
    ExecutionsTable.from_settings(settings.executions_table, lambda: dynamodb),
    settings.collector_sources,
)


class LinkError(RuntimeError):
    """Some jobs could not be linked. The message lists the jobs and reasons."""


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Link the events of all due jobs, and of the jobs in a manual request.

    Raises
    ------
    ValueError
        If the event is not valid (see ``parse_event``).
    LinkError
        If an execution could not be looked up or updated, so that Lambda's Errors metric counts it.
    """
    job_ids = parse_event(event)
    result = linker.run(
        datetime.now(UTC),
        lambda: context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_FINISH,
        job_ids=job_ids,
    )
    add_metrics(result, is_manual=bool(job_ids))
    if result.failures:
        raise LinkError("; ".join(f"{subject}: {reason}" for subject, reason in result.failures.items()))
    return {"events": result.events, "finished": result.updated}


def parse_event(event: Mapping[str, Any]) -> Collection[str]:
    """Return the job IDs of a manual request: ``{"jobIds": [...]}``. The event of the schedule is empty.

    Raises
    ------
    ValueError
        If the event has another shape.
    """
    match event:
        case {"jobIds": [_, *_] as ids, **rest} if not rest and all(isinstance(id_, str) for id_ in ids):
            return [str(id_) for id_ in ids]
        case _ if not event:
            return ()
    raise ValueError(
        'the event must be {} for all due jobs, or {"jobIds": ["drsjob-…", …]} for these jobs at once, '
        f"not {event!r:.200}"
    )


def add_metrics(result: LinkResult, *, is_manual: bool) -> None:
    """Add a run to the metrics. The age is also a heartbeat of scheduled runs, so a manual run omits it."""
    if not is_manual:
        metrics.add_metric("OldestUnlinkedEventAge", MetricUnit.Seconds, max(0.0, result.oldest_age.total_seconds()))
    if result.events or is_manual:
        metrics.add_metric("EventsLinked", MetricUnit.Count, result.events)
    if result.missing:
        metrics.add_metric("ExecutionsMissing", MetricUnit.Count, result.missing)
    if result.is_rejected:
        metrics.add_metric("ExecutionsTableRejected", MetricUnit.Count, 1)
