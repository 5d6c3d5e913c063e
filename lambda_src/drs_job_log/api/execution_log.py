"""The log of an execution or a job in the API, with its progress. Logs of executions are cached between requests."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import timedelta
from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from drs_job_log.model.progress import Progress, combine, job_state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.model.progress import JobState
    from drs_job_log.table import JobLogTable

    # Time, job ID, and the rest of the EventKey.
    Position = tuple[str, str, str]

# A cached log is read in full again after this time, in case an index lagged longer than _INDEX_LAG in table.py.
FULL_READ_INTERVAL: Final = timedelta(minutes=5)

# A full read of a large log takes long, so it is valid for a second more per this number of events.
_EVENTS_PER_SECOND: Final = 1_000

# The longest time of a full read in one request. The next request continues the read. With the time for the progress
# and the answer, the request ends before the timeout of the function (20 s).
_MAX_READ_SECONDS: Final = 10.0

# The maximum size of a log, and of the cache without the log that was requested last. A function has 256 MB.
_MAX_LOG_BYTES: Final = 110_000_000
_MAX_CACHE_BYTES: Final = 40_000_000

# The memory of an event without its texts, and of a server or resource that its detail lists. Measured.
_EVENT_BYTES: Final = 1_000
_LISTED_BYTES: Final = 600


class EventLog:
    """Events in the order of time, job ID and the rest of the ``EventKey``. Events can be added.

    As a container, the log has the job ID and ``EventKey`` of each of its events.

    Attributes
    ----------
    size
        The estimated size in bytes.
    read_at, full_read_at
        When the last read that has ended began, and the last full read. For the first read of a log, when it began, and
        None until it has ended.
    unread
        The next events of a full read that has not ended.
    unread_since
        When this full read began.
    is_read_in_parts
        Whether a full read needed more than one request.
    """

    def __init__(self, read_at: datetime) -> None:
        self.read_at = self.unread_since = read_at
        self.full_read_at: datetime | None = None
        self.unread: Iterator[JobLogEvent] | None = None
        self.is_read_in_parts = False
        self.size = 0
        self._events: dict[Position, JobLogEvent] = {}
        self._positions: list[Position] = []
        self._events_by_job: dict[str, list[JobLogEvent]] = {}
        self._job_states: dict[str, JobState] = {}
        self._changed_jobs: set[str] = set()
        self._progress = Progress([], [])

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, key: object) -> bool:
        match key:
            case (str() as job_id, str() as event_key):
                return _position(job_id, event_key) in self._events
        return False

    @property
    def is_full(self) -> bool:
        """Whether the log has reached the limit of its size, so that no more events are read."""
        return self.size >= _MAX_LOG_BYTES

    @property
    def is_partial(self) -> bool:
        """Whether the table may have events from before ``read_at`` that the log lacks."""
        return self.full_read_at is None or self.is_full

    def was_read_in_full(self, now: datetime, max_age: timedelta) -> bool:
        """Whether the last full read is valid: it is not older than ``max_age``, or a bit more for a large log."""
        max_age += timedelta(seconds=len(self) // _EVENTS_PER_SECOND)
        return self.full_read_at is not None and now - self.full_read_at < max_age

    def add(self, events: Iterable[JobLogEvent]) -> None:
        """Add the events that are not in the log yet."""
        for event in events:
            position = _position(event.job_id, event.key)
            if position in self._events:
                continue
            self._events[position] = event
            self._positions.append(position)
            self._events_by_job.setdefault(event.job_id, []).append(event)
            self._changed_jobs.add(event.job_id)
            self.size += _size(event)

    @property
    def job_states(self) -> Mapping[str, JobState]:
        """The state of each job that the events describe, by job ID."""
        self._update()
        return self._job_states

    @property
    def progress(self) -> Progress:
        """The progress that the events describe. Only the states of jobs with new events are derived again."""
        self._update()
        return self._progress

    def _update(self) -> None:
        if self._changed_jobs:
            for job_id in self._changed_jobs:
                self._job_states[job_id] = job_state_of(job_id, self._events_by_job[job_id])
            self._changed_jobs.clear()
            self._progress = combine(self._job_states.values())

    def after(
        self, position: Position, since: str = "", limit: int | None = None
    ) -> Sequence[tuple[Position, JobLogEvent]]:
        """Return the first ``limit`` events after a position that happened at a time or later. None: all of them."""
        self._positions.sort()  # takes little time if they are sorted
        start = max(bisect_right(self._positions, position), bisect_left(self._positions, (since,)))
        end = None if limit is None else start + limit
        return [(place, self._events[place]) for place in self._positions[start:end]]

    @property
    def execution_id(self) -> str | None:
        """The execution to which most of the events are linked. None if no event is linked."""
        counts = Counter(event.execution_id for event in self._events.values() if event.execution_id)
        return max(counts, key=lambda execution_id: (counts[execution_id], execution_id), default=None)


def _size(event: JobLogEvent) -> int:
    """Return the estimated memory of an event in bytes."""
    size = _EVENT_BYTES + getsizeof(event.message) + getsizeof(event.error)
    for value in event.detail.values():
        if isinstance(value, list):
            size += _LISTED_BYTES * len(value)
    return size


def _position(job_id: str, key: str) -> Position:
    time, _, identity = key.partition("#")
    return time, job_id, identity


class EventLogCache:
    """Reads the logs of executions and jobs, and caches logs of executions and large logs of jobs. Not thread-safe."""

    def __init__(self, table: JobLogTable) -> None:
        self._table = table
        # By kind and ID. The log that was requested last is the last one.
        self._cache: dict[tuple[str, str], EventLog] = {}

    def of_job(self, job_id: str, now: datetime) -> EventLog:
        """Return the log of a job. Only a large one can come from the cache: there is no index of its late events."""
        key = "job", job_id
        log = self._cache.pop(key, None) or EventLog(now)
        if not log.was_read_in_full(now, timedelta()):
            self._read_in_full(log, lambda: self._table.events_of_job(job_id), now)
        if log.unread or len(log) >= _EVENTS_PER_SECOND:
            self._keep(key, log)
        return log

    def of_execution(
        self, execution_id: str, now: datetime, max_full_read_age: timedelta = FULL_READ_INTERVAL
    ) -> EventLog:
        """Return the log of an execution.

        If the cached log was read in full within ``max_full_read_age``, only new events are read. If a log is too large
        for one request, it has the oldest events.
        """
        key = "execution", execution_id
        log = self._cache.pop(key, None) or EventLog(now)  # if this read fails, the next one reads the whole log
        is_valid = log.unread is None and log.was_read_in_full(now, max_full_read_age)
        new = self._new_events(execution_id, log) if is_valid and not log.is_full else None
        if new is None:
            self._read_in_full(log, lambda: self._table.events_of_execution(execution_id), now)
        else:
            log.add(new)
            log.read_at = now
        if len(log):
            self._keep(key, log)
        return log

    def _read_in_full(self, log: EventLog, read: Callable[[], Iterable[JobLogEvent]], now: datetime) -> None:
        """Read all events into the log, or continue an earlier read, until a limit of time or size is reached."""
        if log.unread is None:
            log.unread, log.unread_since = iter(read()), now
        log.add(self._within_limits(log, log.unread))
        log.is_read_in_parts |= log.unread is not None

    def _within_limits(self, log: EventLog, events: Iterator[JobLogEvent]) -> Iterator[JobLogEvent]:
        end = monotonic() + _MAX_READ_SECONDS
        while not log.is_full and monotonic() < end:
            if (event := next(events, None)) is None:
                log.unread, log.read_at, log.full_read_at = None, log.unread_since, log.unread_since
                return
            yield event
            if log.size > _MAX_CACHE_BYTES:
                self._cache.clear()

    def _new_events(self, execution_id: str, log: EventLog) -> list[JobLogEvent] | None:
        """Return the events that the log lacks. None if LateIndex does not exist yet."""
        try:
            return self._table.new_events_of_execution(execution_id, log.read_at, log)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return None

    def _keep(self, key: tuple[str, str], log: EventLog) -> None:
        self._cache[key] = log
        size = sum(cached.size for cached in self._cache.values())
        for oldest in list(self._cache)[:-1]:
            if size <= _MAX_CACHE_BYTES:
                break
            size -= self._cache.pop(oldest).size
