"""The check of drill instances: which instances of a drill are not terminated a number of hours after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from drs_job_log.collect.collector import NotPutError
from drs_job_log.collect.event_bus import to_text
from drs_job_log.collect.job_log import JobLogItem, creation_time_of, published_ends, to_detail
from drs_job_log.collect.recovery_points import DENIED
from drs_job_log.errors import reason_of
from drs_job_log.model.digest import digest
from drs_job_log.model.events import DRILL_INSTANCES_LEFT, InvalidEventError, format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_drs.type_defs import JobTypeDef, RecoveryInstanceTypeDef

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.event_bus import EventBus
    from drs_job_log.config import CollectorSettings
    from drs_job_log.table import JobLogTable

# The states of an instance that is not terminated. It costs money: AWS also bills the volumes of a stopped instance.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
_LEFT: Final = frozenset({"PENDING", "RUNNING", "STOPPING", "STOPPED"})

# The hour in UTC of the first scheduled check of a day (schedules.tf).
_HOUR: Final = 6

logger = Logger(child=True)


class DrillInstanceCheck:
    """Puts one event for each job whose drill instances are left, and for each day, on the bus. Thread-safe."""

    def __init__(self, table: JobLogTable, bus: EventBus, settings: CollectorSettings, hours: int) -> None:
        self._table = table
        self._bus = bus
        self._settings = settings
        self._hours = hours

    def check(self, drs: DrsClient, now: datetime) -> int:
        """Check a target that is connected. Return the number of instances in the events.

        If the role lacks the permission drs:DescribeRecoveryInstances, there is nothing to report, and a line in the
        log.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ThrottledError, NotPutError
            If a request fails. A repeated check puts the same events.
        """
        try:
            by_job = left_instances(drs.recovery_instances())
        except ClientError as error:
            if error.response["Error"]["Code"] not in DENIED:
                raise
            logger.warning(
                "Drill instances not checked: the role lacks the permission drs:DescribeRecoveryInstances",
                target=str(drs),
                reason=reason_of(error),
            )
            return 0
        jobs = {job["jobID"]: job for job in drs.jobs(ids=sorted(by_job))} if by_job else {}
        overdue = {
            job_id: instances
            for job_id, instances in by_job.items()
            if self._is_overdue(jobs.get(job_id) or _unlisted(job_id, instances), now)
        }
        names = drs.names({one["sourceServerID"] for left in overdue.values() for one in left}) if overdue else {}
        for job_id, instances in overdue.items():
            job = jobs.get(job_id) or _unlisted(job_id, instances)
            item = left_item(job, instances, names, self._hours, now)
            detail = to_detail(item, job, {}, {}, self._settings.execution_id_tag)
            if rejected := self._bus.put([to_text(detail)]):
                raise NotPutError(f"EventBridge rejected the event of {job_id}: {rejected[0]}")
        return sum(map(len, overdue.values()))

    def _is_overdue(self, job: JobTypeDef, now: datetime) -> bool:
        """Whether a job is older than the hours, and has ended according to the events table.

        The table has the selected jobs. The event of another job would look like a job that runs.
        """
        created = creation_time_of(job)
        return (created is None or now - created >= timedelta(hours=self._hours)) and bool(
            published_ends(self._table.stored(job["jobID"], self._settings.collector_sources))
        )


def left_instances(instances: Iterable[RecoveryInstanceTypeDef]) -> dict[str, list[RecoveryInstanceTypeDef]]:
    """Return the drill instances that are not terminated, by the ID of the job that launched them."""
    by_job: dict[str, list[RecoveryInstanceTypeDef]] = {}
    for instance in instances:
        if instance.get("isDrill") and instance.get("ec2InstanceState") in _LEFT and instance.get("jobID"):
            by_job.setdefault(instance["jobID"], []).append(instance)
    return by_job


def left_item(
    job: JobTypeDef,
    instances: Sequence[RecoveryInstanceTypeDef],
    names: Mapping[str, str],
    hours: int,
    now: datetime,
) -> JobLogItem:
    """Return the item of a job whose drill instances are left. ``names``: of the servers by ID.

    Each check of a day returns an item with the same time and ID: the time of the first scheduled check, or, if the
    instances are overdue since a later time of this day, this time.
    """
    hour = _HOUR if now.hour >= _HOUR else 0
    day = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    created = creation_time_of(job)
    time = max(day, created + timedelta(hours=hours)) if created else day
    in_order = sorted(instances, key=lambda one: one.get("ec2InstanceID", ""))
    servers: list[dict[str, Any]] = [
        {
            "sourceServerID": one.get("sourceServerID"),
            "sourceServerName": names.get(one.get("sourceServerID", "")),
            "ec2InstanceID": one.get("ec2InstanceID"),
            "ec2InstanceState": one.get("ec2InstanceState"),
        }
        for one in in_order
    ]
    count = len(servers)
    detail = {
        "instanceIDs": [one.get("ec2InstanceID") or one.get("recoveryInstanceID", "") for one in in_order],
        "count": count,
        "servers": servers,
        "checkedAt": format_time(now),
        "drillInstancesHours": hours,
        "message": f"{count} drill instance{'s are' if count != 1 else ' is'} not terminated",
    }
    id_ = digest(f"drill-instances {job['jobID']} {now:%Y-%m-%d}")
    return JobLogItem(time, format_time(time), id_, DRILL_INSTANCES_LEFT, detail)


def _unlisted(job_id: str, instances: Sequence[RecoveryInstanceTypeDef]) -> JobTypeDef:
    """Return what is known of a job that DRS no longer lists. The oldest recovery point stands for its creation."""
    job: JobTypeDef = {"jobID": job_id, "type": "LAUNCH", "initiatedBy": "START_DRILL"}
    points = [point for one in instances if (point := _time(one.get("pointInTimeSnapshotDateTime")))]
    return {**job, "creationDateTime": format_time(min(points))} if points else job


def _time(value: object) -> datetime | None:
    try:
        return parse_time("time", value)
    except InvalidEventError:
        return None
