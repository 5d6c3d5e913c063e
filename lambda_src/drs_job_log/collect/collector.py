"""The collector: one pass lists the jobs of all targets, reads their logs and puts new events on the bus."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from aws_lambda_powertools import Logger

from drs_job_log.collect.event_bus import batches, to_text
from drs_job_log.collect.job_log import (
    durations,
    ended_before,
    read_log,
    server_ids,
    servers_by_state,
    to_detail,
    unfinished_servers,
)
from drs_job_log.collect.tracker import RESEND_AFTER, JobTracker
from drs_job_log.errors import collect_errors
from drs_job_log.model.events import format_time
from drs_job_log.model.progress import stalled_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_drs.type_defs import JobTypeDef

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.event_bus import EventBus
    from drs_job_log.config import CollectorSettings
    from drs_job_log.table import JobLogTable

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_POOL_SIZE: Final = 10

# Extends the listed period, so that a job created exactly at its start is listed.
_LIST_MARGIN: Final = timedelta(minutes=1)

# Reserved at the end of an invocation: to put events on the bus even if a DRS call hangs, and to emit the metrics.
_SECONDS_FOR_PUTS: Final = 3.0
_SECONDS_FOR_METRICS: Final = 1.0

_COLLECTION_FAILED: Final = "Collection failed"

logger = Logger(child=True)


class OutOfTimeError(RuntimeError):
    """The invocation is about to end. The next invocation continues."""


class NotPutError(RuntimeError):
    """EventBridge rejected events after all attempts."""


class NotStoredError(RuntimeError):
    """Events that were put on the bus are not in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRequest:
    """The jobs to read: those with these IDs, those created since a time, or (with neither) all due jobs."""

    job_ids: Sequence[str] = ()
    since: datetime | None = None

    @property
    def is_manual(self) -> bool:
        """Whether a person requested the jobs. Such a pass does not use the trackers."""
        return bool(self.job_ids or self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """The result of a pass.

    Attributes
    ----------
    jobs, emitted, stalled
        The number of jobs that were due, of events put on the bus, and of newly stalled servers.
    running_jobs, running_executions
        The number of running jobs and of their executions. A job without an execution counts as one execution.
    servers
        The number of servers of running jobs by state, with the keys of the API's summary.
    failures
        Subject (an account and Region, a job, some events) → reason.
    """

    jobs: int
    emitted: int
    stalled: int
    running_jobs: int
    running_executions: int
    servers: Mapping[str, int]
    failures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrackedJob:
    """A job, its target and its tracker."""

    drs: DrsClient
    job: JobTypeDef
    tracker: JobTracker

    def __str__(self) -> str:
        return f"{self.job['jobID']} in {self.drs}"


@dataclass(frozen=True, slots=True)
class BusEntry:
    """An event to put on the bus: the JSON text of its detail, its key, and the tracker of its job."""

    text: str
    key: str
    tracker: JobTracker


@dataclass(frozen=True, slots=True)
class JobReading:
    """The result of reading a job's log: events to send, and newly stalled servers."""

    entries: Sequence[BusEntry] = ()
    stalled: frozenset[str] = frozenset()


class Collector:
    """Puts the items of the targets' job logs on the bus if the table does not contain them."""

    def __init__(
        self, targets: Sequence[DrsClient], table: JobLogTable, bus: EventBus, settings: CollectorSettings
    ) -> None:
        self._targets = targets
        self._table = table
        self._bus = bus
        self._settings = settings
        # By target, then by job ID.
        self._trackers: dict[DrsClient, dict[str, JobTracker]] = {}
        self._readers = ThreadPoolExecutor(_POOL_SIZE)
        self._writers = ThreadPoolExecutor(_POOL_SIZE)

    def collect(
        self, request: PassRequest, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0
    ) -> PassResult:
        """Make one pass. A failure does not stop the rest of the pass. If time runs out, the next pass continues.

        ``seconds_left`` returns the seconds until the invocation ends.
        """
        failures: dict[str, str] = {}

        def read(
            items: Iterable[Item], name: Callable[[Item], str], work: Callable[[Item], Result]
        ) -> Iterator[Result]:
            return _run_all(
                self._readers,
                items,
                name,
                work,
                seconds_left=lambda: seconds_left() - _SECONDS_FOR_PUTS,
                failures=failures,
            )

        # Generators, so that the first events are put on the bus while other logs are still being read.
        jobs: list[TrackedJob] = []
        readings: list[JobReading] = []

        def tracked_jobs() -> Iterator[TrackedJob]:
            for jobs_of_target in read(self._targets, str, lambda drs: self._list_jobs(drs, request, now)):
                jobs.extend(jobs_of_target)
                yield from jobs_of_target

        def entries() -> Iterator[BusEntry]:
            for reading in read(tracked_jobs(), str, lambda job: self._read_job(job, now, failures)):
                readings.append(reading)
                yield from reading.entries

        emitted = sum(
            _run_all(
                self._writers,
                batches(entries()),
                lambda batch: f"events from {batch[0].key} on",
                lambda batch: self._put(batch, now),
                seconds_left=lambda: seconds_left() - _SECONDS_FOR_METRICS,
                failures=failures,
            )
        )
        for job_id in set(request.job_ids) - {tracked.job["jobID"] for tracked in jobs}:
            failures[job_id] = "no configured account and Region has this job"
        # From the trackers, so that a target that cannot be read now counts with its last known state.
        running = [
            tracker
            for trackers in self._trackers.values()
            for tracker in trackers.values()
            if tracker.final_keys is None
        ]
        return PassResult(
            jobs=len(jobs),
            emitted=emitted,
            stalled=sum(len(reading.stalled) for reading in readings),
            running_jobs=len(running),
            running_executions=len({tracker.execution_id for tracker in running}),
            servers=sum((tracker.servers for tracker in running), Counter()),
            failures=failures,
        )

    def _list_jobs(self, drs: DrsClient, request: PassRequest, now: datetime) -> list[TrackedJob]:
        """Return the requested jobs of a target, or all due jobs: those in the look-back period and unfinished ones."""
        drs.connect()
        if request.is_manual:
            requested = drs.jobs(ids=request.job_ids, since=request.since)
            return [TrackedJob(drs, job, JobTracker()) for job in requested]

        start = now - self._settings.lookback
        if drs in self._trackers:
            listed = drs.jobs(since=start - _LIST_MARGIN)
            unfinished = {job_id for job_id, tracker in self._trackers[drs].items() if not tracker.all_stored}
            if older := sorted(unfinished - {job["jobID"] for job in listed}):
                listed += drs.jobs(ids=older)
        else:
            unfinished = set()
            listed = drs.jobs()  # a job from before the look-back period may still run
        # By ID, since a new job can move another job to the next page while the pages are read.
        due = {job["jobID"]: job for job in listed if job["jobID"] in unfinished or not ended_before(job, start)}
        known = self._trackers.get(drs, {})
        trackers = self._trackers[drs] = {job_id: known.get(job_id) or JobTracker() for job_id in due}
        for job_id, job in due.items():
            trackers[job_id].execution_id = job.get("tags", {}).get(self._settings.execution_id_tag) or job_id
        return [TrackedJob(drs, job, trackers[job_id]) for job_id, job in due.items()]

    def _read_job(self, tracked: TrackedJob, now: datetime, failures: dict[str, str]) -> JobReading:
        """Read the log of a job and return its new events. Skip a job whose events were all sent.

        The table is read only if the tracker may be out of date.
        """
        job, tracker = tracked.job, tracked.tracker
        if tracker.all_sent(now) and not tracker.resent:
            return JobReading()
        log = read_log(job, tracked.drs.log(job["jobID"]), now)
        oldest_kept = format_time(now - self._settings.retention)  # older events would expire immediately
        items = [item for item in log.items if item.time >= oldest_kept]
        new = [item for item in items if tracker.should_send(item.key, now)]
        if tracker.resent or any(tracker.needs_reconcile(item.key, now, self._settings.poll_interval) for item in new):
            tracker.stored = self._table.keys(job["jobID"])
            new = [item for item in new if item.key not in tracker.stored]
        if not_stored := tracker.resent.intersection(item.key for item in items) - tracker.stored:
            with collect_errors(failures, f"events of {tracked}", _COLLECTION_FAILED):
                raise NotStoredError(
                    f"{len(not_stored)} events were put on the bus twice, {RESEND_AFTER.seconds // 60} minutes apart, "
                    "and are not in the table: check the rule, the queue and ingest. The collector sends them again"
                )
        tracker.resent = not_stored | {item.key for item in new if item.key in tracker.emitted}
        tracker.read_at = now
        tracker.servers = servers_by_state(job, log)
        if log.is_complete:
            tracker.final_keys = frozenset(item.key for item in items)
        stalled = frozenset(
            stalled_servers(unfinished_servers(job), log.items, self._settings.stalled_after, now) - tracker.stalled
        )
        tracker.stalled |= stalled
        if stalled:
            logger.warning("Servers stalled", job_id=job["jobID"], source_server_ids=sorted(stalled))

        names: Mapping[str, str] = {}
        if new:
            # Events can be sent without names.
            with collect_errors(failures, f"server names of {tracked}", _COLLECTION_FAILED):
                names = tracked.drs.names(server_ids(job))
        seconds = durations(job, log) if new else {}
        details = [to_detail(item, job, names, seconds, self._settings.execution_id_tag) for item in new]
        entries = [BusEntry(to_text(detail), item.key, tracker) for item, detail in zip(new, details, strict=True)]
        return JobReading(entries, stalled)

    def _put(self, batch: Sequence[BusEntry], now: datetime) -> int:
        """Put a batch on the bus, and return the number of its events."""
        rejected = self._bus.put([entry.text for entry in batch])
        for place, entry in enumerate(batch):
            if place not in rejected:
                entry.tracker.emitted[entry.key] = now
        if rejected:
            reasons = "; ".join(sorted(set(rejected.values())))
            raise NotPutError(f"EventBridge rejected {len(rejected)} of {len(batch)} events: {reasons}")
        return len(batch)


def _run_all(
    threads: ThreadPoolExecutor,
    items: Iterable[Item],
    name: Callable[[Item], str],
    work: Callable[[Item], Result],
    *,
    seconds_left: Callable[[], float],
    failures: dict[str, str],
) -> Iterator[Result]:
    """Process the items in threads, and yield each result when it is available.

    Items that fail, or do not complete in time, are added to ``failures`` under their ``name``.
    """

    def run(item: Item) -> Result:
        if seconds_left() <= 0:
            raise OutOfTimeError("the invocation has no time left. The next pass continues")
        return work(item)

    futures = {threads.submit(run, item): item for item in items}
    try:
        for future in as_completed(futures, timeout=max(0.0, seconds_left())):
            with collect_errors(failures, name(futures.pop(future)), _COLLECTION_FAILED):
                yield future.result()
    except TimeoutError:
        for future, item in futures.items():
            future.cancel()
            with collect_errors(failures, name(item), _COLLECTION_FAILED):
                raise OutOfTimeError("the operation took too long. The next pass repeats it") from None
