"""The door of the linker's clock: links the events that were stored before their execution was known."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from drs_job_log.executions import history_from
from drs_job_log.linking import Linked, Linker
from drs_job_log.store import JobLogStore

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

# Of an invocation's time: kept for what is in work, and for the metrics.
_SECONDS_TO_END: Final = 8

logger = Logger()
metrics = Metrics()
client = boto3.client(
    "dynamodb",
    config=Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=10,
    ),
)
linker = Linker(JobLogStore(client, os.environ["JOB_LOG_EVENTS_TABLE"]), history_from(os.environ, lambda: client))


class LinkError(RuntimeError):
    """Something could not be linked: it says what and why. The rest was."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Link what can be linked now. The clock's event is empty; ``{"jobIds": [...]}`` comes by hand.

    Raises
    ------
    ValueError
        Where the event is neither.
    LinkError
        Where the execution of a job could not be looked up or set, so that Lambda's Errors metric tells.
    """
    asked = read_event(event)
    linked = linker.run(
        datetime.now(UTC),
        lambda: context.get_remaining_time_in_millis() / 1000 - _SECONDS_TO_END,
        asked=asked,
    )
    count(linked, by_hand=bool(asked))
    if linked.failures:
        raise LinkError("; ".join(f"{what}: {why}" for what, why in linked.failures.items()))
    return {"events": linked.events, "finished": linked.finished}


def read_event(event: Mapping[str, Any]) -> Collection[str]:
    """Ids of the jobs that are to be looked for at once, however old: those that somebody asks for.

    Raises
    ------
    ValueError
        Where it is no such event.
    """
    match event:
        case {"jobIds": [_, *_] as ids, **rest} if not rest and all(isinstance(id_, str) for id_ in ids):
            return [str(id_) for id_ in ids]
        case _ if not event:
            return ()
    raise ValueError(
        'the event must be {} for what is due, or {"jobIds": ["drsjob-…", …]} for these jobs at once, '
        f"not {event!r:.200}"
    )


def count(linked: Linked, *, by_hand: bool) -> None:
    """Add a run to the metrics. The age is the heartbeat too, and so only of runs by the clock."""
    if not by_hand:
        metrics.add_metric("OldestUnlinkedEventAge", MetricUnit.Seconds, max(0.0, linked.oldest_age.total_seconds()))
    if linked.events or by_hand:
        metrics.add_metric("EventsLinked", MetricUnit.Count, linked.events)
    if linked.missing:
        metrics.add_metric("ExecutionsMissing", MetricUnit.Count, linked.missing)
