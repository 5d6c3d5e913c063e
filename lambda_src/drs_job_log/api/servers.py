"""The launches of a server in all jobs of the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.api.parameters import create_list_token
from drs_job_log.model.entries import format_optional, seconds_between
from drs_job_log.model.events import format_time
from drs_job_log.model.rpo import rpo_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drs_job_log.api.history import History
    from drs_job_log.api.parameters import ListQuery
    from drs_job_log.ledger import ServerLaunch
    from drs_job_log.model.summary import JobSummary, ServerSummary

# How many launches are searched for the last success and the name.
_MAX_SEARCHED: Final = 500
_LAUNCHES_PER_REQUEST: Final = 100


def server_view(history: History, server_id: str, query: ListQuery) -> dict[str, Any]:
    """Return a page of the launches of a server, the one that ended last first."""
    newest: list[ServerLaunch] = []
    success = name = None
    for launch in _newest(history, server_id):
        if len(newest) <= query.limit:
            newest.append(launch)
        name = name or launch.server.server_name
        if success is None and launch.server.state == "LAUNCHED":
            success = launch
        if success and name and len(newest) > query.limit:
            break
    # An event before the end of the last launch can be of the same job.
    after = query.after
    launches = newest if after is None else history.ledger.launches_of_server(server_id, query.limit + 2, after.time)
    launches = [launch for launch in launches if after is None or launch.job_id != after.id]
    page = launches[: query.limit]
    last = page[-1] if len(launches) > len(page) else None
    ended_at = last.server.ended_at if last else None
    shown = [*page, *([success] if success else [])]
    jobs = history.jobs_of_launches(shown)
    servers = {
        job_id: server
        for job_id, of_job in history.servers(jobs.values()).items()
        for server in of_job
        if server.source_server_id == server_id
    }

    def entry(launch: ServerLaunch) -> dict[str, Any]:
        # The end of the job knows more than the final event of the server.
        return _entry(launch, servers.get(launch.job_id, launch.server), jobs.get(launch.job_id))

    return {
        "now": format_time(history.now),
        "sourceServerId": server_id,
        "serverName": name,
        "lastSuccess": entry(success) if success else None,
        "launches": [entry(launch) for launch in page],
        "nextToken": create_list_token(ended_at, last.job_id, query.list_id) if last and ended_at else None,
    }


def _newest(history: History, server_id: str) -> Iterator[ServerLaunch]:
    """Yield the newest launches. At most ``_MAX_SEARCHED`` of them."""
    before = history.now + timedelta(days=1)  # clocks differ
    yielded: set[str] = set()
    while len(yielded) < _MAX_SEARCHED:
        batch = history.ledger.launches_of_server(server_id, _LAUNCHES_PER_REQUEST, before)
        for launch in batch:
            if launch.job_id not in yielded:
                yielded.add(launch.job_id)
                yield launch
        if len(batch) < _LAUNCHES_PER_REQUEST or batch[-1].server.ended_at is None:
            return
        before = batch[-1].server.ended_at


def _entry(launch: ServerLaunch, server: ServerSummary, job: JobSummary | None) -> dict[str, Any]:
    return {
        "jobId": launch.job_id,
        "jobType": launch.job_type,
        "jobCreatedAt": format_optional(job.created_at if job else None),
        "executionId": launch.execution_id,
        "isDrill": launch.is_drill,
        "account": launch.account,
        "region": launch.region,
        "state": server.state,
        "ec2InstanceId": server.ec2_instance_id or launch.server.ec2_instance_id,
        "startedAt": format_optional(server.started_at),
        "endedAt": format_optional(server.ended_at or launch.server.ended_at),
        "durationSeconds": seconds_between(server.started_at, server.ended_at),
        "stepSeconds": dict(server.step_seconds or launch.server.step_seconds),
        "pointInTime": format_optional(server.point_in_time),
        "rpoSeconds": rpo_seconds(job.created_at if job else None, server.point_in_time),
        "error": server.error,
    }
