"""The Lambda handler of the linker. A schedule invokes it every minute."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from drs_job_log import config
from drs_job_log.link.executions_table import ExecutionsTable
from drs_job_log.link.linker import Linker, LinkResult
from drs_job_log.link.reindex import reindex
from drs_job_log.table import JobLogTable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb import DynamoDBClient

# Reserved at the end of an invocation, for requests in progress and the metrics.
_SECONDS_TO_FINISH: Final = 8

# To add the events of a large job to the ledger.
_SECONDS_FOR_JOB: Final = 10

logger = Logger()
metrics = Metrics()
settings = config.linker_settings()
dynamodb: DynamoDBClient = config.client("dynamodb")
table = JobLogTable(dynamodb, settings.table_name)
linker = Linker(
    table,
    ExecutionsTable.from_settings(settings.executions_table, lambda: dynamodb),
    settings.collector_sources,
)


@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """A request to add stored events to the ledger. ``after``: the job after which to continue."""

    after: str | None


class LinkError(RuntimeError):
    """Some jobs could not be linked. The message lists the jobs and reasons."""


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Link the events of all due jobs, or of the jobs in a manual request, or add stored events to the ledger.

    Raises
    ------
    ValueError
        If the event is not valid (see ``parse_event``).
    LinkError
        If an execution could not be looked up or updated, so that Lambda's Errors metric counts it.
    """
    request = parse_event(event)

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_FINISH

    if isinstance(request, ReindexRequest):
        return asdict(
            reindex(
                table,
                settings.collector_sources,
                request.after,
                lambda: seconds_left() > _SECONDS_FOR_JOB,
            )
        )
    result = linker.run(datetime.now(UTC), seconds_left, job_ids=request)
    add_metrics(result, is_manual=bool(request))
    if result.failures:
        raise LinkError("; ".join(f"{subject}: {reason}" for subject, reason in result.failures.items()))
    return {"events": result.events, "finished": result.updated}


def parse_event(event: Mapping[str, Any]) -> Collection[str] | ReindexRequest:
    """Return the job IDs of a manual request, or the request to reindex. The event of the schedule is empty.

    ``{"jobIds": [...]}``, ``{"reindex": true}``, and ``{"reindex": {"after": "drsjob-…"}}`` to continue.

    Raises
    ------
    ValueError
        If the event has another shape.
    """
    match event:
        case {"jobIds": [_, *_] as ids, **rest} if not rest and all(isinstance(id_, str) for id_ in ids):
            return [str(id_) for id_ in ids]
        case {"reindex": True, **rest} if not rest:
            return ReindexRequest(None)
        case {"reindex": {"after": str() as after, **others}, **rest} if after and not others and not rest:
            return ReindexRequest(after)
        case _ if not event:
            return ()
    raise ValueError(
        'the event must be {} for all due jobs, {"jobIds": ["drsjob-…", …]} for these jobs at once, {"reindex": true} '
        'to add stored events to the ledger, or {"reindex": {"after": "drsjob-…"}} to continue this, '
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
