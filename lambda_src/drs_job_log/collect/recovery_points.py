"""Adds the recovery points of the launched servers to the end of a LAUNCH job."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from drs_job_log.collect.drs_client import ThrottledError
from drs_job_log.collect.job_log import published_ends
from drs_job_log.errors import reason_of
from drs_job_log.model.events import InvalidEventError, format_time, is_job_end, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_drs.type_defs import JobTypeDef, RecoveryInstanceTypeDef

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.job_log import JobLogItem
    from drs_job_log.collect.tracker import JobTracker

# How long the end of a job waits for a failing DescribeRecoveryInstances.
_MAX_WAIT: Final = timedelta(minutes=1)

# Errors of a request without the permission.
DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied"})

logger = Logger(child=True)


class RecoveryPoints:
    """Reads the recovery points of the servers that a job launched. Thread-safe.

    The points are no part of the identity of the end of a job, so that it has the same key without them.
    """

    def __init__(self) -> None:
        self._denied: set[DrsClient] = set()  # the targets whose denied requests were logged

    def add(
        self,
        drs: DrsClient,
        job: JobTypeDef,
        items: Sequence[JobLogItem],
        tracker: JobTracker,
        now: datetime,
        *,
        can_wait: bool,
    ) -> list[JobLogItem]:
        """Return the items to send, with the recovery points in the end of the job.

        If DRS cannot be read, the end is missing, so that the next pass tries again: for ``_MAX_WAIT``. Then it is sent
        without new points. ``can_wait``: whether there is a next pass.
        """
        ends = [item for item in items if launched_in(item)] if job.get("type") == "LAUNCH" else []
        if not ends:
            return list(items)
        tracker.end_seen_at = tracker.end_seen_at or now
        # A corrected end can follow after DRS deleted the recovery instances.
        points = _published(tracker)
        try:
            servers = sorted({server for end in ends for server in launched_in(end)})
            points |= points_of(drs.recovery_instances(servers), job["jobID"])
        except (BotoCoreError, ClientError, ThrottledError) as error:
            is_denied = isinstance(error, ClientError) and error.response["Error"]["Code"] in DENIED
            if can_wait and not is_denied and now - tracker.end_seen_at < _MAX_WAIT:
                keys = {end.key for end in ends}
                return [item for item in items if item.key not in keys]
            self._log(drs, job, error, is_denied=is_denied)
        tracker.end_seen_at = None
        return [with_points(item, points) if item in ends else item for item in items]

    def _log(self, drs: DrsClient, job: JobTypeDef, error: Exception, *, is_denied: bool) -> None:
        if not is_denied:
            logger.warning("Recovery points not read", job_id=job["jobID"], target=str(drs), reason=reason_of(error))
        elif drs not in self._denied:
            self._denied.add(drs)
            logger.warning(
                "Recovery points not read: the role lacks the permission drs:DescribeRecoveryInstances",
                target=str(drs),
                reason=reason_of(error),
            )


def launched_in(item: JobLogItem) -> list[str]:
    """Return the IDs of the servers that are launched according to the end of a job. Empty for another item."""
    if not is_job_end(item.event_type, item.detail):
        return []
    return [
        server["sourceServerID"]
        for server in item.detail.get("participatingServers", [])
        if server.get("state") == "LAUNCHED" and server.get("sourceServerID")
    ]


def with_points(end: JobLogItem, points: Mapping[str, str]) -> JobLogItem:
    """Return the end of a job with ``pointInTime`` in each launched server whose point is known."""
    launched = set(launched_in(end))
    servers = [
        {**server, "pointInTime": points[id_]}
        if (id_ := server.get("sourceServerID", "")) in points and id_ in launched
        else server
        for server in end.detail.get("participatingServers", [])
    ]
    return replace(end, detail={**end.detail, "participatingServers": servers})


def points_of(instances: Iterable[RecoveryInstanceTypeDef], job_id: str) -> dict[str, str]:
    """Return the recovery point of each server that a job launched, by server ID, in the format of ``format_time``.

    An instance of another job does not count, because a later launch of the server replaced the one of the job.
    """
    return dict(_points(instance for instance in instances if instance.get("jobID") == job_id))


def _points(instances: Iterable[RecoveryInstanceTypeDef]) -> Iterator[tuple[str, str]]:
    for instance in instances:
        try:
            point = parse_time("pointInTimeSnapshotDateTime", instance.get("pointInTimeSnapshotDateTime"))
        except InvalidEventError:
            continue
        yield instance.get("sourceServerID", ""), format_time(point)


def _published(tracker: JobTracker) -> dict[str, str]:
    """Return the recovery points in the published ends of the job, by server ID."""
    servers: list[Mapping[str, Any]] = [
        server for end in published_ends(tracker.details).values() for server in end.get("participatingServers", [])
    ]
    return {server["sourceServerID"]: server["pointInTime"] for server in servers if "pointInTime" in server}
