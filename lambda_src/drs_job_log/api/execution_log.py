"""The log of an execution or a job in the API, with its progress. Logs of executions are cached between requests."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from drs_job_log.model.events import event_key, format_time
from drs_job_log.model.progress import Progress, combine, job_state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.progress import JobState
    from drs_job_log.table import JobLogTable

    # Time, job ID and event ID.
    Position = tuple[str, str, str]

# A cached log is read in full again after this time, in case an index lagged longer than _INDEX_LAG in table.py.
FULL_READ_INTERVAL: Final = timedelta(minutes=5)

# The maximum size of the cache. The log that was requested last stays in the cache even if it is larger.
_MAX_CACHE_BYTES: Final = 40_000_000

# The memory of an event without its long texts, measured with benchmarks/local.py.
_EVENT_BYTES: Final = 2_000


class EventLog:
    """Events in the order of time, job ID and event ID. Events can be added.

    Attributes
    ----------
    known
        The job ID and ``EventKey`` of each event.
    progress
        The progress that the events describe.
    size
        The estimated size in bytes.
    read_at, full_read_at
        When the log was last read, and when it was last read in full rather than extended by new events.
    """

    def __init__(self, read_at: datetime) -> None:
        self.read_at = self.full_read_at = read_at
        self.size = 0
        self._entries: list[tuple[Position, JobLogEvent]] = []
        self._events_by_job: dict[str, list[JobLogEvent]] = {}
        self._job_states: dict[str, JobState] = {}
        self.known: set[tuple[str, str]] = set()
        self.progress = Progress([], [])

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, events: Iterable[JobLogEvent]) -> None:
        """Add the events that are not known yet. Only the states of their jobs are derived again."""
        changed = set()
        for event in events:
            time = format_time(event.timestamp)
            key = event.job_id, event_key(time, event.event_id)
            if key in self.known:
                continue
            self.known.add(key)
            self.size += _EVENT_BYTES + len(event.message or "") + len(event.error or "")
            self._entries.append(((time, event.job_id, event.event_id), event))
            self._events_by_job.setdefault(event.job_id, []).append(event)
            changed.add(event.job_id)
        if not changed:
            return
        self._entries.sort(key=itemgetter(0))
        self._job_states |= {job_id: job_state_of(job_id, self._events_by_job[job_id]) for job_id in changed}
        self.progress = combine(self._job_states.values())

    def after(self, position: Position, since: str = "") -> Sequence[tuple[Position, JobLogEvent]]:
        """Return the events after a position that happened at a time or later."""
        place = itemgetter(0)
        start = max(bisect_right(self._entries, position, key=place), bisect_left(self._entries, (since,), key=place))
        return self._entries[start:]

    @property
    def execution_id(self) -> str | None:
        """The execution to which most of the events are linked. None if no event is linked."""
        counts = Counter(event.execution_id for _, event in self._entries if event.execution_id)
        return max(counts, key=lambda execution_id: (counts[execution_id], execution_id), default=None)


class EventLogCache:
    """Reads the logs of executions and jobs, and caches those of executions. Not thread-safe."""

    def __init__(self, table: JobLogTable) -> None:
        self._table = table
        self._cache: dict[str, EventLog] = {}  # the log that was requested last is the last one

    def of_job(self, job_id: str, now: datetime) -> EventLog:
        """Return the log of a job from the table."""
        log = EventLog(now)
        log.add(self._table.events_of_job(job_id))
        return log

    def of_execution(
        self, execution_id: str, now: datetime, max_full_read_age: timedelta = FULL_READ_INTERVAL
    ) -> EventLog:
        """Return the log of an execution.

        If the cached log was read in full within ``max_full_read_age``, only new events are read.
        """
        log = self._cache.pop(execution_id, None)  # if this read fails, the next one reads the whole log
        new = self._new_events(execution_id, log) if log and now - log.full_read_at < max_full_read_age else None
        if log and new is not None:
            log.add(new)
            log.read_at = now
        else:
            log = EventLog(now)
            log.add(self._table.events_of_execution(execution_id))
        if len(log):
            self._keep(execution_id, log)
        return log

    def _new_events(self, execution_id: str, log: EventLog) -> list[JobLogEvent] | None:
        """Return the events that the log lacks. None if LateIndex does not exist yet."""
        try:
            return self._table.new_events_of_execution(execution_id, log.read_at, log.known)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return None

    def _keep(self, execution_id: str, log: EventLog) -> None:
        self._cache[execution_id] = log
        size = sum(cached.size for cached in self._cache.values())
        for oldest in list(self._cache)[:-1]:
            if size <= _MAX_CACHE_BYTES:
                break
            size -= self._cache.pop(oldest).size
