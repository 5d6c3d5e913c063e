"""The state of a job that the collector keeps between passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.collect.job_log import LATE_READS, end_time_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_drs.type_defs import JobTypeDef

    from drs_job_log.collect.job_log import JobLogItem

# If the table does not contain an event this long after it was put on the bus, the event is sent again.
RESEND_AFTER: Final = timedelta(minutes=5)

# If this instance did not read a job for a poll interval plus this time, another instance may have sent its events.
_POLL_GAP: Final = timedelta(seconds=10)

# A running job that DRS has not listed for this time was deleted.
_DELETED_AFTER: Final = timedelta(minutes=1)


@dataclass(slots=True)
class JobTracker:
    """The state of a job in the collector. Keys are ``EventKey`` values.

    Attributes
    ----------
    stored
        Keys that the table contained when it was last read.
    emitted
        Keys that were put on the bus, with the time.
    details
        Details of the job's own events, not of those of a server, that were stored or put on the bus, by key.
    resent
        Keys that were put on the bus again because the table did not contain them in time.
    final_keys
        All keys of the job, once no further item is expected.
    job
        The job as DRS listed it when its log was last read.
    execution_id
        The execution ID in the job's tag. Without the tag, the job ID.
    servers
        The number of servers by state when the log was last read.
    read_at
        When this instance last read the log.
    missing_since
        When DRS first did not list the job any more. None if DRS lists it.
    deletion
        The item of the job's deletion, once DRS has not listed the running job for ``_DELETED_AFTER``.
    """

    stored: set[str] = field(default_factory=set)
    emitted: dict[str, datetime] = field(default_factory=dict)
    details: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    resent: set[str] = field(default_factory=set)
    final_keys: frozenset[str] | None = None
    job: JobTypeDef | None = None
    execution_id: str = ""
    servers: Counter[str] = field(default_factory=Counter)
    read_at: datetime | None = None
    missing_since: datetime | None = None
    deletion: JobLogItem | None = None

    def update_stored(self, stored: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what the table contains: the details of the events by key. They are empty for an event of a server."""
        self.stored = set(stored)
        self.details |= {key: detail for key, detail in stored.items() if detail}

    def published(self, now: datetime) -> dict[str, Mapping[str, Any]]:
        """Return the details of the events that are stored or were put on the bus recently."""
        return {key: detail for key, detail in self.details.items() if not self.should_send(key, now)}

    def should_read(self, job: JobTypeDef, now: datetime) -> bool:
        """Whether the log can have an item that is not stored: not if all items were sent and the job is unchanged.

        DRS can add items after the end of the job. The log is therefore read again at the ages ``LATE_READS``.
        """
        if self.job is None or self.read_at is None or self.resent or not self.all_sent(now):
            return True
        if any(job.get(name) != self.job.get(name) for name in ("participatingServers", "participatingResources")):
            return True
        end = end_time_of(job)
        return end is not None and any(self.read_at < end + age <= now for age in LATE_READS)

    def should_send(self, key: str, now: datetime) -> bool:
        """Whether the event is not stored and was not put on the bus recently."""
        return key not in self.stored and not (key in self.emitted and now - self.emitted[key] < RESEND_AFTER)

    def needs_reconcile(self, key: str, now: datetime, poll_interval: timedelta) -> bool:
        """Whether the table may contain an event that ``stored`` lacks.

        This instance sent it earlier, or another instance may have sent it.
        """
        return key in self.emitted or self.read_at is None or now - self.read_at > poll_interval + _POLL_GAP

    def is_deleted(self, now: datetime) -> bool:
        """Whether DRS has not listed the job for so long that it was deleted."""
        return self.missing_since is not None and now - self.missing_since >= _DELETED_AFTER

    @property
    def all_stored(self) -> bool:
        """Whether no further item is expected and the table contains all events."""
        return self.final_keys is not None and self.final_keys <= self.stored

    def all_sent(self, now: datetime) -> bool:
        """Whether no further item is expected and ``should_send`` is False for all events."""
        return self.final_keys is not None and not any(self.should_send(key, now) for key in self.final_keys)
