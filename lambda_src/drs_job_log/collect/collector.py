"""The collector: one pass lists the jobs of all targets, reads their logs and puts new events on the bus."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from drs_job_log.collect.event_bus import batches, to_text
from drs_job_log.collect.job_log import (
    RTO_TAG,
    corrections,
    creation_time_of,
    deletion,
    ended_before,
    execution_of,
    has_invalid_rto,
    linked_items,
    named_servers,
    published_ends,
    rto_minutes_of,
    server_ids,
    stalled_items,
    timings,
    to_detail,
)
from drs_job_log.collect.plans import EventTimes, PlanReader
from drs_job_log.collect.recovery_points import RecoveryPoints
from drs_job_log.collect.tracker import RESEND_AFTER, JobTracker
from drs_job_log.errors import collect_errors, reason_of
from drs_job_log.model.events import format_time
from drs_job_log.model.progress import MAX_RTO_MINUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from mypy_boto3_drs.type_defs import JobTypeDef

    from drs_job_log.collect.drs_client import DrsClient
    from drs_job_log.collect.event_bus import EventBus
    from drs_job_log.collect.job_log import JobLogItem
    from drs_job_log.collect.plans import PlanEvent, PlanTracker
    from drs_job_log.config import CollectorSettings
    from drs_job_log.table import JobLogTable

    Item = TypeVar("Item")
    Result = TypeVar("Result")

_READERS: Final = 10

# A PutEvents request needs about 5 ms at the CPU share of 256 MB, so a few threads use the share while others wait for
# EventBridge. For 10,000 new events, ten threads need a tenth more CPU time, to switch between them.
_WRITERS: Final = 4

# Extends the listed period, so that a job that was created at its start is listed, also if the clock of DRS differs.
_LIST_MARGIN: Final = timedelta(minutes=5)

# The same for a pass that lists only new jobs. If the clocks differ more, the next whole listing has the new job.
_NEW_JOB_MARGIN: Final = timedelta(minutes=1)

# The look-back period is listed about once a minute. Less than a minute, because scheduled invocations can start early.
_WHOLE_LISTING_INTERVAL: Final = timedelta(seconds=50)

# Reserved at the end of an invocation: to put events on the bus even if a DRS call hangs, and to emit the metrics.
_SECONDS_FOR_PUTS: Final = 3.0
_SECONDS_FOR_METRICS: Final = 1.0

# Errors of DescribeJobLogItems for a job that was deleted.
_NO_SUCH_JOB: Final = frozenset({"ResourceNotFoundException", "ValidationException"})

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
    """The jobs to read: those with these IDs, those created since a time, or (with neither) all due jobs.

    ``is_woken``: whether an EventBridge event asks for the pass. It then lists the executions of recovery plans.
    """

    job_ids: Sequence[str] = ()
    since: datetime | None = None
    is_woken: bool = False

    @property
    def is_manual(self) -> bool:
        """Whether a person requested the jobs. Such a pass does not use the trackers."""
        return bool(self.job_ids or self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """The result of a pass.

    Attributes
    ----------
    jobs, emitted
        The number of jobs that are due, and of events put on the bus.
    running_jobs, running_executions
        The number of running jobs and of their executions. A job without an execution counts as one execution.
    executions_over_rto
        The number of running executions that exceed their recovery time objective.
    invalid_rto_tags
        The number of running jobs with an invalid tag ``RtoMinutes``.
    active_jobs
        The number of jobs that the next pass reads: running jobs with a recent item, and jobs with unsent events.
    servers
        The number of servers of running jobs by state, with the keys of the API's summary.
    failures
        Subject (an account and Region, a job, some events) → reason.
    active_plans, unread_plans
        The number of executions of recovery plans that the next pass reads, and of targets whose recovery plans could
        not be read.
    """

    jobs: int
    emitted: int
    running_jobs: int
    running_executions: int
    executions_over_rto: int
    invalid_rto_tags: int
    active_jobs: int
    servers: Mapping[str, int]
    failures: Mapping[str, str]
    active_plans: int = 0
    unread_plans: int = 0


@dataclass(frozen=True, slots=True)
class TrackedJob:
    """A job, its target and its tracker.

    ``launches``: the jobs that launched what a TERMINATE job terminates. ``is_listed``: whether this pass listed the
    job. Otherwise, ``job`` is from an earlier pass. ``is_read_again``: whether the next pass reads the job.
    """

    drs: DrsClient
    job: JobTypeDef
    tracker: JobTracker
    launches: Sequence[JobTypeDef] = ()
    is_listed: bool = True
    is_read_again: bool = True

    def __str__(self) -> str:
        return f"{self.job['jobID']} in {self.drs}"


@dataclass(frozen=True, slots=True)
class BusEntry:
    """An event to put on the bus: the JSON text of its detail, its key, and the tracker of its job or plan execution.

    ``detail`` is empty for an event of a server.
    """

    text: str
    key: str
    tracker: JobTracker | PlanTracker
    detail: Mapping[str, Any]


class Collector:
    """Puts the items of the targets' job logs on the bus if the table does not contain them."""

    def __init__(
        self,
        targets: Sequence[DrsClient],
        table: JobLogTable,
        bus: EventBus,
        settings: CollectorSettings,
        times: EventTimes | None = None,
    ) -> None:
        """``times``: of the events of recovery plans. None: recovery plans are not read."""
        self._targets = targets
        self._plans = {drs: PlanReader(drs, table, times, settings) for drs in targets} if times else {}
        self._table = table
        self._bus = bus
        self._settings = settings
        # The events of recovery plans to send, by key. If time runs out, the next pass reads the remaining ones again.
        self._plan_events: dict[str, tuple[PlanTracker, PlanEvent]] = {}
        # By target, then by job ID.
        self._trackers: dict[DrsClient, dict[str, JobTracker]] = {}
        # By target: the LAUNCH jobs of each server by their creation time.
        self._launches: dict[DrsClient, dict[str, dict[datetime, JobTypeDef]]] = {}
        # By target: when its jobs were last listed for the whole look-back period.
        self._listed_at: dict[DrsClient, datetime] = {}
        # Whether time ran out in the last pass over all due jobs.
        self._was_cut_off = False
        # Targets that could not be read in the last pass. They are read last, so that they do not delay the others.
        self._failed_targets: set[DrsClient] = set()
        self._points = RecoveryPoints()
        self._readers = ThreadPoolExecutor(_READERS)
        self._writers = ThreadPoolExecutor(_WRITERS)

    def collect(
        self, request: PassRequest, now: datetime, seconds_left: Callable[[], float] = lambda: 900.0
    ) -> PassResult:
        """Make one pass: list the jobs, read their logs, put new events on the bus.

        A failure does not stop the rest of the pass. If time runs out, the next pass continues. This is a failure if it
        repeats. ``seconds_left`` returns the seconds until the invocation ends.
        """
        failures: dict[str, str] = {}
        cut_off: dict[str, str] = {}

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
                cut_off=cut_off,
            )

        # Generators, so that the first events are put on the bus while other logs are still being read.
        jobs: list[TrackedJob] = []

        def tracked_jobs() -> Iterator[TrackedJob]:
            targets = sorted(self._targets, key=lambda drs: drs in self._failed_targets)
            for jobs_of_target in read(targets, str, lambda drs: self._list_jobs(drs, request, now)):
                jobs.extend(jobs_of_target)
                yield from jobs_of_target

        def entries() -> Iterator[BusEntry]:
            for entries_of_job in read(tracked_jobs(), str, lambda job: self._read_if_due(job, now)):
                yield from entries_of_job
            yield from self._plan_entries()

        emitted = sum(
            _run_all(
                self._writers,
                batches(entries()),
                lambda batch: f"events from {batch[0].key} on",
                lambda batch: self._put(batch, now),
                seconds_left=lambda: seconds_left() - _SECONDS_FOR_METRICS,
                failures=failures,
                cut_off=cut_off,
            )
        )
        if cut_off:
            logger.warning("Time ran out", subjects=len(cut_off), is_repeated=self._was_cut_off)
        if request.is_manual or self._was_cut_off:
            failures |= cut_off
        if not request.is_manual:
            self._was_cut_off = bool(cut_off)
        for job_id in set(request.job_ids) - {tracked.job["jobID"] for tracked in jobs}:
            tagged = " with the tags of collector.only_tagged" if self._settings.only_tagged else ""
            failures[job_id] = f"no configured account and Region has this job{tagged}"
        # From the trackers, so that a target that cannot be read now counts with its last known state.
        trackers = [tracker for of_target in self._trackers.values() for tracker in of_target.values()]
        for tracker in (tracked.tracker for tracked in jobs) if request.is_manual else trackers:
            failures |= tracker.failures
        running = [tracker for tracker in trackers if tracker.is_running]
        return PassResult(
            jobs=len(jobs) if request.is_manual else len(trackers),
            emitted=emitted,
            running_jobs=len(running),
            running_executions=len({tracker.execution_id for tracker in running}),
            executions_over_rto=executions_over_rto(trackers, self._settings.rto_minutes, now),
            invalid_rto_tags=sum(tracker.has_invalid_rto for tracker in running),
            active_jobs=sum(tracker.is_active(now) for tracker in trackers),
            active_plans=sum(reader.active(now) for reader in self._plans.values()),
            servers=sum((tracker.servers for tracker in running), Counter()),
            failures=failures,
            unread_plans=sum(reader.failure is not None for reader in self._plans.values()),
        )

    def _list_jobs(self, drs: DrsClient, request: PassRequest, now: datetime) -> list[TrackedJob]:
        """Return the requested jobs of a target, or all due jobs: those in the look-back period and unfinished ones."""
        try:
            jobs = self._jobs_of(drs, request, now)
        except Exception:
            self._failed_targets.add(drs)
            raise
        self._failed_targets.discard(drs)
        return jobs

    def _jobs_of(self, drs: DrsClient, request: PassRequest, now: datetime) -> list[TrackedJob]:
        drs.connect()
        if request.is_manual:
            if self._settings.only_tagged:
                self._remember_launches(drs, drs.jobs())
            requested = [
                job for job in drs.jobs(ids=request.job_ids, since=request.since) if self._is_selected(drs, job)
            ]
            return [
                TrackedJob(drs, job, JobTracker(), self._launches_of(drs, job), is_read_again=False)
                for job in requested
            ]

        listed_at = self._listed_at.get(drs)
        if listed_at is None or abs(now - listed_at) >= _WHOLE_LISTING_INTERVAL:  # the clock can be set back
            jobs = self._list_all(drs, now)
        else:
            jobs = self._list_new(drs, now, listed_at)
        if reader := self._plans.get(drs):
            self._read_plans(reader, jobs, now, is_woken=request.is_woken)
        return jobs

    def _read_plans(self, reader: PlanReader, jobs: Sequence[TrackedJob], now: datetime, *, is_woken: bool) -> None:
        """Read the recovery plans of a target, and link the jobs of their steps. A tag of a job takes precedence."""
        untagged = [tracked for tracked in jobs if not execution_of(tracked.job, self._settings.execution_id_tag)]
        has_new_job = any(
            tracked.tracker.read_at is None
            and tracked.job.get("type") == "LAUNCH"
            and tracked.job["jobID"] not in reader.links
            for tracked in untagged
        )
        events = reader.read(now, list_now=is_woken or has_new_job)
        self._plan_events |= {event.key: (tracker, event) for tracker, event in events}
        for tracked in untagged:
            tracker, link = tracked.tracker, reader.links.get(tracked.job["jobID"])
            if link and tracker.plan_link != link:
                # Its log is read again, also if the job has ended.
                tracker.plan_link, tracker.read_at = link, None
            if tracker.plan_link:
                tracker.execution_id = tracker.plan_link.execution_id

    def _plan_entries(self) -> Iterator[BusEntry]:
        """Yield the events of recovery plans that this pass read."""
        for key in list(self._plan_events):
            tracker, event = self._plan_events.pop(key)
            yield BusEntry(to_text(event.detail), event.key, tracker, {})

    def _list_all(self, drs: DrsClient, now: datetime) -> list[TrackedJob]:
        """List the jobs of the look-back period and unfinished ones. The first time, list all jobs."""
        start = now - self._settings.lookback
        unfinished = {
            job_id
            for job_id, tracker in self._trackers.get(drs, {}).items()
            if tracker.settled is None or (tracker.job and not ended_before(tracker.job, start))
        }
        # A job from before the look-back period may still run.
        listed = drs.jobs(since=start - _LIST_MARGIN) if drs in self._trackers else drs.jobs()
        due = self._due(drs, listed, unfinished, now)
        self._trackers[drs] = {job_id: tracked.tracker for job_id, tracked in due.items()}
        self._listed_at[drs] = now
        return list(due.values())

    def _list_new(self, drs: DrsClient, now: datetime, listed_at: datetime) -> list[TrackedJob]:
        """List the jobs that were created since the last listing of all jobs, and the due jobs that need a listing.

        DRS returns all servers of a job. For 20 jobs with 100 servers, to parse them takes a seventh of the CPU time of
        a pass.
        """
        known = self._trackers[drs]
        to_read = {
            job_id: tracker
            for job_id, tracker in known.items()
            if tracker.listed and tracker.should_read(tracker.listed, now)
        }
        to_list = {job_id for job_id, tracker in to_read.items() if tracker.needs_listing}
        due = self._due(drs, drs.jobs(since=listed_at - _NEW_JOB_MARGIN), to_list, now)
        self._trackers[drs] = known | {job_id: tracked.tracker for job_id, tracked in due.items()}
        unlisted = [
            TrackedJob(drs, tracker.listed, tracker, self._launches_of(drs, tracker.listed), is_listed=False)
            for job_id, tracker in to_read.items()
            if tracker.listed and job_id not in due
        ]
        return [*due.values(), *unlisted]

    def _due(
        self, drs: DrsClient, listed: Sequence[JobTypeDef], expected: AbstractSet[str], now: datetime
    ) -> dict[str, TrackedJob]:
        """Return the due jobs of a list by ID. List the expected jobs that are not in it, and find those that are gone.

        The result contains a job that is gone if it was deleted while it ran.
        """
        if others := sorted(expected - {job["jobID"] for job in listed}):
            listed = [*listed, *drs.jobs(ids=others)]
        self._remember_launches(drs, listed)
        start, known = now - self._settings.lookback, self._trackers.get(drs, {})
        # By ID, since a new job can move another job to the next page while the pages are read.
        due = {
            job["jobID"]: TrackedJob(drs, job, known.get(job["jobID"]) or JobTracker(), self._launches_of(drs, job))
            for job in listed
            if job["jobID"] in expected or (not ended_before(job, start) and self._is_selected(drs, job))
        }
        for job_id, tracked in due.items():
            job, tracker = tracked.job, tracked.tracker
            tracker.execution_id = execution_of(job, self._settings.execution_id_tag) or job_id
            tracker.created_at = creation_time_of(job)
            tracker.listed = job if tracker.settled is None else None
            tracker.rto_minutes = rto_minutes_of(job)
            tracker.has_invalid_rto = has_invalid_rto(job)
            if tracker.deletion:  # DRS lists the job again
                tracker.is_running = True
            tracker.missing_since = tracker.deletion = None
        for job_id in expected - due.keys():
            tracker = known[job_id]
            tracker.missing_since = tracker.missing_since or now
            if tracker.job and tracker.settled is None and (tracker.deletion or tracker.is_running):
                due[job_id] = TrackedJob(drs, tracker.job, tracker, self._launches_of(drs, tracker.job))
        return due

    def _remember_launches(self, drs: DrsClient, jobs: Sequence[JobTypeDef]) -> None:
        launches = self._launches.setdefault(drs, {})
        for job in jobs:
            created = creation_time_of(job)
            if job.get("type") != "LAUNCH" or created is None:
                continue
            # Only what a TERMINATE job needs, because DRS keeps many jobs.
            launch: JobTypeDef = {"jobID": job["jobID"], "tags": job.get("tags", {})}
            for server in server_ids(job):
                launches.setdefault(server, {})[created] = launch

    def _is_selected(self, drs: DrsClient, job: JobTypeDef) -> bool:
        """Whether the job has the tags of ``only_tagged``, or the execution of its recovery plan has them.

        Or, for a TERMINATE job, one of its launches has them: TerminateRecoveryInstances takes no tags.
        """
        required = self._settings.only_tagged.items()
        reader = self._plans.get(drs)
        if required <= job.get("tags", {}).items() or (reader and job["jobID"] in reader.links):
            return True
        return any(required <= launch.get("tags", {}).items() for launch in self._launches_of(drs, job))

    def _launches_of(self, drs: DrsClient, job: JobTypeDef) -> list[JobTypeDef]:
        """Return the jobs that launched what a TERMINATE job terminates, as far as this instance saw them."""
        created = creation_time_of(job)
        if job.get("type") != "TERMINATE" or created is None:
            return []
        newest = {}
        for server in server_ids(job):
            launches = self._launches.get(drs, {}).get(server, {})
            if earlier := [time for time in launches if time <= created]:
                launch = launches[max(earlier)]
                newest[launch["jobID"]] = launch
        return list(newest.values())

    def _read_if_due(self, tracked: TrackedJob, now: datetime) -> list[BusEntry]:
        """Read the log of a job if it is due, and return the new events.

        The failures of a job stay in its tracker until it is read again, because not every pass reads it.
        """
        tracker = tracked.tracker
        failures: dict[str, str] = {}
        entries: list[BusEntry] = []
        with collect_errors(failures, str(tracked), _COLLECTION_FAILED):
            if tracker.missing_since:
                entries = self._read_deleted(tracked, now, failures)
            elif tracker.should_read(tracked.job, now):
                entries = self._read_job(tracked, now, failures)
            else:
                return []
        tracker.failures = failures
        return entries

    def _read_job(self, tracked: TrackedJob, now: datetime, failures: dict[str, str]) -> list[BusEntry]:
        """Read the log of a job and return its new events. The table is read if the tracker may be out of date."""
        job, tracker = tracked.job, tracked.tracker
        try:
            log = tracker.read(tracked.drs, job, now)
        except ClientError as error:
            if tracked.is_listed or error.response["Error"]["Code"] not in _NO_SUCH_JOB:
                raise
            return self._list_and_read(tracked, now, failures)
        oldest_kept = format_time(now - self._settings.retention)  # older events would expire immediately
        derived = [
            *stalled_items(job, log, self._settings.stalled_after, now),
            *linked_items(job, log, tracker.plan_link),
        ]
        if not tracked.is_listed and (tracker.is_ending or tracker.unsent([item.key for item in derived], now)):
            return self._list_and_read(tracked, now, failures)
        by_key = {item.key: item for item in (*log.items, *derived) if item.time >= oldest_kept}
        new = tracker.unsent(by_key, now)
        if (
            tracker.resent
            or tracker.settled is not None
            or any(tracker.needs_reconcile(key, now, self._settings.poll_interval) for key in new)
            # Another instance may have published the same correction.
            or corrections(job, log, tracker.published(now))
        ):
            self._read_stored(tracked)
            by_key |= {item.key: item for item in corrections(job, log, tracker.published(now))}
            new = tracker.unsent(by_key, now)
        if not_stored := tracker.resent & by_key.keys() - tracker.stored:
            with collect_errors(failures, f"events of {tracked}", _COLLECTION_FAILED):
                raise NotStoredError(
                    f"{len(not_stored)} events were put on the bus twice, {RESEND_AFTER.seconds // 60} minutes apart, "
                    "and are not in the table: check the rule, the queue and ingest. The collector sends them again"
                )
        items = self._points.add(
            tracked.drs, job, [by_key[key] for key in new], tracker, now, can_wait=tracked.is_read_again
        )
        tracker.resent = not_stored | {item.key for item in items if item.key in tracker.emitted}
        tracker.job, tracker.listed, tracker.read_at, tracker.settled = job, job, now, None
        tracker.keys, tracker.is_running = frozenset(by_key), not log.is_complete
        tracker.settle()
        return self._entries(tracked, items, timings(job, log, items), failures)

    def _list_and_read(self, tracked: TrackedJob, now: datetime, failures: dict[str, str]) -> list[BusEntry]:
        """List a job that this pass has not listed, and read its log. It is missing if DRS does not list it."""
        listed = tracked.drs.jobs(ids=[tracked.job["jobID"]])
        if not listed:
            tracked.tracker.missing_since = now
            return []
        return self._read_job(replace(tracked, job=listed[0], is_listed=True), now, failures)

    def _read_deleted(self, tracked: TrackedJob, now: datetime, failures: dict[str, str]) -> list[BusEntry]:
        """Return the event of a job that was deleted while it ran, unless it was sent."""
        job, tracker = tracked.job, tracked.tracker
        if not tracker.is_deleted(now):
            return []
        self._read_stored(tracked)
        if not tracker.deletion and (ends := published_ends(tracker.details)):
            tracker.keys, tracker.is_running = frozenset(ends), False  # another instance saw the end of the job
            tracker.settle()
            return []
        tracker.deletion = tracker.deletion or deletion(job, tracker.stored | tracker.emitted.keys())
        tracker.keys, tracker.is_running = frozenset({tracker.deletion.key}), False
        new = [tracker.deletion] if tracker.has_unsent(now) else []
        tracker.settle()
        return self._entries(tracked, new, {}, failures)

    def _read_stored(self, tracked: TrackedJob) -> None:
        tracked.tracker.update_stored(self._table.stored(tracked.job["jobID"], self._settings.collector_sources))

    def _entries(
        self,
        tracked: TrackedJob,
        new: Sequence[JobLogItem],
        timing: Mapping[str, Mapping[str, Any]],
        failures: dict[str, str],
    ) -> list[BusEntry]:
        """Return the events of new items. ``timing``: see ``timings``."""
        job = tracked.job
        if has_invalid_rto(job) and any(item.event_type == "JOB_STARTED" for item in new):
            logger.warning(
                f"Tag {RTO_TAG} ignored: it must be a whole number of minutes from 1 to {MAX_RTO_MINUTES}",
                job_id=job["jobID"],
                value=job.get("tags", {})[RTO_TAG][:100],
            )
        names: Mapping[str, str] = {}
        if ids := named_servers(job, new) if new else set():
            # Events can be sent without names.
            with collect_errors(failures, f"server names of {tracked}", _COLLECTION_FAILED):
                names = tracked.drs.names(ids)
        reader = self._plans.get(tracked.drs)
        links = reader.links if reader else {}
        entries = []
        for item in new:
            detail = to_detail(
                item, job, names, timing, self._settings.execution_id_tag, launches=tracked.launches, links=links
            )
            facts = {} if item.source_server_id else detail
            entries.append(BusEntry(to_text(detail), item.key, tracked.tracker, facts))
        return entries

    def _put(self, batch: Sequence[BusEntry], now: datetime) -> int:
        """Put a batch on the bus, and return the number of its events."""
        rejected = self._bus.put([entry.text for entry in batch])
        for place, entry in enumerate(batch):
            if place not in rejected:
                entry.tracker.emitted[entry.key] = now
                if entry.detail and isinstance(entry.tracker, JobTracker):
                    entry.tracker.details[entry.key] = entry.detail
        if rejected:
            reasons = "; ".join(sorted(set(rejected.values())))
            raise NotPutError(f"EventBridge rejected {len(rejected)} of {len(batch)} events: {reasons}")
        return len(batch)


