"""The state of a job that the collector keeps between passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.collect.job_log import LATE_READS, end_time_of, extend_log, read_log, resource_ids, server_ids
from drs_job_log.collect.log_reader import LogReader
from drs_job_log.model.json_text import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_drs.type_defs import JobTypeDef

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.job_log import JobLog, JobLogItem
    from drs_job_log.collect.plans import PlanLink

# If the table does not contain an event this long after it was put on the bus, the event is sent again.
RESEND_AFTER: Final = timedelta(minutes=5)

# If this instance did not read a job for a poll interval plus this time, another instance may have sent its events.
_POLL_GAP: Final = timedelta(seconds=10)

# A running job that DRS has not listed for this time was deleted.
_DELETED_AFTER: Final = timedelta(minutes=1)

# Time without a new item → least time between two reads of the log. Such a job is listed once a minute, and a change of
# what DRS lists causes a read.
_READ_INTERVALS: Final = (
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(hours=1), timedelta(seconds=50)),
    (timedelta.min, timedelta(0)),
)


@dataclass(slots=True)
class JobTracker:
    """The state of a job in the collector. Keys are ``EventKey`` values.

    Attributes
    ----------
    job, read_at
        The job as DRS listed it when its log was last read and compared with the table, and when this was.
    listed
        The job as DRS listed it last. None for a settled job.
    created_at
        When the job was created. None if DRS does not state it.
    execution_id
        The execution ID in the job's tag, or of its recovery plan. Without them, the job ID.
    plan_link
        The step of a recovery plan that started the job. None for another job, and if a tag states its execution.
    rto_minutes
        The recovery time objective in the job's tag. None without the tag, and if it is invalid.
    has_invalid_rto
        Whether the tag is invalid.
    log
        What the last read of the log returned. None before the first read, and for a settled job.
    stored
        Keys that the table contained when it was last read.
    emitted
        Keys that were put on the bus, with the time.
    details
        Details of the job's own events, not of those of a server, that were stored or put on the bus, by key.
    resent
        Keys that were put on the bus again because the table did not contain them in time.
    keys
        The keys of all events that the last read of the log returned.
    is_running
        Whether a further item is expected.
    is_ending
        Whether the job has ended according to its status or its log, when the log was last read.
    failures
        The failures of the last read: subject → reason.
    settled
        A hash of what DRS listed (see ``_listed_facts``) when the job was settled: when the table contained all its
        events. The tracker then keeps no keys, and ``job`` without its servers. None for another job.
    missing_since
        When DRS first did not list the job any more. None if DRS lists it.
    end_seen_at
        When the end of the job was first ready to send. None if it was sent, or is not ready.
    deletion
        The item of the job's deletion, once DRS has not listed the running job for ``_DELETED_AFTER``.
    """

    job: JobTypeDef | None = None
    read_at: datetime | None = None
    listed: JobTypeDef | None = None
    created_at: datetime | None = None
    execution_id: str = ""
    plan_link: PlanLink | None = None
    rto_minutes: int | None = None
    has_invalid_rto: bool = False
    log: JobLog | None = None
    stored: set[str] = field(default_factory=set)
    emitted: dict[str, datetime] = field(default_factory=dict)
    details: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    resent: set[str] = field(default_factory=set)
    keys: frozenset[str] = frozenset()
    is_running: bool = True
    is_ending: bool = False
    failures: dict[str, str] = field(default_factory=dict)
    settled: int | None = None
    missing_since: datetime | None = None
    end_seen_at: datetime | None = None
    deletion: JobLogItem | None = None
    _reader: LogReader = field(default_factory=LogReader)

    def read(self, drs: DrsClient, job: JobTypeDef, now: datetime) -> JobLog:
        """Read the log, and derive its items and its state from it.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ThrottledError, InvalidEventError
            See ``LogReader.read``.
        """
        items = self._reader.read(drs, job, now)
        # The end of a job also depends on the time.
        self.is_ending = job.get("status") == "COMPLETED" or any(item.event_type == "JOB_END" for item in items)
        extended = None
        if self.log and self.job and not self.is_ending and _has_same_participants(job, self.job):
            extended = extend_log(self.log, items)
        self.log = extended or read_log(job, items, now)
        return self.log

    def update_stored(self, stored: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what the table contains: the details of the events by key. They are empty for an event of a server."""
        self.stored = set(stored)
        self.details |= {key: detail for key, detail in stored.items() if detail}

    def settle(self) -> None:
        """Forget the log of a job, its keys and its servers, if the table contains all events of an ended job."""
        if self.job and not self.is_running and self.keys <= self.stored:
            self.settled = _listed_facts(self.job)
            self.job, self.listed = _without_participants(self.job), None
            self.log, self._reader, self.keys = None, LogReader(), frozenset()
            for keys in (self.stored, self.emitted, self.details, self.resent):
                keys.clear()

    def published(self, now: datetime) -> dict[str, Mapping[str, Any]]:
        """Return the details of the events that are stored or were put on the bus recently."""
        unsent = self.unsent(self.details, now)
        return {key: detail for key, detail in self.details.items() if key not in unsent}

    @property
    def servers(self) -> Counter[str]:
        """The number of servers by state when the log was last read, if the job launches servers."""
        return self.log.state.summary if self.log and self.is_launch else Counter()

    @property
    def is_launch(self) -> bool:
        """Whether the job launches servers."""
        return self.job is not None and self.job.get("type") == "LAUNCH"

    @property
    def has_servers_to_launch(self) -> bool:
        """Whether some servers are not launched, when the log was last read."""
        servers = self.servers
        return servers["launched"] < servers.total()

    def is_active(self, now: datetime) -> bool:
        """Whether the next pass reads the log: the job runs and had a new item recently, or an event is not sent."""
        return (self.is_running and not self._read_interval(now)) or self.has_unsent(now)

    def _read_interval(self, now: datetime) -> timedelta:
        last_item = self.log.items[-1].timestamp if self.log and self.log.items else None
        end = end_time_of(self.job) if self.job else None
        newest = max((time for time in (self.created_at, last_item, end) if time), default=now)
        return next(interval for least, interval in _READ_INTERVALS if now - newest >= least)

    def should_read(self, job: JobTypeDef, now: datetime) -> bool:
        """Whether the log can have an item that is not stored: not if all items were sent and the job is unchanged.

        DRS can add items after the end of the job. The log is therefore read again at the ages ``LATE_READS``.
        """
        if self.job is None or self.read_at is None or self.resent:
            return True
        if self.is_running and now - self.read_at >= self._read_interval(now):
            return True
        if self._is_changed(job) or self.has_unsent(now):
            return True
        end = end_time_of(job)
        return end is not None and any(self.read_at < end + age <= now for age in LATE_READS)

    @property
    def needs_listing(self) -> bool:
        """Whether the log can only be read after DRS listed the job again.

        The events at the end of a job depend on its status and on each ``launchStatus``.
        """
        return self.is_ending or self.missing_since is not None

    def _is_changed(self, job: JobTypeDef) -> bool:
        """Whether DRS changed the status, the servers or the resources of the job since the last read."""
        if self.settled is not None:
            return _listed_facts(job) != self.settled
        assert self.job is not None
        return job.get("status") != self.job.get("status") or _participants(job) != _participants(self.job)

    def has_unsent(self, now: datetime) -> bool:
        """Whether the last read of the log returned an event to send."""
        return bool(self.unsent(self.keys, now))

    def unsent(self, keys: Iterable[str], now: datetime) -> list[str]:
        """Return the keys of the events that are not stored and were not put on the bus recently, in their order."""
        recent, emitted = now - RESEND_AFTER, self.emitted  # each pass checks all keys
        return [key for key in keys if key not in self.stored and not (key in emitted and emitted[key] > recent)]

    def needs_reconcile(self, key: str, now: datetime, poll_interval: timedelta) -> bool:
        """Whether the table may contain an event that ``stored`` lacks.

        This instance sent it earlier, or another instance may have sent it.
        """
        return key in self.emitted or self.read_at is None or now - self.read_at > poll_interval + _POLL_GAP

    def is_deleted(self, now: datetime) -> bool:
        """Whether DRS has not listed the job for so long that it was deleted."""
        return self.missing_since is not None and now - self.missing_since >= _DELETED_AFTER


def _participants(job: JobTypeDef) -> tuple[Any, Any]:
    return job.get("participatingServers"), job.get("participatingResources")


def _has_same_participants(job: JobTypeDef, other: JobTypeDef) -> bool:
    return job is other or (server_ids(job), resource_ids(job)) == (server_ids(other), resource_ids(other))


def _without_participants(job: JobTypeDef) -> JobTypeDef:
    kept: JobTypeDef = {**job}
    for name in ("participatingServers", "participatingResources"):
        kept.pop(name, None)  # type: ignore[misc]
    return kept


def _listed_facts(job: JobTypeDef) -> int:
    """Return a number that changes if DRS changes the status, the servers or the resources of a job."""
    return hash(to_json([job.get("status"), *_participants(job)]))
