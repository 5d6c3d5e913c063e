"""The servers and jobs in an answer of the API, within a size. See "Size" in docs/api.md."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.entries import estimate_entry
from drs_job_log.model.events import format_time
from drs_job_log.model.json_text import to_json
from drs_job_log.model.known_errors import UNKNOWN_CAUSE, UNKNOWN_FIRST_STEP, WITHOUT_ERROR, hint_of
from drs_job_log.model.progress import ACTIVE_STATES
from drs_job_log.model.rpo import rpo_of_server
from drs_job_log.model.truncate import truncate_texts, truncate_to_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from drs_job_log.model.estimate import ServerEstimate
    from drs_job_log.model.progress import DrillInstances, JobProgress, Progress, ServerProgress

# The limits in a server or a job if its answer does not have all servers and jobs: of each text, and of each list.
_SHORT_TEXT_BYTES: Final = 512
_SHORT_LIST: Final = 100

# Entries that do not fit are skipped, so that a large one does not hide the next ones. After so many, none fits.
_MAX_SKIPPED: Final = 100

# The order of importance. Other states are the least important ones.
_FAILED, _STALLED, _UNDER_WAY, _OTHER = range(4)
_IMPORTANCE: Final[Mapping[object, int]] = {
    **dict.fromkeys(("FAILED", "PARTIAL"), _FAILED),
    **dict.fromkeys(("PENDING", "SNAPSHOT", "CONVERSION", "LAUNCHING", "IN_PROGRESS"), _UNDER_WAY),
}


def progress_entries(
    progress: Progress, max_bytes: int, estimates: Mapping[str, ServerEstimate] = MappingProxyType({})
) -> dict[str, Any]:
    """Return ``servers`` and ``jobs`` within ``max_bytes`` of JSON text, and whether something is ``truncated``.

    If they are too large, their texts are truncated. If they are too large even with short texts and lists, the most
    important ones are returned. ``max_bytes`` must be at least 1 MB, so that each server and each job fits.
    ``estimates``: of the servers by ID.
    """
    full: list[tuple[str, int, dict[str, Any]]] = []
    short: list[tuple[str, int, dict[str, Any]]] = []
    full_size = short_size = 0
    skipped = 0
    for name, place in _by_importance(progress):
        if name == "jobs":
            entry = _job_entry(progress.jobs[place])
        else:
            entry = _server_entry(progress.servers[place], estimates)
        size = len(to_json(entry)) + 1
        short_entry = (
            entry if size <= _SHORT_TEXT_BYTES else truncate_texts(_with_short_lists(entry), _SHORT_TEXT_BYTES)
        )
        full_size += size
        size = size if short_entry is entry else len(to_json(short_entry)) + 1
        if short_size + size > max_bytes:
            skipped += 1
            if skipped > _MAX_SKIPPED:
                break
            continue
        short_size += size
        full.append((name, place, entry))
        short.append((name, place, short_entry))
    if skipped:
        return _lists(short) | {"truncated": True}
    if full_size <= max_bytes:
        return _lists(full) | {"truncated": False}
    lists = _lists((name, place, _with_short_lists(entry)) for name, place, entry in full)
    return truncate_to_fit(lists, lambda item: len(to_json(item)) <= max_bytes, lists, "truncated") | {
        "truncated": True
    }


def _by_importance(progress: Progress) -> list[tuple[str, int]]:
    """Return the list and the place of each job and server, the most important ones first. Jobs precede servers."""
    ranked = [
        *((_IMPORTANCE.get(job.status, _OTHER), "jobs", place) for place, job in enumerate(progress.jobs)),
        *((_server_importance(server), "servers", place) for place, server in enumerate(progress.servers)),
    ]
    return [(name, place) for _, name, place in sorted(ranked)]


def _server_importance(server: ServerProgress) -> int:
    if server.failed_actions:
        return _FAILED
    importance = _IMPORTANCE.get(server.state, _OTHER)
    return _STALLED if server.stalled_at and importance != _FAILED else importance


def _lists(entries: Iterable[tuple[str, int, dict[str, Any]]]) -> dict[str, Any]:
    """Return ``servers`` and ``jobs``, each in the order of the progress."""
    lists: dict[str, Any] = {"servers": [], "jobs": []}
    for name, _, entry in sorted(entries, key=lambda one: one[:2]):
        lists[name].append(entry)
    return lists


def _with_short_lists(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry whose lists have only their most important parts."""
    return {name: _most_important(value) if isinstance(value, list) else value for name, value in entry.items()}


def _most_important(parts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    ranked = sorted(range(len(parts)), key=lambda place: _IMPORTANCE.get(parts[place].get("state"), _OTHER))
    return [parts[place] for place in sorted(ranked[:_SHORT_LIST])]


def _server_entry(server: ServerProgress, estimates: Mapping[str, ServerEstimate]) -> dict[str, Any]:
    of_server = estimates.get(server.source_server_id) if server.state in ACTIVE_STATES else None
    return {
        "sourceServerId": server.source_server_id,
        "serverName": server.server_name,
        "state": server.state,
        "ec2InstanceId": server.ec2_instance_id,
        "jobId": server.job_id,
        "since": format_time(server.since),
        "error": server.error,
        "hint": hint_entry(server.error) if server.state == "FAILED" else None,
        "stepSeconds": dict(server.step_seconds),
        "estimate": estimate_entry(of_server),
        "slow": of_server is not None and of_server.is_slow,
        "stalledAt": _format_optional(server.stalled_at),
        "terminatedAt": _format_optional(server.terminated_at),
        "pointInTime": _format_optional(server.point_in_time),
        "rpoSeconds": rpo_of_server(server),
        "failedActions": [{"name": action.name, "error": action.error} for action in server.failed_actions],
    }


def _job_entry(job: JobProgress) -> dict[str, Any]:
    return {
        "jobId": job.job_id,
        "jobType": job.job_type,
        "initiatedBy": job.initiated_by,
        "requestedBy": job.requested_by,
        "status": job.status,
        "isDrill": job.is_drill,
        "startedAt": format_time(job.started_at),
        "endedAt": _format_optional(job.ended_at),
        "drillInstances": _drill_instances_entry(job.drill_instances),
        "resources": [
            {
                "resourceId": resource.resource_id,
                "state": resource.state,
                "since": format_time(resource.since),
                "error": resource.error,
                "hint": hint_entry(resource.error) if resource.state == "FAILED" else None,
            }
            for resource in job.resources
        ],
    }


def _drill_instances_entry(left: DrillInstances | None) -> dict[str, Any] | None:
    """Return which drill instances were not terminated at the time of the newest check, or None."""
    if left is None:
        return None
    return {
        "count": len(left.instance_ids),
        "instanceIds": list(left.instance_ids[:_SHORT_LIST]),
        "checkedAt": format_time(left.checked_at),
    }


def hint_entry(error: str | None) -> dict[str, Any]:
    """Return the cause and the first step of a failure. ``error``: its error text, if it has one."""
    hint = hint_of(error) if error and error.strip() else WITHOUT_ERROR
    if hint is None:
        return {"isKnown": False, "cause": UNKNOWN_CAUSE, "firstStep": UNKNOWN_FIRST_STEP, "source": None}
    return {"isKnown": True, "cause": hint.cause, "firstStep": hint.first_step, "source": hint.source}


def _format_optional(time: datetime | None) -> str | None:
    return format_time(time) if time else None
