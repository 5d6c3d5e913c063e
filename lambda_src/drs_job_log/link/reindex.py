"""Adds the events that earlier versions of the module stored to the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.events import format_time, ledger_key
from drs_job_log.model.progress import job_state_of
from drs_job_log.model.steps import step_seconds
from drs_job_log.model.summary import is_in_ledger, with_summary
from drs_job_log.table import ledger_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.table import JobLogTable

_THREADS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ReindexResult:
    """The result of a run: the number of jobs that were read, and of events that were added to the ledger.

    ``after``: the job after which the next run continues. None if all jobs were read.
    """

    jobs: int
    events: int
    after: str | None


def reindex(
    table: JobLogTable,
    collector_sources: AbstractSet[str],
    after: str | None = None,
    has_time: Callable[[], bool] = lambda: True,
) -> ReindexResult:
    """Read the jobs in the table after the job ``after`` while time is left, and add their events to the ledger.

    A job that runs is left out if no event states its creation: its end will, and the start must have the same key. It
    is safe to repeat and to interrupt: an event that has its place in the ledger is not changed.

    Raises
    ------
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If DynamoDB cannot be reached or refuses a request. It is safe to retry.
    """
    jobs = events = 0

    def add(missing: tuple[JobLogEvent, Mapping[str, Any]]) -> bool:
        event, attributes = missing
        return table.add_to_ledger(event, attributes)

    with ThreadPoolExecutor(_THREADS) as threads:
        for job_id, stored in table.jobs_from(after):
            events += sum(threads.map(add, _missing(job_id, stored, collector_sources)))
            jobs += 1
            after = job_id
            if not has_time():
                return ReindexResult(jobs=jobs, events=events, after=after)
    return ReindexResult(jobs=jobs, events=events, after=None)


def _missing(
    job_id: str, stored: Sequence[tuple[JobLogEvent, str | None]], collector_sources: AbstractSet[str]
) -> Iterator[tuple[JobLogEvent, dict[str, Any]]]:
    """Yield the events of a job that lack their place in the ledger, and their attributes of the ledger."""
    # Earlier versions stored the events of other senders with the keys of the collector.
    own = [(event, key) for event, key in stored if event.source in collector_sources]
    if not any(is_in_ledger(event) for event, _ in own):
        return
    state = job_state_of(job_id, [event for event, _ in own])
    created_at = state.created_at or (state.started_at if state.ended_at else None)
    if created_at is None:
        return
    for event, key in own:
        if not is_in_ledger(event) or key == (event.source_server_id or ledger_key(format_time(created_at), job_id)):
            continue
        attributes = ledger_attributes(with_summary(event, state))
        server = state.servers.get(event.source_server_id or "")
        if server and attributes and (seconds := step_seconds(server.step_times)):
            attributes["Summary"] = {"stepSeconds": seconds}
        if attributes:
            yield event, attributes
