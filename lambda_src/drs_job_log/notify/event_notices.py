"""The notice of an event: a failure, its error, its end, a failed post-launch action, a stall or drill instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from drs_job_log.model.events import revision_of
from drs_job_log.model.json_text import to_json
from drs_job_log.model.plans import plan_of
from drs_job_log.model.progress import job_state_of
from drs_job_log.notify.notice import Notice, NoticeServer
from drs_job_log.notify.texts import counts_words

if TYPE_CHECKING:
    from drs_job_log.model.events import JobLogEvent
    from drs_job_log.notify.decision import Label
    from drs_job_log.notify.notice import Kind

# What a notice of an event means → its kind.
KINDS_OF_LABELS: Final[Mapping[Label, Kind]] = {
    "failed": "failed",
    "failed (final)": "failed",
    "error": "failed",
    "resolved": "resolved",
    "post-launch action failed": "action_failed",
    "stalled": "stalled",
}
_WITHOUT_ERROR: Final = frozenset({"resolved", "stalled"})


def notice_of_report(event: JobLogEvent, label: Label) -> Notice:
    """Return the notice of an event of a server or a network. The event has the details from other events."""
    is_network = bool(event.resource_id and not event.source_server_id)
    server = NoticeServer(
        id=event.source_server_id or event.resource_id,
        name=event.source_server_name,
        type="Network" if is_network else "Server",
    )
    return replace(
        _notice(event, KINDS_OF_LABELS[label], label, _summary(event, label, server)),
        error=None if label in _WITHOUT_ERROR else event.error,
        is_error_expected=label not in _WITHOUT_ERROR,
        servers=[server],
    )


def notice_of_plan(event: JobLogEvent) -> Notice:
    """Return the notice of a recovery plan that failed, or of one of its steps. It is about no job."""
    labels = {"PLAN_STEP_FAILED": "recovery plan step failed", "PLAN_STEP_TIMED_OUT": "recovery plan step timed out"}
    label = labels.get(event.event_type, "recovery plan failed")
    plan = plan_of([event])
    of_plan = f"Recovery plan {plan.name}: " if plan and plan.name and event.event_type in labels else ""
    return replace(
        _notice(event, "plan_failed", label, f"{of_plan}{event.message or label}"), job_id=None, error=event.error
    )


def notice_of_end(event: JobLogEvent) -> Notice:
    """Return the notice of the end of a job. Its counts and servers are those that the event states."""
    job = job_state_of(event.job_id, [event])
    revision = revision_of(event.detail)
    is_deleted = event.event_type == "JOB_DELETED"
    label = "job deleted" if is_deleted else "job ended (corrected)" if revision else "job ended"
    verb = "was deleted while it ran" if is_deleted else f"ended: {counts_words(job.summary) or 'no servers'}"
    named = [
        NoticeServer(id=one.id, name=one.name, state=one.state, error=one.error)
        for one in job.servers.values()
        if one.state not in {"LAUNCHED", "PENDING"}
    ]
    return replace(
        _notice(event, "job_ended", label, f"{'Correction: ' if revision else ''}Job {event.job_id} {verb}"),
        outcome=None if is_deleted else job.outcome,
        revision=revision,
        started_at=job.created_at,
        duration_seconds=event.duration_seconds,
        counts={"totalServers": len(job.servers), **job.summary},
        servers=named,
    )


def notice_of_instances(event: JobLogEvent) -> Notice:
    """Return the notice of the drill instances that are not terminated, from the event of their check."""
    listed = event.detail.get("servers")
    named = [
        NoticeServer(
            id=_text(server.get("sourceServerID")),
            name=_text(server.get("sourceServerName")),
            detail=f"{server.get('ec2InstanceID')} ({str(server.get('ec2InstanceState')).lower()})",
        )
        for server in (listed if isinstance(listed, list) else ())
        if isinstance(server, Mapping)
    ]
    count = len(named)
    what = f"{count} drill instance{'s' if count != 1 else ''} of job {event.job_id}"
    verb = "are" if count != 1 else "is"
    hours = event.detail.get("drillInstancesHours")
    summary = f"{what} {verb} not terminated {hours} hours after the drill. Terminate {'them' if count != 1 else 'it'}"
    return replace(_notice(event, "drill_instances", "drill instances left", summary), servers=named)


def _notice(event: JobLogEvent, kind: Kind, label: str, summary: str) -> Notice:
    detail = event.detail
    is_drill = detail.get("isDrill")
    return Notice(
        kind=kind,
        label=label,
        summary=summary,
        time=event.timestamp,
        notice_id=to_json([event.job_id, event.key, label]),
        execution_id=event.execution_id,
        job_id=event.job_id,
        initiated_by=_text(detail.get("initiatedBy")),
        is_drill=is_drill if isinstance(is_drill, bool) else None,
        account=_text(detail.get("account")),
        region=_text(detail.get("region")),
        event_type=event.event_type,
        event_id=event.event_id,
        source=event.source,
    )


def _summary(event: JobLogEvent, label: str, server: NoticeServer) -> str:
    name = server.name or server.id or "(the event does not name the server)"
    if label == "resolved":
        return f"{server.type} {name} {'launched' if server.type == 'Server' else 'recovered'} after an earlier failure"
    if label == "error":
        return f"{server.type} {name}: the error of the failure is known now"
    return event.message or f"{server.type} {name}: {event.event_type}"


def _text(value: Any) -> str | None:
    return str(value) if value else None
