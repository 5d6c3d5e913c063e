"""Logs in order, each with how far it got; those of executions are remembered from request to request."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from drs_job_log.events import format_time
from drs_job_log.progress import Progress, combine, fold_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from drs_job_log.events import JobLogEvent
    from drs_job_log.progress import FoldedJob
    from drs_job_log.store import JobLogStore

    Position = tuple[str, str, str]

# An execution is read as a whole again after so long: should its index ever be slower than the store allows for.
WHOLE_WITHIN: Final = timedelta(minutes=5)

# So many bytes of events are remembered, but always the execution that was asked for last.
_MOST_BYTES: Final = 40_000_000

# Of an event in memory, beside long texts: see benchmarks.memory.
_EVENT_BYTES: Final = 2_000


class Log:
    """Events in the order of their positions: by time, job and id. It grows.

    Attributes
    ----------
    known
        Its events, by job and ``EventKey``.
    progress
        How far they got.
    size
        Bytes, about.
    read_at, whole_at
        When it was read last, and when as a whole.
    """

    def __init__(self, read_at: datetime) -> None:
        self.read_at = self.whole_at = read_at
        self.size = 0
        self._entries: list[tuple[Position, JobLogEvent]] = []
        self._of_jobs: dict[str, list[JobLogEvent]] = {}
        self._folded: dict[str, FoldedJob] = {}
        self.known: set[tuple[str, str]] = set()
        self.progress = Progress([], [])

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, events: Iterable[JobLogEvent]) -> None:
        """Add events, each once however often it comes. Only their jobs are folded anew."""
        changed = set()
        for event in events:
            time = format_time(event.timestamp)
            key = event.job_id, f"{time}#{event.event_id}"
            if key in self.known:
                continue
            self.known.add(key)
            self.size += _EVENT_BYTES + len(event.message or "") + len(event.error or "")
            self._entries.append(((time, event.job_id, event.event_id), event))
            self._of_jobs.setdefault(event.job_id, []).append(event)
            changed.add(event.job_id)
        if not changed:
            return
        self._entries.sort(key=itemgetter(0))
        self._folded |= {job_id: fold_job(self._of_jobs[job_id]) for job_id in changed}
        self.progress = combine(self._folded.values())

    def after(self, position: Position, since: str = "") -> Sequence[tuple[Position, JobLogEvent]]:
        """The events after a position that did not happen before a time."""
        place = itemgetter(0)
        start = max(bisect_right(self._entries, position, key=place), bisect_left(self._entries, (since,), key=place))
        return self._entries[start:]

    @property
    def execution_ids(self) -> set[str]:
        """The executions that its events are linked to."""
        return {event.execution_id for _, event in self._entries if event.execution_id}


class Logs:
    """The logs of executions and jobs in the table. Not for several threads."""

    def __init__(self, store: JobLogStore) -> None:
        self._store = store
        self._remembered: dict[str, Log] = {}  # the one that was asked for last is the last

    def of_job(self, job_id: str, now: datetime) -> Log:
        """The log of a job, as the table has it now."""
        log = Log(now)
        log.add(self._store.events_of_job(job_id))
        return log

    def of_execution(self, execution_id: str, now: datetime, whole_within: timedelta = WHOLE_WITHIN) -> Log:
        """The log of an execution, as the index has it now.

        Where it was read as a whole within that time, only what is new is read and the rest remembered.
        """
        log = self._remembered.pop(execution_id, None)  # if reading fails, the next one is of the whole
        new = self._new_events(execution_id, log) if log and now - log.whole_at < whole_within else None
        if log and new is not None:
            log.add(new)
            log.read_at = now
        else:
            log = Log(now)
            log.add(self._store.events_of_execution(execution_id))
        if len(log):
            self._remember(execution_id, log)
        return log

    def _new_events(self, execution_id: str, log: Log) -> list[JobLogEvent] | None:
        """What the execution has beside the log; None where LateIndex is missing, or is still being made."""
        try:
            return self._store.new_events_of_execution(execution_id, log.read_at, log.known)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return None

    def _remember(self, execution_id: str, log: Log) -> None:
        self._remembered[execution_id] = log
        size = sum(remembered.size for remembered in self._remembered.values())
        for other in list(self._remembered)[:-1]:
            if size <= _MOST_BYTES:
                break
            size -= self._remembered.pop(other).size