def executions_over_rto(trackers: Iterable[JobTracker], rto_minutes: int | None, now: datetime) -> int:
    """Return the number of running executions that exceed their recovery time objective.

    The time begins with the creation of the first LAUNCH job of the execution. An execution whose running jobs have
    launched all their servers does not exceed it. The shortest objective in a tag of its jobs applies, as in the API.
    ``rto_minutes``: the objective without a tag.
    """
    by_execution: dict[str, list[JobTracker]] = {}
    for tracker in trackers:
        if tracker.is_launch and tracker.created_at:
            by_execution.setdefault(tracker.execution_id, []).append(tracker)
    exceeded = 0
    for jobs in by_execution.values():
        minutes = min((job.rto_minutes for job in jobs if job.rto_minutes), default=rto_minutes)
        start = min(job.created_at for job in jobs if job.created_at)
        if minutes and now - start > timedelta(minutes=minutes):
            exceeded += any(job.is_running and job.has_servers_to_launch for job in jobs)
    return exceeded


def _run_all(
    threads: ThreadPoolExecutor,
    items: Iterable[Item],
    name: Callable[[Item], str],
    work: Callable[[Item], Result],
    *,
    seconds_left: Callable[[], float],
    failures: dict[str, str],
    cut_off: dict[str, str],
) -> Iterator[Result]:
    """Process the items in threads, and yield each result when it is available.

    Items that fail are added to ``failures`` under their ``name``, and items that do not complete in time to
    ``cut_off``.
    """

    def run(item: Item) -> Result:
        if seconds_left() <= 0:
            raise OutOfTimeError("the invocation has no time left. The next pass continues")
        return work(item)

    futures = {threads.submit(run, item): item for item in items}
    try:
        for future in as_completed(futures, timeout=max(0.0, seconds_left())):
            subject = name(futures.pop(future))
            if isinstance(error := future.exception(), OutOfTimeError):
                cut_off[subject] = reason_of(error)
                continue
            with collect_errors(failures, subject, _COLLECTION_FAILED):
                yield future.result()
    except TimeoutError:
        for future, item in futures.items():
            future.cancel()
            cut_off[name(item)] = reason_of(OutOfTimeError("the operation took too long. The next pass repeats it"))
