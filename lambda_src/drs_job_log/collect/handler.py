"""The Lambda handler of the collector. A schedule invokes it every minute; a new job wakes it earlier."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from drs_job_log import config
from drs_job_log.collect import smoke_test
from drs_job_log.collect.collector import Collector, PassRequest, PassResult
from drs_job_log.collect.drill_check import DrillCheck, DrillCheckError, Place
from drs_job_log.collect.drill_instances import DrillInstanceCheck
from drs_job_log.collect.drs_client import DrsClient
from drs_job_log.collect.event_bus import EventBus
from drs_job_log.collect.plans import EventTimes
from drs_job_log.collect.poll_lock import PollLock
from drs_job_log.ledger import Ledger
from drs_job_log.model.events import parse_time
from drs_job_log.model.readiness import DRILL_CHECK
from drs_job_log.table import JobLogTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

_JOB_ID: Final = re.compile(r"drsjob-[0-9a-zA-Z]{17}", re.ASCII)

# The server states that have a metric.
_METRIC_STATES: Final = ("pending", "converting", "launching", "launched", "failed")

# A further pass starts only if the duration of the previous pass and this reserve are left, and at least the minimum.
_RESERVE_SECONDS: Final = 3.0
_MIN_SECONDS_FOR_PASS: Final = 5.0

logger = Logger()
metrics = Metrics()
settings = config.collector_settings()
dynamodb = config.client("dynamodb")
poll_lock = PollLock(dynamodb, settings.notices_table_name)
table = JobLogTable(dynamodb, settings.table_name)
# EventBridge validates requests itself. boto3's validation takes a fifth of the CPU time of PutEvents.
events = config.client("events", parameter_validation=False)
bus = EventBus(events, settings.event_bus_name, settings.event_source)
targets = [(target, DrsClient(target)) for target in settings.targets]
times = EventTimes(dynamodb, settings.notices_table_name) if settings.reads_plans else None
collector = Collector([drs for _, drs in targets], table, bus, settings, times)


class CollectionError(RuntimeError):
    """The last pass had failures. The message lists the subjects and reasons."""


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Make one pass, and one more every poll interval while a job or a recovery plan is active and time is left.

    An EventBridge event wakes the collector. One invocation at a time makes further passes: a woken invocation ends if
    another one does, and the scheduled invocation takes over from any other. The smoke test makes one pass, and then
    sends a test event through the pipeline (see ``smoke_test``). ``{"drillCheck": true}`` makes no pass, but checks the
    drills (see ``check_drills``).

    Raises
    ------
    ValueError
        If the event is not valid (see ``parse_event``).
    DrillCheckError
        See ``check_drills``.
    CollectionError
        If the last pass had failures, so that Lambda's Errors metric counts it.
    SmokeTestError
        If the test event of a smoke test is not in the events table in time.
    """
    if event == {"drillCheck": True}:
        return check_drills(context)
    passes: list[PassResult] = []
    request = parse_event(event)
    invocation, has_lock = context.aws_request_id, False
    if "detail-type" in event:
        has_lock = poll_lock.acquire(invocation, datetime.now(UTC), seconds_left(context))
        if not has_lock:
            return {"passes": 0, "jobs": 0, "emitted": 0}
    due = time.monotonic()
    try:
        while True:
            started = time.monotonic()
            passes.append(collector.collect(request, datetime.now(UTC), lambda: seconds_left(context)))
            duration = time.monotonic() - started
            request = replace(request, is_woken=False)
            if request.is_manual or not (passes[-1].active_jobs or passes[-1].active_plans):
                break
            if not has_lock:
                poll_lock.take_over(invocation, datetime.now(UTC), seconds_left(context))
                has_lock = True
            due = max(due + settings.poll_interval.total_seconds(), time.monotonic())
            needed = max(duration + _RESERVE_SECONDS, _MIN_SECONDS_FOR_PASS)
            if seconds_left(context) - (due - time.monotonic()) <= needed:
                break
            time.sleep(max(0.0, due - time.monotonic()))
            # The lock is read last, and its request can take long.
            if not poll_lock.is_free_for(invocation, datetime.now(UTC)) or seconds_left(context) <= needed:
                break
    finally:
        add_metrics(passes, is_manual=request.is_manual)
        if has_lock:
            poll_lock.release(invocation)
    if passes[-1].failures:
        raise CollectionError("; ".join(f"{subject}: {reason}" for subject, reason in passes[-1].failures.items()))
    answer = {"passes": len(passes), "jobs": passes[-1].jobs, "emitted": sum(result.emitted for result in passes)}
    if "smokeTest" in event:
        stored_after = smoke_test.run(bus, table, context.aws_request_id, lambda: seconds_left(context))
        answer["storedAfterMilliseconds"] = round(stored_after / timedelta(milliseconds=1))
    return answer


