"""The door of the clock: reads the DRS job log where it is and puts on the bus what the table does not hold yet."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from drs_job_log.bus import EventBus
from drs_job_log.collection import Collector, Pass, Request, Settings
from drs_job_log.drs import Drs, read_targets
from drs_job_log.events import parse_time
from drs_job_log.store import JobLogStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

_JOB_ID: Final = re.compile(r"drsjob-[0-9a-zA-Z]{17}", re.ASCII)

# What the dashboard shows of the servers of running jobs.
_COUNTED_STATES: Final = ("pending", "converting", "launching", "launched", "failed")

# A pass begins only if it can hope to end.
_SECONDS_OF_A_PASS: Final = 5

_CONFIG: Final = Config(
    connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=10
)

logger = Logger()
metrics = Metrics()
settings = Settings(
    retention=timedelta(days=int(os.environ["RETENTION_DAYS"])),
    lookback=timedelta(hours=float(os.environ["LOOKBACK_HOURS"])),
    poll_interval=timedelta(seconds=float(os.environ["POLL_INTERVAL_SECONDS"])),
    stalled_after=timedelta(minutes=float(os.environ["STALLED_AFTER_MINUTES"])),
    execution_id_tag=os.environ["EXECUTION_ID_TAG"],
)
collector = Collector(
    [Drs(target) for target in read_targets(os.environ.get("DRS_TARGETS", "[]"))],
    JobLogStore(boto3.client("dynamodb", config=_CONFIG), os.environ["JOB_LOG_EVENTS_TABLE"]),
    EventBus(boto3.client("events", config=_CONFIG), os.environ["EVENT_BUS_NAME"], os.environ["EVENT_SOURCE"]),
    settings,
)


class CollectionError(RuntimeError):
    """Something could not be collected: it says what and why. The rest was."""


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Make one pass, and another every poll interval while a job runs and time remains.

    Raises
    ------
    ValueError
        Where the event is none that it knows.
    CollectionError
        Where the last pass could not collect all, so that Lambda's Errors metric tells. All else was collected.
    """
    passes: list[Pass] = []
    wait = 0.0
    request, is_single = read_event(event)
    try:
        while not passes or seconds_left(context) - wait > _SECONDS_OF_A_PASS:
            time.sleep(wait)
            began = time.monotonic()
            passes.append(collector.collect(request, datetime.now(UTC), lambda: seconds_left(context)))
            if is_single or not passes[-1].running_jobs:
                break
            wait = max(0.0, began + settings.poll_interval.total_seconds() - time.monotonic())
    finally:
        count(passes, by_hand=request.by_hand)
    if passes[-1].failures:
        raise CollectionError("; ".join(f"{what}: {why}" for what, why in passes[-1].failures.items()))
    return {"passes": len(passes), "jobs": passes[-1].jobs, "emitted": sum(done.emitted for done in passes)}


def read_event(event: Mapping[str, Any]) -> tuple[Request, bool]:
    """Which jobs an event asks for, and whether one pass is enough.

    The clock's event is empty. EventBridge's events only wake: a launch result, of which a large job sends hundreds,
    for one pass. ``{"jobIds": [...]}`` and ``{"since": "..."}`` come by hand.

    Raises
    ------
    ValueError
        Where it is anything else.
    """
    if not event or "detail-type" in event:
        return Request(), event.get("detail-type") == "DRS Source Server Launch Result"
    match event:
        case {"jobIds": [_, *_] as ids, **rest} if not rest:
            if bad := [id_ for id_ in ids if not isinstance(id_, str) or not _JOB_ID.fullmatch(id_)]:
                raise ValueError(f"jobIds must be DRS job ids like drsjob-556c7b1d99221f996, not {bad[0]!r:.100}")
            return Request(job_ids=tuple(ids)), True
        case {"since": since, **rest} if not rest:
            return Request(since=parse_time("since", since)), True
    raise ValueError(
        'the event must be {} for what is due, {"jobIds": ["drsjob-…", …]} for these jobs or {"since": '
        f'"2025-11-28T20:30:15Z"}} for those created since, not {event!r:.200}'
    )


def seconds_left(context: LambdaContext) -> float:
    """Seconds until Lambda ends this invocation."""
    return context.get_remaining_time_in_millis() / 1000


def count(passes: list[Pass], *, by_hand: bool) -> None:
    """Add an invocation's passes to the metrics. A pass that collected all is a heartbeat.

    A metric costs by the hours in which it is sent: what is mostly nothing is sent only where it is something.
    """
    metrics.add_metadata("EventsEmitted", sum(done.emitted for done in passes))
    failures = sum(len(done.failures) for done in passes)
    if failures or by_hand:
        metrics.add_metric("CollectorFailures", MetricUnit.Count, failures)
    if by_hand:  # which tells of some jobs only, and counts anew what was counted before
        return
    metrics.add_metric("CollectorHeartbeat", MetricUnit.Count, sum(not done.failures for done in passes))
    metrics.add_metric("RunningJobs", MetricUnit.Count, max((done.running_jobs for done in passes), default=0))
    running = max((done.running_executions for done in passes), default=0)
    metrics.add_metric("RunningExecutions", MetricUnit.Count, running)
    for state, servers in _states(passes).items():
        metrics.add_metric(f"Servers{state.capitalize()}", MetricUnit.Count, servers)
    if stalled := sum(done.stalled for done in passes):
        metrics.add_metric("ServersStalled", MetricUnit.Count, stalled)


def _states(passes: list[Pass]) -> dict[str, int]:
    """How many servers were in which state in the newest pass that saw a job run."""
    newest = next((done.servers for done in reversed(passes) if done.running_jobs), None)
    return {} if newest is None else {state: newest.get(state, 0) for state in _COUNTED_STATES}