def check_drills(context: LambdaContext) -> dict[str, int]:
    """Check the drills of the targets that were not checked today. Return the number of targets and their servers.

    Raises
    ------
    ValueError
        If neither ``readiness.max_days_without_drill`` nor ``readiness.drill_instances_hours`` is set.
    DrillCheckError
        If a target failed, so that Lambda's Errors metric counts it.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If the notifications table cannot be reached or refuses a request.
    """
    hours = settings.drill_instances_hours
    if settings.max_days_without_drill is None and hours is None:
        raise ValueError(
            "drillCheck needs the input readiness.max_days_without_drill or readiness.drill_instances_hours. "
            "Set one of them, and apply"
        )
    check = DrillCheck(
        targets,
        ledger=Ledger(dynamodb, settings.table_name),
        bus=EventBus(events, settings.event_bus_name, settings.event_source, DRILL_CHECK),
        dynamodb=dynamodb,
        notices_table_name=settings.notices_table_name,
        max_days=settings.max_days_without_drill,
        instances=None if hours is None else DrillInstanceCheck(table, bus, settings, hours),
    )
    # arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME
    region, account = context.invoked_function_arn.split(":")[3:5]
    result = check.run(Place(account=account, region=region), datetime.now(UTC), lambda: seconds_left(context))
    if result.failures:
        metrics.add_metric("CollectorFailures", MetricUnit.Count, len(result.failures))
        raise DrillCheckError("; ".join(f"{place}: {reason}" for place, reason in result.failures.items()))
    return {
        "targets": result.targets,
        "servers": result.servers,
        "notDrilled": result.overdue,
        "drillInstances": result.instances,
    }


def parse_event(event: Mapping[str, Any]) -> PassRequest:
    """Return the jobs to read.

    The event of the schedule is empty. Any EventBridge event wakes the collector. ``{"jobIds": [...]}``,
    ``{"since": "..."}`` and ``{"smokeTest": true}`` are manual requests for a single pass. The smoke test reads the
    jobs of the last day, or of the look-back period if it is shorter: older jobs could cause notifications.

    Raises
    ------
    ValueError
        If the event has another shape.
    """
    if not event or "detail-type" in event:
        return PassRequest(is_woken=bool(event))
    match event:
        case {"jobIds": [_, *_] as ids, **rest} if not rest:
            if invalid := [id_ for id_ in ids if not isinstance(id_, str) or not _JOB_ID.fullmatch(id_)]:
                raise ValueError(f"jobIds must be DRS job IDs like drsjob-556c7b1d99221f996, not {invalid[0]!r:.100}")
            return PassRequest(job_ids=tuple(ids))
        case {"since": since, **rest} if not rest:
            return PassRequest(since=parse_time("since", since))
        case {"smokeTest": True, **rest} if not rest:
            return PassRequest(since=datetime.now(UTC) - min(timedelta(days=1), settings.lookback))
    raise ValueError(
        'the event must be {} for all due jobs, {"jobIds": ["drsjob-…", …]} for these jobs, {"since": '
        '"2025-11-28T20:30:15Z"} for the jobs created since then, {"smokeTest": true} for a test of the pipeline, or '
        '{"drillCheck": true} for a check of the drills, '
        f"not {event!r:.200}"
    )


def seconds_left(context: LambdaContext) -> float:
    """Return the seconds until Lambda ends the invocation."""
    return context.get_remaining_time_in_millis() / 1000


def add_metrics(passes: list[PassResult], *, is_manual: bool) -> None:
    """Add the passes of an invocation to the metrics. A pass without failures is a heartbeat.

    AWS bills a metric for each hour in which it has a value. A metric that is usually zero is therefore sent only if it
    is not zero.
    """
    metrics.add_metadata("EventsEmitted", sum(result.emitted for result in passes))
    failures = sum(len(result.failures) for result in passes)
    if failures or is_manual:
        metrics.add_metric("CollectorFailures", MetricUnit.Count, failures)
    if is_manual:  # a manual pass reads only some jobs
        return
    metrics.add_metric("CollectorHeartbeat", MetricUnit.Count, sum(not result.failures for result in passes))
    if jobs := max((result.running_jobs for result in passes), default=0):
        metrics.add_metric("RunningJobs", MetricUnit.Count, jobs)
        executions = max(result.running_executions for result in passes)
        metrics.add_metric("RunningExecutions", MetricUnit.Count, executions)
    if unread := max((result.unread_plans for result in passes), default=0):
        metrics.add_metric("RecoveryPlanReadFailures", MetricUnit.Count, unread)
    if exceeded := max((result.executions_over_rto for result in passes), default=0):
        metrics.add_metric("ExecutionsOverRto", MetricUnit.Count, exceeded)
    if invalid := max((result.invalid_rto_tags for result in passes), default=0):
        metrics.add_metric("InvalidRtoTags", MetricUnit.Count, invalid)
    for state, servers in _newest_server_states(passes).items():
        metrics.add_metric(f"Servers{state.capitalize()}", MetricUnit.Count, servers)


def _newest_server_states(passes: list[PassResult]) -> dict[str, int]:
    """Return the number of servers by state in the newest pass with a running job."""
    newest = next((result.servers for result in reversed(passes) if result.running_jobs), None)
    return {} if newest is None else {state: newest.get(state, 0) for state in _METRIC_STATES}
